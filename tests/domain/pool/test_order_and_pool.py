"""The real order aggregate and a pool, talking to each other at random: their books always agree."""

from __future__ import annotations

import random
from collections import Counter, deque
from typing import Any

import pytest

from domain.order import aggregate as order
from domain.pool.aggregate import MemoryPool, handle
from domain.pool.state import PoolOrder
from domain.records.commands import OrderCancelled, OrderUpserted, StockReported, Tick, WmsReported
from domain.records.effects import PickOrder
from domain.records.values import Address, Client, Delivery, LineQty, Order, OrderLine, WmsLine
from domain.rules.ruleset import Depot, Routing, RuleSet, SplitPolicy

STATUSES = ["ACCEPTED", "PICKED", "SHIPPED", "SHIPPED", "SHORT_PICKED", "REJECTED", "CANCELLED", "CANCEL_REJECTED"]
ADDRESS = Address(name="n", street1="s 1", postcode="1011AA", city="A", country="NL")


class World:
    """Orders, a pool and warehouses that do anything a warehouse may; every command is delivered in turn."""

    def __init__(self, seed: int) -> None:
        self.r = random.Random(seed)
        split = SplitPolicy(allowed=self.r.random() < 0.7)
        routing = Routing(split=split, unfillable_after_days=5)
        self.rules = RuleSet("v1", depots=[Depot("A", "NL"), Depot("B", "DE", sequence=2)], routing=routing)
        self.view, self.orders = MemoryPool(), {}
        self.picks: dict[str, dict[str, list[Any]]] = {}
        self.now, self.n = 1_795_424_400_000, 0

    def head(self, type: str) -> dict[str, Any]:
        self.n += 1
        return {"event_id": f"x{self.n}", "type": type, "time": self.now, "source": "t", "trace": "0" * 31 + "1"}

    def deliver(self, to: str, command: Any) -> None:
        queue = deque([(to, command)])
        while queue:
            to, c = queue.popleft()
            if to == "pool":
                queue.extend(("order", x) for x in handle(self.view, c, self.rules).order_commands)
                continue
            result = order.handle(self.orders.get(c.order_key), c, self.rules)
            self.orders[c.order_key] = result.state
            queue.extend(("pool", x) for x in result.pool_commands)
            for e in result.effects:
                if isinstance(e, PickOrder):
                    self.picks[e.allocation_id] = {x.line_id: [x.sku, x.qty, 0, 0, 0] for x in e.lines}

    def place(self) -> None:
        r, id = self.r, str(self.n)
        lines = [OrderLine(f"l{j}", r.choice("XYZ"), r.randint(1, 3), 1000) for j in range(r.randint(1, 3))]
        client = Client("c", shipping_address=ADDRESS)
        o = Order(
            f"shopify:acme:{id}",
            "shopify",
            "acme",
            id,
            f"#{id}",
            self.now,
            self.now,
            "EUR",
            "paid",
            lines,
            client,
            Delivery(),
        )
        head, key = self.head("OrderUpserted"), f"order@{self.now}"
        self.deliver(
            "order",
            OrderUpserted(
                **head, order_key=o.order_key, idempotency_key=key, delivery_id="", content_hash="h", order=o
            ),
        )

    def stock(self) -> None:
        head, r = self.head("StockReported"), self.r
        kind, depot, sku, qty = (
            r.choice(["RECEIPT", "RECEIPT", "COUNT"]),
            r.choice("AB"),
            r.choice("XYZ"),
            r.randint(0, 6),
        )
        self.deliver(
            "pool",
            StockReported(
                **head,
                pool="main",
                idempotency_key=head["event_id"],
                kind=kind,
                depot=depot,
                sku=sku,
                quality="new",
                qty=qty,
                reference="",
            ),
        )

    def cancel(self) -> None:
        key = self.r.choice(list(self.orders))
        lines = [] if self.r.random() < 0.6 else [LineQty("l0", "X", 1)]
        self.deliver(
            "order",
            OrderCancelled(
                **self.head("OrderCancelled"),
                order_key=key,
                idempotency_key="cancel",
                delivery_id="",
                content_hash="h",
                version=self.now,
                reason="x",
                lines=lines,
            ),
        )

    def report(self) -> None:
        r = self.r
        id, status = r.choice(list(self.picks)), r.choice(STATUSES)
        for x in self.picks[id].values():
            left = x[1] - x[2] - x[3] - x[4]
            column = {"SHIPPED": 2, "SHORT_PICKED": 3, "REJECTED": 3, "CANCELLED": 4}.get(status)
            if column:
                x[column] += r.randint(0, left) if status in ("SHIPPED", "SHORT_PICKED") else left
        told = [
            WmsLine(k, x[0], x[2], x[2], x[3], x[4], r.choice(["out_of_stock", "damaged", "other"]))
            for k, x in self.picks[id].items()
        ]
        shipment = f"sh{self.n}" if status == "SHIPPED" else ""
        self.deliver(
            "pool",
            WmsReported(
                **self.head("WmsReported"),
                pool="main",
                order_key=id.split("/")[1],
                idempotency_key=f"w{self.n}",
                allocation_id=id,
                status=status,
                lines=told,
                shipment_id=shipment,
                carrier="c",
                tracking_number=f"t{self.n}",
                tracking_url="",
                cost=1,
                cost_currency="EUR",
                reason="other",
                occurred_at=self.now,
            ),
        )

    def step(self) -> None:
        self.now += self.r.randint(1000, 3_000_000)
        a = self.r.random()
        if a < 0.25 or not self.orders:
            self.place()
        elif a < 0.45:
            self.stock()
        elif a < 0.55:
            self.cancel()
        elif a < 0.6 or not self.picks:
            self.deliver("pool", Tick(**self.head("Tick")))
        else:
            self.report()

    def agree(self) -> None:
        for key, state in self.orders.items():
            kept = self.view.load(PoolOrder, key)
            live: Counter[str] = Counter()
            waits: Counter[str] = Counter()
            for x in [x for a in kept.allocations for x in a.lines] if kept else []:
                live[x.line_id] += x.live
            for x in [x for q in kept.requests for x in q.lines] if kept else []:
                waits[x.line_id] += x.qty
            for line in state.lines:
                assert live[line.line_id] == line.allocated + line.picked
                assert waits[line.line_id] == line.backordered
                assert line.requested == 0


@pytest.mark.parametrize("seed", range(12))
def test_an_order_and_its_pool_always_agree_on_every_unit(seed):
    world = World(seed)
    for _ in range(120):
        world.step()
        world.agree()
