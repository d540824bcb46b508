"""Answer requests: decide, reserve, and let the rest wait; and serve those who wait when stock comes free."""

from __future__ import annotations

import heapq

import msgspec

from domain.allocation.decide import Decision, Parcel, decide
from domain.allocation.priority import split_queue_key
from domain.keys import allocation_id
from domain.pool.backorders import requeue
from domain.records.values import AllocationPlan, DemandLine, LineQty, RuleHit

from .backorders import (
    DAY_MS,
    enqueue,
    finish,
    leave,
    queue_index,
    rejoin,
    take_kept,
    timer,
    units_by_sku,
    usable,
    want_of,
)
from .rule_checks import routing_of
from .session import FREED_BUDGET, PoolSession
from .shortage import list_fresh
from .state import AllocLine, PoolAllocation, PoolOrder, PoolRequest, WaitingLine
from .stock import StockMoves, available
from .waves import join_wave

__all__ = [
    "answer_new",
    "decide_for",
    "exclude",
    "give_back_day",
    "give_up",
    "hold_back",
    "hold_waiting",
    "serve_freed",
    "serve_waiting",
    "walk",
]

Walked = tuple[str, dict[str, int]]


def answer_new(session: PoolSession, order: PoolOrder, request: PoolRequest) -> None:
    """Answer a request for the first time: what can be served is reserved, the rest waits or is unfillable by the rules."""
    decision = _decide(session, order, request, None)
    record = _text(session, order, decision, request)
    plans = [_reserve(session, order, request, parcel, "RESERVED", whole=decision.whole) for parcel in decision.parcels]
    left = [LineQty(line.line_id, line.sku, line.qty) for line in decision.left]
    refused = _refused(session, order, request, decision) if left else ""
    if left and not refused:
        request.lines = _waiting(decision.left)
        enqueue(session, order, request, decision.could)
        _retry_later(session, order, request, decision)
        session.event("BACKORDERED", order_key=order.key, reason=request.class_name)
    else:
        order.done.append(request.no)
    if refused:
        session.event("UNFILLABLE", order_key=order.key, reason=refused, decision=record)
    session.decided(
        order.key,
        request.no,
        request.trace,
        allocations=plans,
        backordered=[] if refused else left,
        unfillable=left if refused else [],
        reason=refused,
        decision=record,
    )


def _refused(session: PoolSession, order: PoolOrder, request: PoolRequest, decision: Decision) -> str:
    """Why what is left can't wait; ``""``: it can. Before any depot is known, everything waits for the rules."""
    if session.rules.depots and not decision.could:
        refusals = sorted({str(c["refused"]) for c in decision.record["candidates"] if "refused" in c})
        return "no_depot:" + ",".join(refusals)
    return "" if routing_of(session, order, request).backorder else "no_stock"


def serve_waiting(session: PoolSession, order: PoolOrder, request: PoolRequest, walked: Walked | None = None) -> bool:
    """Try to serve a backorder; True where it got something. What still waits keeps its place."""
    decision = _decide(session, order, request, walked)
    if not decision.parcels:
        _retry_later(session, order, request, decision)
        return False
    record = _text(session, order, decision, request)
    depots = request.queue or ""
    leave(session, order, request)
    plans = [
        _reserve(session, order, request, parcel, "REPLENISHED", whole=decision.whole) for parcel in decision.parcels
    ]
    request.lines = _waiting(decision.left)
    if request.lines:
        rejoin(session, order, request, depots)
    else:
        finish(session, order, request)
    session.save_order(order)
    session.decided(order.key, request.no, request.trace, allocations=plans, reason="replenished", decision=record)
    return True


def give_up(session: PoolSession, order: PoolOrder, request: PoolRequest, reason: str) -> None:
    """What waits will not come: tell the order, and let the others have what was kept."""
    lines = [LineQty(line.line_id, line.sku, line.qty) for line in request.lines]
    leave(session, order, request)
    finish(session, order, request)
    session.save_order(order)
    session.freed.update(dict.fromkeys(units_by_sku(request)))
    session.event("UNFILLABLE", order_key=order.key, reason=reason, trace=request.trace)
    session.decided(order.key, request.no, request.trace, unfillable=lines, reason=reason)


