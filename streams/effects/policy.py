"""How often and when an effect is tried again. Times are real milliseconds: the other side's, whatever clock orders live by."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

__all__ = ["Policy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """``attempts`` and ``give_up_ms`` (from the first attempt): whichever ends first sends the effect to the DLQ.

    As set, the pauses are 0.25 s, 0.5 s, 1 s … up to ten minutes, for about eight hours; while a target's breaker is open no attempt is
    counted, and a day is the end. ``patience_ms``: how long a batch waits for one effect before it goes on without it.
    ``slots``: attempts under way at one target. The breaker opens after ``breaker_failures`` failures in a row, for
    ``breaker_ms``, twice as long each time, up to ``breaker_cap_ms``. ``wake_ms``: how often waiting effects are looked at.
    """

    base_ms: int = 250
    cap_ms: int = 600_000
    attempts: int = 60
    give_up_ms: int = 86_400_000
    patience_ms: int = 2_000
    slots: int = 16
    breaker_failures: int = 5
    breaker_ms: int = 1_000
    breaker_cap_ms: int = 30_000
    wake_ms: int = 1_000

    def pause(self, effect_id: str, attempts: int) -> int:
        """Ms to wait after the ``attempts``-th failed attempt: exponential, between half and the whole of the step.

        The jitter comes from the effect's id, so that the effects of an outage don't come back together, and a replay waits the same.
        """
        step = min(self.base_ms << min(attempts - 1, 40), self.cap_ms)
        jitter = zlib.crc32(f"{effect_id}/{attempts}".encode()) / (1 << 32)
        return round(step * (0.5 + 0.5 * jitter))
