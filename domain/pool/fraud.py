"""Fraud rules over a customer's orders: how many, and for how much, within hours of this one.

A pool sees every order of a merchant that asks for stock, one after the other, so no two orders of a customer can slip past each other.
The record of a customer is kept only while a rule asks for it: 30 days after the last order, and 200 orders at most.
"""

from __future__ import annotations

from domain.records.commands import AllocationRequested
from domain.records.values import RuleHit
from domain.rules.conditions import CUSTOMER
from domain.rules.fraud import Look, compiled_fraud, judge
from domain.rules.ruleset import Velocity

from .rule_checks import facts_of
from .session import Session
from .state import Customer, CustomerOrder, PoolOrder, PoolRequest

__all__ = ["KEPT_DAYS", "KEPT_ORDERS", "figures", "forget_customer", "suspicious"]

KEPT_DAYS, KEPT_ORDERS = 30, 200
HOUR_MS = 3_600_000
_DAY_MS = 24 * HOUR_MS


def suspicious(s: Session, order: PoolOrder, request: PoolRequest, c: AllocationRequested) -> list[RuleHit]:
    """What the rules find in the customer's orders, this one counted. An order that has had stock before is not judged again; an exchange is
    no purchase: it is neither judged nor counted."""
    fraud = compiled_fraud(s.rules_for(order.key))
    if not fraud.pool or order.allocations or c.exchange:
        return []
    customer = _counted(s, c) if c.customer_key else Customer()
    rules = [r for r in fraud.pool if r.name not in c.waivers and (c.customer_key or not r.velocity)]
    watched = frozenset({f"customer:{c.customer_key}", f"address:{c.address_hash}"})
    facts = facts_of(s, order.key, request, lambda: figures(customer, c))
    look = Look(s.conditions, facts, lambda: watched, lambda v: _exceeds(customer, c, v))
    return judge(rules, fraud, look)[0]


def _counted(s: Session, c: AllocationRequested) -> Customer:
    """The customer's record with this order in it. A repeat of an order replaces what it said before."""
    known = s.work.get(Customer, c.customer_key)
    customer = known or Customer()
    since = s.now - KEPT_DAYS * _DAY_MS
    kept = [o for o in customer.orders if o.key != c.order_key and o.placed_at > since]
    customer.orders = [*kept, CustomerOrder(c.order_key, c.placed_at, c.value, c.currency)][-KEPT_ORDERS:]
    s.work.put(c.customer_key, customer)
    if known is None:
        _remember(s, c.customer_key)
    return customer


def _remember(s: Session, key: str) -> None:
    s.index("timers").set(f"{s.now + KEPT_DAYS * _DAY_MS:014d}\x1fcustomer\x1f{key}")


def forget_customer(s: Session, key: str) -> None:
    """The timer of a customer's record: it goes where nothing recent is left in it."""
    customer = s.work.get(Customer, key)
    if customer is None:
        return
    if any(o.placed_at > s.now - KEPT_DAYS * _DAY_MS for o in customer.orders):
        _remember(s, key)
    else:
        s.work.drop(Customer, key)


def _within(customer: Customer, c: AllocationRequested, hours: int) -> tuple[int, int]:
    """Orders and their amount (of this order's currency) placed less than so many hours before or after this one."""
    near = [o for o in customer.orders if abs(o.placed_at - c.placed_at) < hours * HOUR_MS]
    return len(near), sum(o.amount for o in near if o.currency == c.currency)


def _exceeds(customer: Customer, c: AllocationRequested, v: Velocity) -> bool:
    orders, amount = _within(customer, c, v.window_hours)
    return bool((v.max_orders and orders > v.max_orders) or (v.max_amount and amount > v.max_amount))


def figures(customer: Customer, c: AllocationRequested) -> dict[str, int]:
    """The fields of ``customer`` in conditions (``conditions.CUSTOMER``)."""
    return {name: _within(customer, c, hours)[name.startswith("amount")] for name, hours in CUSTOMER.items()}
