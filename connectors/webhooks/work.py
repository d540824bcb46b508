"""Unpacking, hashing and reading of large bodies beside the event loop: nobody else's delivery waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["SMALL_BYTES", "Work"]

Out = TypeVar("Out")

SMALL_BYTES = 64 * 1024
"""Up to here (0.2 ms of hashing and reading) a thread would cost more than it saves."""


class Work:
    """Two threads: one for senders that have proved themselves, one for strangers. Each takes one thing at a time, the rest waits in a queue."""

    def __init__(self) -> None:
        self._threads = {p: ThreadPoolExecutor(1, f"webhooks-{'proven' if p else 'strangers'}") for p in (True, False)}
        self._turns = {p: asyncio.Semaphore(1) for p in (True, False)}

    async def do(self, job: Callable[[], Out], begin: Callable[[], None] = lambda: None, *, proven: bool) -> Out:
        """The job's outcome. ``begin`` is called when its turn has come: until then it can be given up."""
        async with self._turns[proven]:
            begin()
            return await asyncio.get_running_loop().run_in_executor(self._threads[proven], job)

    def close(self) -> None:
        """Let the threads go, once they have nothing to do."""
        for threads in self._threads.values():
            threads.shutdown(wait=False)
