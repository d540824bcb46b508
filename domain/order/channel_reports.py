"""What channels tell of an order beside its snapshots: cancellations, refunds, fulfilments. Returns: ``returns``.

They are kept as they were told, also before the order itself is known; ``order_wants`` derives from them what should become of the
units, and ``order_settle`` does it.
"""

from __future__ import annotations

from domain.records.commands import FulfilmentReported, OrderCancelled, RefundReported
from domain.records.values import EventLine, LineQty, RefundLine

from .dedupe import same_again, too_old
from .fulfilment.desired import facts, is_foreign, wants
from .holds import PAYMENT_RANK
from .session import Turn, event_line
from .state.reported import Cancel, Fulfilment, RefundFact, RefundPart

__all__ = ["cancelled", "fulfilment_reported", "refund_reported"]


def cancelled(turn: Turn, c: OrderCancelled) -> None:
    """Keep the wish; before the order is known it is a tombstone, and the order lands CANCELLED. What left already can't be had back."""
    s = turn.state
    s.cancels = {**s.cancels, c.idempotency_key: Cancel(c.reason, _units(c.lines), c.confirm)}
    if s.header is None:
        lines = [EventLine(x.line_id, x.sku, x.qty) for x in c.lines]
        turn.event("CANCEL_REQUESTED", lines, reason=c.reason, at=c.version or None)
        return
    late, f = [], facts(s)
    for x in s.lines:
        asked = x.ordered if f.every else f.cancelled.get(x.line_id, 0)
        beyond = min(asked, x.wanted) - wants(x, f).cancelled
        if beyond > 0 and (not c.lines or any(u.line_id == x.line_id for u in c.lines)):
            late.append(event_line(x, beyond))
    if late:
        turn.event("CANCEL_REJECTED", late, reason="shipped already", at=c.version or None)


def _units(lines: list[LineQty]) -> dict[str, int]:
    total: dict[str, int] = {}
    for x in lines:
        total[x.line_id] = total.get(x.line_id, 0) + x.qty
    return total


def refund_reported(turn: Turn, c: RefundReported) -> None:
    """Keep what the channel paid back; refunded units it calls cancelled are cancelled.

    A refund is told again as its transactions go on: each goes from pending to failure or success and never back, so it does not matter
    which telling comes first.
    """
    s, known = turn.state, turn.state.refunds.get(c.refund_id)
    told = {x.transaction_id: RefundPart(x.payment_id, x.status, x.amount) for x in c.transactions}
    parts = _later(known.parts, told) if known else told
    amount = sum(x.amount for x in parts.values() if x.status == "success") if parts else c.amount
    at = known.at if known else c.time
    new = RefundFact(amount, c.currency, c.lines or (known.lines if known else []), parts, at)
    if new == known:
        same_again(turn, f"refund {c.refund_id}")
        return
    s.refunds = {**s.refunds, c.refund_id: new}
    turn.event("REFUNDED", _amounts(c.lines), amount=amount, currency=c.currency, reason=_how(c.refund_id, new))


def _later(known: dict[str, RefundPart], told: dict[str, RefundPart]) -> dict[str, RefundPart]:
    parts = dict(known)
    for k, x in told.items():
        if k not in parts or PAYMENT_RANK.get(x.status, 0) >= PAYMENT_RANK.get(parts[k].status, 0):
            parts[k] = x
    return parts


def _how(refund_id: str, refund: RefundFact) -> str:
    """Its id; and that it is not there yet, or came to nothing."""
    if refund.failed:
        return f"{refund_id} failed"
    waits = refund.gone - refund.amount
    return f"{refund_id}, {waits} of it pending" if waits else refund_id


def _amounts(lines: list[RefundLine]) -> list[EventLine]:
    return [EventLine(x.line_id, x.sku, x.qty, x.amount) for x in lines]


def fulfilment_reported(turn: Turn, c: FulfilmentReported) -> None:
    """Keep a fulfilment. The echo of a parcel of ours changes nothing; of any other the units are shipped, and not by us."""
    s, stamp = turn.state, c.idempotency_key.rpartition("@")[2]
    new = Fulfilment(
        int(stamp) if stamp.isascii() and stamp.isdigit() else 0,
        c.status,
        _units(c.lines),
        c.carrier,
        c.tracking_number,
    )
    known = s.fulfilments.get(c.fulfilment_id)
    if known is not None and new.stamp < known.stamp:
        too_old(turn, f"fulfilment {c.fulfilment_id} of {new.stamp}, in force is {known.stamp}")
        return
    s.fulfilments = {**s.fulfilments, c.fulfilment_id: new}
    if is_foreign(s, c.fulfilment_id, new) or new.status != "success":
        lines = [EventLine(x.line_id, x.sku, x.qty) for x in c.lines]
        turn.event("UPDATED", lines, reason=f"fulfilment {c.fulfilment_id} {c.status} {c.tracking_number}".rstrip())
