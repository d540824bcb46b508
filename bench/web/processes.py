"""The product's processes on a broker of their own, and what CPU time each of them takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

__all__ = ["WHARF", "Meter", "answers", "cpu_seconds", "rss_mb", "wait_for"]

WHARF = (sys.executable, "-c", "from wharf.cli import main; main()")
_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all its threads, so far. 0.0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK


def rss_mb(pid: int) -> float:
    """Resident memory of a process. 0.0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


class Meter:
    """CPU time by name between two looks."""

    def __init__(self, pids: dict[str, int]) -> None:
        self.pids = pids
        self._begun = {name: cpu_seconds(pid) for name, pid in pids.items()}
        self._at = time.monotonic()

    def seconds(self) -> dict[str, float]:
        """CPU seconds of each since the start of the meter."""
        return {name: cpu_seconds(pid) - self._begun[name] for name, pid in self.pids.items()}

    def per(self, count: int) -> dict[str, float]:
        """CPU microseconds of each for one of ``count`` things."""
        return {name: round(spent / max(1, count) * 1e6, 1) for name, spent in self.seconds().items()}


def answers(url: str) -> bool:
    """Whether something serves there."""
    try:
        with urlopen(url, timeout=2) as answer:  # noqa: S310 — our own processes
            return bool(answer.status < 300)
    except (URLError, OSError):
        return False


def wait_for(what: str, ready: Any, seconds: float = 60.0, process: subprocess.Popen[bytes] | None = None) -> None:
    """Until ``ready()``. Raises TimeoutError, and RuntimeError where the process ended."""
    end = time.monotonic() + seconds
    while not ready():
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{what} ended with {process.returncode}")
        if time.monotonic() > end:
            raise TimeoutError(f"{what} is not ready after {seconds:g} s")
        time.sleep(0.05)
