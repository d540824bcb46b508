"""Sent elsewhere after all: by a person, or because a count found fewer units than were promised.

What no WMS has comes back at once and is asked for anew; what one has is recalled, and goes
elsewhere once it gives it up. (For a count only what it has not begun.)
"""

from __future__ import annotations

from domain.errors import Rejected
from domain.order.dedupe import too_old
from domain.order.session import OrderSession, event_line
from domain.order.state.order import Allocation
from domain.records.commands import AllocationKept, RerouteRequested, UnallocationAsked
from domain.records.values import EventLine, LineQty

from .pullback import give_back, recall_all, recall_units, unask_all

__all__ = ["rerouted", "unallocated"]

_NOT_BEGUN = ("ALLOCATED", "SUBMITTED", "ACCEPTED")


def rerouted(session: OrderSession, request: RerouteRequested) -> None:
    """Take back what has not left (of one depot, or of all) and ask for it anew, without the depots
    that had it.

    ``anew``: with every depot again, also those that failed, and what waits or could not be had is
    asked for anew too.
    """
    order = session.state
    if order.header is None:
        raise Rejected(
            "order.unknown", "order_key", f"{request.order_key} was never placed, so nothing of it can be re-routed"
        )
    mine = [
        allocation
        for allocation in order.allocations
        if not allocation.refused and allocation.depot == (request.depot or allocation.depot)
    ]
    units = [line for allocation in mine for line in _back(session, allocation, request)]
    if request.anew:
        units += _again(session)
    if not units:
        too_old(session, f"re-route: nothing is left to take back{f' from {request.depot}' if request.depot else ''}")
        return
    session.record("REROUTED", units, reason=request.reason, actor=request.actor, intervention=True)


def _back(session: OrderSession, allocation: Allocation, request: RerouteRequested) -> list[EventLine]:
    units = []
    for alloc_line in allocation.lines:
        # What was asked back already is not asked back twice.
        line, left = session.line(alloc_line.line_id), alloc_line.unshipped - alloc_line.asked
        if line is None or left <= 0:
            continue
        units.append(event_line(line, left))
        line.replaces = allocation.id
        # ``anew`` lets the same depot try again.
        if not request.anew and allocation.depot not in line.excluded:
            line.excluded = [*line.excluded, allocation.depot]
        if not allocation.at_wms:
            give_back(session, allocation, alloc_line, line, left, why="rerouted")
    recall_all(session, allocation, "rerouted")
    return units


def _again(session: OrderSession) -> list[EventLine]:
    """What waits or could not be had is open again, and no depot is excluded any more."""
    # Only these are told of: open units were asked for anyway.
    before = {
        order_line.line_id: order_line.requested + order_line.backordered + order_line.unfillable
        for order_line in session.state.lines
    }
    unask_all(session)
    for line in session.state.lines:
        line.unfillable, line.excluded = 0, []
    return [
        event_line(order_line, waited) for order_line in session.state.lines if (waited := before[order_line.line_id])
    ]


def unallocated(session: OrderSession, request: UnallocationAsked) -> None:
    """The pool wants units back: they are not there.

    What no WMS has is given back at once. One that has not begun is asked for its units, and its
    word decides; what it is at work on is kept, and the pool told so.
    """
    allocation = session.allocation(request.allocation_id)
    if allocation is None:
        raise Rejected(
            "allocation.unknown", "allocation_id", f"{request.allocation_id!r} is no allocation of {request.order_key}"
        )
    given: list[EventLine] = []
    kept: list[LineQty] = []
    lines = {own_line.line_id: own_line for own_line in allocation.lines}
    if _may_recall(session, allocation):
        _recall(session, allocation, request)
        return
    for line_qty in request.lines:
        alloc_line, line = lines.get(line_qty.line_id), session.line(line_qty.line_id)
        units = (
            min(line_qty.qty, alloc_line.live)
            if alloc_line is not None and line is not None and not allocation.at_wms
            else 0
        )
        if alloc_line is not None and line is not None and units:
            given.append(event_line(line, units))
            line.replaces = allocation.id
            give_back(session, allocation, alloc_line, line, units, why=request.reason)
        if units < line_qty.qty:
            kept.append(LineQty(line_qty.line_id, line_qty.sku, line_qty.qty - units))
    if given:
        session.record("UNALLOCATED", given, allocation=allocation, reason=request.reason, intervention=True)
    if kept:
        session.to_pool(
            AllocationKept(
                **session.head("AllocationKept"),
                pool=allocation.pool,
                order_key=request.order_key,
                allocation_id=allocation.id,
                lines=kept,
            )
        )


def _may_recall(session: OrderSession, allocation: Allocation) -> bool:
    # A count is no reason to stop work in the warehouse: only what it has not begun is recalled.
    begun = allocation.status not in _NOT_BEGUN or any(line.picked or line.shipped for line in allocation.lines)
    depot = next((candidate for candidate in session.rules.depots if candidate.id == allocation.depot), None)
    return allocation.at_wms and not allocation.refused and not begun and (depot is None or depot.recall_for_counts)


def _recall(session: OrderSession, allocation: Allocation, request: UnallocationAsked) -> None:
    """Ask the WMS; until it answers the units stay where they are.

    What was asked back before, for whatever reason, is under way already.
    """
    allocation.counted = True
    for line_qty in request.lines:
        for line in allocation.lines:
            if line.line_id == line_qty.line_id:
                # ``asked`` grows to what the pool wants, and not beyond it.
                recall_units(session, allocation, line, line_qty.qty - line.asked, request.reason)
