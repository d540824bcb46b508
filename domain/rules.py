"""A rule set: what business people decide, as data. Read from YAML or JSON at the edge (``ops/rules``), whole or not at all.

Every field has a default that a small merchant can live with, so a rule file says only what differs. Weekdays are ISO names
(``mon`` … ``sun``); clock times are local ``HH:MM``; dates ``YYYY-MM-DD``; costs are minor units of ``currency``.
"""

from __future__ import annotations

import msgspec

__all__ = [
    "CheckRule",
    "Cutoff",
    "DatedHours",
    "Depot",
    "PriorityClass",
    "Rate",
    "Routing",
    "RuleSet",
    "SplitPolicy",
]

WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Cutoff(_Rule, frozen=True):
    """The last moment for shipping the same day: an order at exactly ``time`` is late. ``service`` ``*`` means every one."""

    time: str = "16:00"
    service: str = "*"
    weekdays: list[str] = msgspec.field(default_factory=lambda: list(WEEK))


class DatedHours(_Rule, frozen=True):
    """An exception for one date: closed, open on a day off, or another cut-off."""

    date: str
    closed: bool = False
    cutoff: str = ""
    reason: str = ""


class Rate(_Rule, frozen=True):
    """What a parcel costs from this depot, and its working days to the door. ``*`` matches every country or service."""

    cost: int
    transit_days: int = 1
    country: str = "*"
    service: str = "*"
    carrier: str = ""


class Depot(_Rule, frozen=True):
    """A place that picks and ships; ``wms`` names the 3PL connection (default: the depot's id).

    ``sequence`` is the order of preference among equals (A = 1). ``handover`` is when the carrier collects: the ship-by.
    ``capacity_per_day`` 0 means no limit. ``safety_stock`` units of every SKU are never promised.
    """

    id: str
    country: str
    timezone: str = "Europe/Amsterdam"
    sequence: int = 1
    wms: str = ""
    services: list[str] = msgspec.field(default_factory=lambda: ["*"])
    ships_to: list[str] = msgspec.field(default_factory=lambda: ["*"])
    working_days: list[str] = msgspec.field(default_factory=lambda: WEEK[:5])
    holidays: list[str] = []
    exceptions: list[DatedHours] = []
    cutoffs: list[Cutoff] = msgspec.field(default_factory=lambda: [Cutoff()])
    handover: str = "18:00"
    rates: list[Rate] = []
    capacity_per_day: int = 0
    safety_stock: int = 0


class SplitPolicy(_Rule, frozen=True):
    """May an order's units leave from several depots? Only from ``min_value`` (order total) on, in ``max_parcels`` at most."""

    allowed: bool = True
    min_value: int = 0
    max_parcels: int = 3


class Routing(_Rule, frozen=True):
    """How a depot is chosen: filters first (country, service, stock), then ``preferences`` in turn; the first non-tie wins.

    Preferences: ``fewest_parcels``, ``earliest_ship`` (the cut-off rule A, then B, then the next working day), ``cost``,
    ``same_country``, ``stock_balance`` (most available left), ``sequence``.
    """

    preferences: list[str] = msgspec.field(
        default_factory=lambda: ["fewest_parcels", "earliest_ship", "same_country", "cost", "sequence"]
    )
    split: SplitPolicy = SplitPolicy()
    backorder: bool = True
    unfillable_after_days: int = 30


class PriorityClass(_Rule, frozen=True):
    """A class of demand; the first class of the list that matches wins, its place in the list is its rank.

    Matches where any of ``tags_any`` is on the order and the service is in ``services`` (an empty list matches all).
    """

    name: str
    tags_any: list[str] = []
    services: list[str] = []
    channels: list[str] = []


class CheckRule(_Rule, frozen=True):
    """What follows from a problem a connector found: ``problem`` is its code or the beginning of it (``address``).

    ``action``: ``hold`` (with ``hold``), ``ignore``, or ``refuse`` (the order is cancelled with the reason).
    """

    problem: str
    action: str = "hold"
    hold: str = "INCORRECT_ADDRESS"


class RuleSet(_Rule, frozen=True):
    """The rules in force, by ``version``. ``currency`` is that of all costs in it."""

    version: str = "none"
    currency: str = "EUR"
    default_pool: str = "main"
    depots: list[Depot] = []
    routing: Routing = Routing()
    priorities: list[PriorityClass] = msgspec.field(
        default_factory=lambda: [
            PriorityClass("vip", tags_any=["VIP", "vip"]),
            PriorityClass("express", services=["express", "same_day"]),
            PriorityClass("normal"),
        ]
    )
    checks: list[CheckRule] = msgspec.field(
        default_factory=lambda: [
            CheckRule("address"),
            CheckRule("risk", hold="FRAUD_RISK"),
            CheckRule("phone", action="ignore"),
            CheckRule("money", hold="MANUAL"),
        ]
    )
    paid_states: list[str] = msgspec.field(
        default_factory=lambda: ["authorized", "paid", "partially_refunded", "partially_paid"]
    )
    ship_test_orders: bool = False
