"""When a rule set comes into force: a date on the clock of its own time zone, as UTC milliseconds."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from domain.rules.ruleset import RuleSet

__all__ = ["effective_ms"]


def effective_ms(rules: RuleSet) -> int:
    """UTC ms of ``effective_from``; a date alone is its first moment; 0: at once. Raises ValueError for no moment at all."""
    if not rules.effective_from:
        return 0
    at = datetime.fromisoformat(rules.effective_from.replace("Z", "+00:00"))
    local = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(rules.timezone))
    return int(local.timestamp() * 1000)
