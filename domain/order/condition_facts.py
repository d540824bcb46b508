"""What conditions see of an order, and of a request in its pool: each variable made only when a condition asks for it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from domain.rules.checks import UNPAYABLE, balance, is_paid
from domain.rules.conditions import Facts, LazyFacts, line_facts, local_time, moment
from domain.rules.ruleset import WEEK, RuleSet

from .state.order import OrderState
from .state.reported import Header

__all__ = ["of_order"]


class _Order(msgspec.Struct, frozen=True):
    state: OrderState
    header: Header
    channel: str
    account: str
    rules: RuleSet
    now: int


def _sums(order: _Order) -> tuple[int, int]:
    authorized, captured, _ = balance(
        (payment.kind, payment.status, payment.amount) for payment in order.state.payments.values()
    )
    return authorized, captured


def _captured(order: _Order) -> int:
    """By its transactions; a channel that tells none (a marketplace) tells what its payments have captured."""
    if order.state.payments or order.header.payment_state in UNPAYABLE:
        return _sums(order)[1]
    return sum(payment[2] for payment in order.header.payments)


def _paid(order: _Order) -> bool:
    told = [(payment.kind, payment.status, payment.amount) for payment in order.state.payments.values()]
    return is_paid(order.header.payment_state, order.header.total, told, order.rules.paid_states)


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
    "lines": lambda o: [line_facts(x, x.wanted) for x in o.state.lines],
    "skus": lambda o: [x.sku for x in o.state.lines],
    "placed_at": lambda o: moment(o.header.created_at),
    "now": lambda o: moment(o.now),
    "hour": lambda o: local_time(o.now, o.rules.timezone).hour,
    "weekday": lambda o: WEEK[local_time(o.now, o.rules.timezone).weekday()],
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


def of_order(state: OrderState, header: Header, rules: RuleSet, now: int) -> Facts:
    """The facts of an order as it stands. ``now``: UTC ms."""
    channel, account, _ = state.key.split(":", 2)
    return LazyFacts(_ORDER, _Order(state, header, channel, account, rules, now)).__getitem__
