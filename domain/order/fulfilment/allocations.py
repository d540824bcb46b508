"""What a pool answers: units allocated, backordered, or not to be had. Units nobody wants any more go straight back."""

from __future__ import annotations

from domain.errors import Rejected
from domain.order.dedupe import same_again, too_old
from domain.order.returns.exchange import keeps_stock
from domain.order.rule_checks import flag
from domain.order.session import Turn, event_line
from domain.order.state.order import Allocation, AllocLine, Line, Request, RequestLine
from domain.records.commands import AllocationDecided, WaveReleased
from domain.records.values import AllocationPlan, EventLine
from domain.rules.partners import target_of

from .pullback import give_back, uncover

__all__ = ["allocation_decided", "tick", "wave_released"]

DAY_MS = 86_400_000
_NOTHING = RequestLine("", "", 0, 0)


def allocation_decided(turn: Turn, c: AllocationDecided) -> None:
    """Fold a decision. Told again, it changes nothing: known allocations are skipped, answered units are not answered twice."""
    if turn.state.header is None:
        raise Rejected("order.unknown", "order_key", f"{c.order_key} was never placed, yet pool {c.pool} decided on it")
    request = next((r for r in turn.state.requests if r.no == c.request_no), None)
    lines = {x.line_id: x for x in turn.state.lines}
    before = len(turn.events), len(turn.state.allocations)
    pending = sum(x.pending for x in request.lines) if request else 0
    for plan in c.allocations:
        if turn.allocation(plan.allocation_id) is None:
            _allocate(turn, c, plan, request, lines)
    _backorder(turn, c, request, lines)
    _unfillable(turn, c, request, lines)
    _held(turn, c, request, lines)
    _exchange_short(turn)
    after = len(turn.events), len(turn.state.allocations)
    if before == after and pending == (sum(x.pending for x in request.lines) if request else 0):
        same_again(turn, f"decision on request {c.request_no}")


def _part(request: Request | None, line_id: str) -> RequestLine:
    return next((x for x in request.lines if x.line_id == line_id), _NOTHING) if request else _NOTHING


def _answer(r: RequestLine, line: Line | None, qty: int) -> tuple[int, int]:
    """Take ``qty`` units as answered: how many of them the order still wants, from those pending and from those backordered."""
    answered = min(qty, r.pending)
    wanted = min(answered, r.wanted)
    r.pending -= answered
    r.wanted -= wanted
    back = min(qty - answered, r.backordered)
    r.backordered -= back
    if line is not None:
        line.requested -= wanted
        line.backordered -= back
    return wanted, back


def _allocate(
    turn: Turn, c: AllocationDecided, plan: AllocationPlan, request: Request | None, lines: dict[str, Line]
) -> None:
    a = _allocation(c, plan, turn)
    turn.state.allocations.append(a)
    units: list[EventLine] = []
    for x in a.lines:
        line = lines.get(x.line_id)
        wanted = sum(_answer(_part(request, x.line_id), line, x.qty))
        if line is not None:
            line.allocated += wanted
        give_back(turn, a, x, None, x.qty - wanted, why="not_wanted")
        if line is not None and turn.state.holds and not keeps_stock(turn):
            give_back(turn, a, x, line, wanted, why="held")
        elif line is not None and wanted:
            units.append(event_line(line, wanted))
    if units:
        complete = all(x.open + x.requested + x.backordered == 0 for x in turn.state.lines if x.requires_shipping)
        turn.event("ALLOCATED", units, allocation=a, complete=complete, reason=c.reason, decision=c.decision)


def _allocation(c: AllocationDecided, plan: AllocationPlan, turn: Turn) -> Allocation:
    return Allocation(
        id=plan.allocation_id,
        request_no=c.request_no,
        pool=c.pool,
        depot=plan.depot,
        target=target_of(plan.depot, turn.rules),
        lines=[AllocLine(x.line_id, x.sku, x.qty) for x in plan.lines],
        service=plan.service,
        carrier=plan.carrier,
        ship_by=plan.ship_by,
        eta=plan.eta,
        cost=plan.cost,
        cost_currency=plan.cost_currency,
        group_id=plan.group_id,
        wave=plan.wave,
        replaces_id=plan.replaces_id,
        rule_version=c.rule_version,
        waits=bool(plan.wave),
    )


