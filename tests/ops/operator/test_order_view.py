"""What `wharf orders show` derives from the events, against the aggregates' own state."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from domain.errors import Rejected
from domain.order import aggregate as order
from domain.pool import aggregate as pool
from domain.records import commands as c
from domain.records.effects import Effect, PickOrder, PickOrderCancel
from domain.records.events import OrderEvent, PoolEvent
from domain.records.values import Address, Client, Delivery, LineQty, Order, OrderLine, WmsLine
from domain.rules.ruleset import Depot, Routing, RuleSet, SplitPolicy
from ops.operator.order_text import render
from ops.operator.order_view import view

NOW = 1_795_428_000_000
KEY = "shopify:acme:1001"
TRACE = "0af7651916cd43dd8448eb211c80319c"
HOME = Address(name="Ada", street1="Kade 1", postcode="1012 AB", city="Amsterdam", country="NL")
RULES = RuleSet(
    "v1",
    depots=[Depot("A", "NL", sequence=1), Depot("B", "DE", sequence=2)],
    routing=Routing(split=SplitPolicy(allowed=True)),
)


class World:
    """One order and its pool, both real; a WMS that does what it is told."""

    def __init__(self) -> None:
        self.now = NOW
        self.state: order.OrderState | None = None
        self.pool = pool.MemoryPool()
        self.events: list[OrderEvent] = []
        self.pool_events: list[PoolEvent] = []
        self.effects: list[Effect] = []
        self.wms: dict[str, dict[str, WmsLine]] = {}
        self.n = 0

    def head(self, kind: str) -> dict[str, Any]:
        self.n += 1
        self.now += 60_000
        return {"event_id": f"e{self.n}", "type": kind, "time": self.now, "source": "test", "trace": TRACE}

    def fact(self, kind: str, key: str) -> dict[str, Any]:
        head = self.head(kind)
        return {**head, "order_key": KEY, "idempotency_key": key, "delivery_id": "", "content_hash": f"{self.n}"}

    def tell(self, command: Any) -> None:
        """Fold a command and all that follows from it; what is refused changes nothing."""
        todo = [command]
        while todo:
            todo += self._fold(todo.pop(0))

    def _fold(self, command: Any) -> list[Any]:
        try:
            if hasattr(command, "pool") and not isinstance(command, c.AllocationDecided | c.AllocationProgressed):
                done = pool.handle(self.pool, command, RULES)
                self.pool_events += done.events
                return list(done.order_commands)
            result = order.handle(self.state, command, RULES)
        except Rejected:
            return []
        self.state = result.state
        self.events += result.events
        self.effects += result.effects
        outcomes = [self._sent(e) for e in result.effects if isinstance(e, PickOrder)]
        return [*result.pool_commands, *outcomes]

    def _sent(self, effect: PickOrder) -> c.EffectOutcome:
        self.wms[effect.allocation_id] = {x.line_id: WmsLine(x.line_id, x.sku) for x in effect.lines}
        return c.EffectOutcome(
            **self.head("EffectOutcome"), order_key=KEY, effect_id=effect.event_id, kind="PickOrder", target=effect.target,
            ok=True, attempts=1, reference="po", error="", allocation_id=effect.allocation_id,
        )  # fmt: skip

    def stock(self, depot: str, sku: str, n: int) -> None:
        head = self.head("StockReported")
        self.tell(c.StockReported(**head, pool="main", idempotency_key=f"k{self.n}", kind="RECEIPT", depot=depot, sku=sku,
                                  quality="new", qty=n, reference=""))  # fmt: skip

    def upsert(self, **units: int) -> None:
        self.version = getattr(self, "version", 0) + 1
        lines = [OrderLine(k, f"SKU-{k}", n, 1000) for k, n in units.items()]
        client = Client("cust", "ada@example.org", "+31201234567", "nl", HOME)
        snapshot = Order(
            KEY, "shopify", "acme", "1001", "#1001", NOW, self.version, "EUR", "paid", lines, client, Delivery(), 3000
        )
        self.tell(c.OrderUpserted(**self.fact("OrderUpserted", f"order@{self.version}"), order=snapshot))

    def hold(self, action: str, name: str = "MANUAL") -> None:
        fact = self.fact("HoldChanged", f"hold/{self.n}")
        self.tell(c.HoldChanged(**fact, hold=name, action=action, reason="looks odd", actor="eve"))

    def cancel(self, *lines: LineQty) -> None:
        fact = self.fact("OrderCancelled", f"cancel/{self.n}")
        self.tell(c.OrderCancelled(**fact, version=self.now, reason="customer", lines=list(lines)))

    def report(self, allocation_id: str, status: str, **units: int) -> None:
        head = self.head("WmsReported")
        lines = list(self.wms[allocation_id].values())
        self.tell(c.WmsReported(
            **head, pool="main", order_key=KEY, idempotency_key=f"w{self.n}", allocation_id=allocation_id, status=status,
            lines=lines, shipment_id=f"s-{allocation_id}" if status == "SHIPPED" else "", carrier="PostNL",
            tracking_number="3S1" if status == "SHIPPED" else "", tracking_url="", cost=495, cost_currency="EUR",
            reason="damaged" if status == "SHORT_PICKED" else "", occurred_at=self.now,
        ))  # fmt: skip

    def move(self, allocation_id: str, status: str) -> None:
        """Let the WMS do one thing with all units that it has not finished."""
        ordered = next(e for e in self.effects if isinstance(e, PickOrder) and e.allocation_id == allocation_id)
        asked = {x.line_id: x.qty for e in self.effects if isinstance(e, PickOrderCancel) and e.allocation_id == allocation_id
                 for x in e.lines}  # fmt: skip
        for x in ordered.lines:
            was = self.wms[allocation_id][x.line_id]
            left = x.qty - was.short - was.cancelled - was.shipped
            change: dict[str, int] = {}
            if status == "PICKED":
                change = {"picked": was.shipped + left}
            elif status == "SHIPPED":
                change = {"picked": was.shipped + left, "shipped": was.shipped + left}
            elif status == "SHORT_PICKED" and left > was.picked - was.shipped:
                change = {"short": was.short + 1}
            elif status == "REJECTED" and was.picked == 0:
                change = {"short": was.short + left}
            elif status == "CANCELLED":
                change = {"cancelled": was.cancelled + min(left, asked.get(x.line_id, 0))}
            self.wms[allocation_id][x.line_id] = msgspec.structs.replace(was, **change)
        self.report(allocation_id, status)


def row(event: OrderEvent | PoolEvent) -> dict[str, Any]:
    """As ClickHouse gives it: nested lists as columns, times as datetimes."""
    out: dict[str, Any] = {}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        if name in {"lines", "moves"}:
            kind = ("line_id", "sku", "qty", "amount") if name == "lines" else ("sku", "reserved_delta")
            out |= {f"{name}.{k}": [getattr(x, k) for x in value] for k in kind}
        elif name in {"time", "occurred_at", "placed_at", "ship_by", "eta"} and value is not None:
            out[name] = datetime.fromtimestamp(value / 1000, UTC)
        else:
            out[name] = value
    return out


def shown(world: World) -> dict[str, Any]:
    return view([row(e) for e in world.events], [row(e) for e in world.pool_events if e.order_key == KEY])


BUCKETS = ("ordered", "backordered", "allocated", "picked", "shipped", "cancelled")


def agrees(world: World) -> None:
    """The view's quantities are the aggregate's, once nothing is under way."""
    assert world.state is not None
    truth = order.summary(world.state)
    found = shown(world)
    for line in truth["lines"]:
        mine = next(x for x in found["lines"] if x["line_id"] == line["line_id"])
        assert {k: mine[k] for k in BUCKETS} == {k: line[k] for k in BUCKETS}, world.events
        assert mine["open"] == line["open"] + line["requested"]
    assert {h["hold"] for h in found["holds"]} == {h["hold"] for h in truth["holds"]}


@pytest.mark.parametrize("seed", range(60))
def test_quantities_and_holds_are_those_of_the_aggregate_whatever_happens(seed: int) -> None:
    rng, world = random.Random(seed), World()
    for depot in "AB":
        for line in ("L1", "L2"):
            world.stock(depot, f"SKU-{line}", rng.randint(0, 3))
    units = {"L1": rng.randint(1, 4), "L2": rng.randint(1, 3)}
    world.upsert(**units)
    agrees(world)
    for _ in range(12):
        live = list(world.wms)
        match rng.choice(["stock", "hold", "release", "cancel", "edit", "wms", "wms", "wms"]):
            case "stock":
                world.stock(rng.choice("AB"), f"SKU-{rng.choice(['L1', 'L2'])}", rng.randint(1, 3))
            case "hold":
                world.hold("place")
            case "release":
                world.hold("release")
            case "cancel":
                world.cancel(LineQty("L1", "SKU-L1", 1))
            case "edit":
                units["L2"] = max(1, units["L2"] + rng.choice([-1, 1]))
                world.upsert(**units)
            case "wms" if live:
                world.move(
                    rng.choice(live),
                    rng.choice(["ACCEPTED", "PICKED", "SHIPPED", "SHORT_PICKED", "REJECTED", "CANCELLED"]),
                )
        agrees(world)


def happy() -> World:
    world = World()
    world.stock("A", "SKU-L1", 5)
    world.upsert(L1=2)
    [allocation] = world.wms
    for status in ("ACCEPTED", "PICKED", "SHIPPED"):
        world.move(allocation, status)
    world.tell(c.ShipmentTracked(**world.head("ShipmentTracked"), order_key=KEY, idempotency_key="t1", allocation_id=allocation,
                                 shipment_id=f"s-{allocation}", status="DELIVERED", carrier="PostNL", tracking_number="3S1",
                                 detail="at the door", occurred_at=world.now))  # fmt: skip
    return world


def test_a_delivered_order_shows_its_allocation_with_the_decision_its_shipment_and_its_timeline() -> None:
    found = shown(happy())
    [allocation], [shipment] = found["allocations"], found["shipments"]
    assert (allocation["depot"], allocation["status"], allocation["rule_version"]) == ("A", "DELIVERED", "v1")
    refused = {x["depot"]: x.get("refused") for x in allocation["decision"]["candidates"]}
    assert refused == {"A": None, "B": "stock"}
    assert (shipment["status"], shipment["tracking_number"], shipment["cost"]) == ("DELIVERED", "3S1", 495)
    assert shipment["delivered_at"].endswith("Z")
    assert found["lines"][0]["shipped"] == found["lines"][0]["delivered"] == 2
    assert [m["type"] for m in found["timeline"]][:2] == ["PLACED", "ALLOCATION_REQUESTED"]
    assert {m["trace"] for m in found["timeline"]} == {TRACE}
    assert found["placed_at"] == "2026-11-23T10:00:00.000Z"


def test_the_text_says_why_the_depot_was_chosen_and_why_the_other_was_not() -> None:
    text = render(shown(happy()))
    assert "✓ A: has 5 × SKU-L1" in text
    assert "✗ B: has none of it" in text
    assert "decided with rules v1" in text
    assert "delivered" in text
    assert "at the door" in text


def test_a_backordered_and_held_order_shows_what_it_waits_for() -> None:
    world = World()
    world.stock("A", "SKU-L1", 1)
    world.upsert(L1=3)
    found = shown(world)
    assert [w["status"] for w in found["waiting"]] == ["BACKORDERED"]
    world.hold("place")
    text = render(shown(world))
    assert "MANUAL since" in text
    assert "(by eve): looks odd" in text


def test_a_cancel_before_the_order_shows_an_order_that_is_not_placed_yet() -> None:
    world = World()
    world.cancel()
    found = shown(world)
    assert found["placed_at"] is None
    assert "not placed yet" in render(found)


def test_nothing_shown_is_personal_data() -> None:
    text = str(shown(happy()))
    for secret in ("ada@example.org", "+31201234567", "Kade 1", "1012 AB", "Ada"):
        assert secret not in text
