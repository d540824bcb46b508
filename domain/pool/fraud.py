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
from .session import PoolSession
from .state import Customer, CustomerOrder, PoolOrder, PoolRequest

__all__ = ["KEPT_DAYS", "KEPT_ORDERS", "figures", "forget_customer", "suspicious"]

KEPT_DAYS, KEPT_ORDERS = 30, 200
HOUR_MS = 3_600_000
_DAY_MS = 24 * HOUR_MS


def suspicious(
    session: PoolSession, order: PoolOrder, request: PoolRequest, allocation_requested: AllocationRequested
) -> list[RuleHit]:
    """What the rules find in the customer's orders, this one counted. An order that has had stock before is not judged again; an exchange is
    no purchase: it is neither judged nor counted."""
    fraud = compiled_fraud(session.rules_for(order.key))
    if not fraud.pool or order.allocations or allocation_requested.exchange:
        return []
    customer = _counted(session, allocation_requested) if allocation_requested.customer_key else Customer()
    rules = [
        rule
        for rule in fraud.pool
        if rule.name not in allocation_requested.waivers and (allocation_requested.customer_key or not rule.velocity)
    ]
    watched = frozenset(
        {f"customer:{allocation_requested.customer_key}", f"address:{allocation_requested.address_hash}"}
    )
    facts = facts_of(session, order.key, request, lambda: figures(customer, allocation_requested))
    look = Look(
        session.conditions, facts, lambda: watched, lambda velocity: _exceeds(customer, allocation_requested, velocity)
    )
    return judge(rules, fraud, look)[0]


def _counted(session: PoolSession, request: AllocationRequested) -> Customer:
    """The customer's record with this order in it. A repeat of an order replaces what it said before."""
    known = session.work.get(Customer, request.customer_key)
    customer = known or Customer()
    since = session.now - KEPT_DAYS * _DAY_MS
    kept = [order for order in customer.orders if order.key != request.order_key and order.placed_at > since]
    customer.orders = [*kept, CustomerOrder(request.order_key, request.placed_at, request.value, request.currency)][
        -KEPT_ORDERS:
    ]
    session.work.put(request.customer_key, customer)
    if known is None:
        _remember(session, request.customer_key)
    return customer


def _remember(session: PoolSession, key: str) -> None:
    session.index("timers").set(f"{session.now + KEPT_DAYS * _DAY_MS:014d}\x1fcustomer\x1f{key}")


def forget_customer(session: PoolSession, key: str) -> None:
    """The timer of a customer's record: it goes where nothing recent is left in it."""
    customer = session.work.get(Customer, key)
    if customer is None:
        return
    if any(order.placed_at > session.now - KEPT_DAYS * _DAY_MS for order in customer.orders):
        _remember(session, key)
    else:
        session.work.drop(Customer, key)


def _within(customer: Customer, request: AllocationRequested, hours: int) -> tuple[int, int]:
    """Orders and their amount (of this order's currency) placed less than so many hours before or after this one."""
    near = [order for order in customer.orders if abs(order.placed_at - request.placed_at) < hours * HOUR_MS]
    return len(near), sum(order.amount for order in near if order.currency == request.currency)


def _exceeds(customer: Customer, request: AllocationRequested, velocity: Velocity) -> bool:
    orders, amount = _within(customer, request, velocity.window_hours)
    return bool(
        (velocity.max_orders and orders > velocity.max_orders) or (velocity.max_amount and amount > velocity.max_amount)
    )


def figures(customer: Customer, request: AllocationRequested) -> dict[str, int]:
    """The fields of ``customer`` in conditions (``conditions.CUSTOMER``)."""
    return {name: _within(customer, request, hours)[name.startswith("amount")] for name, hours in CUSTOMER.items()}
