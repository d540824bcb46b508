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


def summary(s: OrderState) -> dict[str, Any]:
    """Plain data, ready for JSON: money in minor units, times in UTC ms."""
    h = s.header
    return {
        "order_key": s.key,
        "name": h.name if h else "",
        "status": status(s),
        "placed_at": h.created_at if h else None,
        "version": h.version if h else None,
        "currency": h.currency if h else "",
        "total": h.total if h else 0,
        "payment_state": h.payment_state if h else "",
        "fulfilled_by": h.fulfilled_by if h else "",
        "test": h.test if h else False,
        "country": h.ship_to.country if h else "",
        "service_level": h.service_level if h else "",
        "lines": [_line(x) for x in s.lines],
        "holds": [
            {"hold": k, "reason": v.reason, "actor": v.actor, "since": v.since} for k, v in sorted(s.holds.items())
        ],
        "refused": s.refused,
        "requests": [_fields(r) for r in s.requests],
        "allocations": [_allocation(a) for a in s.allocations],
        "shipments": [_shipment(x) for x in s.shipments],
        "cancellations": [{"key": k, **_fields(v)} for k, v in s.cancels.items()],
        "payments": [{"transaction_id": k, **_fields(v)} for k, v in s.payments.items()],
        "refunds": [{"refund_id": k, **_fields(v)} for k, v in s.refunds.items()],
        **return_summary(s),
        "fulfilments": [{"fulfilment_id": k, **_fields(v)} for k, v in s.fulfilments.items()],
        "undelivered_effects": dict(s.failed),
        "gives_up_at": s.due or None,
        "duplicates": s.duplicates,
        "stale": s.stale,
        "intervention": s.intervened,
        "events": s.seq,
    }


def _fields(x: msgspec.Struct) -> dict[str, Any]:
    return {f: _plain(getattr(x, f)) for f in x.__struct_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return _fields(value)
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _line(x: Line) -> dict[str, Any]:
    units = {k: getattr(x, k) for k in _BUCKETS}
    units |= {k: n for k in _PARTS if (n := getattr(x, k))}
    said = {"line_id": x.line_id, "sku": x.sku, "title": x.title, "unit_price": x.unit_price, "discount": x.discount}
    return said | units | ({"excluded_depots": x.excluded} if x.excluded else {})


def _allocation(a: Allocation) -> dict[str, Any]:
    skip = {"target", "wave", "sent", "refused", "recall", "effect_id", "heard"}
    lines = [{k: v for k, v in _fields(x).items() if k != "told"} for x in a.lines]
    return {k: v for k, v in _fields(a).items() if k not in skip} | {"lines": lines}


def _shipment(x: Shipment) -> dict[str, Any]:
    return {k: v for k, v in _fields(x).items() if k != "effect_id"}
