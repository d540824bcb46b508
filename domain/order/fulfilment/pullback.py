"""Getting units back into ``open``, the least committed first.

Not answered or backordered units, and allocations no WMS knows of, come back at once; units of a
pick order only by the WMS's word: they are asked for (``asked``) and stay where they are until it
says CANCELLED.
"""

from __future__ import annotations

from domain.order.session import OrderSession, event_line
from domain.order.state.order import Allocation, AllocLine, Line, Request, RequestLine
from domain.records.commands import AllocationKept, AllocationReleased, BackorderCancelled
from domain.records.effects import PickOrderCancel
from domain.records.values import EventLine, LineQty

__all__ = [
    "drop_finished",
    "flush",
    "free",
    "give_back",
    "recall",
    "recall_all",
    "recall_units",
    "stop_asking",
    "too_late",
    "unask_all",
    "uncover",
    "withdraw_all",
    "withdraw_unsent",
]


def free(session: OrderSession, line: Line, need: int, why: str) -> None:
    """Bring ``open`` of a line up to ``need`` units, as far as that can be done at once."""
    for request in session.state.requests:
        for request_line in request.lines:
            if request_line.line_id == line.line_id and line.open < need:
                _unask(session, request, request_line, line, need - line.open)
    for allocation in session.state.allocations:
        for alloc_line in allocation.lines:
            if alloc_line.line_id == line.line_id and not allocation.at_wms and line.open < need:
                give_back(session, allocation, alloc_line, line, min(need - line.open, alloc_line.live), why=why)


def _unask(session: OrderSession, request: Request, request_line: RequestLine, line: Line, units: int) -> None:
    # Units that the pool has not answered come first: nobody keeps stock for them yet. They stay
    # ``pending``, so the answer still finds them, as units that are no longer wanted.
    unanswered = min(units, request_line.wanted)
    request_line.wanted -= unanswered
    line.requested -= unanswered
    # Then those that wait for stock: the pool has to take them out of its queue.
    backordered = min(units - unanswered, request_line.backordered)
    if backordered:
        request_line.backordered -= backordered
        line.backordered -= backordered
        uncover(session, request.no, request_line, backordered)
    line.open += unanswered + backordered


def uncover(session: OrderSession, request_no: int, line: RequestLine, units: int) -> None:
    """Tell the pool how many backordered units are no longer wanted."""
    _add(session.uncover.setdefault(request_no, []), LineQty(line.line_id, line.sku, units))


def _add(units: list[LineQty], more: LineQty) -> None:
    """One entry a line: a receiver may read the list as a mapping."""
    for i, line_qty in enumerate(units):
        if line_qty.line_id == more.line_id:
            units[i] = LineQty(line_qty.line_id, line_qty.sku, line_qty.qty + more.qty)
            return
    units.append(more)


def give_back(
    session: OrderSession, allocation: Allocation, alloc_line: AllocLine, line: Line | None, units: int, *, why: str
) -> None:
    """Release units of an allocation that no WMS knows of; no line: they were never counted as
    ours.
    """
    if units <= 0:
        return
    alloc_line.released += units
    if line is not None:
        line.allocated -= units
        line.open += units
    # The first reason stands for all that this command releases of the allocation.
    _add(session.release.setdefault(allocation.id, (why, []))[1], LineQty(alloc_line.line_id, alloc_line.sku, units))


def recall(session: OrderSession, line: Line, units: int, why: str) -> None:
    """Ask warehouses to give up this many units of a line in all, what they have not picked first;
    what was asked already counts.
    """
    mine = [
        (holder, part)
        for holder in session.state.allocations
        for part in holder.lines
        if part.line_id == line.line_id and holder.at_wms
    ]
    units -= sum(asked_line.asked for _, asked_line in mine)
    # A unit not picked yet costs the warehouse the least. One that refused once is not asked again.
    for allocation, alloc_line in sorted(mine, key=lambda found: found[1].picked):
        if units > 0 and not allocation.refused:
            units -= recall_units(session, allocation, alloc_line, units, why)


def recall_all(session: OrderSession, allocation: Allocation, why: str) -> None:
    """Ask a warehouse to give up all that has not left."""
    if allocation.at_wms and not allocation.refused:
        for line in allocation.lines:
            recall_units(session, allocation, line, line.unshipped, why)


def recall_units(session: OrderSession, allocation: Allocation, line: AllocLine, units: int, why: str) -> int:
    """Ask a warehouse to give up units of a line of a pick order; gives how many, beyond those
    asked for already.
    """
    more = min(units, line.unshipped - line.asked)
    if more > 0:
        line.asked += more
        _add(session.withdraw.setdefault(allocation.id, (why, []))[1], LineQty(line.line_id, line.sku, more))
    return max(more, 0)


