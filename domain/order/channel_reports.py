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
from .session import OrderSession, event_line
from .state.reported import Cancel, Fulfilment, RefundFact, RefundPart

__all__ = ["cancelled", "fulfilment_reported", "refund_reported"]


def cancelled(session: OrderSession, command: OrderCancelled) -> None:
    """Keep the wish; before the order is known it is a tombstone, and the order lands CANCELLED. What left already can't be had back."""
    state = session.state
    state.cancels = {
        **state.cancels,
        command.idempotency_key: Cancel(command.reason, _units(command.lines), command.confirm),
    }
    if state.header is None:
        lines = [EventLine(line_qty.line_id, line_qty.sku, line_qty.qty) for line_qty in command.lines]
        session.record("CANCEL_REQUESTED", lines, reason=command.reason, at=command.version or None)
        return
    late, wishes = [], facts(state)
    for line in state.lines:
        asked = line.ordered if wishes.every else wishes.cancelled.get(line.line_id, 0)
        beyond = min(asked, line.wanted) - wants(line, wishes).cancelled
        if beyond > 0 and (not command.lines or any(line_qty.line_id == line.line_id for line_qty in command.lines)):
            late.append(event_line(line, beyond))
    if late:
        session.record("CANCEL_REJECTED", late, reason="shipped already", at=command.version or None)


def _units(lines: list[LineQty]) -> dict[str, int]:
    total: dict[str, int] = {}
    for unit in lines:
        total[unit.line_id] = total.get(unit.line_id, 0) + unit.qty
    return total


def refund_reported(session: OrderSession, command: RefundReported) -> None:
    """Keep what the channel paid back; refunded units it calls cancelled are cancelled.

    A refund is told again as its transactions go on: each goes from pending to failure or success and never back, so it does not matter
    which telling comes first.
    """
    state, known = session.state, session.state.refunds.get(command.refund_id)
    told = {
        refund_transaction.transaction_id: RefundPart(
            refund_transaction.payment_id, refund_transaction.status, refund_transaction.amount
        )
        for refund_transaction in command.transactions
    }
    parts = _later(known.parts, told) if known else told
    amount = (
        sum(refund_part.amount for refund_part in parts.values() if refund_part.status == "success")
        if parts
        else command.amount
    )
    at = known.at if known else command.time
    new = RefundFact(amount, command.currency, command.lines or (known.lines if known else []), parts, at)
    if new == known:
        same_again(session, f"refund {command.refund_id}")
        return
    state.refunds = {**state.refunds, command.refund_id: new}
    session.record(
        "REFUNDED",
        _amounts(command.lines),
        amount=amount,
        currency=command.currency,
        reason=_how(command.refund_id, new),
    )


def _later(known: dict[str, RefundPart], told: dict[str, RefundPart]) -> dict[str, RefundPart]:
    parts = dict(known)
    for k, part in told.items():
        if k not in parts or PAYMENT_RANK.get(part.status, 0) >= PAYMENT_RANK.get(parts[k].status, 0):
            parts[k] = part
    return parts


def _how(refund_id: str, refund: RefundFact) -> str:
    """Its id; and that it is not there yet, or came to nothing."""
    if refund.failed:
        return f"{refund_id} failed"
    waits = refund.gone - refund.amount
    return f"{refund_id}, {waits} of it pending" if waits else refund_id


def _amounts(lines: list[RefundLine]) -> list[EventLine]:
    return [EventLine(line.line_id, line.sku, line.qty, line.amount) for line in lines]


def fulfilment_reported(session: OrderSession, command: FulfilmentReported) -> None:
    """Keep a fulfilment. The echo of a parcel of ours changes nothing; of any other the units are shipped, and not by us."""
    state, stamp = session.state, command.idempotency_key.rpartition("@")[2]
    new = Fulfilment(
        int(stamp) if stamp.isascii() and stamp.isdigit() else 0,
        command.status,
        _units(command.lines),
        command.carrier,
        command.tracking_number,
    )
    known = state.fulfilments.get(command.fulfilment_id)
    if known is not None and new.stamp < known.stamp:
        too_old(session, f"fulfilment {command.fulfilment_id} of {new.stamp}, in force is {known.stamp}")
        return
    state.fulfilments = {**state.fulfilments, command.fulfilment_id: new}
    if is_foreign(state, command.fulfilment_id, new) or new.status != "success":
        lines = [EventLine(line_qty.line_id, line_qty.sku, line_qty.qty) for line_qty in command.lines]
        session.record(
            "UPDATED",
            lines,
            reason=f"fulfilment {command.fulfilment_id} {command.status} {command.tracking_number}".rstrip(),
        )
