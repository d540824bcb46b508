"""A light circuit breaker: a target that does not answer is left alone for a while, and costs the others nothing."""

from __future__ import annotations

from .policy import Policy

__all__ = ["Breaker"]


class Breaker:
    """Closed: all may try. Open: none. After the pause one probe may, and its result decides. Times are ms."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._failures = 0
        self._probing = False
        self.open_until = 0

    def free(self, now: int, slots: int) -> int:
        """How many of the free ``slots`` may be used now."""
        if self._failures < self._policy.breaker_failures:
            return slots
        return min(slots, 1) if now >= self.open_until and not self._probing else 0

    def begin(self) -> None:
        """Note that an attempt at the target starts."""
        self._probing = self._failures >= self._policy.breaker_failures

    def answered(self) -> None:
        """The target answered: it is well, whatever it thinks of the effect."""
        self._failures = 0
        self._probing = False

    def failed(self, now: int) -> bool:
        """An attempt failed in a way that another may mend. Whether the breaker opened with it."""
        if now < self.open_until:  # one that began before it opened tells nothing new
            return False
        self._probing = False
        self._failures += 1
        again = self._failures - self._policy.breaker_failures
        if again >= 0:
            self.open_until = now + min(self._policy.breaker_ms << min(again, 20), self._policy.breaker_cap_ms)
        return again >= 0
