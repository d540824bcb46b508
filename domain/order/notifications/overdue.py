"""Parcels that should have left and have not: found by Ticks, where the rules tell customers of it (OVERDUE), once an allocation."""

from __future__ import annotations

from domain.order.session import Turn, event_line
from domain.order.state.order import Allocation

__all__ = ["find_overdue", "next_overdue"]

_MINUTE_MS = 60_000


def find_overdue(turn: Turn, known: list[str]) -> list[str]:
    """Record OVERDUE for what is late by now; gives the allocations that were said to be so, ``known`` ones included as long as they live."""
    found = [k for k in known if any(a.id == k and _waits(a) for a in turn.state.allocations)]
    for a in _watched(turn, known):
        if _limit(turn, a) <= turn.command.time:
            units = [(x.unshipped, line) for x in a.lines if (line := turn.line(x.line_id)) is not None]
            turn.event("OVERDUE", [event_line(line, n) for n, line in units if n > 0], allocation=a)
            found.append(a.id)
    return found


def next_overdue(turn: Turn, known: list[str]) -> int:
    """When the next may be late, UTC ms; 0: none."""
    return min((_limit(turn, a) for a in _watched(turn, known)), default=0)


def _watched(turn: Turn, known: list[str]) -> list[Allocation]:
    """Those with a promise to keep. What is held is nobody's to ship."""
    if turn.state.holds or not any("OVERDUE" in row.events for row in turn.rules.notifications.messages):
        return []
    return [a for a in turn.state.allocations if a.ship_by and a.id not in known and _waits(a)]


def _waits(a: Allocation) -> bool:
    return not a.recall and any(x.unshipped > 0 for x in a.lines)


def _limit(turn: Turn, a: Allocation) -> int:
    return a.ship_by + turn.rules.notifications.overdue_minutes * _MINUTE_MS
