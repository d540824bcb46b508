"""The log of what was refused: a flood of strangers is a line a second, not a full disk."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from .answer import Answer

__all__ = ["Refusals"]

_LOG = structlog.get_logger()
_SECONDS = 1.0


class Refusals:
    """One line for an account and outcome a second; ``more`` counts those since the last one that got none."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._last: dict[tuple[str, str, str], tuple[float, int]] = {}

    def tell(self, channel: str, account: str, answer: Answer) -> None:
        """Log it, or count it."""
        key, now = (channel, account, answer.outcome), self._monotonic()
        last, more = self._last.get(key, (float("-inf"), 0))
        if now - last < _SECONDS:
            self._last[key] = (last, more + 1)
            return
        self._last[key] = (now, 0)
        _LOG.warning(
            "refused", channel=channel, account=account, status=answer.status, outcome=answer.outcome, more=more
        )
