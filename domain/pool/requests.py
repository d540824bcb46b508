"""What orders ask of a pool: units, units back, a backorder dropped."""

from __future__ import annotations

from domain.errors import Rejected
from domain.pool.backorders import close_if_done
from domain.records.commands import AllocationReleased, AllocationRequested, BackorderCancelled
from domain.records.values import LineQty

from .backorders import finish, leave, rejoin, units_by_sku
from .fraud import suspicious
from .parking import all_there, park, parked_now
from .releases import free_units
from .rule_checks import judge_request
from .serving import answer_new, hold_back, serve_waiting
from .session import PoolSession, find
from .shortage import answered, heard
from .state import PoolOrder, PoolRequest, RequestJudged, WaitingLine

__all__ = ["cancel_backorder", "release", "request"]


def request(session: PoolSession, allocation_requested: AllocationRequested) -> None:
    """Allocate; a request number that was answered before changes nothing."""
    _check(allocation_requested)
    order = session.order(allocation_requested.order_key)
    if order is None:
        # Numbers go on after a forgotten record: a WMS must never see an allocation id for the second time.
        order = PoolOrder(allocation_requested.order_key, next=max(allocation_requested.request_no - 1, 0) * 100 + 1)
    if allocation_requested.request_no in order.done or any(
        pool_request.no == allocation_requested.request_no for pool_request in order.requests
    ):
        session.event(
            "DUPLICATE",
            order_key=allocation_requested.order_key,
            reason="request",
            reference=str(allocation_requested.request_no),
        )
        return
    order.forget = 0
    request = _request(allocation_requested)
    failed = judge_request(session, order.key, request)
    hits = [failed] if failed else suspicious(session, order, request, allocation_requested)
    if hits:
        hold_back(session, order, request, hits)
    elif (wait := parked_now(session, order, request)) and not (
        wait.until is None and all_there(session, order, request)
    ):
        park(session, order, request, wait)
    else:
        answer_new(session, order, request)
    close_if_done(session, order)
    session.save_order(order)


def _check(allocation_requested: AllocationRequested) -> None:
    if not allocation_requested.order_key or "/" in allocation_requested.order_key:
        raise Rejected("order.key", "order_key", f"{allocation_requested.order_key!r} is no order key")
    if not allocation_requested.lines:
        raise Rejected("request.lines", "lines", "a request has at least one line")
    for i, line in enumerate(allocation_requested.lines):
        if line.qty <= 0 or not line.sku:
            raise Rejected("request.line", f"lines[{i}]", "a line has a sku and a qty above 0")
    if len({demand_line.line_id for demand_line in allocation_requested.lines}) < len(allocation_requested.lines):
        raise Rejected("request.line", "lines", "a line_id is there twice: sum its units")


def _request(allocation_requested: AllocationRequested) -> PoolRequest:
    return PoolRequest(
        allocation_requested.request_no,
        0,
        "",
        allocation_requested.placed_at,
        [WaitingLine(line.line_id, line.sku, line.qty, line.bundle_id) for line in allocation_requested.lines],
        allocation_requested.channel,
        allocation_requested.country,
        allocation_requested.service_level,
        allocation_requested.tags,
        allocation_requested.value,
        allocation_requested.currency,
        allocation_requested.latest_delivery,
        allocation_requested.excluded_depots,
        allocation_requested.replaces_id,
        allocation_requested.trace,
        judged=RequestJudged(
            allocation_requested.postcode,
            allocation_requested.billing_country,
            allocation_requested.risk,
            allocation_requested.waivers,
        ),
        postcode=allocation_requested.postcode,
        customer_key=allocation_requested.customer_key,
        address_hash=allocation_requested.address_hash,
    )


def release(session: PoolSession, allocation_released: AllocationReleased) -> None:
    """Give back units of an allocation that no WMS was told of; no lines means all that are left."""
    order, allocation = find(session, allocation_released.order_key, allocation_released.allocation_id)
    wanted = _wanted(allocation_released.lines)
    taken: dict[str, int] = {}
    for line in allocation.lines:
        n = min(line.live, wanted.get(line.line_id, 0)) if allocation_released.lines else line.live
        line.released += n
        taken[line.sku] = taken.get(line.sku, 0) + n
        answered(session, allocation, line.line_id, n)
    free_units(session, order, allocation, taken, type="UNRESERVED", reason=allocation_released.reason or "released")
    if not any(line.live for line in allocation.lines):
        heard(session, order.key, allocation)
    close_if_done(session, order)
    session.save_order(order)


def _wanted(lines: list[LineQty]) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for i, line in enumerate(lines):
        if line.qty < 0:
            raise Rejected("line.qty", f"lines[{i}].qty", "units can't be negative")
        wanted[line.line_id] = wanted.get(line.line_id, 0) + line.qty
    return wanted


def cancel_backorder(session: PoolSession, backorder_cancelled: BackorderCancelled) -> None:
    """Units that wait are no longer wanted; no lines means all. What was allocated meanwhile the order releases itself."""
    order = session.order(backorder_cancelled.order_key)
    request = (
        next(
            (pool_request for pool_request in order.requests if pool_request.no == backorder_cancelled.request_no), None
        )
        if order
        else None
    )
    if order is None or request is None:
        session.event(
            "DUPLICATE",
            order_key=backorder_cancelled.order_key,
            reason="nothing_waits",
            reference=str(backorder_cancelled.request_no),
        )
        return
    wanted, depots = _wanted(backorder_cancelled.lines), request.queue or ""
    session.freed.update(dict.fromkeys(units_by_sku(request)))
    leave(session, order, request)
    for line in request.lines:
        line.qty -= min(line.qty, wanted.get(line.line_id, 0)) if backorder_cancelled.lines else line.qty
    request.lines = [waiting_line for waiting_line in request.lines if waiting_line.qty]
    session.event("BACKORDER_CANCELLED", order_key=order.key, reference=str(request.no))
    if request.lines and not request.parked:
        rejoin(session, order, request, depots)
        serve_waiting(session, order, request)  # a smaller demand may fit where the whole did not
    elif not request.lines:
        finish(session, order, request)
    close_if_done(session, order)
    session.save_order(order)
