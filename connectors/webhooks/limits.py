"""How much one account may send: a token bucket."""

from __future__ import annotations

import math

__all__ = ["TokenBucket"]


class TokenBucket:
    """``rate`` tokens a second, ``burst`` at most. Time (seconds, monotonic) is an argument."""

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError("a bucket needs a rate above 0 and a burst of 1 or more")
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at = -math.inf

    def take(self, now: float) -> float:
        """Take one token: 0.0, or the seconds until there will be one."""
        if now > self._at:
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
            self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self.rate
