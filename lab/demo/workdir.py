"""The demo's own directory: fresh data at each run, logs and report kept, never anything of someone else's deleted."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from ops.errors import UserError
from ops.private import own

__all__ = ["WorkDir"]

MARK = ".wharf-demo"
STATE = "running.json"
STOP_SECONDS = 40.0


class WorkDir:
    """``path`` with ``logs/`` and the servers' data in it. One demo at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.config = self.path / "wharf.yaml"

    def prepare(self) -> None:
        """Empty the directory of the last run. Raises UserError where one still runs, or the directory is not a demo's."""
        running = self.state()
        if any(_alive(pid, name, self.path) for name, pid in running.get("pids", {}).items()):
            raise UserError(
                f"a demo still runs in {self.path}: `wharf demo --stop --home {self.path}`, or choose another --home"
            )
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"--home {self.path}: is no directory")
        if self.path.exists() and any(self.path.iterdir()) and not (self.path / MARK).exists():
            raise UserError(f"--home {self.path}: not empty, and not the directory of an earlier demo; choose another")
        shutil.rmtree(self.path, ignore_errors=True)
        own(self.path)
        try:
            self.logs.mkdir(exist_ok=True)
            (self.path / MARK).write_text("Made by `wharf demo`, which empties this directory at its next run.\n")
        except OSError as e:
            raise UserError(f"--home {self.path}: {e.strerror or e}") from e

    def note(self, pids: dict[str, int], **more: Any) -> None:
        """Write down what runs."""
        (self.path / STATE).write_text(json.dumps({"pids": pids, **more}, indent=1))

    def state(self) -> dict[str, Any]:
        """What was written down; empty where nothing was."""
        file = self.path / STATE
        if not file.is_file():
            return {}
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            pids = {str(name): _process_id(pid) for name, pid in found["pids"].items()}
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            raise UserError(f"{file}: is no list of processes: stop what runs there by hand and delete it") from None
        return {**found, "pids": pids}

    def forget(self) -> None:
        """Nothing runs any more."""
        (self.path / STATE).unlink(missing_ok=True)

    def drop_data(self) -> None:
        """Delete the servers' data and keep the logs and the report."""
        for child in self.path.iterdir():
            if child.is_dir() and child != self.logs:
                shutil.rmtree(child, ignore_errors=True)

    def stop(self) -> list[str]:
        """Stop what an earlier run left, the last started first; its data goes, its logs stay. Returns the names."""
        stopped = []
        for name, pid in reversed(self.running().items()):
            _end(pid)
            stopped.append(name)
        self.forget()
        if stopped:
            self.drop_data()
        return stopped

    def running(self) -> dict[str, int]:
        """The processes of the last run that are alive, by name."""
        return {name: pid for name, pid in self.state().get("pids", {}).items() if _alive(pid, name, self.path)}


def _process_id(value: Any) -> int:
    """Raises ValueError for what would reach everybody (-1, 0)."""
    if not 0 < int(value) < 1 << 31:
        raise ValueError
    return int(value)


def _alive(pid: int, name: str, home: Path) -> bool:
    """Whether the process runs and is one of ours: a process id may have gone to another program since."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    environment = Path(f"/proc/{pid}/environ")
    if not environment.exists():  # no /proc on this system: the id is all there is
        return not Path("/proc").exists()
    return name == "demo" or f"WHARF_DEMO={home}".encode() in environment.read_bytes().split(b"\0")


def _end(pid: int) -> None:
    """SIGTERM, and SIGKILL for one that does not listen."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        for _ in range(int(STOP_SECONDS * 20)):
            time.sleep(0.05)
            os.kill(pid, 0)
        os.kill(pid, signal.SIGKILL)
