"""What the checks look at: the raw log, the simulators' own ledgers, ClickHouse. Gathered once, after everything is quiet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .log import Entry

__all__ = [
    "Bundle",
    "Channel",
    "Evidence",
    "Exchange",
    "Inspected",
    "Money",
    "Poison",
    "Price",
    "Rows",
    "SentOrder",
    "ShippedLine",
    "Told",
    "Warehouse",
    "order_of",
]

Rows = Callable[[str], list[dict[str, Any]]]
"""Answers a ClickHouse query."""


@dataclass(frozen=True, slots=True)
class SentOrder:
    """An order as its channel's ledger knows it. ``lines``: units ordered, by line; ``elsewhere``: lines that are not ours to ship.

    ``seen``: the channel had a 2xx for a delivery of it, or showed it in a poll's answer; without either, no one could know it.
    ``told``: the channel is told what is shipped of it; of an exchange's goods it is not.
    """

    key: str
    lines: Mapping[str, int]
    seen: bool
    test: bool = False
    channel_ships: bool = False
    elsewhere: frozenset[str] = frozenset()
    told: bool = True


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a customer asked for on the shop's own return page: ``qty`` units of a line back, ``goods_qty`` units of ``sku`` out at ``price`` each.

    ``key``: the order that the units were bought with.
    """

    key: str
    line_id: str
    qty: int
    sku: str
    goods_qty: int
    price: int


@dataclass(frozen=True, slots=True)
class Told:
    """Units that a channel was told to be shipped, as its own ledger has it."""

    key: str
    line_id: str
    qty: int
    tracking_number: str


@dataclass(frozen=True, slots=True)
class Money:
    """An entry of a payment provider's own ledger. ``kind``: captured, refunded, declined; ``by``: who asked for a refund; minor units."""

    key: str
    payment: str
    kind: str
    amount: int
    by: str = ""
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    """What a line cost, by its channel's ledger: ``gross`` for all its ``qty`` units, after discounts, with tax."""

    qty: int
    gross: int


@dataclass(frozen=True, slots=True)
class Inspected:
    """Units that a warehouse looked at when they came back."""

    depot: str
    receipt: str
    rma: str
    line_id: str
    sku: str
    qty: int
    disposition: str


@dataclass(frozen=True, slots=True)
class Poison:
    """A delivery that a simulator made untranslatable on purpose and that was answered with 2xx."""

    channel: str
    delivery_id: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel's ledger. ``cancelled``: units by (order key, line) that it counts as cancelled: it takes no shipment of those.
    ``money``: the ledger of the provider that took its customers' payments; ``prices`` by (order key, line); ``shipping``: what an order's
    customer paid for it, by order key.
    """

    name: str
    orders: list[SentOrder] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    cancelled: Counter[tuple[str, str]] = field(default_factory=Counter)
    poison: list[Poison] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    money: list[Money] = field(default_factory=list)
    prices: dict[tuple[str, str], Price] = field(default_factory=dict)
    shipping: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShippedLine:
    """Units that left a depot."""

    depot: str
    reference: str
    line_id: str
    sku: str
    qty: int
    shipment_id: str
    tracking_number: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A parcel with several pick orders (``references``). ``doors``: who and where its pick orders were for; ``groups``: their ids."""

    depot: str
    shipment_id: str
    cost: int
    references: tuple[str, ...]
    doors: frozenset[str]
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Warehouse:
    """The 3PLs' ledgers: ``asked`` is units by (depot, reference, line); the counters are units by (depot, SKU)."""

    asked: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    shipped: list[ShippedLine] = field(default_factory=list)
    written_off: Counter[tuple[str, str]] = field(default_factory=Counter)
    shelf: Mapping[tuple[str, str], int] = field(default_factory=dict)
    b_grade: Mapping[tuple[str, str], int] = field(default_factory=dict)
    binned: Mapping[tuple[str, str], int] = field(default_factory=dict)
    inspected: list[Inspected] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    bundles: list[Bundle] = field(default_factory=list)


def _no_rows(sql: str) -> list[dict[str, Any]]:
    raise LookupError(f"no ClickHouse to ask: {sql}")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything a check may look at. The log's entries are in offset order by partition."""

    order_events: list[Entry] = field(default_factory=list)
    pool_events: list[Entry] = field(default_factory=list)
    orders_in: list[Entry] = field(default_factory=list)
    pools_in: list[Entry] = field(default_factory=list)
    dlq: list[Entry] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)
    warehouse: Warehouse = field(default_factory=Warehouse)
    rows: Rows = _no_rows
    exchanges: list[Exchange] = field(default_factory=list)

    def exchange_orders(self, key: str) -> list[str]:
        """The orders in the log that an exchange of this order's units made."""
        return sorted({k for entry in self.order_events if (k := entry.data["order_key"]).startswith(f"{key}~x")})


def order_of(reference: str) -> str:
    """The order key in a pick order's reference, ``pool/channel:account:order/n``; ``""`` where it has another form."""
    parts = reference.split("/")
    return parts[1] if len(parts) == 3 else ""
