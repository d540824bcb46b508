"""A 3PL's bodies become canonical facts, or an error that names the field."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.base import TranslationError
from connectors.threepl.translate import translate
from domain.commands import ShipmentTracked, WmsReported

REFERENCE = "main/shopify:acme:77/2"
REPORT: dict[str, Any] = {
    "reference": REFERENCE,
    "status": "SHIPPED",
    "lines": [{"line_id": "l1", "sku": "WH-1", "picked": 2, "shipped": 2, "short": 1, "reason": "damaged"}],
    "shipment": {"id": "s1", "carrier": "DHL", "tracking_number": "T1", "cost": 495, "currency": "EUR"},
    "reason": "damaged",
    "occurred_at": "2026-03-27T10:15:30.250+01:00",
}
SCAN: dict[str, Any] = {
    "reference": REFERENCE,
    "shipment_id": "s1",
    "status": "DELIVERED",
    "carrier": "DHL",
    "tracking_number": "T1",
    "detail": "Neighbour",
    "occurred_at": "2026-03-28T10:00:00Z",
}
AT = int(datetime(2026, 3, 27, 9, 15, 30, 250_000, tzinfo=UTC).timestamp() * 1000)


def run(topic: str, value: object) -> Any:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return translate(topic, body, "depot-a", 5, "0" * 32)


def test_a_report_names_its_pool_order_and_allocation() -> None:
    (fact,) = run("pick_order.updated", REPORT).pools
    assert isinstance(fact, WmsReported)
    assert (fact.pool, fact.order_key, fact.allocation_id) == ("main", "shopify:acme:77", REFERENCE)
    assert (fact.status, fact.cost, fact.occurred_at) == ("SHIPPED", 495, AT)
    assert (fact.lines[0].shipped, fact.lines[0].short, fact.lines[0].reason) == (2, 1, "damaged")


def test_a_scan_goes_straight_to_its_order() -> None:
    (fact,) = run("shipment.tracked", SCAN).orders
    assert isinstance(fact, ShipmentTracked)
    assert (fact.order_key, fact.shipment_id, fact.status) == ("shopify:acme:77", "s1", "DELIVERED")


def test_webhook_and_status_poll_tell_a_fact_under_the_same_key() -> None:
    earlier = {**REPORT, "status": "ACCEPTED", "shipment": None, "occurred_at": "2026-03-27T08:00:00Z"}
    row = {**REPORT, "id": "1", "updated_at": SCAN["occurred_at"], "history": [earlier], "scans": [SCAN]}
    polled = run("pick_order.polled", row)
    told = [
        *run("pick_order.updated", earlier).pools,
        *run("pick_order.updated", REPORT).pools,
        *run("shipment.tracked", SCAN).orders,
    ]
    assert [(x.idempotency_key, x.event_id) for x in (*polled.pools, *polled.orders)] == [
        (x.idempotency_key, x.event_id) for x in told
    ]


def test_a_pick_order_that_was_only_received_tells_nothing() -> None:
    row = {"reference": REFERENCE, "status": "RECEIVED", "lines": [], "updated_at": "2026-03-27T08:00:00Z"}
    assert run("pick_order.polled", row).pools == []


@pytest.mark.parametrize(
    ("topic", "body", "field"),
    [
        pytest.param("stock.changed", {}, "topic", id="unknown topic"),
        pytest.param("pick_order.updated", b"{", "$", id="no JSON"),
        pytest.param("pick_order.updated", {**REPORT, "reference": "77"}, "reference", id="a foreign reference"),
        pytest.param("pick_order.updated", {**REPORT, "status": "LOST"}, "status", id="an unknown status"),
        pytest.param("pick_order.updated", {**REPORT, "occurred_at": "noon"}, "$.occurred_at", id="no time"),
        pytest.param("pick_order.updated", {**REPORT, "occurred_at": "2026-03-27T10:00:00"}, "occurred_at", id="zone"),
        pytest.param(
            "pick_order.updated", {**REPORT, "lines": [{"line_id": "l", "sku": "s", "picked": -1}]}, "$.lines[0].picked", id="-1"
        ),
        pytest.param("shipment.tracked", {**SCAN, "status": "SHIPPED"}, "status", id="no scan"),
        pytest.param("shipment.tracked", {k: v for k, v in SCAN.items() if k != "shipment_id"}, "$", id="no shipment"),
    ],
)  # fmt: skip
def test_what_cant_be_translated_names_the_field(topic: str, body: object, field: str) -> None:
    with pytest.raises(TranslationError) as e:
        run(topic, body)
    assert e.value.field == field
