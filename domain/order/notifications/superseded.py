"""What is not told although it happened: what others handle, what something later says as well, and
what is no longer so.
"""

from __future__ import annotations

from domain.order.session import OrderSession
from domain.order.state.notifications import Note
from domain.order.state.order import OrderState
from domain.order.state.returns import Rma
from domain.records.events import OrderEvent
from domain.rules.notifications import ORDER_NOTICES, PARCEL_NOTICES, RETURN_NOTICES

__all__ = ["find_rma", "is_ours", "is_stale", "is_superseded"]

_RANK = {kind: i for kinds in (PARCEL_NOTICES, RETURN_NOTICES) for i, kind in enumerate(kinds)}


def is_ours(event: OrderEvent, session: OrderSession) -> bool:
    """Not what others handle: they tell it.

    Of picking only its end, of an undelivered parcel that comes back only the money, and no credit
    that an exchange's goods stand for.
    """
    if event.type == "CREDITED" and not event.amount:
        return False
    if event.rma_id:
        rma = find_rma(session.state, event.rma_id)
        return rma is not None and not rma.theirs and (rma.kind != "return_to_sender" or event.type == "CREDITED")
    return event.complete if event.type == "PICKED" else bool(event.shipment_id) or event.type == "OVERDUE"


def is_superseded(note: Note, notes: list[Note]) -> bool:
    """Something later of the same parcel or return says it too: a received return was approved."""
    if note.kind not in _RANK:
        return False
    return any(
        later.subject == note.subject and later.seq > note.seq and _RANK.get(later.kind, -1) > _RANK[note.kind]
        for later in notes
    )


def is_stale(note: Note, session: OrderSession) -> bool:
    """What was so when it was noted, and is no more: it is not told."""
    order = session.state
    if note.kind in ORDER_NOTICES:
        return bool(order.lines) and all(line.cancelled >= line.ordered for line in order.lines)
    if note.kind == "CANCELLED":
        # All of it was taken back: the customer need not know.
        cancelled = {line.line_id: line.cancelled for line in order.lines}
        return not any(cancelled.get(line_id) for line_id, _ in note.units)
    if note.kind == "OVERDUE":
        return not any(
            line.unshipped > 0
            for allocation in order.allocations
            if allocation.id == note.subject
            for line in allocation.lines
        )
    # Once units left, the parcel's own message speaks.
    if note.kind == "PICKED":
        return any(
            line.shipped
            for allocation in order.allocations
            if allocation.id == note.subject
            for line in allocation.lines
        )
    if note.kind in ("SHIPPED", "IN_TRANSIT", "OUT_FOR_DELIVERY"):
        return any(shipment.id == note.subject and shipment.delivered_at for shipment in order.shipments)
    return note.kind in RETURN_NOTICES and _return_stale(note, find_rma(order, note.subject))


def _return_stale(note: Note, rma: Rma | None) -> bool:
    if rma is None:
        return True
    if note.kind == "RETURN_REQUESTED":
        return bool(rma.decision or rma.ended)
    # A person may approve after all.
    if note.kind == "RETURN_DECLINED":
        return rma.decision == "approved"
    return note.kind in ("RMA_CREATED", "RETURN_LABELLED") and (bool(rma.ended) or rma.received_at > 0)


def find_rma(order: OrderState, rma_id: str) -> Rma | None:
    return next((rma for rma in order.book.rmas if rma.id == rma_id), None) if order.book is not None else None
