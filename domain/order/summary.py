"""An order's state for people: the names spelled out, nothing of the timeline (its events tell that)."""

from __future__ import annotations

from typing import Any

import msgspec

from .returns.summary import return_summary
from .state.order import Allocation, Line, OrderState, Shipment
from .state.status import status

__all__ = ["summary"]

_BUCKETS = ("ordered", "open", "requested", "backordered", "allocated", "picked", "shipped", "cancelled")
_PARTS = ("unfillable", "outside", "delivered", "returned", "received", "credited")


def summary(order: OrderState) -> dict[str, Any]:
    """Plain data, ready for JSON: money in minor units, times in UTC ms."""
    header = order.header
    return {
        "order_key": order.key,
        "name": header.name if header else "",
        "status": status(order),
        "placed_at": header.created_at if header else None,
        "version": header.version if header else None,
        "currency": header.currency if header else "",
        "total": header.total if header else 0,
        "payment_state": header.payment_state if header else "",
        "fulfilled_by": header.fulfilled_by if header else "",
        "test": header.test if header else False,
        "country": header.ship_to.country if header else "",
        "service_level": header.service_level if header else "",
        "lines": [_line(line) for line in order.lines],
        "holds": [
            {"hold": k, "reason": hold.reason, "actor": hold.actor, "since": hold.since}
            for k, hold in sorted(order.holds.items())
        ],
        "refused": order.refused,
        "requests": [_fields(request) for request in order.requests],
        "allocations": [_allocation(allocation) for allocation in order.allocations],
        "shipments": [_shipment(shipment) for shipment in order.shipments],
        "cancellations": [{"key": k, **_fields(cancel)} for k, cancel in order.cancels.items()],
        "payments": [{"transaction_id": k, **_fields(payment)} for k, payment in order.payments.items()],
        "refunds": [{"refund_id": k, **_fields(refund_fact)} for k, refund_fact in order.refunds.items()],
        **return_summary(order),
        "fulfilments": [{"fulfilment_id": k, **_fields(fulfilment)} for k, fulfilment in order.fulfilments.items()],
        "undelivered_effects": dict(order.failed),
        "gives_up_at": order.due or None,
        "duplicates": order.duplicates,
        "stale": order.stale,
        "intervention": order.intervened,
        "events": order.seq,
    }


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    return {text: _plain(getattr(struct, text)) for text in struct.__struct_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return _fields(value)
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _line(line: Line) -> dict[str, Any]:
    units = {k: getattr(line, k) for k in _BUCKETS}
    units |= {k: n for k in _PARTS if (n := getattr(line, k))}
    said = {
        "line_id": line.line_id,
        "sku": line.sku,
        "title": line.title,
        "unit_price": line.unit_price,
        "discount": line.discount,
    }
    return said | units | ({"excluded_depots": line.excluded} if line.excluded else {})


def _allocation(allocation: Allocation) -> dict[str, Any]:
    skip = {"target", "wave", "sent", "refused", "recall", "effect_id", "heard"}
    lines = [{k: v for k, v in _fields(line).items() if k != "told"} for line in allocation.lines]
    return {k: v for k, v in _fields(allocation).items() if k not in skip} | {"lines": lines}


def _shipment(shipment: Shipment) -> dict[str, Any]:
    return {k: v for k, v in _fields(shipment).items() if k != "effect_id"}