def stop_asking(session: OrderSession, allocation: Allocation) -> None:
    """The warehouse gives up nothing: what was asked for stays.

    If a count was why, the pool has to ask somebody else.
    """
    kept = [
        LineQty(alloc_line.line_id, alloc_line.sku, alloc_line.asked)
        for alloc_line in allocation.lines
        if alloc_line.asked
    ]
    for line in allocation.lines:
        line.asked = 0
    if allocation.counted:
        # The pool thinks that these units are on their way back: it has to know that they are not.
        allocation.counted, head = False, session.head("AllocationKept")
        session.to_pool(
            AllocationKept(
                **head, pool=allocation.pool, order_key=session.state.key, allocation_id=allocation.id, lines=kept
            )
        )


def withdraw_unsent(session: OrderSession, why: str, *, failed: bool) -> None:
    """Take back all that no WMS has; ``failed``: also where a pick order could not be delivered."""
    lines = {order_line.line_id: order_line for order_line in session.state.lines}
    unask_all(session)
    for allocation in session.state.allocations:
        if not allocation.at_wms and (failed or allocation.status != "FAILED"):
            for line in allocation.lines:
                give_back(session, allocation, line, lines.get(line.line_id), line.live, why=why)


def unask_all(session: OrderSession) -> None:
    """Take back all that a pool has not answered or that waits for stock."""
    lines = {order_line.line_id: order_line for order_line in session.state.lines}
    for request in session.state.requests:
        for line in request.lines:
            _unask(session, request, line, lines[line.line_id], line.wanted + line.backordered)


def withdraw_all(session: OrderSession, why: str) -> None:
    """Address or article changed: all that has not left is to be asked for anew."""
    withdraw_unsent(session, why, failed=True)
    for allocation in session.state.allocations:
        if allocation.at_wms:
            allocation.recall = True
            recall_all(session, allocation, why)
    for line in session.state.lines:
        # For another address or article some depot may do after all.
        line.unfillable = 0


def flush(session: OrderSession) -> None:
    """Send what was gathered: one command or effect a request or allocation."""
    order = session.state
    pools = {request.no: request.pool for request in order.requests}
    for no, lines in session.uncover.items():
        pool = pools.get(no, session.rules.default_pool)
        session.to_pool(
            BackorderCancelled(
                **session.head("BackorderCancelled"), pool=pool, order_key=order.key, request_no=no, lines=lines
            )
        )
    for allocation_id, (why, lines) in session.release.items():
        allocation = session.allocation(allocation_id)
        if allocation is not None:
            _release(session, allocation, why, lines)
    for allocation_id, (why, lines) in session.withdraw.items():
        allocation = session.allocation(allocation_id)
        if allocation is not None:
            _withdraw(session, allocation, why, lines)
    session.uncover, session.release, session.withdraw = {}, {}, {}


def _release(session: OrderSession, allocation: Allocation, why: str, lines: list[LineQty]) -> None:
    if allocation.effect_id:
        # Not delivered may mean not answered: should the WMS have it after all, it must not ship.
        _cancel_pick(session, allocation, why, lines)
    if not any(line.live for line in allocation.lines):
        allocation.status, allocation.sent = "CLOSED", False
    session.to_pool(
        AllocationReleased(
            **session.head("AllocationReleased"),
            pool=allocation.pool,
            order_key=session.state.key,
            allocation_id=allocation.id,
            lines=lines,
            reason=why,
        )
    )


def _withdraw(session: OrderSession, allocation: Allocation, why: str, lines: list[LineQty]) -> None:
    _cancel_pick(session, allocation, why, lines)
    known = {line.line_id: line for line in session.state.lines}
    units = [event_line(known[line_qty.line_id], line_qty.qty) for line_qty in lines if line_qty.line_id in known]
    session.record("CANCEL_REQUESTED", units, allocation=allocation, reason=why)


def _cancel_pick(session: OrderSession, allocation: Allocation, why: str, lines: list[LineQty]) -> None:
    head = session.head("PickOrderCancel")
    session.effect(
        PickOrderCancel(
            **head,
            order_key=session.state.key,
            target=allocation.target,
            allocation_id=allocation.id,
            lines=lines,
            reason=why,
        )
    )


def drop_finished(session: OrderSession) -> None:
    """Forget requests that are answered and have nothing backordered: a late answer to one is for
    units not wanted.
    """
    order = session.state
    order.requests = [
        request for request in order.requests if any(line.pending or line.backordered for line in request.lines)
    ]


def too_late(session: OrderSession, units: list[EventLine], allocation: Allocation | None, why: str) -> None:
    """A person is told that units go out as they were ordered at first: an exception, which counts
    as an intervention.
    """
    reason = f"address, service or article changed too late: they go as they were ({why})"
    session.record("EXCEPTION", units, allocation=allocation, reason=reason, intervention=True)
