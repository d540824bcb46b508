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
from .session import FREED_BUDGET, Session
from .shortage import list_fresh
from .state import AllocLine, PoolAllocation, PoolOrder, PoolRequest, WaitingLine
from .stock import Ledger, available
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


def answer_new(s: Session, order: PoolOrder, request: PoolRequest) -> None:
    """Answer a request for the first time: what can be served is reserved, the rest waits or is unfillable by the rules."""
    decision = _decide(s, order, request, None)
    record = _text(s, order, decision, request)
    plans = [_reserve(s, order, request, p, "RESERVED", whole=decision.whole) for p in decision.parcels]
    left = [LineQty(x.line_id, x.sku, x.qty) for x in decision.left]
    refused = _refused(s, order, request, decision) if left else ""
    if left and not refused:
        request.lines = _waiting(decision.left)
        enqueue(s, order, request, decision.could)
        _retry_later(s, order, request, decision)
        s.event("BACKORDERED", order_key=order.key, reason=request.class_name)
    else:
        order.done.append(request.no)
    if refused:
        s.event("UNFILLABLE", order_key=order.key, reason=refused, decision=record)
    s.decided(
        order.key,
        request.no,
        request.trace,
        allocations=plans,
        backordered=[] if refused else left,
        unfillable=left if refused else [],
        reason=refused,
        decision=record,
    )


def _refused(s: Session, order: PoolOrder, request: PoolRequest, decision: Decision) -> str:
    """Why what is left can't wait; ``""``: it can. Before any depot is known, everything waits for the rules."""
    if s.rules.depots and not decision.could:
        refusals = sorted({str(c["refused"]) for c in decision.record["candidates"] if "refused" in c})
        return "no_depot:" + ",".join(refusals)
    return "" if routing_of(s, order, request).backorder else "no_stock"


def serve_waiting(s: Session, order: PoolOrder, request: PoolRequest, walked: Walked | None = None) -> bool:
    """Try to serve a backorder; True where it got something. What still waits keeps its place."""
    decision = _decide(s, order, request, walked)
    if not decision.parcels:
        _retry_later(s, order, request, decision)
        return False
    record = _text(s, order, decision, request)
    depots = request.queue or ""
    leave(s, order, request)
    plans = [_reserve(s, order, request, p, "REPLENISHED", whole=decision.whole) for p in decision.parcels]
    request.lines = _waiting(decision.left)
    if request.lines:
        rejoin(s, order, request, depots)
    else:
        finish(s, order, request)
    s.save_order(order)
    s.decided(order.key, request.no, request.trace, allocations=plans, reason="replenished", decision=record)
    return True


def give_up(s: Session, order: PoolOrder, request: PoolRequest, reason: str) -> None:
    """What waits will not come: tell the order, and let the others have what was kept."""
    lines = [LineQty(x.line_id, x.sku, x.qty) for x in request.lines]
    leave(s, order, request)
    finish(s, order, request)
    s.save_order(order)
    s.freed.update(dict.fromkeys(units_by_sku(request)))
    s.event("UNFILLABLE", order_key=order.key, reason=reason, trace=request.trace)
    s.decided(order.key, request.no, request.trace, unfillable=lines, reason=reason)


def hold_back(s: Session, order: PoolOrder, request: PoolRequest, hits: list[RuleHit]) -> None:
    """Answer a request with the rules that keep it from being decided on; the order asks anew once they are released."""
    order.done.append(request.no)
    why = "; ".join(h.why for h in hits)
    version = s.rules_for(order.key).version
    said = {"rules": version, "now": s.now, "hold": hits[0].hold or "refused", "because": [h.why for h in hits]}
    record = msgspec.json.encode(said).decode()
    s.event("HELD", order_key=order.key, reason=why, decision=record, trace=request.trace)
    lines = [LineQty(x.line_id, x.sku, x.qty) for x in request.lines]
    s.decided(order.key, request.no, request.trace, reason=why, decision=record, held=lines, hits=hits)


def hold_waiting(s: Session, order: PoolOrder, request: PoolRequest, hit: RuleHit) -> None:
    """A waiting request that has left its queues, since a rule could not be judged: hand it back to its order."""
    finish(s, order, request)
    order.done.remove(request.no)
    hold_back(s, order, request, [hit])
    s.freed.update(dict.fromkeys(units_by_sku(request)))
    s.save_order(order)


def _waiting(lines: list[DemandLine]) -> list[WaitingLine]:
    return [WaitingLine(x.line_id, x.sku, x.qty, x.bundle_id) for x in lines]


def _decide(s: Session, order: PoolOrder, request: PoolRequest, walked: Walked | None) -> Decision:
    full = {d.id: days for d in s.rules.depots if d.capacity_per_day and (days := _full_days(s, d.id))}
    return decide(
        want_of(request, routing_of(s, order, request)), usable(s, order, request, walked), s.compiled, s.now, full
    )


def decide_for(s: Session, order: PoolOrder, request: PoolRequest) -> Decision:
    """What would be decided now; nothing is done."""
    return _decide(s, order, request, None)


