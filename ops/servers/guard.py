"""One owner of a data directory, and children that do not outlive us."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from pathlib import Path
from typing import TextIO

import psutil
import structlog

from ops.errors import UserError
from ops.private import private

__all__ = ["DirectoryLock", "watch"]

log = structlog.get_logger(__name__)
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


def _owner(text: str) -> tuple[int, int]:
    """The owner's process id and its parent's when it took the lock, 0: not known."""
    numbers = [int(word) if word.isdecimal() and len(word) < 10 else 0 for word in text.split()[:2]]
    owner, parent = [*numbers, 0, 0][:2]
    return owner, parent


def _ends_soon(owner: int, parent: int) -> bool:
    """Whether it is dead (a child of its holds the lock still) or lost the parent that ran it, whose death ends it."""
    if not owner or not _alive(owner):
        return True
    try:
        return bool(parent) and psutil.Process(owner).ppid() != parent
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


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
        """Take the lock; where only an orphan holds it, the child of a dead owner or an owner whose parent is dead, wait for its end.

        Raises UserError naming the owner.
        """
        try:
            private(self._path.parent.parent)
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            file = self._path.open("a+", encoding="utf-8", errors="replace")
        except OSError as e:
            raise UserError(f"{self._path}: {e.strerror or e}: set WHARF_HOME to another directory") from e
        try:
            self._wait(file)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()} {os.getppid()}")
        file.flush()
        self._file = file

    def _wait(self, file: TextIO) -> None:
        """Until the lock is ours. Raises UserError where its owner is nobody's orphan, or does not end in time."""
        deadline, told = time.monotonic() + ORPHAN_SECONDS, False
        while not self._try(file):
            file.seek(0)
            owner, parent = _owner(file.read(100))
            if not _ends_soon(owner, parent) or time.monotonic() > deadline:
                raise UserError(
                    f"{self._path.parent} is in use by {self._what} of process {owner or '?'}: stop that one first, "
                    "or set WHARF_HOME to another directory"
                )
            if not told:
                told = True
                log.warning(
                    "waiting for what was left running to end", what=self._what, process=owner, seconds=ORPHAN_SECONDS
                )
            time.sleep(0.05)

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
