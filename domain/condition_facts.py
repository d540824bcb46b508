"""What conditions see of an order, and of a request in its pool: each variable made only when a condition asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from .checks import UNPAYABLE, balance, is_paid
from .conditions import MISSING, Facts
from .order_state import OrderState
from .order_told import Header
from .rules import WEEK, RuleSet

__all__ = ["RequestFacts", "of_order", "of_request"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_zone = lru_cache(maxsize=32)(ZoneInfo)


def _moment(ms: int) -> datetime:
    """A channel's nonsense (year 60000) is the last day there is: a condition on it is no reason to stop."""
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if ms > 0 else _EPOCH


def _local(ms: int, zone: str) -> datetime:
    return _moment(ms).astimezone(_zone(zone))


class _Order(msgspec.Struct, frozen=True):
    state: OrderState
    header: Header
    channel: str
    account: str
    rules: RuleSet
    now: int


def _sums(o: _Order) -> tuple[int, int]:
    authorized, captured, _ = balance((p.kind, p.status, p.amount) for p in o.state.payments.values())
    return authorized, captured


def _captured(o: _Order) -> int:
    """By its transactions; a channel that tells none (a marketplace) tells what its payments have captured."""
    if o.state.payments or o.header.payment_state in UNPAYABLE:
        return _sums(o)[1]
    return sum(p[2] for p in o.header.payments)


def _paid(o: _Order) -> bool:
    told = [(p.kind, p.status, p.amount) for p in o.state.payments.values()]
    return is_paid(o.header.payment_state, o.header.total, told, o.rules.paid_states)


_ORDER: dict[str, Callable[[_Order], object]] = {
    "channel": lambda o: o.channel,
    "account": lambda o: o.account,
    "country": lambda o: o.header.ship_to.country,
    "postcode": lambda o: o.header.ship_to.postcode,
    "billing_country": lambda o: o.header.billing_country or o.header.ship_to.country,
    "service": lambda o: o.header.service_level,
    "currency": lambda o: o.header.currency,
    "total": lambda o: o.header.total,
    "tags": lambda o: o.header.tags,
    "risk": lambda o: o.header.risk,
    "items": lambda o: sum(x.wanted for x in o.state.lines),
    "lines": lambda o: [_line(x, x.wanted) for x in o.state.lines],
    "skus": lambda o: [x.sku for x in o.state.lines],
    "placed_at": lambda o: _moment(o.header.created_at),
    "now": lambda o: _moment(o.now),
    "hour": lambda o: _local(o.now, o.rules.timezone).hour,
    "weekday": lambda o: WEEK[_local(o.now, o.rules.timezone).weekday()],
    "payment_state": lambda o: o.header.payment_state,
    "paid": _paid,
    "authorized": lambda o: _sums(o)[0],
    "captured": _captured,
    "shipping_total": lambda o: o.header.shipping_total,
    "city": lambda o: o.header.ship_to.city,
    "region": lambda o: o.header.ship_to.region,
    "company": lambda o: o.header.ship_to.company,
    "email": lambda o: o.header.email.lower(),
    "email_domain": lambda o: o.header.email.lower().rpartition("@")[2],
    "phone": lambda o: o.header.phone,
    "language": lambda o: o.header.language,
    "problems": lambda o: [p[0] for p in o.header.problems],
    "test": lambda o: o.header.test,
}


def _line(x: Any, qty: int) -> dict[str, object]:
    return {"sku": x.sku, "qty": qty, "line_id": x.line_id, "set": x.bundle_id}


class _Known(dict[str, object]):
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


def of_order(state: OrderState, header: Header, rules: RuleSet, now: int) -> Facts:
    """The facts of an order as it stands. ``now``: UTC ms."""
    channel, account, _ = state.key.split(":", 2)
    return _Known(_ORDER, _Order(state, header, channel, account, rules, now)).__getitem__


class RequestFacts(msgspec.Struct, frozen=True):
    """A request for units, as conditions see it. ``lines``: anything with line_id, sku, qty and bundle_id; times in UTC ms.

    ``zone``: the rules' timezone; ``customer``: makes the figures of ``conditions.CUSTOMER``.
    """

    channel: str
    account: str
    country: str
    postcode: str
    billing_country: str
    service: str
    currency: str
    total: int
    tags: list[str]
    risk: str
    lines: Sequence[Any]
    placed_at: int
    now: int
    zone: str
    customer: Callable[[], dict[str, int]] | None = None


_REQUEST: dict[str, Callable[[RequestFacts], object]] = {
    "channel": lambda r: r.channel,
    "account": lambda r: r.account,
    "country": lambda r: r.country,
    "postcode": lambda r: r.postcode,
    "billing_country": lambda r: r.billing_country or r.country,
    "service": lambda r: r.service,
    "currency": lambda r: r.currency,
    "total": lambda r: r.total,
    "tags": lambda r: r.tags,
    "risk": lambda r: r.risk,
    "items": lambda r: sum(x.qty for x in r.lines),
    "lines": lambda r: [_line(x, x.qty) for x in r.lines],
    "skus": lambda r: [x.sku for x in r.lines],
    "placed_at": lambda r: _moment(r.placed_at),
    "now": lambda r: _moment(r.now),
    "hour": lambda r: _local(r.now, r.zone).hour,
    "weekday": lambda r: WEEK[_local(r.now, r.zone).weekday()],
    "customer": lambda r: r.customer() if r.customer else MISSING,
}


def of_request(request: RequestFacts) -> Facts:
    """The facts of a request."""
    return _Known(_REQUEST, request).__getitem__
