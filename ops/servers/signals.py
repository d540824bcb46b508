"""How every process of ours is told to end: SIGINT and SIGTERM set a flag, and whoever waits sees it at once. No exception, no lock.

A handler may run in the middle of anything in the main thread, a library's constructor or a lock that is held included. So it only sets a flag
and writes a byte to a pipe; waiting is polling that pipe. ``asyncio`` has the same of its own: there `stop_event` is all it takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator

__all__ = ["Stop", "Stopped", "handled", "stop_event", "stop_on_signals"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
TWICE_SECONDS = 1.0
"""A second signal within this time is the first one's echo (a terminal tells the whole group, and so does who started us)."""
SLICE_SECONDS = 1.0
"""Where the system gives a signal to another thread than the main one, Python's handler runs at the end of a slice."""


class Stopped(Exception):
    """Raised where work was asked to end, by the one who looked at the flag: never out of a signal handler."""


class Stop:
    """A flag that is set once, by a signal handler or any thread, and that any thread can wait for."""

    def __init__(self) -> None:
        self._asked = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def set(self) -> None:
        """Ask to end. Safe in a signal handler, also in one that interrupts ``wait`` or this very method."""
        self._asked = True
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes as well
            os.write(self._write, b"\0")

    def is_set(self) -> bool:
        """Whether it was asked for."""
        return self._asked

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is asked for, for so long at most; whether it was. The byte stays in the pipe: everyone who waits sees it."""
        poll, end = select.poll(), None if seconds is None else time.monotonic() + seconds
        poll.register(self._read, select.POLLIN)
        while not self._asked:
            left = SLICE_SECONDS if end is None else min(end - time.monotonic(), SLICE_SECONDS)
            if left <= 0:
                break
            poll.poll(left * 1000)
        return self._asked

    def check(self) -> None:
        """Raise Stopped where it was asked for."""
        if self._asked:
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Pause. Raises Stopped as soon as it is asked for."""
        self.wait(seconds)
        self.check()

    def __del__(self) -> None:
        os.close(self._read)
        os.close(self._write)


def stop_on_signals(*, insist: bool = True) -> Stop:
    """Set on the first SIGINT or SIGTERM, for the rest of the process, also where its parent had them ignored.

    ``insist``: a second one, more than a second later, ends the process at once.
    """
    stop = Stop()
    _install(stop, insist=insist)
    return stop


@contextlib.contextmanager
def handled(stop: Stop) -> Iterator[Stop]:
    """SIGINT and SIGTERM set ``stop`` while the block lasts, and only that: what it cleans up is never cut short.

    In another thread than the main one, where Python has no handlers, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = [(number, signal.getsignal(number)) for number in SIGNALS]
    _install(stop, insist=False)
    try:
        yield stop
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def stop_event(then: Callable[[], None] = lambda: None) -> asyncio.Event:
    """An event that SIGINT and SIGTERM set in the running loop; ``then`` is called each time too."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def told() -> None:
        stop.set()
        then()

    for number in SIGNALS:
        loop.add_signal_handler(number, told)
    return stop


def _install(stop: Stop, *, insist: bool) -> None:
    first = 0.0

    def handle(number: int, _: object) -> None:
        nonlocal first
        now = time.monotonic()
        if insist and first and now - first > TWICE_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        first = first or now
        stop.set()

    for number in SIGNALS:
        signal.signal(number, handle)
