"""No connector gives a record that holds a time, quantity, amount or text out of range: its delivery is an error that names the field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from connectors.bounds import MAX_AMOUNT, MAX_ITEMS
from connectors.protocols import Translation, TranslationError
from domain.records.commands import OrderUpserted
from domain.records.values import Address, Client, Delivery, Order, OrderLine

NOW = 1_795_000_000_000
LINE = OrderLine("L1", "SKU", 1, unit_price=1000, title="Lamp\twith\nlegs\x0b")
ORDER = Order(
    "shopify:acme:1", "shopify", "acme", "1", "#1", NOW, NOW, "EUR", "paid", [LINE],
    Client("c", "a@example.org", "", "nl", Address("Zoë 東京", street1="Kade 1")), Delivery(),
)  # fmt: skip


def told(order: Order) -> Translation:
    fact = OrderUpserted("e", "OrderUpserted", NOW, "shopify:acme/webhook", "t", order.order_key, "k", "", "h", order)
    return Translation(orders=[fact])


def line(**changes: Any) -> dict[str, Any]:
    return {"lines": [LINE, msgspec.structs.replace(LINE, **changes)]}


def test_a_plain_order_passes() -> None:
    assert told(ORDER).orders
    assert told(msgspec.structs.replace(ORDER, cancelled_at=NOW, total=-5, lines=[LINE] * MAX_ITEMS)).orders


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"created_at": -62_135_647_200_000}, "order.created_at"),
        ({"created_at": 4_102_444_800_001}, "order.created_at"),
        ({"version": 946_684_799_999}, "order.version"),
        ({"cancelled_at": -1}, "order.cancelled_at"),
        ({"delivery": Delivery(latest_delivery=10**15)}, "order.delivery.latest_delivery"),
        (line(qty=-1), r"order.lines\[1\].qty"),
        (line(qty=1_000_001), r"order.lines\[1\].qty"),
        (line(cancelled=2**70), r"order.lines\[1\].cancelled"),
        (line(unit_price=MAX_AMOUNT + 1), r"order.lines\[1\].unit_price"),
        ({"total": 2**63}, "order.total"),
        ({"total": -(2**64)}, "order.total"),
        (line(title="x" * 1001), r"order.lines\[1\].title"),
        (line(sku="A\x00"), r"order.lines\[1\].sku"),
        ({"name": "\x1b[2J"}, "order.name"),
        ({"name": "\ud800"}, "order.name"),
        ({"tags": ["ok", "\x07"]}, r"order.tags\[1\]"),
        ({"tags": ["t"] * (MAX_ITEMS + 1)}, "order.tags"),
        ({"lines": [LINE] * (MAX_ITEMS + 1)}, "order.lines"),
        ({"cancel_reason": "x" * 1001}, "order.cancel_reason"),
        ({"client": Client("c", shipping_address=Address(city="x\x7f"))}, "order.client.shipping_address.city"),
        ({"client": Client("c", billing_address=Address(city="x\x7f"))}, "order.client.billing_address.city"),
    ],
)
def test_what_is_out_of_range_names_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(TranslationError, match=f"^{field}: "):
        told(msgspec.structs.replace(ORDER, **changes))
