"""A rule set: what business people decide, as data. Read from YAML or JSON at the edge (``ops/rules``), whole or not at all.

Every field has a default that a small merchant can live with, so a rule file says only what differs. Weekdays are ISO names
(``mon`` … ``sun``); clock times are local ``HH:MM``; dates ``YYYY-MM-DD``; costs are minor units of ``currency``. The limits of
each field stand in its type, so the JSON Schema that editors use and the check of a file are the same thing.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from .notifications import Notifications
from .returns import Returns, ReturnsFor

__all__ = [
    "ACTIONS",
    "AFTER_FAILURE",
    "FRAUD_ACTIONS",
    "HOLDS",
    "PREFERENCES",
    "WEEK",
    "Bundling",
    "ChannelRules",
    "CheckRule",
    "Cutoff",
    "DatedHours",
    "Depot",
    "FailureRule",
    "FraudRule",
    "ParkRule",
    "PoolRules",
    "PriorityClass",
    "Rate",
    "Routing",
    "RoutingVariant",
    "RuleSet",
    "SplitPolicy",
    "Velocity",
    "Wave",
    "Zone",
]

WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
PREFERENCES = [
    "fewest_parcels",
    "earliest_ship",
    "meets_promise",
    "earliest_eta",
    "cost",
    "same_country",
    "zone",
    "stock_balance",
    "sequence",
]
HOLDS = ["AWAITING_PAYMENT", "FRAUD_RISK", "INCORRECT_ADDRESS", "AWAITING_RETURN_ITEMS", "MANUAL"]
ACTIONS = ["hold", "ignore", "refuse"]
FRAUD_ACTIONS = ["hold", "refuse", "accept"]
AFTER_FAILURE = ["zero", "minus", "unchanged"]
_PAYMENT = ["pending", "authorized", "paid", "partially_paid", "partially_refunded", "refunded", "voided", "failed"]


def _enum(values: list[str]) -> Meta:
    return Meta(extra_json_schema={"enum": values})


Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="Local time, HH:MM")]
ClockOrNone = Annotated[str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9])?$", description="Local time, HH:MM")]
Date = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", extra_json_schema={"format": "date"})]
Weekday = Annotated[str, _enum(WEEK)]
CountryCode = Annotated[
    str, Meta(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2", extra_json_schema={"format": "country"})
]
Country = Annotated[
    str,
    Meta(
        pattern=r"^([A-Z]{2}|\*)$",
        description="ISO 3166-1 alpha-2, or * for every country",
        extra_json_schema={"format": "country"},
    ),
]
Timezone = Annotated[str, Meta(description="IANA name", extra_json_schema={"format": "timezone"})]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9*][A-Za-z0-9_.-]*$")]
Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Pool = Annotated[str, Meta(pattern=r"^[a-z0-9-]+$")]
When = Annotated[
    str, Meta(description="A condition in CEL (docs/rules.md); empty: always", extra_json_schema={"format": "cel"})
]
Moment = Annotated[
    str,
    Meta(
        pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?)?)?$",
        description="A date or time, in the rules' timezone unless it names its own",
        extra_json_schema={"format": "moment"},
    ),
]
Hashed = Annotated[
    str,
    Meta(
        pattern=r"^(email|domain|phone|address|customer):[0-9a-f]{16,64}$",
        description="What to look for, hashed: `wharf rules hash VALUE` makes it",
    ),
]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="ISO 4217")]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Cutoff(_Rule, frozen=True):
    """The last moment for shipping the same day: an order at exactly ``time`` is late. ``service`` ``*`` means every one.

    The first row that names the service wins over the first with ``*``. ``handover``: the carrier's collection for these
    orders, where it is not the depot's own.
    """

    time: Clock = "16:00"
    service: Name = "*"
    weekdays: list[Weekday] = msgspec.field(default_factory=lambda: list(WEEK))
    handover: ClockOrNone = ""


class DatedHours(_Rule, frozen=True):
    """An exception for one date: closed, open on a day off, or another cut-off."""

    date: Date
    closed: bool = False
    cutoff: ClockOrNone = ""
    reason: str = ""


class Rate(_Rule, frozen=True):
    """What a parcel costs from this depot, and its working days to the door. ``*`` matches every country or service.

    The most exact row wins (country, then service), then the cheapest. ``delivers``: weekdays on which this carrier works
    (default: the depot's working days); the depot's holidays are days off for it too.
    """

    cost: Count
    transit_days: Count = 1
    country: Country = "*"
    service: Name = "*"
    carrier: str = ""
    delivers: list[Weekday] = []


class Depot(_Rule, frozen=True):
    """A place that picks and ships; ``wms`` names the 3PL connection (default: the depot's id).

    ``sequence`` is the order of preference among equals (A = 1). ``handover`` is when the carrier collects: the ship-by.
    ``capacity_per_day``: parcels per ship day (0 means no limit); what is above it ships the next working day.
    ``safety_stock`` units of every SKU are never promised; ``safety_stock_by_sku`` (a SKU, or the beginning of several and ``*``)
    says otherwise for some. SKUs with one of ``refuses_tags`` are never sent from here, and with ``only_tags`` only those that have
    one of them. ``zones``: how far it is to each zone (preference ``zone``). With ``rates``, only what one of them matches is shipped.
    ``when``: it takes only orders for which this is true. ``recall_for_counts``: a count below what is reserved asks its WMS for
    pick orders back that it has not begun (not for one whose counts leave out what is picked and has not left).
    """

    id: Id
    country: CountryCode
    timezone: Timezone = "Europe/Amsterdam"
    sequence: int = 1
    wms: str = ""
    services: list[Name] = msgspec.field(default_factory=lambda: ["*"])
    ships_to: list[Country] = msgspec.field(default_factory=lambda: ["*"])
    working_days: list[Weekday] = msgspec.field(default_factory=lambda: WEEK[:5])
    holidays: list[Date] = []
    exceptions: list[DatedHours] = []
    cutoffs: list[Cutoff] = msgspec.field(default_factory=lambda: [Cutoff()])
    handover: Clock = "18:00"
    rates: list[Rate] = []
    capacity_per_day: Count = 0
    safety_stock: Count = 0
    safety_stock_by_sku: dict[str, Count] = {}
    refuses_tags: list[str] = []
    only_tags: list[str] = []
    zones: dict[str, Count] = {}
    when: When = ""
    recall_for_counts: bool = True


class SplitPolicy(_Rule, frozen=True):
    """May an order's units leave in several parcels, now or later? From ``min_value`` (order total, minor units) on, to
    ``max_parcels`` depots at once. Not allowed, below the value, ``when`` not true, or ``max_parcels`` 1: all of it from one depot,
    or none yet.
    """

    allowed: bool = True
    min_value: Count = 0
    max_parcels: Positive = 3
    when: When = ""


class RoutingVariant(_Rule, frozen=True):
    """Routing for the orders for which ``when`` is true; what it does not name is as in the routing it belongs to."""

    name: Id
    when: When
    preferences: list[Annotated[str, _enum(PREFERENCES)]] | None = None
    split: SplitPolicy | None = None
    backorder: bool | None = None
    unfillable_after_days: Count | None = None


class ParkRule(_Rule, frozen=True):
    """Demand that waits without reserving anything: until a date (its first moment, the rules' time zone), until so many minutes
    after it was placed (time to change one's mind), or, ``complete``, until all of it is there.

    For orders with any of the SKUs (or beginnings with ``*``), tags, channels and services named; an empty list matches all.
    """

    name: Id
    skus: list[str] = []
    tags_any: list[str] = []
    channels: list[str] = []
    services: list[Name] = []
    until_date: Annotated[
        str, Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$", extra_json_schema={"format": "date"})
    ] = ""
    minutes: Count = 0
    complete: bool = False


class Routing(_Rule, frozen=True):
    """How a depot is chosen: filters first (country, service, stock), then ``preferences`` in turn; the first non-tie wins.

    Preferences: ``fewest_parcels``, ``earliest_ship`` (by ship day: the cut-off rule A, then B, then the next working day),
    ``meets_promise`` (delivery not later than the channel promised), ``earliest_eta``, ``cost``, ``same_country``,
    ``stock_balance`` (most available left), ``sequence``. ``unfillable_after_days`` 0: a backorder waits for ever.
    ``keep_sets_together``: the lines of a set (``bundle_id``) leave whole from one depot in one parcel. ``park``: what waits first. The first of
    ``variants`` whose condition is true decides instead.
    """

    preferences: list[Annotated[str, _enum(PREFERENCES)]] = msgspec.field(
        default_factory=lambda: ["fewest_parcels", "earliest_ship", "same_country", "cost", "sequence"]
    )
    split: SplitPolicy = SplitPolicy()
    backorder: bool = True
    unfillable_after_days: Count = 30
    keep_sets_together: bool = True
    park: list[ParkRule] = []
    variants: list[RoutingVariant] = []


class Zone(_Rule, frozen=True):
    """Where customers live: a country, and the beginnings of postcodes there (capitals and digits only; none: all of it)."""

    name: Id
    country: CountryCode
    postcodes: list[Annotated[str, Meta(pattern=r"^[A-Z0-9]+$")]] = []


class Wave(_Rule, frozen=True):
    """When a depot packs what goes with a carrier: at ``times`` or every so many minutes from midnight, local, on its open days.

    The first row that names the depot, carrier and service (``*``, or no services: any) is an allocation's.
    """

    depot: Name = "*"
    carrier: Name = "*"
    services: list[Name] = []
    times: list[Clock] = []
    every_minutes: Annotated[int, Meta(ge=0, le=1440)] = 0


class Bundling(_Rule, frozen=True):
    """Orders of one customer to one address, from one depot with the same service and ETA, leave as one parcel.

    An allocation waits for its wave, at the latest until ``lead_minutes`` before its hand-over (ship-by) and for
    ``max_wait_minutes`` (0: no other limit). ``max_orders``: allocations in one parcel. ``channels``: only these (none: all);
    ``across_channels``: also those of different channels together. Orders with one of ``never_tags`` never wait.
    """

    enabled: bool = False
    waves: list[Wave] = []
    max_orders: Annotated[int, Meta(ge=2)] = 10
    max_wait_minutes: Count = 0
    lead_minutes: Count = 60
    across_channels: bool = True
    channels: list[str] = []
    never_tags: list[str] = []


class PriorityClass(_Rule, frozen=True):
    """A class of demand; the first class of the list that matches wins, its place in the list is its rank.

    Matches where any of ``tags_any`` is on the order, the service is in ``services``, the channel in ``channels`` (an empty
    list matches all), the promised delivery is at most ``due_within_hours`` away when the units are asked for (0: any), and
    ``when`` is true.
    """

    name: str
    tags_any: list[str] = []
    services: list[Name] = []
    channels: list[str] = []
    due_within_hours: Count = 0
    when: When = ""


class CheckRule(_Rule, frozen=True):
    """What follows from a problem a connector found: ``problem`` is its code or the beginning of it (``address``).

    ``action``: ``hold`` (with ``hold``), ``ignore``, or ``refuse`` (the order is cancelled with the reason). ``when``: the rule
    is for orders for which this is true.
    """

    problem: str
    action: Annotated[str, _enum(ACTIONS)] = "hold"
    hold: Annotated[str, _enum(HOLDS)] = "INCORRECT_ADDRESS"
    when: When = ""


class Velocity(_Rule, frozen=True):
    """Too much of one customer within ``window_hours`` of this order (by the time of ordering, to both sides, this order included).

    More than ``max_orders`` orders, or more than ``max_amount`` minor units in this order's currency; 0: no limit. An order counts
    from when it asks for stock, so one that was never paid does not.
    """

    window_hours: Annotated[int, Meta(ge=1, le=720)]
    max_orders: Count = 0
    max_amount: Count = 0


class FraudRule(_Rule, frozen=True):
    """What is suspicious, and what follows. It matches where all that it names is so: ``when`` is true, the order is on one of
    the ``listed`` lists, and ``velocity`` is exceeded.

    ``action``: ``hold`` (with ``hold``), ``refuse`` (hard stop: the order is cancelled with the reason, the channel is told) or
    ``accept`` (no later rule is looked at). A hold ends when the rule matches no more, ``until`` is true,
    ``release_after_hours`` are over (0: never by itself), or somebody releases it.
    """

    name: Id
    when: When = ""
    listed: list[Id] = []
    velocity: Velocity | None = None
    action: Annotated[str, _enum(FRAUD_ACTIONS)] = "hold"
    hold: Annotated[str, _enum(HOLDS)] = "FRAUD_RISK"
    reason: str = ""
    until: When = ""
    release_after_hours: Count = 0


class ChannelRules(_Rule, frozen=True):
    """What is otherwise for one channel (``bol``) or account (``bol:acme``): a group that is here replaces the general one whole;
    of ``returns``, each field."""

    default_pool: Pool | None = None
    checks: list[CheckRule] | None = None
    fraud: list[FraudRule] | None = None
    routing: Routing | None = None
    paid_states: list[Annotated[str, _enum(_PAYMENT)]] | None = None
    ship_test_orders: bool | None = None
    notifications: Notifications | None = None
    returns: ReturnsFor | None = None


class PoolRules(_Rule, frozen=True):
    """What is otherwise for one pool: a group that is here replaces the general one whole."""

    depots: list[Depot] | None = None
    routing: Routing | None = None
    priorities: list[PriorityClass] | None = None


class FailureRule(_Rule, frozen=True):
    """What a short pick or a rejection says of the depot's stock: ``reason`` is the WMS's code, the beginning of it, or ``*``.

    ``zero``: nothing is available there any more; ``minus``: the units are gone; ``unchanged``. The first rule that matches decides.
    Whatever the reason, the units are routed anew without that depot.
    """

    reason: Annotated[str, Meta(min_length=1)]
    stock: Annotated[str, _enum(AFTER_FAILURE)] = "unchanged"


class RuleSet(_Rule, frozen=True):
    """The rules in force, by ``version``. ``currency`` is that of all costs in it.

    ``effective_from``: when they come into force (empty: when they are published), on the clock of ``timezone``. ``lists`` are
    what ``fraud`` rules look orders up in. The most special one decides: account, then channel, then pool, then the general rule.
    """

    version: str = "none"
    currency: Currency = "EUR"
    default_pool: Pool = "main"
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
    paid_states: list[Annotated[str, _enum(_PAYMENT)]] = msgspec.field(
        default_factory=lambda: ["authorized", "paid", "partially_refunded", "partially_paid"]
    )
    ship_test_orders: bool = False
    timezone: Timezone = "Europe/Amsterdam"
    effective_from: Moment = ""
    lists: dict[str, list[Hashed]] = {}
    fraud: list[FraudRule] = []
    channels: dict[str, ChannelRules] = {}
    pools: dict[str, PoolRules] = {}
    bundling: Bundling = Bundling()
    sku_tags: dict[str, list[str]] = {}
    zones: list[Zone] = []
    returns: Returns = Returns()
    failures: list[FailureRule] = msgspec.field(
        default_factory=lambda: [
            FailureRule("out_of_stock", "zero"),
            FailureRule("damaged", "minus"),
            FailureRule("missing", "minus"),
        ]
    )
    notifications: Notifications = Notifications()
