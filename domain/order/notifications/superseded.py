"""What is not told although it happened: what others handle, what something later says as well, and what is no longer so."""

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
    """Not what others handle: they tell it. Of picking only its end, of an undelivered parcel that comes back only the money, and no
    credit that an exchange's goods stand for.
    """
    if event.type == "CREDITED" and not event.amount:
        return False
    if event.rma_id:
        rma = find_rma(session.state, event.rma_id)
        return rma is not None and not rma.theirs and (rma.kind != "return_to_sender" or event.type == "CREDITED")
    return event.complete if event.type == "PICKED" else bool(event.shipment_id) or event.type == "OVERDUE"


def is_superseded(n: Note, notes: list[Note]) -> bool:
    """Something later of the same parcel or return says it as well: a received return was approved."""
    if n.kind not in _RANK:
        return False
    return any(
        note.subject == n.subject and note.seq > n.seq and _RANK.get(note.kind, -1) > _RANK[n.kind] for note in notes
    )


def is_stale(n: Note, session: OrderSession) -> bool:
    """What was so when it was noted, and is no more: it is not told."""
    order = session.state
    if n.kind in ORDER_NOTICES:
        return bool(order.lines) and all(line.cancelled >= line.ordered for line in order.lines)
    if n.kind == "CANCELLED":
        cancelled = {line.line_id: line.cancelled for line in order.lines}
        return not any(cancelled.get(k) for k, _ in n.units)
    if n.kind == "OVERDUE":
        return not any(
            line.unshipped > 0
            for allocation in order.allocations
            if allocation.id == n.subject
            for line in allocation.lines
        )
    if n.kind == "PICKED":
        return any(
            line.shipped for allocation in order.allocations if allocation.id == n.subject for line in allocation.lines
        )
    if n.kind in ("SHIPPED", "IN_TRANSIT", "OUT_FOR_DELIVERY"):
        return any(shipment.id == n.subject and shipment.delivered_at for shipment in order.shipments)
    return n.kind in RETURN_NOTICES and _return_stale(n, find_rma(order, n.subject))


def _return_stale(n: Note, rma: Rma | None) -> bool:
    if rma is None:
        return True
    if n.kind == "RETURN_REQUESTED":
        return bool(rma.decision or rma.ended)
    if n.kind == "RETURN_DECLINED":
        return rma.decision == "approved"
    return n.kind in ("RMA_CREATED", "RETURN_LABELLED") and (bool(rma.ended) or rma.received_at > 0)


def find_rma(order: OrderState, rma_id: str) -> Rma | None:
    return next((rma for rma in order.book.rmas if rma.id == rma_id), None) if order.book is not None else None
