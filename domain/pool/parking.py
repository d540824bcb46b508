"""Requests that are parked: they wait outside the queues, reserve nothing and keep nothing from others, until their time comes."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from domain.allocation.parking import LOOK_AGAIN_MS, Parked, parked
from domain.records.values import LineQty

from .backorders import expire_later, requeue, timer, units_by_sku
from .rule_checks import routing_of
from .serving import decide_for, give_up, hold_waiting, serve_waiting
from .session import PoolSession
from .state import PoolOrder, PoolRequest

__all__ = ["all_there", "look_again", "park", "parked_now"]


def parked_now(session: PoolSession, order: PoolOrder, request: PoolRequest) -> Parked | None:
    """By which rule it is to wait, and until when; None: it may go."""
    rules = routing_of(session, order, request).park
    if not rules:
        return None
    return parked(
        rules,
        ZoneInfo(session.rules.timezone),
        session.now,
        request.placed_at,
        skus=[*units_by_sku(request)],
        tags=request.tags,
        channel=request.channel,
        service=request.service,
    )


def all_there(session: PoolSession, order: PoolOrder, request: PoolRequest) -> bool:
    """Could all of it be sent now?"""
    decision = decide_for(session, order, request)
    return bool(decision.parcels) and not decision.left


def park(session: PoolSession, order: PoolOrder, request: PoolRequest, wait: Parked) -> None:
    """Let a new request wait; its order hears of it as of a backorder, with the reason."""
    request.parked, request.arrived = wait.rule, session.meta.seq
    order.requests.append(request)
    session.index("open").set(f"{order.key}/{request.no}")
    why = f"parked:{wait.rule}" + (
        f" until {_iso(wait.until)}" if wait.until is not None else " until all of it is there"
    )
    record = {
        "rules": session.rules_for(order.key).version,
        "now": session.now,
        "class": request.class_name,
        "demand": units_by_sku(request),
    }
    decision = msgspec.json.encode({**record, "parked": wait.rule, "until": wait.until}).decode()
    session.event("BACKORDERED", order_key=order.key, reason=why, decision=decision, trace=request.trace)
    lines = [LineQty(line.line_id, line.sku, line.qty) for line in request.lines]
    session.decided(order.key, request.no, request.trace, backordered=lines, reason=why, decision=decision)
    _later(session, order, request, wait)


def look_again(session: PoolSession, order: PoolOrder, request: PoolRequest) -> None:
    """Its time has come, or the rules changed: it goes on waiting, or is served as a backorder that came now."""
    if not request.parked:
        return
    wait = parked_now(session, order, request)
    if wait is not None and not (wait.until is None and all_there(session, order, request)):
        request.parked = wait.rule
        _later(session, order, request, wait)
        session.save_order(order)
        return
    request.parked = ""
    if hit := requeue(session, order, request):
        hold_waiting(session, order, request, hit)
        return
    expire_later(session, order, request)
    session.save_order(order)
    serve_waiting(session, order, request)
    if request in order.requests and not routing_of(session, order, request).backorder:
        give_up(session, order, request, "no_stock")


def _later(session: PoolSession, order: PoolOrder, request: PoolRequest, wait: Parked) -> None:
    due = wait.until if wait.until is not None else (session.now // LOOK_AGAIN_MS + 1) * LOOK_AGAIN_MS
    session.index("timers").set(timer(due, "unpark", f"{order.key}/{request.no}"))


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).isoformat(timespec="minutes").replace("+00:00", "Z")
