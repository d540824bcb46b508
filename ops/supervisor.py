"""Processes by name: start, wait until ready, kill, restart, stop. The demo runs on it, and so does every test that kills things.

A process that exits by itself is started again after a pause that doubles up to ``BACK_OFF_MAX`` seconds; one that keeps dying
young is a crash loop, which ``check`` reports with the tail of its log. Children get their own session, so that Ctrl-C in the
terminal reaches only us and they stop in order; on Linux they also get SIGTERM should we be killed ourselves.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ops.private import UMASK
from ops.servers.signals import Stop

__all__ = ["ProcessFailed", "Spec", "Supervisor", "tail"]

BACK_OFF_FIRST = 0.2
BACK_OFF_MAX = 5.0
YOUNG_SECONDS = 15.0
"""A process that lived less died young; ``CRASH_LIMIT`` such deaths in a row are a crash loop."""
CRASH_LIMIT = 5
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class ProcessFailed(Exception):
    """A process did not get ready, or keeps dying; ``log`` is where it says why, ``last_lines`` its end."""

    def __init__(self, name: str, what: str, log: Path) -> None:
        self.name = name
        self.log = log
        self.last_lines = tail(log)
        super().__init__(f"{name} {what}; its log {log} ends:\n{self.last_lines}")


@dataclass(frozen=True, slots=True)
class Spec:
    """How to run a process. ``ready`` tells whether it serves now; ``restart`` false: it runs once, and exit 0 is success.

    ``base``: others need it to stop well (a broker), so ``stop_all`` stops it after them.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | None = None
    ready_seconds: float = 120.0
    stop_seconds: float = 15.0
    restart: bool = True
    base: bool = False


@dataclass(slots=True)
class _Running:
    spec: Spec
    process: subprocess.Popen[bytes]
    started: float
    restarts: int = 0
    young_deaths: int = 0
    due: float | None = None
    """When to start it again (monotonic seconds); None while it runs."""
    exit_codes: list[int] = field(default_factory=list)
    held: bool = False
    """Stopped by ``stop``: not to be started again by the watcher."""
    asked: bool = False
    """Was sent SIGTERM to end; a second one may cut its clean end short."""

    def ask_to_end(self) -> None:
        """Send SIGTERM to each process, once."""
        if not self.asked and self.process.poll() is None:
            self.asked = True
            self.process.terminate()


def tail(path: Path, lines: int = 15) -> str:
    """The last ``lines`` lines of a log, or ``(no log)``."""
    if not path.is_file():
        return "(no log)"
    with path.open(errors="replace") as file:
        return "".join(deque(file, lines)).rstrip() or "(empty)"


