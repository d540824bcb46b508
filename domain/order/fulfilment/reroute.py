"""Sent elsewhere after all: by a person, or because a count found fewer units than were promised.

What no WMS has comes back at once and is asked for anew; what one has is recalled, and goes elsewhere once it gives it up. (For a count
only what it has not begun.)
"""

from __future__ import annotations

from domain.errors import Rejected
from domain.order.dedupe import too_old
from domain.order.session import Turn, event_line
from domain.order.state.order import Allocation
from domain.records.commands import AllocationKept, RerouteRequested, UnallocationAsked
from domain.records.values import EventLine, LineQty

from .pullback import give_back, recall_all, recall_units, unask_all

__all__ = ["rerouted", "unallocated"]

_NOT_BEGUN = ("ALLOCATED", "SUBMITTED", "ACCEPTED")


def rerouted(turn: Turn, c: RerouteRequested) -> None:
    """Take back what has not left (of one depot, or of all) and ask for it anew, without the depots that had it.

    ``anew``: with every depot again, also those that failed, and what waits or could not be had is asked for anew too.
    """
    s = turn.state
    if s.header is None:
        raise Rejected(
            "order.unknown", "order_key", f"{c.order_key} was never placed, so nothing of it can be re-routed"
        )
    mine = [a for a in s.allocations if not a.refused and a.depot == (c.depot or a.depot)]
    units = [u for a in mine for u in _back(turn, a, c)]
    if c.anew:
        units += _again(turn)
    if not units:
        too_old(turn, f"re-route: nothing is left to take back{f' from {c.depot}' if c.depot else ''}")
        return
    turn.event("REROUTED", units, reason=c.reason, actor=c.actor, intervention=True)


def _back(turn: Turn, a: Allocation, c: RerouteRequested) -> list[EventLine]:
    units = []
    for x in a.lines:
        line, n = turn.line(x.line_id), x.unshipped - x.asked
        if line is None or n <= 0:
            continue
        units.append(event_line(line, n))
        line.replaces = a.id
        if not c.anew and a.depot not in line.excluded:
            line.excluded = [*line.excluded, a.depot]
        if not a.at_wms:
            give_back(turn, a, x, line, n, why="rerouted")
    recall_all(turn, a, "rerouted")
    return units


def _again(turn: Turn) -> list[EventLine]:
    """What waits or could not be had is open again, and no depot is excluded any more."""
    before = {x.line_id: x.requested + x.backordered + x.unfillable for x in turn.state.lines}
    unask_all(turn)
    for x in turn.state.lines:
        x.unfillable, x.excluded = 0, []
    return [event_line(x, n) for x in turn.state.lines if (n := before[x.line_id])]


def unallocated(turn: Turn, c: UnallocationAsked) -> None:
    """The pool wants units back: they are not there. What no WMS has is given back at once. One that has not begun is asked for its
    units, and its word decides; what it is at work on is kept, and the pool told so.
    """
    a = turn.allocation(c.allocation_id)
    if a is None:
        raise Rejected("allocation.unknown", "allocation_id", f"{c.allocation_id!r} is no allocation of {c.order_key}")
    given: list[EventLine] = []
    kept: list[LineQty] = []
    lines = {x.line_id: x for x in a.lines}
    if _may_recall(turn, a):
        _recall(turn, a, c)
        return
    for u in c.lines:
        x, line = lines.get(u.line_id), turn.line(u.line_id)
        n = min(u.qty, x.live) if x is not None and line is not None and not a.at_wms else 0
        if x is not None and line is not None and n:
            given.append(event_line(line, n))
            line.replaces = a.id
            give_back(turn, a, x, line, n, why=c.reason)
        if n < u.qty:
            kept.append(LineQty(u.line_id, u.sku, u.qty - n))
    if given:
        turn.event("UNALLOCATED", given, allocation=a, reason=c.reason, intervention=True)
    if kept:
        turn.ask(
            AllocationKept(
                **turn.head("AllocationKept"), pool=a.pool, order_key=c.order_key, allocation_id=a.id, lines=kept
            )
        )


def _may_recall(turn: Turn, a: Allocation) -> bool:
    begun = a.status not in _NOT_BEGUN or any(x.picked or x.shipped for x in a.lines)
    depot = next((d for d in turn.rules.depots if d.id == a.depot), None)
    return a.at_wms and not a.refused and not begun and (depot is None or depot.recall_for_counts)


def _recall(turn: Turn, a: Allocation, c: UnallocationAsked) -> None:
    """Ask the WMS; until it answers the units stay where they are. What was asked back before, for whatever reason, is under way already."""
    a.counted = True
    for u in c.lines:
        for x in a.lines:
            if x.line_id == u.line_id:
                recall_units(turn, a, x, u.qty - x.asked, c.reason)