def hold_back(session: PoolSession, order: PoolOrder, request: PoolRequest, hits: list[RuleHit]) -> None:
    """Answer a request with the rules that keep it from being decided on; the order asks anew once they are released."""
    order.done.append(request.no)
    why = "; ".join(rule_hit.why for rule_hit in hits)
    version = session.rules_for(order.key).version
    said = {
        "rules": version,
        "now": session.now,
        "hold": hits[0].hold or "refused",
        "because": [rule_hit.why for rule_hit in hits],
    }
    record = msgspec.json.encode(said).decode()
    session.event("HELD", order_key=order.key, reason=why, decision=record, trace=request.trace)
    lines = [LineQty(line.line_id, line.sku, line.qty) for line in request.lines]
    session.decided(order.key, request.no, request.trace, reason=why, decision=record, held=lines, hits=hits)


def hold_waiting(session: PoolSession, order: PoolOrder, request: PoolRequest, hit: RuleHit) -> None:
    """A waiting request that has left its queues, since a rule could not be judged: hand it back to its order."""
    finish(session, order, request)
    order.done.remove(request.no)
    hold_back(session, order, request, [hit])
    session.freed.update(dict.fromkeys(units_by_sku(request)))
    session.save_order(order)


def _waiting(lines: list[DemandLine]) -> list[WaitingLine]:
    return [WaitingLine(line.line_id, line.sku, line.qty, line.bundle_id) for line in lines]


def _decide(session: PoolSession, order: PoolOrder, request: PoolRequest, walked: Walked | None) -> Decision:
    full = {
        depot.id: days
        for depot in session.rules.depots
        if depot.capacity_per_day and (days := _full_days(session, depot.id))
    }
    return decide(
        want_of(request, routing_of(session, order, request)),
        usable(session, order, request, walked),
        session.compiled,
        session.now,
        full,
    )


def decide_for(session: PoolSession, order: PoolOrder, request: PoolRequest) -> Decision:
    """What would be decided now; nothing is done."""
    return _decide(session, order, request, None)


def _full_days(session: PoolSession, depot: str) -> set[str]:
    limit = session.compiled.depots[depot].capacity_per_day
    return {day for day, n in session.capacity(depot).days.items() if n >= limit}


def _text(session: PoolSession, order: PoolOrder, decision: Decision, request: PoolRequest) -> str:
    record = {**decision.record, "rules": session.rules_for(order.key).version, "class": request.class_name}
    if request.judged and request.judged.variant:
        record["routing"] = request.judged.variant
    return msgspec.json.encode(record).decode()


