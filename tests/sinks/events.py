"""Hand-made events for the sink's tests."""

from __future__ import annotations

from typing import Any

from domain.records.events import OrderEvent, PoolEvent
from domain.records.record import uuid5
from domain.records.values import EventLine, StockMove

HOUR = 3_600_000
DAY = 24 * HOUR
START = 1_795_392_000_000
"""2026-11-23T00:00:00Z."""


def order_event(order: str, seq: int, type: str, **fields: Any) -> OrderEvent:
    """An event of ``channel:acme:order``; times in ``fields`` are absolute, everything else has a plain default."""
    channel = fields.pop("channel", "shopify")
    key = f"{channel}:acme:{order}"
    base: dict[str, Any] = {
        "event_id": uuid5(key, seq, type),
        "type": type,
        "time": START,
        "source": "orders",
        "trace": "0" * 31 + "1",
        "order_key": key,
        "seq": seq,
        "channel": channel,
        "account": "acme",
        "order_id": order,
        "status": type,
        "occurred_at": START,
        "placed_at": START,
        "country": "NL",
        "lines": [],
        "complete": False,
        "allocation_id": "",
        "shipment_id": "",
        "depot": "",
        "service": "standard",
        "carrier": "",
        "tracking_number": "",
        "ship_by": None,
        "eta": None,
        "amount": 0,
        "cost": 0,
        "currency": "EUR",
        "group_id": "",
        "reason": "",
        "actor": "",
        "intervention": False,
        "rule_version": "v1",
        "decision": "",
        "cost_currency": "EUR",
        "name": f"#{order}",
    }
    return OrderEvent(**{**base, **fields})


def units(line_id: str, sku: str, qty: int) -> EventLine:
    return EventLine(line_id=line_id, sku=sku, qty=qty, amount=100 * qty)


def pool_event(seq: int, type: str = "RESERVED") -> PoolEvent:
    return PoolEvent(
        event_id=uuid5("main", seq, type),
        type=type,
        time=START + seq,
        source="pools",
        trace="",
        pool="main",
        seq=seq,
        order_key="shopify:acme:1",
        allocation_id="main/shopify:acme:1/1",
        depot="nl-1",
        moves=[StockMove("A", "nl-1", "new", -1, 1, 9, 1)] if seq % 2 else [],
        rule_version="v1",
        reason="",
        reference="",
        decision="",
    )
