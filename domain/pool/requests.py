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
from .session import Session, find
from .shortage import answered, heard
from .state import PoolOrder, PoolRequest, RequestJudged, WaitingLine

__all__ = ["cancel_backorder", "release", "request"]


def request(s: Session, c: AllocationRequested) -> None:
    """Allocate; a request number that was answered before changes nothing."""
    _check(c)
    order = s.order(c.order_key)
    if order is None:
        # Numbers go on after a forgotten record: a WMS must never see an allocation id for the second time.
        order = PoolOrder(c.order_key, next=max(c.request_no - 1, 0) * 100 + 1)
    if c.request_no in order.done or any(r.no == c.request_no for r in order.requests):
        s.event("DUPLICATE", order_key=c.order_key, reason="request", reference=str(c.request_no))
        return
    order.forget = 0
    request = _request(c)
    failed = judge_request(s, order.key, request)
    hits = [failed] if failed else suspicious(s, order, request, c)
    if hits:
        hold_back(s, order, request, hits)
    elif (wait := parked_now(s, order, request)) and not (wait.until is None and all_there(s, order, request)):
        park(s, order, request, wait)
    else:
        answer_new(s, order, request)
    close_if_done(s, order)
    s.save_order(order)


def _check(c: AllocationRequested) -> None:
    if not c.order_key or "/" in c.order_key:
        raise Rejected("order.key", "order_key", f"{c.order_key!r} is no order key")
    if not c.lines:
        raise Rejected("request.lines", "lines", "a request has at least one line")
    for i, line in enumerate(c.lines):
        if line.qty <= 0 or not line.sku:
            raise Rejected("request.line", f"lines[{i}]", "a line has a sku and a qty above 0")
    if len({x.line_id for x in c.lines}) < len(c.lines):
        raise Rejected("request.line", "lines", "a line_id is there twice: sum its units")


def _request(c: AllocationRequested) -> PoolRequest:
    return PoolRequest(
        c.request_no,
        0,
        "",
        c.placed_at,
        [WaitingLine(x.line_id, x.sku, x.qty, x.bundle_id) for x in c.lines],
        c.channel,
        c.country,
        c.service_level,
        c.tags,
        c.value,
        c.currency,
        c.latest_delivery,
        c.excluded_depots,
        c.replaces_id,
        c.trace,
        judged=RequestJudged(c.postcode, c.billing_country, c.risk, c.waivers),
        postcode=c.postcode,
        customer_key=c.customer_key,
        address_hash=c.address_hash,
    )


def release(s: Session, c: AllocationReleased) -> None:
    """Give back units of an allocation that no WMS was told of; no lines means all that are left."""
    order, allocation = find(s, c.order_key, c.allocation_id)
    wanted = _wanted(c.lines)
    taken: dict[str, int] = {}
    for line in allocation.lines:
        n = min(line.live, wanted.get(line.line_id, 0)) if c.lines else line.live
        line.released += n
        taken[line.sku] = taken.get(line.sku, 0) + n
        answered(s, allocation, line.line_id, n)
    free_units(s, order, allocation, taken, type="UNRESERVED", reason=c.reason or "released")
    if not any(line.live for line in allocation.lines):
        heard(s, order.key, allocation)
    close_if_done(s, order)
    s.save_order(order)


def _wanted(lines: list[LineQty]) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for i, line in enumerate(lines):
        if line.qty < 0:
            raise Rejected("line.qty", f"lines[{i}].qty", "units can't be negative")
        wanted[line.line_id] = wanted.get(line.line_id, 0) + line.qty
    return wanted


def cancel_backorder(s: Session, c: BackorderCancelled) -> None:
    """Units that wait are no longer wanted; no lines means all. What was allocated meanwhile the order releases itself."""
    order = s.order(c.order_key)
    request = next((r for r in order.requests if r.no == c.request_no), None) if order else None
    if order is None or request is None:
        s.event("DUPLICATE", order_key=c.order_key, reason="nothing_waits", reference=str(c.request_no))
        return
    wanted, depots = _wanted(c.lines), request.queue or ""
    s.freed.update(dict.fromkeys(units_by_sku(request)))
    leave(s, order, request)
    for line in request.lines:
        line.qty -= min(line.qty, wanted.get(line.line_id, 0)) if c.lines else line.qty
    request.lines = [x for x in request.lines if x.qty]
    s.event("BACKORDER_CANCELLED", order_key=order.key, reference=str(request.no))
    if request.lines and not request.parked:
        rejoin(s, order, request, depots)
        serve_waiting(s, order, request)  # a smaller demand may fit where the whole did not
    elif not request.lines:
        finish(s, order, request)
    close_if_done(s, order)
    s.save_order(order)
