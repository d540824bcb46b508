"""Getting units back into ``open``, the least committed first.

Not answered or backordered units, and allocations no WMS knows of, come back at once; units of a pick order only by the WMS's
word: they are asked for (``asked``) and stay where they are until it says CANCELLED.
"""

from __future__ import annotations

from domain.order.session import Turn, event_line
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


def free(turn: Turn, line: Line, need: int, why: str) -> None:
    """Bring ``open`` of a line up to ``need`` units, as far as that can be done at once."""
    for request in turn.state.requests:
        for r in request.lines:
            if r.line_id == line.line_id and line.open < need:
                _unask(turn, request, r, line, need - line.open)
    for a in turn.state.allocations:
        for x in a.lines:
            if x.line_id == line.line_id and not a.at_wms and line.open < need:
                give_back(turn, a, x, line, min(need - line.open, x.live), why=why)


def _unask(turn: Turn, request: Request, r: RequestLine, line: Line, n: int) -> None:
    k = min(n, r.wanted)
    r.wanted -= k
    line.requested -= k
    b = min(n - k, r.backordered)
    if b:
        r.backordered -= b
        line.backordered -= b
        uncover(turn, request.no, r, b)
    line.open += k + b


def uncover(turn: Turn, request_no: int, r: RequestLine, n: int) -> None:
    """Tell the pool that ``n`` backordered units are no longer wanted."""
    _add(turn.uncover.setdefault(request_no, []), LineQty(r.line_id, r.sku, n))


def _add(units: list[LineQty], more: LineQty) -> None:
    """One entry a line: a receiver may read the list as a mapping."""
    for i, x in enumerate(units):
        if x.line_id == more.line_id:
            units[i] = LineQty(x.line_id, x.sku, x.qty + more.qty)
            return
    units.append(more)


def give_back(turn: Turn, a: Allocation, x: AllocLine, line: Line | None, n: int, *, why: str) -> None:
    """Release ``n`` units of an allocation that no WMS knows of; no line: they were never counted as ours."""
    if n <= 0:
        return
    x.released += n
    if line is not None:
        line.allocated -= n
        line.open += n
    _add(turn.release.setdefault(a.id, (why, []))[1], LineQty(x.line_id, x.sku, n))


def recall(turn: Turn, line: Line, n: int, why: str) -> None:
    """Ask warehouses to give up ``n`` units of a line in all, what they have not picked first; what was asked already counts."""
    mine = [(a, x) for a in turn.state.allocations for x in a.lines if x.line_id == line.line_id and a.at_wms]
    n -= sum(x.asked for _, x in mine)
    for a, x in sorted(mine, key=lambda m: m[1].picked):
        if n > 0 and not a.refused:
            n -= recall_units(turn, a, x, n, why)


def recall_all(turn: Turn, a: Allocation, why: str) -> None:
    """Ask a warehouse to give up all that has not left."""
    if a.at_wms and not a.refused:
        for x in a.lines:
            recall_units(turn, a, x, x.unshipped, why)


def recall_units(turn: Turn, a: Allocation, x: AllocLine, n: int, why: str) -> int:
    """Ask a warehouse to give up units of a line of a pick order; gives how many, beyond those asked for already."""
    k = min(n, x.unshipped - x.asked)
    if k > 0:
        x.asked += k
        _add(turn.withdraw.setdefault(a.id, (why, []))[1], LineQty(x.line_id, x.sku, k))
    return max(k, 0)


def stop_asking(turn: Turn, a: Allocation) -> None:
    """The warehouse gives up nothing: what was asked for stays. If a count was why, the pool has to ask somebody else."""
    kept = [LineQty(x.line_id, x.sku, x.asked) for x in a.lines if x.asked]
    for x in a.lines:
        x.asked = 0
    if a.counted:
        a.counted, head = False, turn.head("AllocationKept")
        turn.ask(AllocationKept(**head, pool=a.pool, order_key=turn.state.key, allocation_id=a.id, lines=kept))


