"""Real bodies. They stay out of the repository: the tests read them where they are, and skip elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.protocols import Translation, TranslationError
from connectors.shopify.translate import translate
from domain.records.commands import (
    FulfilmentReported,
    OrderCancelled,
    OrderEdited,
    OrderUpserted,
    PaymentChanged,
    RefundReported,
    ReturnReported,
)
from schemas.codec import decode, encode

ROOT = Path(os.environ.get("CHANNEL_SAMPLES") or Path(__file__).parents[4] / "shared" / "samples") / "shopify"
pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="no sample bodies: set CHANNEL_SAMPLES to their folder")

TOPICS = {
    "fulfillment_orders_moved": "fulfillment_orders/moved",
    "fulfillment_orders_placed_on_hold": "fulfillment_orders/placed_on_hold",
    "fulfillments_anonymised_live_2024-01": "fulfillments/create",
    "fulfillments_create": "fulfillments/create",
    "order_rest_cancelled_coupon_refund": "orders/cancelled",
    "order_transactions_create": "order_transactions/create",
    "orders_cancelled_2024-10": "orders/cancelled",
    "orders_create": "orders/create",
    "orders_edited": "orders/edited",
    "orders_updated_2024-01": "orders/updated",
    "refunds_create": "refunds/create",
    "returns_approve": "returns/approve",
    "returns_request": "returns/request",
    "returns_update": "returns/update",
}
REFUSED = {
    "orders_anonymised_live_12_lines_2024-01": ("orders/create", "currency"),
    "refunds_anonymised_live_2025-04": ("refunds/create", "transactions[0].currency"),
}
KEY = "shopify:acme:820982911946154508"


def read(name: str, topic: str = "") -> Translation:
    return translate(topic or TOPICS[name], (ROOT / f"{name}.json").read_bytes(), "acme", 1_795_000_000_000, "a" * 32)


def fact(name: str, kind: type) -> Any:
    return next(f for f in read(name).orders if isinstance(f, kind))


def records(t: Translation) -> Iterator[Any]:
    yield from (*t.orders, *t.pools, *t.refetch)


def test_every_sample_is_named_here() -> None:
    assert {f.stem for f in ROOT.glob("*.json")} == {*TOPICS, *REFUSED}


@pytest.mark.parametrize("name", sorted(TOPICS))
def test_every_body_becomes_records_that_fit_the_schemas(name: str) -> None:
    found = list(records(read(name)))
    assert found
    for record in found:
        assert decode(encode(record)) == record


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_anonymised_money_is_refused_with_its_field(name: str) -> None:
    topic, field = REFUSED[name]
    with pytest.raises(TranslationError) as e:
        read(name, topic)
    assert e.value.field == field
    assert "'example string'" in str(e.value)


def test_the_order_is_known_by_its_gid_for_the_number_is_rounded() -> None:
    for name in ("orders_create", "orders_updated_2024-01", "orders_cancelled_2024-10"):
        assert fact(name, OrderUpserted).order_key == KEY


def test_an_order_with_two_sets() -> None:
    order = fact("orders_create", OrderUpserted).order
    assert [line.line_id for line in order.lines][:1] == ["487817672276298554"]
    assert [line.bundle_id for line in order.lines] == ["", *["234567890123456800"] * 2, *["142831562"] * 2]
    assert (order.total, order.currency, order.test, order.tags) == (40495, "USD", True, ["tag1", "tag2"])
    assert (order.payment_state, order.cancel_reason) == ("voided", "customer")
    assert order.client.shipping_address.region == "KY"


def test_a_cancelled_order_is_a_cancelled_snapshot_and_a_cancellation() -> None:
    upserted, cancelled = read("orders_cancelled_2024-10").orders
    assert isinstance(upserted, OrderUpserted)
    assert isinstance(cancelled, OrderCancelled)
    assert upserted.order.cancelled_at == cancelled.version == 1640995200000
    assert (cancelled.reason, cancelled.lines) == ("customer", [])


def test_a_coupon_a_cancellation_and_its_refund_in_a_rest_answer() -> None:
    upserted, cancelled, refund = read("order_rest_cancelled_coupon_refund").orders
    assert isinstance(upserted, OrderUpserted)
    line = upserted.order.lines[0]
    assert (line.unit_price, line.discount, line.cancelled, upserted.order.total) == (269000, 102220, 1, 166780)
    assert upserted.order.problems == []
    assert isinstance(refund, RefundReported)
    assert refund.order_key == upserted.order_key == cancelled.order_key, "not the refund's own order_id"
    assert (refund.amount, refund.lines[0].amount, refund.lines[0].restock) == (0, 166780, "cancel")


def test_a_refund_is_what_was_paid_back_not_what_its_lines_add_up_to() -> None:
    refund = fact("refunds_create", RefundReported)
    assert (refund.amount, refund.currency) == (8500, "USD")
    assert sum(line.amount for line in refund.lines) == 41495
    assert {line.restock for line in refund.lines} == {"no_restock"}


@pytest.mark.parametrize("name", ["refunds_create", "fulfillments_create", "order_transactions_create"])
def test_a_number_that_may_be_rounded_is_looked_up_by_the_gid(name: str) -> None:
    assert [r.resource_id for r in read(name).refetch]


def test_payments_fulfilments_edits_and_returns() -> None:
    payment = fact("order_transactions_create", PaymentChanged)
    assert (payment.kind, payment.amount, payment.status) == ("authorization", 41995, "success")
    fulfilment = fact("fulfillments_create", FulfilmentReported)
    assert (fulfilment.carrier, fulfilment.tracking_number, len(fulfilment.lines)) == ("UPS", "1z827wk74630", 5)
    edit = fact("orders_edited", OrderEdited)
    assert (len(edit.additions), len(edit.removals)) == (1, 1)
    for name, status in (("returns_request", "requested"), ("returns_approve", "approved")):
        returned = fact(name, ReturnReported)
        assert (returned.order_key, returned.status) == ("shopify:acme:4783296544821", status)
        assert [r.resource for r in read(name).refetch] == ["return"], "its lines are not in the body"


@pytest.mark.parametrize("name", ["returns_update", "fulfillment_orders_moved", "fulfillment_orders_placed_on_hold"])
def test_a_body_without_its_order_is_only_a_signal(name: str) -> None:
    found = read(name)
    assert found.orders == []
    assert len(found.refetch) == 1
