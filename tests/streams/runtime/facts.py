"""Commands that the agents' tests fold."""

from __future__ import annotations

import msgspec

from domain.records.commands import OrderUpserted, RulesPublished, StockReported, Tick
from domain.records.record import Record, uuid5
from domain.records.values import Address, Client, Delivery, Order, OrderLine
from domain.rules.notifications import Notifications
from domain.rules.ruleset import Depot, RuleSet
from schemas.codec import encode
from streams.runtime import Message

T0 = 1_790_000_000_000
TRACE = "0af7651916cd43dd8448eb211c80319c"


def order_key(n: int) -> str:
    return f"shopify:acme:{n}"


def upserted(n: int, qty: int = 1, time: int = T0) -> OrderUpserted:
    order = Order(
        order_key=order_key(n),
        channel="shopify",
        account="acme",
        order_id=str(n),
        name=f"#{n}",
        created_at=time,
        version=time,
        currency="EUR",
        payment_state="paid",
        lines=[OrderLine("1", "SKU-1", qty, unit_price=1000)],
        client=Client(
            "c1", "a@example.test", shipping_address=Address("A", "", "S 1", "", "1011AA", "A", country="NL")
        ),
        delivery=Delivery(),
        total=1000 * qty,
    )
    return OrderUpserted(
        event_id=uuid5("test", n, "OrderUpserted"),
        type="OrderUpserted",
        time=time,
        source="test",
        trace=TRACE,
        order_key=order.order_key,
        idempotency_key=f"order@{time}",
        delivery_id=f"d{n}",
        content_hash="0123456789abcdef",
        order=order,
    )


def stock(qty: int) -> StockReported:
    return StockReported(
        event_id=uuid5("test", qty, "StockReported"),
        type="StockReported",
        time=T0,
        source="test",
        trace=TRACE,
        pool="main",
        idempotency_key="count-1",
        kind="COUNT",
        depot="a",
        sku="SKU-1",
        quality="new",
        qty=qty,
        reference="",
    )


def rules(notifications: Notifications | None = None) -> RulesPublished:
    told = notifications or Notifications()
    body = msgspec.json.encode(RuleSet(version="v1", depots=[Depot("a", "NL")], notifications=told)).decode()
    return RulesPublished(uuid5("test", 0, "Rules"), "RulesPublished", T0, "test", TRACE, "default", "v1", body)


def tick(time: int) -> Tick:
    return Tick(uuid5("test", time, "Tick"), "Tick", time, "worker", "")


def message(topic: str, offset: int, key: str, record: Record | bytes) -> Message:
    value = record if isinstance(record, bytes) else encode(record)
    return Message(topic, 0, offset, key.encode(), value, [], T0)
