"""What was captured, by payment, in the order's own currency.

A channel shows payments with the order, tells of transactions, or both: the same money is counted once. To an exchange's order money is moved
from the order it came from; whatever else is paid for it comes on top.
"""

from __future__ import annotations

from .state.order import OrderState
from .state.reported import PaymentFact

__all__ = ["CAPTURES", "Captured", "captured", "own_currency"]

CAPTURES = frozenset({"capture", "sale"})

WHOLE = "order"
"""The id of all payments of an order together, where its channel shows no more of them (Shopify's order body)."""

Captured = list[tuple[str, str, int]]
"""(payment id, gateway, captured); the id is ``""`` where the channel holds the money."""


def captured(state: OrderState) -> Captured:
    """The payments, those that took something only."""
    header = state.header
    shown = [payment for payment in header.payments if payment[2]] if header else []
    told = _told(state)
    if header is not None and header.exchange_for:
        return _positive(_sum([*shown, *_moved_here(state), *told]))
    return _matched(shown, told)


def _told(state: OrderState) -> Captured:
    taken = [
        (k, payment)
        for k, payment in state.payments.items()
        if payment.kind in CAPTURES and payment.status == "success"
    ]
    return [
        (k, payment.gateway, payment.amount) for k, payment in taken if payment.amount and own_currency(state, payment)
    ]


def own_currency(state: OrderState, payment: PaymentFact) -> bool:
    """An amount in another currency says nothing of an order's own money: the order's payment state does."""
    return not payment.currency or state.header is None or payment.currency == state.header.currency


def _moved_here(state: OrderState) -> Captured:
    moves = [
        payment for payment in state.payments.values() if payment.kind == "transfer" and payment.status == "success"
    ]
    return [(payment.payment_id, payment.gateway, payment.amount) for payment in moves]


def _matched(shown: Captured, told: Captured) -> Captured:
    """Two tellings of the same payments: by their ids the greater amounts; of one that is shown as a whole the telling that says more."""
    if not (shown and told):
        return shown or told
    if any(k == WHOLE for k, *_ in shown):
        return told if _total(told) > _total(shown) else shown
    by_id = {payment[0]: payment for payment in shown}
    for payment in told:
        if payment[0] not in by_id or payment[2] > by_id[payment[0]][2]:
            by_id[payment[0]] = payment
    return list(by_id.values())


def _sum(parts: Captured) -> Captured:
    amounts: dict[str, int] = {}
    gateways: dict[str, str] = {}
    for k, gateway, n in parts:
        amounts[k] = amounts.get(k, 0) + n
        gateways[k] = gateways.get(k) or gateway
    return [(k, gateways[k], n) for k, n in amounts.items()]


def _positive(parts: Captured) -> Captured:
    return [part for part in parts if part[2] > 0]


def _total(parts: Captured) -> int:
    return sum(n for *_, n in parts)