def withdraw_unsent(turn: Turn, why: str, *, failed: bool) -> None:
    """Take back all that no WMS has; ``failed``: also where a pick order could not be delivered."""
    lines = {x.line_id: x for x in turn.state.lines}
    unask_all(turn)
    for a in turn.state.allocations:
        if not a.at_wms and (failed or a.status != "FAILED"):
            for x in a.lines:
                give_back(turn, a, x, lines.get(x.line_id), x.live, why=why)


def unask_all(turn: Turn) -> None:
    """Take back all that a pool has not answered or that waits for stock."""
    lines = {x.line_id: x for x in turn.state.lines}
    for request in turn.state.requests:
        for r in request.lines:
            _unask(turn, request, r, lines[r.line_id], r.wanted + r.backordered)


def withdraw_all(turn: Turn, why: str) -> None:
    """Address or article changed: all that has not left is to be asked for anew."""
    withdraw_unsent(turn, why, failed=True)
    for a in turn.state.allocations:
        if a.at_wms:
            a.recall = True
            recall_all(turn, a, why)
    for line in turn.state.lines:
        line.unfillable = 0


def flush(turn: Turn) -> None:
    """Send what was gathered: one command or effect a request or allocation."""
    s = turn.state
    pools = {r.no: r.pool for r in s.requests}
    for no, lines in turn.uncover.items():
        pool = pools.get(no, turn.rules.default_pool)
        turn.ask(
            BackorderCancelled(
                **turn.head("BackorderCancelled"), pool=pool, order_key=s.key, request_no=no, lines=lines
            )
        )
    for allocation_id, (why, lines) in turn.release.items():
        a = turn.allocation(allocation_id)
        if a is not None:
            _release(turn, a, why, lines)
    for allocation_id, (why, lines) in turn.withdraw.items():
        a = turn.allocation(allocation_id)
        if a is not None:
            _withdraw(turn, a, why, lines)
    turn.uncover, turn.release, turn.withdraw = {}, {}, {}


def _release(turn: Turn, a: Allocation, why: str, lines: list[LineQty]) -> None:
    if a.effect_id:
        # Not delivered may mean not answered: should the WMS have it after all, it must not ship.
        _cancel_pick(turn, a, why, lines)
    if not any(x.live for x in a.lines):
        a.status, a.sent = "CLOSED", False
    turn.ask(
        AllocationReleased(
            **turn.head("AllocationReleased"),
            pool=a.pool,
            order_key=turn.state.key,
            allocation_id=a.id,
            lines=lines,
            reason=why,
        )
    )


def _withdraw(turn: Turn, a: Allocation, why: str, lines: list[LineQty]) -> None:
    _cancel_pick(turn, a, why, lines)
    known = {x.line_id: x for x in turn.state.lines}
    units = [event_line(known[x.line_id], x.qty) for x in lines if x.line_id in known]
    turn.event("CANCEL_REQUESTED", units, allocation=a, reason=why)


def _cancel_pick(turn: Turn, a: Allocation, why: str, lines: list[LineQty]) -> None:
    head = turn.head("PickOrderCancel")
    turn.do(
        PickOrderCancel(**head, order_key=turn.state.key, target=a.target, allocation_id=a.id, lines=lines, reason=why)
    )


def drop_finished(turn: Turn) -> None:
    """Forget requests that are answered and have nothing backordered: a late answer to one is for units not wanted."""
    s = turn.state
    s.requests = [r for r in s.requests if any(x.pending or x.backordered for x in r.lines)]


def too_late(turn: Turn, units: list[EventLine], a: Allocation | None, why: str) -> None:
    """A person is told that units go out as they were ordered at first: an exception, which counts as an intervention."""
    reason = f"address, service or article changed too late: they go as they were ({why})"
    turn.event("EXCEPTION", units, allocation=a, reason=reason, intervention=True)
