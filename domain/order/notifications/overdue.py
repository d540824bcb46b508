"""Parcels that should have left and have not: found by Ticks, where the rules tell customers of it
(OVERDUE), once an allocation.
"""

from __future__ import annotations

from domain.order.session import OrderSession, event_line
from domain.order.state.order import Allocation

__all__ = ["find_overdue", "next_overdue"]

_MINUTE_MS = 60_000


def find_overdue(session: OrderSession, known: list[str]) -> list[str]:
    """Record OVERDUE for what is late by now; gives the allocations that were said to be so,
    ``known`` ones included as long as they live.
    """
    # What left or was called back meanwhile is forgotten, so the list stays short.
    found = [
        allocation_id
        for allocation_id in known
        if any(candidate.id == allocation_id and _waits(candidate) for candidate in session.state.allocations)
    ]
    for allocation in _watched(session, known):
        if _limit(session, allocation) <= session.command.time:
            units = [
                (alloc_line.unshipped, line)
                for alloc_line in allocation.lines
                if (line := session.line(alloc_line.line_id)) is not None
            ]
            session.record("OVERDUE", [event_line(line, qty) for qty, line in units if qty > 0], allocation=allocation)
            found.append(allocation.id)
    return found


def next_overdue(session: OrderSession, known: list[str]) -> int:
    """When the next may be late, UTC ms; 0: none."""
    return min((_limit(session, allocation) for allocation in _watched(session, known)), default=0)


def _watched(session: OrderSession, known: list[str]) -> list[Allocation]:
    """Those with a promise to keep. What is held is nobody's to ship."""
    if session.state.holds or not any("OVERDUE" in row.events for row in session.rules.notifications.messages):
        return []
    return [
        allocation
        for allocation in session.state.allocations
        if allocation.ship_by and allocation.id not in known and _waits(allocation)
    ]


def _waits(allocation: Allocation) -> bool:
    return not allocation.recall and any(line.unshipped > 0 for line in allocation.lines)


def _limit(session: OrderSession, allocation: Allocation) -> int:
    return allocation.ship_by + session.rules.notifications.overdue_minutes * _MINUTE_MS