def _full_days(s: Session, depot: str) -> set[str]:
    limit = s.compiled.depots[depot].capacity_per_day
    return {day for day, n in s.capacity(depot).days.items() if n >= limit}


def _text(s: Session, order: PoolOrder, decision: Decision, request: PoolRequest) -> str:
    record = {**decision.record, "rules": s.rules_for(order.key).version, "class": request.class_name}
    if request.judged and request.judged.variant:
        record["routing"] = request.judged.variant
    return msgspec.json.encode(record).decode()


def _retry_later(s: Session, order: PoolOrder, request: PoolRequest, decision: Decision) -> None:
    """A depot was full or closed for as far as one can see: look again tomorrow, since no stock may ever come in."""
    if decision.later:
        midnight = (s.now // DAY_MS + 1) * DAY_MS  # one timer a day, however often it is tried
        s.index("timers").set(timer(midnight, "retry", f"{order.key}/{request.no}"))


def _reserve(
    s: Session, order: PoolOrder, request: PoolRequest, p: Parcel, type: str, *, whole: bool
) -> AllocationPlan:
    """Reserve a parcel's units and take its place in the depot's day."""
    depot, rate, promise = p.candidate.depot, p.candidate.rate, p.candidate.promise
    id = allocation_id(s.pool, order.key, order.next)
    order.next += 1
    ledger = Ledger(s, depot.id)
    for x in p.lines:
        ledger.change(x.sku, 0, x.qty)
    lines = [AllocLine(x.line_id, x.sku, x.qty) for x in p.lines]
    allocation = PoolAllocation(id, depot.id, promise.day, lines, request.trace, wms=depot.wms)
    order.allocations.append(allocation)
    list_fresh(s, order, request, allocation, whole=whole)
    if depot.capacity_per_day:
        capacity, today = s.capacity(depot.id), s.compiled.calendars[depot.id].today(s.now).isoformat()
        capacity.days = {d: n for d, n in capacity.days.items() if d >= today}
        capacity.days[promise.day] = capacity.days.get(promise.day, 0) + 1
        s.save_capacity(depot.id, capacity)
    s.event(
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
        p.lines,
        request.service,
        rate.carrier,
        promise.ship_by,
        promise.eta,
        rate.cost,
        s.rules.currency,
        replaces_id=request.replaces_id,
    )
    return join_wave(s, order, request, allocation, plan)


def give_back_day(s: Session, allocation: PoolAllocation) -> None:
    """An allocation of which nothing will leave frees its place in the depot's day."""
    capacity = s.capacity(allocation.depot)
    if capacity.days.get(allocation.day):
        capacity.days[allocation.day] -= 1
        s.save_capacity(allocation.depot, capacity)


def serve_freed(s: Session) -> None:
    """Serve backorders of the SKUs of which this command freed stock; what is beyond the budget waits for the ticks."""
    budget = FREED_BUDGET
    todo = s.index("todo")
    for sku in list(s.freed):
        if not s.stock(sku).queues:
            continue
        if s.rebuilding or budget <= 0:
            todo.set(sku)
            continue
        budget, done, _ = walk(s, sku, budget)
        if not done:
            todo.set(sku)


def walk(s: Session, sku: str, budget: int) -> tuple[int, bool, int]:
    """Go down the queues of a SKU, class by class and the oldest first, while a depot has units for somebody.

    Gives the budget left, whether the end was reached, and how many were served. Those who can't be served yet keep what they
    wait for: nobody behind them gets it.
    """
    stock, served = s.stock(sku), 0
    passed = {q.depots: 0 for q in stock.queues}
    heads: list[tuple[str, str]] = []
    for depots in passed:
        _push(s, heads, sku, depots, "")
    while heads and budget > 0:
        key, depots = heapq.heappop(heads)
        free = take_kept(s, stock, available(stock, s.compiled.skus.safety(sku), s.quality(sku)), passed)
        if not any(free.get(d) for d in depots.split(",")):
            continue  # nothing is free for this queue, and nothing will be further down
        budget -= 1
        _, order_key, no = split_queue_key(key)
        order = s.order(order_key)
        request = next((r for r in order.requests if r.no == no), None) if order else None
        if order is not None and request is not None:
            served += serve_waiting(s, order, request, (sku, passed))
            passed[depots] += units_by_sku(request).get(sku, 0)
        _push(s, heads, sku, depots, key)
    return budget, not heads, served


def _push(s: Session, heads: list[tuple[str, str]], sku: str, depots: str, after: str) -> None:
    entry = s.index(queue_index(sku, depots)).after(after)
    if entry:
        heapq.heappush(heads, (entry[0], depots))


def exclude(s: Session, order: PoolOrder, depot: str, line_ids: set[str]) -> None:
    """The depot failed on these lines: what still waits of them looks elsewhere. (New requests name such depots themselves.)"""
    for waiting in [*order.requests]:
        if depot not in waiting.excluded and any(x.line_id in line_ids for x in waiting.lines):
            waiting.excluded = sorted([*waiting.excluded, depot])
            if hit := requeue(s, order, waiting):
                hold_waiting(s, order, waiting, hit)
