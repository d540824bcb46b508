"""What a cancellation pays back: exactly what was paid for the units, where the channel did not cancel (and so refund) them itself.

A unit's amount is its share of its line, discounts and tax included, by the same rounding as a credit's (``credit.Ledger``): what is refunded
for the cancelled units and credited for the others adds up to the line; so does the shipping, whichever of the two comes first. Not
captured yet: nothing goes back, less will be captured.
"""

from __future__ import annotations

from typing import Any

import msgspec

from domain.money import Refund
from domain.records.commands import EffectOutcome
from domain.records.values import CreditLine, LineQty, PaymentPart

from .ledger import Ledger, ledger
from .returns.policy import at_fault
from .session import OrderSession
from .state.reported import CancelRefund, Header

__all__ = ["cancel_outcome", "cancel_values", "pay_back"]


def cancel_values(book: Ledger, units: list[LineQty]) -> list[CreditLine]:
    """What was paid for units that are cancelled now; the book counts them as gone."""
    values = []
    for unit in units:
        _, share = book.units_of(unit.line_id, unit.qty)
        values.append(CreditLine(unit.line_id, unit.sku, unit.qty, share.gross, share.tax))
    return values


def pay_back(
    session: OrderSession, header: Header, units: list[LineQty], effect_id: str, *, complete: bool
) -> dict[str, Any]:
    """What a ChannelCancel says of the money, for units that were just booked as cancelled; remembered under the effect's id.

    ``complete``: the order is cancelled as a whole. Then all of its shipping goes back, and the channel's refund has an id of its own.
    """
    state = session.state
    book = ledger(state, {unit.line_id: unit.qty for unit in units})
    values = cancel_values(book, units)
    shipping = _shipping(session, book, complete=complete)
    amount = min(sum(value.amount for value in values) + shipping.gross, book.left)
    payments = book.payments(amount)
    fact = CancelRefund(
        amount,
        [(value.line_id, value.qty, value.amount, value.tax) for value in values],
        payments,
        shipping=shipping.gross,
        shipping_tax=shipping.tax,
        complete=complete,
        at=session.command.time,
    )
    state.paid_back = {**state.paid_back, effect_id: fact}
    gateways = {k: gateway for k, gateway, _ in book.captured}
    return {
        "currency": header.currency,
        "amount": amount,
        "values": values,
        "payments": [PaymentPart(k, gateways.get(k, ""), n) for k, n in payments],
        "complete": complete,
        "shipping": shipping.gross,
        "shipping_tax": shipping.tax,
    }


def _shipping(session: OrderSession, book: Ledger, *, complete: bool) -> Refund:
    if complete:
        return book.shipping_upto(1, 1)
    rules = session.rules.returns
    return book.shipping_part(rules.shipping, at_fault=at_fault(session.state, rules))


def cancel_outcome(session: OrderSession, command: EffectOutcome, redriven: bool) -> None:
    """The channel's answer to a ChannelCancel: it knows, and has paid back what it was asked to (the event's amount); or it could not be told."""
    state = session.state
    fact = state.paid_back.get(command.effect_id)
    if fact is not None:
        said = msgspec.structs.replace(fact, answered=command.ok, failed=not command.ok, reference=command.reference)
        state.paid_back = {**state.paid_back, command.effect_id: said}
        if command.ok and not command.reference:
            # The units were cancelled there meanwhile, and that is told as a refund of its own.
            state.paid_back = {k: refund for k, refund in state.paid_back.items() if k != command.effect_id}
    if command.ok:
        ours = fact is not None and not fact.complete and bool(command.reference)
        amount = fact.amount if ours and fact is not None else 0
        session.record(
            "CHANNEL_NOTIFIED", reason=f"cancelled {command.reference}".rstrip(), amount=amount, intervention=redriven
        )
