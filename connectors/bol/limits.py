"""Bol's rate limits: a window and a budget per endpoint, told by ``X-RateLimit-*`` headers on every answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

__all__ = ["Gate"]


class Gate:
    """Lets requests of one endpoint pass as far as its budget is known to reach; knows nothing before the first answer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._limit: int | None = None
        self._left: int | None = None
        self._reset_at = 0.0
        self._window = 1.0

    async def enter(self) -> None:
        """Wait until the budget allows one more request."""
        while self._left is not None:
            now = self._clock()
            if now >= self._reset_at:
                self._left, self._reset_at = self._limit or 1, now + self._window
            if self._left > 0:
                self._left -= 1
                return
            await asyncio.sleep(self._reset_at - now)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take in the headers of an answer; ``X-RateLimit-Reset`` is in seconds from now."""
        try:
            limit, left = int(headers["X-RateLimit-Limit"]), int(headers["X-RateLimit-Remaining"])
            reset = float(headers["X-RateLimit-Reset"])
        except (KeyError, ValueError):
            return
        self._limit, self._window = max(limit, 1), max(reset, self._window)
        # Requests under way are not in the server's figure yet, but in ours: the smaller one is safe.
        self._left = left if self._left is None else min(self._left, left)
        self._reset_at = self._clock() + reset

    def close_for(self, seconds: float) -> None:
        """A 429: nothing passes for so long."""
        self._limit, self._left = self._limit or 1, 0
        self._reset_at = self._clock() + seconds
