"""A 3PL's bodies become canonical facts, or an error that names the field."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.protocols import TranslationError
from connectors.threepl.translate import translate
from domain.records.commands import ShipmentTracked, WmsReported

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


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "occurred_at"),
        ({"occurred_at": "9999-12-31T23:59:59-14:00"}, "occurred_at"),
        ({"reference": f"main/shopify:acme:{'7' * 300}/2"}, "reference"),
        ({"reason": "x" * 2001}, "reason"),
        ({"reason": "\x00"}, "reason"),
        ({"shipment": {"id": "s1", "cost": 10**9 + 1}}, "cost"),
        ({"shipment": {"id": "s1", "cost": -1}}, "cost"),
        ({"shipment": {"id": "s1", "tracking_url": "u" * 2001}}, "tracking_url"),
        ({"lines": [{"line_id": "l1", "sku": "WH-1", "shipped": 1_000_001}]}, "shipped"),
        ({"lines": [{"line_id": "l1", "sku": "x" * 301}]}, "sku"),
        ({"lines": [{"line_id": "l1", "sku": "WH-1"}] * 1001}, "lines"),
    ],
)
def test_a_report_out_of_range_names_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(TranslationError, match=field):
        run("pick_order.updated", {**REPORT, **changes})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"occurred_at": "1999-12-31T00:00:00Z"}, "occurred_at"),
        ({"receipt_id": "x" * 101}, "receipt_id"),
        ({"inspected": [{"sku": "A", "qty": 1_000_001, "disposition": "RESTOCK"}]}, "qty"),
        ({"inspected": [{"sku": "A", "qty": 1, "disposition": "RESTOCK", "note": "x" * 2001}]}, "note"),
    ],
)
def test_an_inspection_out_of_range_names_its_field(changes: dict[str, Any], field: str) -> None:
    told = {"receipt_id": "R1", "rma": "shopify:acme:77/r1", "occurred_at": "2026-03-28T10:00:00Z", **changes}
    with pytest.raises(TranslationError, match=field):
        run("return.inspected", told)
