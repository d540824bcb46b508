"""One owner of a data directory, and children that do not outlive us."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from pathlib import Path
from typing import TextIO

from ops.errors import UserError

__all__ = ["DirectoryLock", "watch"]

ORPHAN_SECONDS = 20.0

# Its stdin is a pipe that only we hold open: the end of input is our end, by kill -9 too. (PR_SET_PDEATHSIG would do it on Linux,
# but fires when the *thread* that started the child ends.)
_WATCHDOG = 'read _; kill -TERM "$0" 2>/dev/null; sleep 5; kill -KILL "$0" 2>/dev/null'


def watch(pid: int) -> subprocess.Popen[bytes]:
    """A process that ends ``pid`` when this process is gone. Kill it once ``pid`` is reaped."""
    return subprocess.Popen(
        ["/bin/sh", "-c", _WATCHDOG, str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class DirectoryLock:
    """An advisory lock on a file; a child that is given ``fileno()`` holds it too, until both are gone."""

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        self._what = what
        self._file: TextIO | None = None

    def fileno(self) -> int:
        """The descriptor to hand to a child; raises RuntimeError where the lock is not held."""
        if self._file is None:
            raise RuntimeError(f"{self._path} is not locked")
        return self._file.fileno()

    def acquire(self) -> None:
        """Take the lock; where only an orphaned child of a dead owner holds it, wait for its end.

        Raises UserError naming the owner.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+")
        deadline = time.monotonic() + ORPHAN_SECONDS
        while not self._try(file):
            file.seek(0)
            owner = file.read().strip()
            if (owner.isdigit() and _alive(int(owner))) or time.monotonic() > deadline:
                file.close()
                raise UserError(
                    f"{self._path.parent} is in use by {self._what} of process {owner or '?'}: stop that one first, "
                    "or set WHARF_HOME to another directory"
                )
            time.sleep(0.05)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give it back; does nothing where it is not held."""
        if self._file:
            self._file.close()
            self._file = None

    @staticmethod
    def _try(file: TextIO) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
