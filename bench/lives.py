"""Order lives for the benchmarks: real commands, folded by the product's own agents over their tables, all in memory.

A life is 12 records of the two input topics: the order (1–3 lines, two addresses), the pool's answer, the pick order's outcome, three words
of the WMS (each first to the pool, then to the order), the channel's outcome, two scans of the carrier, and the next snapshot.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from typing import Any

import msgspec

from domain.records import values
from domain.records.commands import (
    EffectOutcome,
    OrderUpserted,
    RulesPublished,
    ShipmentTracked,
    StockReported,
    WmsReported,
)
from domain.records.effects import ChannelShipment, PickOrder
from domain.records.record import Record, uuid5
from domain.rules.ruleset import Depot, RuleSet
from schemas.codec import decode, encode
from schemas.topics import EFFECTS, ORDERS_IN, POOLS_IN
from streams.orders import orders
from streams.pools import pools
from streams.runtime import Batch, Message, Output, Table

__all__ = ["RULES", "World", "open_orders", "opening", "order", "order_upserted"]

NOW = 1_795_428_000_000
TRACE = "0af7651916cd43dd8448eb211c80319c"
POOL = "main"
SKUS = 2_000
RULES = RuleSet(version="v1", depots=[Depot("nl-1", "NL"), Depot("de-1", "DE", sequence=2)])
_CITIES = ("Amsterdam", "Utrecht", "Rotterdam", "Köln", "Antwerpen", "Gent", "Lille")
_AGENTS: dict[str, Callable[[Batch], Coroutine[Any, Any, None]]] = {ORDERS_IN.name: orders, POOLS_IN.name: pools}


def _head(kind: str, key: str, number: int = 0, time: int = NOW) -> tuple[str, str, int, str, str]:
    return uuid5(key, number, kind), kind, time, "bench", TRACE


def order(number: int, version: int = NOW) -> values.Order:
    """The ``number``-th order as a shop shows it; the same number gives the same order."""
    rng = random.Random(number)
    house = f"{rng.choice(('Keizersgracht', 'Hauptstraße', 'Rue de Rivoli'))} {rng.randrange(1, 400)}"
    home = values.Address(
        f"Customer {number}", "", house, "", f"{rng.randrange(1000, 9999)} AB", rng.choice(_CITIES), "", "NL",
        f"+316{rng.randrange(10**8):08}",
    )  # fmt: skip
    lines = [
        values.OrderLine(
            f"{number * 4 + index}", f"SKU-{rng.randrange(SKUS):05}", 1 + rng.randrange(3), 2999, 520, 0, f"{number}{index}",
            "Wool sweater, navy, medium",
        )
        for index in range(1 + number % 3)
    ]  # fmt: skip
    total = sum(line.qty * line.unit_price for line in lines)
    client = values.Client(f"{rng.getrandbits(64):016x}", f"customer{number}@example.org", home.phone, "nl", home, home)
    return values.Order(
        f"shopify:acme:{5_000_000_000_000 + number}", "shopify", "acme", f"{5_000_000_000_000 + number}", f"#{number}", NOW,
        version, "EUR", "paid", lines, client, values.Delivery("Standard"), total,
        payments=[values.Payment(f"{number}", "shopify_payments", total)],
    )  # fmt: skip


def order_upserted(number: int, version: int = NOW) -> OrderUpserted:
    """The order's snapshot, from a webhook."""
    shown = order(number, version)
    head = _head("OrderUpserted", shown.order_key, version)
    return OrderUpserted(*head, shown.order_key, f"order@{version}", head[0], f"{version % 10**16:016x}", shown)


def opening(stock: int = 10**9) -> tuple[list[Record], list[Record]]:
    """What comes before the orders: rules (to both topics), and to the pool ``stock`` units of each SKU in each depot."""
    rules = RulesPublished(*_head("RulesPublished", "rules"), "default", "v1", msgspec.json.encode(RULES).decode())
    counts = [
        StockReported(
            *_head("StockReported", f"{depot.id}/{number}"), POOL, f"count/{depot.id}/{number}", "COUNT", depot.id, f"SKU-{number:05}", "new", stock, "1"
        )
        for depot in RULES.depots
        for number in range(SKUS)
    ]  # fmt: skip
    return [rules], [rules, *counts]


