"""What conditions see of an order, and of a request in its pool: each variable made only when a
condition asks for it.
"""

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
    """By its transactions; a channel that tells none (a marketplace) tells what its payments have
    captured.
    """
    if order.state.payments or order.header.payment_state in UNPAYABLE:
        return _sums(order)[1]
    return sum(payment[2] for payment in order.header.payments)


def _paid(order: _Order) -> bool:
    told = [(payment.kind, payment.status, payment.amount) for payment in order.state.payments.values()]
    return is_paid(order.header.payment_state, order.header.total, told, order.rules.paid_states)


_ORDER: dict[str, Callable[[_Order], object]] = {
    "channel": lambda order: order.channel,
    "account": lambda order: order.account,
    "country": lambda order: order.header.ship_to.country,
    "postcode": lambda order: order.header.ship_to.postcode,
    "billing_country": lambda order: order.header.billing_country or order.header.ship_to.country,
    "service": lambda order: order.header.service_level,
    "currency": lambda order: order.header.currency,
    "total": lambda order: order.header.total,
    "tags": lambda order: order.header.tags,
    "risk": lambda order: order.header.risk,
    "items": lambda order: sum(line.wanted for line in order.state.lines),
    "lines": lambda order: [line_facts(line, line.wanted) for line in order.state.lines],
    "skus": lambda order: [line.sku for line in order.state.lines],
    "placed_at": lambda order: moment(order.header.created_at),
    "now": lambda order: moment(order.now),
    "hour": lambda order: local_time(order.now, order.rules.timezone).hour,
    "weekday": lambda order: WEEK[local_time(order.now, order.rules.timezone).weekday()],
    "payment_state": lambda order: order.header.payment_state,
    "paid": _paid,
    "authorized": lambda order: _sums(order)[0],
    "captured": _captured,
    "shipping_total": lambda order: order.header.shipping_total,
    "city": lambda order: order.header.ship_to.city,
    "region": lambda order: order.header.ship_to.region,
    "company": lambda order: order.header.ship_to.company,
    "email": lambda order: order.header.email.lower(),
    "email_domain": lambda order: order.header.email.lower().rpartition("@")[2],
    "phone": lambda order: order.header.phone,
    "language": lambda order: order.header.language,
    "problems": lambda order: [problem[0] for problem in order.header.problems],
    "test": lambda order: order.header.test,
}


def of_order(state: OrderState, header: Header, rules: RuleSet, now: int) -> Facts:
    """The facts of an order as it stands. ``now``: UTC ms."""
    channel, account, _ = state.key.split(":", 2)
    return LazyFacts(_ORDER, _Order(state, header, channel, account, rules, now)).__getitem__
