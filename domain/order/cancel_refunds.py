"""What a cancellation pays back: exactly what was paid for the units, where the channel did not cancel (and so refund) them itself.

A unit's amount is its share of its line, discounts and tax included, by the same rounding as a credit's (``credit.Ledger``): what is refunded
for the cancelled units and credited for the others adds up to the line. Not captured yet: nothing goes back, less will be captured.
"""

from __future__ import annotations

from typing import Any

import msgspec

from domain.records.commands import EffectOutcome
from domain.records.values import CreditLine, LineQty, PaymentPart

from .ledger import ledger
from .session import Turn
from .state.reported import CancelRefund, Header

__all__ = ["cancel_outcome", "pay_back"]


def pay_back(turn: Turn, h: Header, units: list[LineQty], effect_id: str, *, complete: bool) -> dict[str, Any]:
    """What a ChannelCancel says of the money, for units that were just booked as cancelled; remembered under the effect's id.

    ``complete``: the order is cancelled as a whole. Then its shipping goes back too and the channel does that itself, so nothing is to be
    remembered: its refund will be told.
    """
    s = turn.state
    book = ledger(s, {x.line_id: x.qty for x in units})
    values = []
    for x in units:
        _, worth = book.units_of(x.line_id, x.qty)
        values.append(CreditLine(x.line_id, x.sku, x.qty, worth.gross, worth.tax))
    amount = min(sum(v.amount for v in values), book.left)
    payments = book.payments(amount)
    if not complete:
        fact = CancelRefund(amount, [(v.line_id, v.qty, v.amount, v.tax) for v in values], payments)
        s.paid_back = {**s.paid_back, effect_id: fact}
    gateways = {k: g for k, g, _ in book.captured}
    parts = [PaymentPart(k, gateways.get(k, ""), n) for k, n in payments]
    return {"currency": h.currency, "amount": amount, "values": values, "payments": parts, "complete": complete}


def cancel_outcome(turn: Turn, c: EffectOutcome, redriven: bool) -> None:
    """The channel's answer to a ChannelCancel: it knows, and has paid back what it was asked to (the event's amount); or it could not be told."""
    s = turn.state
    fact = s.paid_back.get(c.effect_id)
    if fact is not None:
        said = msgspec.structs.replace(fact, answered=c.ok, failed=not c.ok, reference=c.reference)
        s.paid_back = {**s.paid_back, c.effect_id: said}
        if (
            c.ok and not c.reference
        ):  # the units were cancelled there meanwhile, and that is told as a refund of its own
            s.paid_back = {k: v for k, v in s.paid_back.items() if k != c.effect_id}
    if c.ok:
        back = fact.amount if fact is not None and c.reference else 0
        turn.event("CHANNEL_NOTIFIED", reason=f"cancelled {c.reference}".rstrip(), amount=back, intervention=redriven)
