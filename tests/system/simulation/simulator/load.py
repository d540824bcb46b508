"""What the channels send in one run: orders, changes, cancellations, stock; twice, out of order, and now and then nonsense."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from domain.records.commands import OrderCancelled, OrderUpserted, RulesPublished, StockReported
from domain.records.record import uuid5
from domain.records.values import Address, Client, Delivery, LineQty, Order, OrderLine
from domain.rules.ruleset import Depot, RuleSet
from schemas.topics import ORDERS_IN, POOLS_IN

from .kernel import START_MS, Kernel
from .log import Log
from .outside import Deliveries

__all__ = ["deliver_all"]

SKUS = ("SKU-1", "SKU-2", "SKU-3")
POOL = "main"
TRACE = "0af7651916cd43dd8448eb211c80319c"
RULES = RuleSet(version="v1", depots=[Depot("a", "NL", sequence=1, wms="wms"), Depot("b", "DE", sequence=2, wms="wms")])
_ADDRESS = Address("Ada", "", "Kade 1", "", "1012AB", "Amsterdam", country="NL")


def deliver_all(kernel: Kernel, deliveries: Deliveries, log: Log, orders: int) -> None:
    """Put the whole run's deliveries on their way."""
    _rules(deliveries, log)
    _stock(kernel, deliveries, orders)
    for n in range(orders):
        _order(kernel, deliveries, n)
    for n in range(kernel.random.randrange(3)):
        topic = kernel.random.choice((ORDERS_IN.name, POOLS_IN.name))
        deliveries.send(kernel.random.random() * 10, topic, f"poison-{n}", b"\x00nonsense")


def _head(name: str, kind: str, now: float) -> dict[str, Any]:
    return {
        "event_id": uuid5(name, 0, kind),
        "type": kind,
        "time": START_MS + int(now * 1000),
        "source": "sim",
        "trace": TRACE,
    }


def _rules(deliveries: Deliveries, log: Log) -> None:
    body = msgspec.json.encode(RULES).decode()
    record = RulesPublished(**_head("rules", "RulesPublished", 0), name="default", version="v1", body=body)
    for topic in (ORDERS_IN.name, POOLS_IN.name):
        for partition in range(len(log.topics[topic])):
            deliveries.send(0, topic, "", record, partition)


def _stock(kernel: Kernel, deliveries: Deliveries, orders: int) -> None:
    """Less than will be wanted at first; the rest comes while the orders run."""
    r = kernel.random
    for when in (0.0, 4 + r.random() * 8):
        for depot in ("a", "b"):
            for sku in SKUS:
                key = f"{depot}/{sku}@{when:.3f}"
                told = StockReported(
                    **_head(key, "StockReported", when),
                    pool=POOL,
                    idempotency_key=key,
                    kind="RECEIPT",
                    depot=depot,
                    sku=sku,
                    quality="new",
                    qty=1 + r.randrange(orders + 1),
                    reference="",
                )
                for _ in range(1 + (r.random() < 0.2)):
                    deliveries.send(when + r.random() * 2 * (when > 0), POOLS_IN.name, POOL, told)


def _order(kernel: Kernel, deliveries: Deliveries, n: int) -> None:
    r = kernel.random
    key, placed = f"shopify:acme:{n}", 0.2 + r.random() * 8
    lines = [OrderLine(f"L{i}", r.choice(SKUS), 1 + r.randrange(3), unit_price=1000) for i in range(1 + r.randrange(2))]
    versions = 1 + (r.random() < 0.3)
    for v in range(versions):
        when = placed + v * 2
        shown = lines if v == 0 else [*lines, OrderLine("L9", r.choice(SKUS), 1, unit_price=500)]
        told = _shown(key, n, shown, when)
        deliveries.send(when + r.random() * 3, ORDERS_IN.name, key, told)
        if r.random() < 0.3:  # the same delivery again
            deliveries.send(when + r.random() * 6, ORDERS_IN.name, key, told)
        if r.random() < 0.2:  # the poll finds it too
            polled = msgspec.structs.replace(told, event_id=uuid5(key, v, "poll"), delivery_id="")
            deliveries.send(when + r.random() * 6, ORDERS_IN.name, key, polled)
        if r.random() < 0.1:  # the same delivery id, other content: somebody tampers
            forged = msgspec.structs.replace(told, event_id=uuid5(key, v, "forged"), content_hash="f" * 16)
            deliveries.send(when + 3 + r.random() * 6, ORDERS_IN.name, key, forged)
    if r.random() < 0.3:
        _cancel(kernel, deliveries, key, lines, placed + r.random() * 12 - 1)


def _shown(key: str, n: int, lines: list[OrderLine], when: float) -> OrderUpserted:
    version = START_MS + int(when * 1000)
    order = Order(
        order_key=key,
        channel="shopify",
        account="acme",
        order_id=str(n),
        name=f"#{n}",
        created_at=version,
        version=version,
        currency="EUR",
        payment_state="paid",
        lines=lines,
        client=Client(f"c{n}", "a@example.test", shipping_address=_ADDRESS),
        delivery=Delivery(),
        total=sum(x.unit_price * x.qty for x in lines),
    )
    return OrderUpserted(
        **_head(f"{key}@{version}", "OrderUpserted", when),
        order_key=key,
        idempotency_key=f"order@{version}",
        delivery_id=f"d-{key}-{version}",
        content_hash=hashlib.sha256(msgspec.msgpack.encode(order)).hexdigest()[:16],
        order=order,
    )


def _cancel(kernel: Kernel, deliveries: Deliveries, key: str, lines: list[OrderLine], when: float) -> None:
    r = kernel.random
    chosen = [] if r.random() < 0.5 else [LineQty(lines[0].line_id, lines[0].sku, 1)]
    told = OrderCancelled(
        **_head(f"{key}/cancel", "OrderCancelled", when),
        order_key=key,
        idempotency_key=f"cancel@{key}",
        delivery_id=f"c-{key}",
        content_hash="c" * 16,
        version=START_MS + int(when * 1000),
        reason="customer",
        lines=chosen,
    )
    for _ in range(1 + (r.random() < 0.3)):
        deliveries.send(max(when, 0) + r.random() * 2, ORDERS_IN.name, key, told)
