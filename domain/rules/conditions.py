"""Conditions of rules (``when``): what they may look at, and how they are asked. The language is CEL; the engine comes in as an argument.

A condition is judged over facts that are fixed when it is judged (the order as it stands, the command's time), so a replay judges the
same. Where it can't be judged (a division by zero, a list's tenth line of two) it raises ConditionFailed: the caller holds the order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec

__all__ = [
    "CUSTOMER",
    "LINE",
    "MISSING",
    "UNCOMPILED",
    "VARIABLES",
    "ConditionFailed",
    "Conditions",
    "Facts",
    "LazyFacts",
    "Variable",
    "line_facts",
    "local_time",
    "moment",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_zone = lru_cache(maxsize=32)(ZoneInfo)

Facts = Callable[[str], object]
"""The value of a variable by its name: int, str, bool, datetime (UTC), or a list or dict of these; ``MISSING``: there is none."""

MISSING = None
"""What an unknown name is."""


class ConditionFailed(Exception):
    """A condition can't be judged on these facts. ``why`` is short and the same for the same failure."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Conditions(Protocol):
    """Compiled conditions: each text is compiled once."""

    def holds(self, when: str, facts: Facts) -> bool:
        """Is it true? Raises ConditionFailed where that can't be said."""
        ...


class _Uncompiled:
    def holds(self, when: str, facts: Facts) -> bool:
        raise ConditionFailed("no conditions are compiled here")


UNCOMPILED: Conditions = _Uncompiled()
"""For rules without conditions: any that is asked fails, so that nothing passes in silence."""


class Variable(msgspec.Struct, frozen=True):
    """A name that conditions may use. ``type``: int, string, bool, timestamp, list(string), list(line), customer.

    ``places``: ``order`` (checks, fraud), ``pool`` (routing, depots, priorities), ``customer`` (fraud rules over a customer's
    other orders, judged by the pool).
    """

    type: str
    says: str
    places: tuple[str, ...] = ("order", "pool", "customer")


_ORDER = ("order",)

VARIABLES: dict[str, Variable] = {
    "channel": Variable("string", "the sales channel: shopify, bol …"),
    "account": Variable("string", "the channel's account or shop"),
    "country": Variable("string", "where it goes: ISO 3166-1 alpha-2, as NL"),
    "postcode": Variable("string", "of the shipping address"),
    "billing_country": Variable("string", "of the billing address; the shipping country where there is none"),
    "service": Variable("string", "service level: standard, express …"),
    "currency": Variable("string", "of the order's amounts: EUR …"),
    "total": Variable("int", "the order's total in minor units (cents)"),
    "tags": Variable("list(string)", "the order's tags"),
    "risk": Variable("string", "the channel's risk level; empty: none given"),
    "items": Variable("int", "units in `lines`"),
    "lines": Variable("list(line)", "the lines: in checks and fraud all of them, in routing those that are asked for"),
    "skus": Variable("list(string)", "the SKUs of `lines`"),
    "placed_at": Variable("timestamp", "when the customer ordered"),
    "now": Variable("timestamp", "when this is judged"),
    "hour": Variable("int", "the hour of `now`, 0 to 23, in the rules' timezone"),
    "weekday": Variable("string", "the day of `now`, mon to sun, in the rules' timezone"),
    "payment_state": Variable("string", "pending, authorized, paid …", _ORDER),
    "paid": Variable(
        "bool", "may it ship as to its money (`paid_states`, or transactions that cover the total)", _ORDER
    ),
    "authorized": Variable("int", "authorized and not voided, minor units", _ORDER),
    "captured": Variable("int", "captured and not refunded, minor units", _ORDER),
    "shipping_total": Variable("int", "what the customer pays for shipping, minor units", _ORDER),
    "city": Variable("string", "of the shipping address", _ORDER),
    "region": Variable("string", "of the shipping address: state or province", _ORDER),
    "company": Variable("string", "of the shipping address", _ORDER),
    "email": Variable("string", "the customer's, in small letters", _ORDER),
    "email_domain": Variable("string", "what comes after the @, in small letters", _ORDER),
    "phone": Variable("string", "E.164, as +31612345678; empty: none", _ORDER),
    "language": Variable("string", "the customer's: nl, de …", _ORDER),
    "problems": Variable("list(string)", "codes of what the checks at the edge found: address.postcode …", _ORDER),
    "test": Variable("bool", "a test order", _ORDER),
    "customer": Variable("customer", "the same customer's orders, this one included", ("customer",)),
}
"""Every variable of a condition; ``docs/rules.md`` shows them as a table."""

LINE: dict[str, str] = {"sku": "string", "qty": "int", "line_id": "string", "set": "string"}
"""The fields of a line."""

_HOURS = {"1h": 1, "24h": 24, "7d": 168, "30d": 720}

CUSTOMER: dict[str, int] = {f"{what}_{name}": hours for what in ("orders", "amount") for name, hours in _HOURS.items()}
"""The fields of ``customer``, all int, with the hours they look back; amounts in minor units of the order's currency."""


def moment(ms: int) -> datetime:
    """A channel's nonsense (year 60000) is the last day there is: a condition on it is no reason to stop."""
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if ms > 0 else _EPOCH


def local_time(ms: int, zone: str) -> datetime:
    return moment(ms).astimezone(_zone(zone))


def line_facts(x: Any, qty: int) -> dict[str, object]:
    return {"sku": x.sku, "qty": qty, "line_id": x.line_id, "set": x.bundle_id}


class LazyFacts(dict[str, object]):
    """Variables by name, each made at its first asking."""

    __slots__ = ("_make", "_of")

    def __init__(self, make: Mapping[str, Callable[[Any], object]], of: object) -> None:
        super().__init__()
        self._make = make
        self._of = of

    def __missing__(self, name: str) -> object:
        make = self._make.get(name)
        found = self[name] = MISSING if make is None else make(self._of)
        return found