def _retry_later(session: PoolSession, order: PoolOrder, request: PoolRequest, decision: Decision) -> None:
    """A depot was full or closed for as far as one can see: look again tomorrow, since no stock may ever come in."""
    if decision.later:
        midnight = (session.now // DAY_MS + 1) * DAY_MS  # one timer a day, however often it is tried
        session.index("timers").set(timer(midnight, "retry", f"{order.key}/{request.no}"))


def _reserve(
    session: PoolSession, order: PoolOrder, request: PoolRequest, parcel: Parcel, type: str, *, whole: bool
) -> AllocationPlan:
    """Reserve a parcel's units and take its place in the depot's day."""
    depot, rate, promise = parcel.candidate.depot, parcel.candidate.rate, parcel.candidate.promise
    id = allocation_id(session.pool, order.key, order.next)
    order.next += 1
    ledger = StockMoves(session, depot.id)
    for line_qty in parcel.lines:
        ledger.change(line_qty.sku, 0, line_qty.qty)
    lines = [AllocLine(line.line_id, line.sku, line.qty) for line in parcel.lines]
    allocation = PoolAllocation(id, depot.id, promise.day, lines, request.trace, wms=depot.wms)
    order.allocations.append(allocation)
    list_fresh(session, order, request, allocation, whole=whole)
    if depot.capacity_per_day:
        capacity, today = (
            session.capacity(depot.id),
            session.compiled.calendars[depot.id].today(session.now).isoformat(),
        )
        capacity.days = {item: n for item, n in capacity.days.items() if item >= today}
        capacity.days[promise.day] = capacity.days.get(promise.day, 0) + 1
        session.save_capacity(depot.id, capacity)
    session.event(
        type,
        order_key=order.key,
        allocation_id=id,
        depot=depot.id,
        moves=ledger.moves(),
        reason=request.class_name,
        trace=request.trace,
    )
    plan = AllocationPlan(
        id,
        depot.id,
        parcel.lines,
        request.service,
        rate.carrier,
        promise.ship_by,
        promise.eta,
        rate.cost,
        session.rules.currency,
        replaces_id=request.replaces_id,
    )
    return join_wave(session, order, request, allocation, plan)


def give_back_day(session: PoolSession, allocation: PoolAllocation) -> None:
    """An allocation of which nothing will leave frees its place in the depot's day."""
    capacity = session.capacity(allocation.depot)
    if capacity.days.get(allocation.day):
        capacity.days[allocation.day] -= 1
        session.save_capacity(allocation.depot, capacity)


def serve_freed(session: PoolSession) -> None:
    """Serve backorders of the SKUs of which this command freed stock; what is beyond the budget waits for the ticks."""
    budget = FREED_BUDGET
    todo = session.index("todo")
    for sku in list(session.freed):
        if not session.stock(sku).queues:
            continue
        if session.rebuilding or budget <= 0:
            todo.set(sku)
            continue
        budget, done, _ = walk(session, sku, budget)
        if not done:
            todo.set(sku)


def walk(session: PoolSession, sku: str, budget: int) -> tuple[int, bool, int]:
    """Go down the queues of a SKU, class by class and the oldest first, while a depot has units for somebody.

    Gives the budget left, whether the end was reached, and how many were served. Those who can't be served yet keep what they
    wait for: nobody behind them gets it.
    """
    stock, served = session.stock(sku), 0
    passed = {sku_queue.depots: 0 for sku_queue in stock.queues}
    heads: list[tuple[str, str]] = []
    for depots in passed:
        _push(session, heads, sku, depots, "")
    while heads and budget > 0:
        key, depots = heapq.heappop(heads)
        free = take_kept(
            session, stock, available(stock, session.compiled.skus.safety(sku), session.quality(sku)), passed
        )
        if not any(free.get(text) for text in depots.split(",")):
            continue  # nothing is free for this queue, and nothing will be further down
        budget -= 1
        _, order_key, no = split_queue_key(key)
        order = session.order(order_key)
        request = (
            next((pool_request for pool_request in order.requests if pool_request.no == no), None) if order else None
        )
        if order is not None and request is not None:
            served += serve_waiting(session, order, request, (sku, passed))
            passed[depots] += units_by_sku(request).get(sku, 0)
        _push(session, heads, sku, depots, key)
    return budget, not heads, served


def _push(session: PoolSession, heads: list[tuple[str, str]], sku: str, depots: str, after: str) -> None:
    entry = session.index(queue_index(sku, depots)).after(after)
    if entry:
        heapq.heappush(heads, (entry[0], depots))


def exclude(session: PoolSession, order: PoolOrder, depot: str, line_ids: set[str]) -> None:
    """The depot failed on these lines: what still waits of them looks elsewhere. (New requests name such depots themselves.)"""
    for waiting in [*order.requests]:
        if depot not in waiting.excluded and any(line.line_id in line_ids for line in waiting.lines):
            waiting.excluded = sorted([*waiting.excluded, depot])
            if hit := requeue(session, order, waiting):
                hold_waiting(session, order, waiting, hit)
