"""What a pool answers: units allocated, backordered, or not to be had.

Units nobody wants any more go straight back.
"""

from __future__ import annotations

from domain.errors import Rejected
from domain.order.dedupe import same_again, too_old
from domain.order.returns.exchange import keeps_stock
from domain.order.rule_checks import flag
from domain.order.session import OrderSession, event_line
from domain.order.state.order import Allocation, AllocLine, Line, Request, RequestLine
from domain.records.commands import AllocationDecided, WaveReleased
from domain.records.values import AllocationPlan, EventLine
from domain.rules.partners import target_of

from .pullback import give_back, uncover

__all__ = ["allocation_decided", "tick", "wave_released"]

DAY_MS = 86_400_000
_NOTHING = RequestLine("", "", 0, 0)


def allocation_decided(session: OrderSession, decision: AllocationDecided) -> None:
    """Fold a pool's decision on a request into the order.

    Told again, it changes nothing: known allocations are skipped, answered units are not answered
    twice.
    """
    if session.state.header is None:
        raise Rejected(
            "order.unknown",
            "order_key",
            f"{decision.order_key} was never placed, yet pool {decision.pool} decided on it",
        )
    request = next((asked for asked in session.state.requests if asked.no == decision.request_no), None)
    lines = {line.line_id: line for line in session.state.lines}
    # A decision that makes no event and no allocation and answers no unit was known already.
    before = len(session.events), len(session.state.allocations)
    pending = sum(line.pending for line in request.lines) if request else 0
    for plan in decision.allocations:
        if session.allocation(plan.allocation_id) is None:
            _allocate(session, decision, plan, request, lines)
    _backorder(session, decision, request, lines)
    _unfillable(session, decision, request, lines)
    _held(session, decision, request, lines)
    _exchange_short(session)
    after = len(session.events), len(session.state.allocations)
    if before == after and pending == (sum(line.pending for line in request.lines) if request else 0):
        same_again(session, f"decision on request {decision.request_no}")


def _part(request: Request | None, line_id: str) -> RequestLine:
    return next((line for line in request.lines if line.line_id == line_id), _NOTHING) if request else _NOTHING


def _answer(request_line: RequestLine, line: Line | None, qty: int) -> tuple[int, int]:
    """Take ``qty`` units as answered: how many of them the order still wants, from those pending
    and from those backordered.
    """
    answered = min(qty, request_line.pending)
    wanted = min(answered, request_line.wanted)
    request_line.pending -= answered
    request_line.wanted -= wanted
    back = min(qty - answered, request_line.backordered)
    request_line.backordered -= back
    if line is not None:
        line.requested -= wanted
        line.backordered -= back
    return wanted, back


def _allocate(
    session: OrderSession,
    decision: AllocationDecided,
    plan: AllocationPlan,
    request: Request | None,
    lines: dict[str, Line],
) -> None:
    allocation = _allocation(decision, plan, session)
    session.state.allocations.append(allocation)
    units: list[EventLine] = []
    for alloc_line in allocation.lines:
        line = lines.get(alloc_line.line_id)
        wanted = sum(_answer(_part(request, alloc_line.line_id), line, alloc_line.qty))
        if line is not None:
            line.allocated += wanted
        # Units cancelled while the pool decided count on no line any more: none moves.
        give_back(session, allocation, alloc_line, None, alloc_line.qty - wanted, why="not_wanted")
        # Held meanwhile: others may have the stock, unless an exchange waits for nothing but the
        # old goods.
        if line is not None and session.state.holds and not keeps_stock(session):
            give_back(session, allocation, alloc_line, line, wanted, why="held")
        elif line is not None and wanted:
            units.append(event_line(line, wanted))
    if units:
        complete = all(
            order_line.open + order_line.requested + order_line.backordered == 0
            for order_line in session.state.lines
            if order_line.requires_shipping
        )
        session.record(
            "ALLOCATED",
            units,
            allocation=allocation,
            complete=complete,
            reason=decision.reason,
            decision=decision.decision,
        )


def _allocation(decision: AllocationDecided, plan: AllocationPlan, session: OrderSession) -> Allocation:
    return Allocation(
        id=plan.allocation_id,
        request_no=decision.request_no,
        pool=decision.pool,
        depot=plan.depot,
        target=target_of(plan.depot, session.rules),
        lines=[AllocLine(line_qty.line_id, line_qty.sku, line_qty.qty) for line_qty in plan.lines],
        service=plan.service,
        carrier=plan.carrier,
        ship_by=plan.ship_by,
        eta=plan.eta,
        cost=plan.cost,
        cost_currency=plan.cost_currency,
        group_id=plan.group_id,
        wave=plan.wave,
        replaces_id=plan.replaces_id,
        rule_version=decision.rule_version,
        waits=bool(plan.wave),
    )


