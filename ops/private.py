"""WHARF_HOME and what lies in it belong to one user: Kafka's log, the tables, the logs and the notes hold customers' data."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import structlog

from ops.errors import UserError

__all__ = ["UMASK", "own", "private"]

UMASK = 0o077
_MARKS = ("endpoints.json", "kafka", "clickhouse", "logs", "labels", ".wharf-demo", "demo")
"""What lies in a home that was made by an earlier version, readable for all."""

log = structlog.get_logger(__name__)


def own(home: Path) -> None:
    """The same as `private`, and what this process and its children make from now on is this user's alone. Raises UserError."""
    os.umask(UMASK)
    private(home)


def private(home: Path) -> None:
    """Make the directory, for this user alone; take others' rights away from one that is there, if it is ours.

    A directory that also holds other things than ours keeps its rights, with a warning. Raises UserError where it can't be made or written to.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _tighten(home)
        if not os.access(home, os.W_OK | os.X_OK):
            raise PermissionError(0, "it is not writable")
    except FileExistsError:
        raise UserError(f"{home}: is no directory: {_WAY_OUT}") from None
    except OSError as e:
        raise UserError(f"{home}: {e.strerror or e}: {_WAY_OUT}") from e


_WAY_OUT = "set WHARF_HOME to a directory that you may write to"


def _tighten(home: Path) -> None:
    found = home.stat()
    if not found.st_mode & 0o077:
        return
    if found.st_uid == os.getuid() and not found.st_mode & stat.S_ISVTX and _is_ours(home):
        home.chmod(0o700)
        log.info("other users may no longer look into it", home=str(home))
    else:
        log.warning("other users may look into this directory: chmod 700, or set WHARF_HOME to another", home=str(home))


def _is_ours(home: Path) -> bool:
    """Empty, or holding nothing but what we put there: never /tmp, or somebody's own directory."""
    return all(
        child.name.startswith(_MARKS) or child.name in ("running.json", "wharf.yaml") for child in home.iterdir()
    )
