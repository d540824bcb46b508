"""How many records a cycle takes: few while they are slow to fold, many under lag, where a transaction's fixed cost is shared."""

from __future__ import annotations

__all__ = ["Pace"]

_FIRST = 1_000
_SHORT, _LONG = 0.1, 0.5
"""Seconds of folding. Below the one a full batch is doubled, above the other it is halved: what a crash has to do again stays small."""


class Pace:
    """``size`` is what to poll for next; never more than ``limit``."""

    __slots__ = ("_least", "_limit", "size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._least = self.size = min(_FIRST, limit)

    def took(self, records: int, seconds: float) -> None:
        """A batch was folded."""
        if seconds > _LONG:
            self.size = max(self.size // 2, self._least)
        elif seconds < _SHORT and records >= self.size:
            self.size = min(self.size * 2, self._limit)