def wave_released(session: OrderSession, wave: WaveReleased) -> None:
    """Release an allocation with its wave: the pick order goes out (``requests.submit``), if
    anything of it is still wanted.

    Raises Rejected for an unknown allocation. What was cancelled or held while the release was on
    its way stays behind.
    """
    allocation = session.allocation(wave.allocation_id)
    if allocation is None:
        raise Rejected(
            "allocation.unknown", "allocation_id", f"{wave.allocation_id!r} is no allocation of {wave.order_key}"
        )
    if not allocation.waits:
        same_again(session, f"wave of {allocation.id} was released already")
        return
    allocation.waits = False
    if allocation.sent or not any(alloc_line.live for alloc_line in allocation.lines):
        too_old(session, f"wave of {allocation.id}: it is {allocation.status} already")
        return
    allocation.wave, allocation.group_id, allocation.group_size, allocation.cost = (
        wave.wave,
        wave.group_id,
        wave.group_size,
        wave.cost,
    )
    units = [
        event_line(line, alloc_line.live)
        for alloc_line in allocation.lines
        if alloc_line.live and (line := session.line(alloc_line.line_id)) is not None
    ]
    together = (
        f"with {wave.group_size - 1} more: its part {wave.cost} instead of {wave.alone}" if wave.group_id else "alone"
    )
    session.record("WAVE_RELEASED", units, allocation=allocation, reason=f"{wave.wave}, {together}")


def _backorder(
    session: OrderSession, decision: AllocationDecided, request: Request | None, lines: dict[str, Line]
) -> None:
    """Units that wait for stock.

    A pool may tell again what waits already: only what it had not answered counts.
    """
    units = []
    for line_qty in decision.backordered:
        request_line, line = _part(request, line_qty.line_id), lines.get(line_qty.line_id)
        answered = min(line_qty.qty, request_line.pending)
        wanted, _ = _answer(request_line, line, answered)
        if line is not None and wanted:
            request_line.backordered += wanted
            line.backordered += wanted
            units.append(event_line(line, wanted))
        # The order wants fewer by now: the pool need not keep stock for the rest.
        if answered > wanted:
            uncover(session, decision.request_no, request_line, answered - wanted)
    if units:
        session.record("BACKORDERED", units, reason=decision.reason, decision=decision.decision)


def _unfillable(
    session: OrderSession, decision: AllocationDecided, request: Request | None, lines: dict[str, Line]
) -> None:
    """Book units that no depot can deliver.

    Units that waited in vain are given up; fresh ones wait for a person, or for the day they are
    given up too.
    """
    units = []
    for line_qty in decision.unfillable:
        line = lines.get(line_qty.line_id)
        if line is None:
            continue
        fresh, waited = _answer(_part(request, line_qty.line_id), line, line_qty.qty)
        line.open += fresh + waited
        line.unfillable += fresh
        if waited:
            # Raise the level that ``cancelled`` has to reach: the units are given up.
            line.dropped = max(line.dropped, line.cancelled + waited)
        if fresh + waited:
            units.append(event_line(line, fresh + waited))
    if units:
        # The first unfillable unit starts the clock; more of them do not start it anew.
        days = session.rules.routing.unfillable_after_days
        if not session.state.due and days and any(order_line.unfillable for order_line in lines.values()):
            session.state.due = session.command.time + days * DAY_MS
        session.record("UNFILLABLE", units, reason=decision.reason, decision=decision.decision)


def _held(session: OrderSession, decision: AllocationDecided, request: Request | None, lines: dict[str, Line]) -> None:
    """A rule of the pool keeps the order from going on: its units are open again, and asked for
    anew once it is released.
    """
    answered = 0
    for line_qty in decision.held:
        line = lines.get(line_qty.line_id)
        # Units that the decision answers: none where it is told again, and then nothing is flagged.
        answered += min(line_qty.qty, (part := _part(request, line_qty.line_id)).pending + part.backordered)
        fresh, waited = _answer(part, line, line_qty.qty)
        if line is not None:
            line.open += fresh + waited
    if answered:
        flag(session, decision.hits, decision.decision)


def _exchange_short(session: OrderSession) -> None:
    """An exchange that can't be had at once is credited instead, where the rules say so: the units
    are given up.
    """
    header = session.state.header
    if header is None or not header.exchange_for or session.rules.returns.exchange.out_of_stock != "credit":
        return
    for line in session.state.lines:
        if line.backordered or line.unfillable:
            line.dropped = max(line.dropped, line.cancelled + line.backordered + line.unfillable)


def tick(session: OrderSession, now: int) -> None:
    """Give up what no depot could deliver for as many days as the rules say."""
    order = session.state
    if order.due and now >= order.due:
        order.due = 0
        for line in order.lines:
            if line.unfillable:
                line.dropped = max(line.dropped, line.cancelled + line.unfillable)