class World:
    """One partition of each table, and the agents that fold into it. ``ship``: whether pick orders are answered at all."""

    def __init__(self, size: int = 1_000, ship: bool = True) -> None:
        self.size = size
        self.ship = ship
        self.folded = 0
        """Records of both input topics."""
        self.outputs = 0
        self.tables = {agent: Table.empty(f"{agent}/0") for agent in _AGENTS}
        self._offsets = dict.fromkeys(_AGENTS, 0)
        self._waiting: dict[str, deque[Message]] = {agent: deque() for agent in _AGENTS}
        orders_first, pools_first = opening()
        for record in orders_first:
            self.put(ORDERS_IN.name, b"", encode(record))
        for record in pools_first:
            self.put(POOLS_IN.name, getattr(record, "pool", "").encode(), encode(record))
        self.run()

    def put(self, topic: str, key: bytes, value: bytes) -> None:
        """Append a record to an input topic."""
        offset = self._offsets[topic]
        self._offsets[topic] = offset + 1
        self._waiting[topic].append(Message(topic, 0, offset, key, value, [], NOW))

    def place(self, numbers: Iterable[int]) -> None:
        """Have these orders come in, and all that follows, to the end."""
        for number in numbers:
            upserted = order_upserted(number)
            self.put(ORDERS_IN.name, upserted.order_key.encode(), encode(upserted))
        self.run()

    def run(self) -> None:
        """Cycle after cycle until nothing is left to fold."""
        while any(self._waiting.values()):
            for topic, waiting in self._waiting.items():
                if waiting:
                    self._cycle(topic, [waiting.popleft() for _ in range(min(self.size, len(waiting)))])

    def _cycle(self, topic: str, messages: list[Message]) -> None:
        table = self.tables[topic]
        batch = Batch(topic, messages, {0: table})
        with suppress(StopIteration):
            _AGENTS[topic](batch).send(None)
        table.seal(messages[-1].offset + 1)
        table.apply()
        if batch.dead:
            raise RuntimeError(f"{batch.dead} records of {topic} became dead letters")
        self.folded += len(messages)
        self.outputs += len(batch.outputs)
        for out in batch.outputs:
            if out.topic in _AGENTS:
                self.put(out.topic, out.key, out.value or b"")
            elif out.topic == EFFECTS.name and self.ship:
                for to, record in answers(out):
                    key = record.pool if isinstance(record, WmsReported) else record.order_key
                    self.put(to, key.encode(), encode(record))


def answers(effect: Output) -> Iterator[tuple[str, Any]]:
    """What the warehouse, the carrier and the channel say to an effect, all at once: it is folded in this order."""
    made = decode(effect.value or b"")
    if isinstance(made, PickOrder):
        key, name = made.order_key, made.allocation_id
        yield ORDERS_IN.name, _outcome(made)
        for number, status in enumerate(("ACCEPTED", "PICKED", "SHIPPED"), 1):
            yield POOLS_IN.name, _reported(made, status, number)
        for number, status in enumerate(("IN_TRANSIT", "DELIVERED"), 4):
            head = _head("ShipmentTracked", name, number, NOW + number)
            yield (
                ORDERS_IN.name,
                ShipmentTracked(
                    *head,
                    key,
                    f"scan/{name}/{status}",
                    name,
                    f"s-{name}",
                    status,
                    "PostNL",
                    f"3S{name}",
                    "",
                    NOW + number,
                ),
            )
    elif isinstance(made, ChannelShipment):
        yield ORDERS_IN.name, _outcome(made)


def _outcome(made: PickOrder | ChannelShipment) -> EffectOutcome:
    head = _head("EffectOutcome", made.event_id)
    return EffectOutcome(
        *head, made.order_key, made.event_id, made.type, made.target, True, 1, f"ref-{made.event_id[:8]}", "", made.allocation_id
    )  # fmt: skip


def _reported(made: PickOrder, status: str, number: int) -> WmsReported:
    allocation_id = made.allocation_id
    picked, shipped = status != "ACCEPTED", status == "SHIPPED"
    lines = [values.WmsLine(line.line_id, line.sku, line.qty * picked, line.qty * shipped) for line in made.lines]
    parcel = (
        (f"s-{allocation_id}", "PostNL", f"3S{allocation_id}", f"https://track.example.org/{allocation_id}", 495, "EUR")
        if shipped
        else ("", "", "", "", 0, "")
    )
    return WmsReported(
        *_head("WmsReported", allocation_id, number, NOW + number), POOL, made.order_key, f"wms/{allocation_id}/{number}", allocation_id, status, lines, *parcel, "", NOW + number
    )  # fmt: skip


def open_orders(count: int, stencils: int = 500) -> Iterator[tuple[str, bytes, bytes]]:
    """``count`` orders that are with the warehouse, as both tables keep them: (input topic, key, value), an order's rows together.

    A few are folded for real; the others are those with another number, which has as many digits and stands in every id.
    """
    world = World(ship=False)
    before = {t: set(dict(table.items())) for t, table in world.tables.items()}
    world.place(range(stencils))
    kept: dict[bytes, list[tuple[str, bytes, bytes]]] = {_digits(ordinal): [] for ordinal in range(stencils)}
    for topic, table in world.tables.items():
        for key, value in table.items():
            if key not in before[topic] and (number := key.rpartition(b":")[2].partition(b"/")[0]) in kept:
                kept[number].append((topic, key, value))
    for number, rows in kept.items():
        if {topic for topic, _, _ in rows} != _AGENTS.keys():
            raise RuntimeError(
                f"order {number.decode()} left {len(rows)} rows: the bench no longer knows the tables' keys"
            )
    groups = list(kept.items())
    for ordinal in range(count):
        number, rows = groups[ordinal % stencils]
        wanted = _digits(ordinal)
        for topic, key, value in rows:
            yield topic, key.replace(number, wanted), value.replace(number, wanted)


def _digits(number: int) -> bytes:
    return b"%d" % (5_000_000_000_000 + number)
