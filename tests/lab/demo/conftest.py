"""A small sound history of three orders, which the tests tamper with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lab.demo.checks.evidence import Channel, Evidence, Poison, SentOrder
from lab.demo.checks.log import Entry

T0 = 1_795_500_000_000
HOUR = 3_600_000


def order_event(key: str, seq: int, kind: str, status: str, units: int = 0, **more: Any) -> Entry:
    """An entry of ``wharf.orders.events`` with every field of its schema."""
    channel, account, order_id = key.split(":")
    data: dict[str, Any] = {
        "event_id": f"{key}#{seq}",
        "type": kind,
        "time": T0 + seq * HOUR,
        "source": "orders",
        "trace": "",
        "order_key": key,
        "seq": seq,
        "channel": channel,
        "account": account,
        "order_id": order_id,
        "status": status,
        "occurred_at": T0 + seq * HOUR,
        "placed_at": T0,
        "country": "NL",
        "lines": [{"line_id": "1", "sku": "WH-1", "qty": units, "amount": 995 * units}] if units else [],
        "complete": False,
        "allocation_id": "",
        "shipment_id": "",
        "depot": "",
        "service": "",
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
        "rule_version": "1",
        "decision": "",
        "cost_currency": "",
        "name": "",
        "rma_id": "",
        "rma_kind": "",
        "rma_status": "",
        "returned": [],
        "tax": 0,
        "fees": 0,
    }
    return Entry("wharf.orders.events", 0, 100 * seq, key, "OrderEvent", data | more, {}, b"")


def shipped_order(key: str, depot: str, hours: int, cost: int) -> list[Entry]:
    """Placed, allocated, shipped ``hours`` later, delivered, completed; two units."""
    a = {"allocation_id": f"main/{key}/1", "depot": depot}
    parcel = a | {"shipment_id": f"{depot}-s-{key}", "cost": cost, "cost_currency": "EUR"}
    return [
        order_event(key, 1, "PLACED", "PLACED", 2),
        order_event(key, 2, "ALLOCATED", "ALLOCATED", 2, ship_by=T0 + 5 * HOUR, cost=500, **a),
        order_event(key, 3, "SHIPPED", "SHIPPED", 2, complete=True, **parcel | {"occurred_at": T0 + hours * HOUR}),
        order_event(key, 4, "DELIVERED", "DELIVERED", 2, **parcel),
        order_event(key, 5, "COMPLETED", "COMPLETED"),
    ]


def held_order(key: str) -> list[Entry]:
    """Placed, and held for its address."""
    return [
        order_event(key, 1, "PLACED", "PLACED", 2),
        order_event(key, 2, "HELD", "HELD", reason="INCORRECT_ADDRESS: no such postcode"),
    ]


def waiting_order(key: str) -> list[Entry]:
    """One of its two units shipped, the other waits for stock."""
    a = {"allocation_id": f"main/{key}/1", "depot": "a", "shipment_id": f"s-{key}"}
    return [
        order_event(key, 1, "PLACED", "PLACED", 2),
        order_event(key, 2, "BACKORDERED", "BACKORDERED", 2),
        order_event(key, 3, "ALLOCATED", "PARTIALLY_ALLOCATED", 1, ship_by=T0 + 9 * HOUR, **a),
        order_event(key, 4, "SHIPPED", "PARTIALLY_SHIPPED", 1, **a),
        order_event(key, 5, "DELIVERED", "PARTIALLY_SHIPPED", 1, **a),
    ]


def poison(delivery: str) -> Entry:
    headers = {
        "wharf.channel": "shopify",
        "wharf.account": "acme",
        "wharf.delivery_id": delivery,
        "wharf.error.code": "translate",
        "__connect.errors.exception.message": "line_items: missing",
    }
    return Entry("wharf.dlq", 0, 0, f"shopify:acme:{delivery}", "", {}, headers, b"{}")


@pytest.fixture
def sound() -> Evidence:
    """Four orders: two completed, one held, one waiting; one broken delivery in the DLQ, and an order nobody could know."""
    keys = [f"shopify:acme:{n}" for n in range(1, 5)]
    events = [
        *shipped_order(keys[0], "a", 3, 450),
        *shipped_order(keys[1], "b", 7, 650),
        *held_order(keys[2]),
        *waiting_order(keys[3]),
    ]
    events = [replace(e, offset=n) for n, e in enumerate(events)]
    orders = [SentOrder(key, {"1": 2}, seen=True) for key in keys]
    orders.append(SentOrder("shopify:acme:5", {"1": 2}, seen=False))
    channel = Channel("shopify:acme", orders, poison=[Poison("shopify:acme", "bad-1")])
    return Evidence(order_events=events, dlq=[poison("bad-1")], channels=[channel])


Edit = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def edit() -> Callable[[Evidence, str, int, Edit], Evidence]:
    """Changes one event's fields: evidence, order number, sequence, what."""

    def change(e: Evidence, order: str, seq: int, how: Edit) -> Evidence:
        key = f"shopify:acme:{order}"
        events = [
            replace(x, data=how(dict(x.data))) if (x.data["order_key"], x.data["seq"]) == (key, seq) else x
            for x in e.order_events
        ]
        return replace(e, order_events=events)

    return change
