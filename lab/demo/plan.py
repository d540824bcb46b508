"""What a demo run is made of, by its seed alone: the clock's speed, the channels' shares, stock and the receipts that come later."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["PACE", "Plan", "Receipt", "make_plan"]

START = "2026-11-23T07:30:00+01:00"
"""A Monday morning, before the first cut-off, and four working days before any weekend."""
ORDERING_HOURS = 27.0
"""Orders come in until Tuesday 10:30: over every cut-off once, and over a night."""
TAIL_HOURS = 26.0
"""The last order is picked, shipped (some half a day late) and delivered after that."""
PACE = 0.5
"""The warehouses of the demo work twice as fast as the simulator's do by themselves."""
SECONDS_PER_ORDER = 0.042
LEAST_SECONDS = 40.0
BOL_SHARE = 0.25
UNITS_PER_ORDER = 2.2
SCARCE = 6
"""Every so many-th SKU is short at first, so that some orders wait for the next receipt."""

Stock = dict[str, dict[str, int]]
"""Depot → SKU → units."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Goods booked in ``hours`` after the start (of the demo's clock)."""

    hours: float
    units: Stock


@dataclass(frozen=True, slots=True)
class Plan:
    """``initial`` is counted at the start; ``physical`` is what lies in the depots, receipts not booked yet included."""

    orders: int
    seed: int
    speed: float
    bol_orders: int
    shopify_orders: int
    initial: Stock
    receipts: list[Receipt] = field(default_factory=list)

    def clock(self, origin_ms: int) -> str:
        """The value of ``WHARF_CLOCK`` that shows ``start`` when the machine's clock shows ``origin_ms``."""
        return f"{START}@{origin_ms}*{self.speed:g}"

    @property
    def start(self) -> str:
        """When the demo's clock begins, ISO 8601."""
        return START

    @property
    def start_ms(self) -> int:
        """The same as UTC ms."""
        return int(datetime.fromisoformat(START).timestamp() * 1000)

    @property
    def over_minutes(self) -> float:
        """Minutes (of the demo's clock) in which orders come in."""
        return ORDERING_HOURS * 60

    @property
    def physical(self) -> Stock:
        """What the warehouses really hold at the start."""
        stock = {depot: dict(units) for depot, units in self.initial.items()}
        for receipt in self.receipts:
            for depot, units in receipt.units.items():
                for sku, qty in units.items():
                    stock[depot][sku] = stock[depot].get(sku, 0) + qty
        return stock


def make_plan(orders: int, seed: int, skus: Sequence[str], depots: Sequence[str], speed: float | None = None) -> Plan:
    """The plan of a run. ``speed`` 0 or None: such that it takes about ``SECONDS_PER_ORDER`` an order."""
    seconds = max(LEAST_SECONDS, orders * SECONDS_PER_ORDER)
    bol = round(orders * BOL_SHARE)
    initial, receipts = _stock(orders, seed, skus, depots)
    return Plan(
        orders,
        seed,
        speed or round((ORDERING_HOURS + TAIL_HOURS) * 3600 / seconds),
        bol,
        orders - bol,
        initial,
        receipts,
    )


def _stock(orders: int, seed: int, skus: Sequence[str], depots: Sequence[str]) -> tuple[Stock, list[Receipt]]:
    """Enough of everything in the end; at first too little of every ``SCARCE``th SKU."""
    chance = random.Random(f"stock/{seed}")
    demand = max(4.0, orders * UNITS_PER_ORDER / len(skus))
    initial: Stock = {depot: {} for depot in depots}
    first: Stock = {depot: {} for depot in depots}
    second: Stock = {depot: {} for depot in depots}
    for i, sku in enumerate(skus):
        scarce = i % SCARCE == seed % SCARCE
        for depot in depots:
            share = demand / len(depots) * chance.uniform(0.8, 1.2)
            initial[depot][sku] = round(share * (0.35 if scarce else 2.0)) + (0 if scarce else 6)
            if scarce:
                first[depot][sku] = round(share * 0.5) + 1
                second[depot][sku] = round(share * 2.0) + 8
    return initial, [Receipt(8.0, first), Receipt(ORDERING_HOURS + 1.0, second)]