class Supervisor:
    """Runs processes until ``stop_all``. Safe to call from several threads; use it as a context manager.

    ``stop``: where it is set, waiting (not stopping) raises Stopped at once.
    """

    def __init__(
        self,
        logs: Path,
        env: Mapping[str, str] | None = None,
        die_with_us: bool = True,
        young_seconds: float = YOUNG_SECONDS,
        stop: Stop | None = None,
    ) -> None:
        self.logs = logs
        self._young_seconds = young_seconds
        self._stop = stop or Stop()
        self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._env = {**os.environ, **(env or {})}
        self._die_with_us = die_with_us and _LIBC is not None
        self._running: dict[str, _Running] = {}
        self._failure: ProcessFailed | None = None
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()

    def log(self, name: str) -> Path:
        """Where the process writes its stdout and stderr."""
        return self.logs / f"{name}.log"

    def start(self, spec: Spec, wait: bool = True) -> None:
        """Start a process; with ``wait`` return once it is ready. Raises ProcessFailed, ValueError for a name that runs already."""
        with self._lock:
            if spec.name in self._running and self._running[spec.name].process.poll() is None:
                raise ValueError(f"{spec.name} is running already")
            self._running[spec.name] = _Running(spec, self._spawn(spec), time.monotonic())
        if wait:
            self.wait_ready(spec.name)

    def wait_ready(self, name: str) -> None:
        """Block until the process is ready. Raises ProcessFailed after its ``ready_seconds`` or when it keeps dying."""
        running = self._running[name]
        end = time.monotonic() + running.spec.ready_seconds
        while running.spec.ready is not None and not running.spec.ready():
            self.check()
            if time.monotonic() > end:
                raise ProcessFailed(name, f"was not ready in {running.spec.ready_seconds:.0f} s", self.log(name))
            self._stop.sleep(0.05)

    def wait_exit(self, name: str, seconds: float) -> None:
        """Block until a process that runs once has ended well. Raises ProcessFailed."""
        running, end = self._running[name], time.monotonic() + seconds
        while (code := running.process.poll()) is None:
            if time.monotonic() > end:
                raise ProcessFailed(name, f"still ran after {seconds:.0f} s", self.log(name))
            self._stop.sleep(0.05)
        if code:
            raise ProcessFailed(name, f"exited with {code}", self.log(name))

    def kill(self, name: str, sig: int = signal.SIGKILL) -> None:
        """Send a signal, by default -9; the watcher then starts the process again as after any other death."""
        with self._lock:
            self._running[name].process.send_signal(sig)

    def stop(self, name: str) -> int:
        """Stop a process for good: SIGTERM, then SIGKILL after its ``stop_seconds``. Returns its exit code."""
        with self._lock:
            running = self._running[name]
            running.held = True
            running.due = None
        running.ask_to_end()
        try:
            return running.process.wait(running.spec.stop_seconds)
        except subprocess.TimeoutExpired:
            running.process.kill()
            return running.process.wait()

    def restart(self, name: str, wait: bool = True) -> None:
        """Stop a process and start it again, as an operator would."""
        self.stop(name)
        with self._lock:
            running = self._running[name]
            running.held = False
            running.restarts += 1
            self._respawn(running)
        if wait:
            self.wait_ready(name)

    def resume(self, name: str) -> None:
        """Start a stopped process again; that is no restart worth counting."""
        with self._lock:
            running = self._running[name]
            running.held = False
            self._respawn(running)

    def stop_all(self) -> dict[str, int]:
        """Stop everything, the last started first, ``base`` ones after all others. Returns exit codes by name.

        Called again, it does nothing more.
        """
        codes = {}
        with self._lock:
            for running in self._running.values():
                running.held = True
            names = list(reversed(self._running))
        for base in (False, True):
            group = [name for name in names if self._running[name].spec.base == base]
            for name in group:  # all at once: each takes a second or two to end
                self._running[name].ask_to_end()
            for name in group:
                codes[name] = self.stop(name)
        self._stopping.set()
        self._watcher.join(5)
        return codes

    def release(self) -> None:
        """Stop watching and leave every process running (they must not have been started to die with us)."""
        self._stopping.set()
        self._watcher.join(5)

    def check(self) -> None:
        """Raise the ProcessFailed of a crash loop, if there is one."""
        with self._lock:
            if self._failure is not None:
                raise self._failure

    def pid(self, name: str) -> int:
        """The process id (of the present incarnation)."""
        return self._running[name].process.pid

    def alive(self, name: str) -> bool:
        """Whether it runs now."""
        return self._running[name].process.poll() is None

    def wanted(self, name: str) -> bool:
        """Whether it runs, or is about to be started again."""
        return not self._running[name].held

    def names(self) -> list[str]:
        """All processes, in the order of their start."""
        return list(self._running)

    def restarts(self) -> dict[str, int]:
        """How often each process was started again, those that were."""
        return {name: running.restarts for name, running in self._running.items() if running.restarts}

    def exit_codes(self, name: str) -> list[int]:
        """How the process's earlier incarnations ended (a negative code is a signal)."""
        return list(self._running[name].exit_codes)

    def _spawn(self, spec: Spec) -> subprocess.Popen[bytes]:
        log: IO[bytes] = self.log(spec.name).open("ab")
        with log:
            log.write(f"--- {time.strftime('%H:%M:%S')} start {' '.join(spec.argv)}\n".encode())
            log.flush()
            return subprocess.Popen(
                spec.argv,
                env={**self._env, **spec.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=UMASK,
                preexec_fn=_die_with_parent if self._die_with_us else None,  # noqa: PLW1509  # one prctl, nothing that locks
            )

    def _respawn(self, running: _Running) -> None:
        running.process = self._spawn(running.spec)
        running.started = time.monotonic()
        running.due = None
        running.asked = False

    def _watch(self) -> None:
        while not self._stopping.wait(0.05):
            with self._lock:
                for running in self._running.values():
                    self._look_at(running)

    def _look_at(self, running: _Running) -> None:
        now = time.monotonic()
        if running.held or self._failure is not None:
            return
        if running.due is not None:
            if now >= running.due:
                running.restarts += 1
                self._respawn(running)
            return
        code = running.process.poll()
        if code is None or (not running.spec.restart and code == 0):
            return
        self._died(running, code, now)

    def _died(self, running: _Running, code: int, now: float) -> None:
        name = running.spec.name
        running.exit_codes.append(code)
        if not running.spec.restart:
            running.held = True
            self._failure = ProcessFailed(name, f"exited with {code}", self.log(name))
            return
        young = now - running.started < self._young_seconds
        running.young_deaths = running.young_deaths + 1 if young else 0
        if running.young_deaths >= CRASH_LIMIT:
            self._failure = ProcessFailed(name, f"died {CRASH_LIMIT} times in a row (last: {code})", self.log(name))
            return
        running.due = now + min(BACK_OFF_MAX, BACK_OFF_FIRST * 2.0 ** max(0, running.young_deaths - 1))


def _die_with_parent() -> None:
    assert _LIBC is not None  # noqa: S101
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