def wave_released(turn: Turn, c: WaveReleased) -> None:
    """Its wave is released: the pick order goes out (``order_requests.submit``), if anything of it is still wanted.

    Raises Rejected for an unknown allocation. What was cancelled or held while the release was on its way stays behind.
    """
    a = turn.allocation(c.allocation_id)
    if a is None:
        raise Rejected("allocation.unknown", "allocation_id", f"{c.allocation_id!r} is no allocation of {c.order_key}")
    if not a.waits:
        same_again(turn, f"wave of {a.id} was released already")
        return
    a.waits = False
    if a.sent or not any(x.live for x in a.lines):
        too_old(turn, f"wave of {a.id}: it is {a.status} already")
        return
    a.wave, a.group_id, a.group_size, a.cost = c.wave, c.group_id, c.group_size, c.cost
    units = [event_line(line, x.live) for x in a.lines if x.live and (line := turn.line(x.line_id)) is not None]
    together = f"with {c.group_size - 1} more: its part {c.cost} instead of {c.alone}" if c.group_id else "alone"
    turn.event("WAVE_RELEASED", units, allocation=a, reason=f"{c.wave}, {together}")


def _backorder(turn: Turn, c: AllocationDecided, request: Request | None, lines: dict[str, Line]) -> None:
    """Units that wait for stock. A pool may tell again what waits already: only what it had not answered counts."""
    units = []
    for x in c.backordered:
        r, line = _part(request, x.line_id), lines.get(x.line_id)
        answered = min(x.qty, r.pending)
        wanted, _ = _answer(r, line, answered)
        if line is not None and wanted:
            r.backordered += wanted
            line.backordered += wanted
            units.append(event_line(line, wanted))
        if answered > wanted:
            uncover(turn, c.request_no, r, answered - wanted)
    if units:
        turn.event("BACKORDERED", units, reason=c.reason, decision=c.decision)


def _unfillable(turn: Turn, c: AllocationDecided, request: Request | None, lines: dict[str, Line]) -> None:
    """No depot can. Units that waited in vain are given up; fresh ones wait for a person, or for the day they are given up too."""
    units = []
    for x in c.unfillable:
        line = lines.get(x.line_id)
        if line is None:
            continue
        fresh, waited = _answer(_part(request, x.line_id), line, x.qty)
        line.open += fresh + waited
        line.unfillable += fresh
        if waited:
            line.dropped = max(line.dropped, line.cancelled + waited)
        if fresh + waited:
            units.append(event_line(line, fresh + waited))
    if units:
        days = turn.rules.routing.unfillable_after_days
        if not turn.state.due and days and any(x.unfillable for x in lines.values()):
            turn.state.due = turn.command.time + days * DAY_MS
        turn.event("UNFILLABLE", units, reason=c.reason, decision=c.decision)


def _held(turn: Turn, c: AllocationDecided, request: Request | None, lines: dict[str, Line]) -> None:
    """A rule of the pool keeps the order from going on: its units are open again, and asked for anew once it is released."""
    answered = 0
    for x in c.held:
        line = lines.get(x.line_id)
        answered += min(x.qty, (part := _part(request, x.line_id)).pending + part.backordered)
        fresh, waited = _answer(part, line, x.qty)
        if line is not None:
            line.open += fresh + waited
    if answered:
        flag(turn, c.hits, c.decision)


def _exchange_short(turn: Turn) -> None:
    """An exchange that can't be had at once is credited instead, where the rules say so: the units are given up."""
    h = turn.state.header
    if h is None or not h.exchange_for or turn.rules.returns.exchange.out_of_stock != "credit":
        return
    for x in turn.state.lines:
        if x.backordered or x.unfillable:
            x.dropped = max(x.dropped, x.cancelled + x.backordered + x.unfillable)


def tick(turn: Turn, now: int) -> None:
    """Give up what no depot could deliver for as many days as the rules say."""
    s = turn.state
    if s.due and now >= s.due:
        s.due = 0
        for x in s.lines:
            if x.unfillable:
                x.dropped = max(x.dropped, x.cancelled + x.unfillable)
