"""An order's state for people: the names spelled out, nothing of the timeline (its events tell
that).
"""

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
            {"hold": name, "reason": hold.reason, "actor": hold.actor, "since": hold.since}
            for name, hold in sorted(order.holds.items())
        ],
        "refused": order.refused,
        "requests": [_fields(request) for request in order.requests],
        "allocations": [_allocation(allocation) for allocation in order.allocations],
        "shipments": [_shipment(shipment) for shipment in order.shipments],
        "cancellations": [{"key": key, **_fields(cancel)} for key, cancel in order.cancels.items()],
        "payments": [
            {"transaction_id": transaction_id, **_fields(payment)} for transaction_id, payment in order.payments.items()
        ],
        "refunds": [
            {"refund_id": refund_id, **_fields(refund_fact)} for refund_id, refund_fact in order.refunds.items()
        ],
        **return_summary(order),
        "fulfilments": [
            {"fulfilment_id": fulfilment_id, **_fields(fulfilment)}
            for fulfilment_id, fulfilment in order.fulfilments.items()
        ],
        "undelivered_effects": dict(order.failed),
        "gives_up_at": order.due or None,
        "duplicates": order.duplicates,
        "stale": order.stale,
        "intervention": order.intervened,
        "events": order.seq,
    }


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: _plain(getattr(struct, name)) for name in struct.__struct_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return _fields(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _line(line: Line) -> dict[str, Any]:
    units = {bucket: getattr(line, bucket) for bucket in _BUCKETS}
    units |= {part: qty for part in _PARTS if (qty := getattr(line, part))}
    said = {
        "line_id": line.line_id,
        "sku": line.sku,
        "title": line.title,
        "unit_price": line.unit_price,
        "discount": line.discount,
    }
    return said | units | ({"excluded_depots": line.excluded} if line.excluded else {})


def _allocation(allocation: Allocation) -> dict[str, Any]:
    # Our own book-keeping, which says nothing to a person.
    skip = {"target", "wave", "sent", "refused", "recall", "effect_id", "heard"}
    lines = [{name: value for name, value in _fields(line).items() if name != "told"} for line in allocation.lines]
    return {name: value for name, value in _fields(allocation).items() if name not in skip} | {"lines": lines}


def _shipment(shipment: Shipment) -> dict[str, Any]:
    return {name: value for name, value in _fields(shipment).items() if name != "effect_id"}
