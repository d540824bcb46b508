"""What is not told although it happened: what others handle, what something later says as well, and what is no longer so."""

from __future__ import annotations

from domain.order.session import Turn
from domain.order.state.notifications import Note
from domain.order.state.order import OrderState
from domain.order.state.returns import Rma
from domain.records.events import OrderEvent
from domain.rules.notifications import ORDER_NOTICES, PARCEL_NOTICES, RETURN_NOTICES

__all__ = ["find_rma", "is_ours", "is_stale", "is_superseded"]

_RANK = {kind: i for kinds in (PARCEL_NOTICES, RETURN_NOTICES) for i, kind in enumerate(kinds)}


def is_ours(e: OrderEvent, turn: Turn) -> bool:
    """Not what others handle: they tell it. Of picking only its end, of an undelivered parcel that comes back only the money, and no
    credit that an exchange's goods stand for.
    """
    if e.type == "CREDITED" and not e.amount:
        return False
    if e.rma_id:
        r = find_rma(turn.state, e.rma_id)
        return r is not None and not r.theirs and (r.kind != "return_to_sender" or e.type == "CREDITED")
    return e.complete if e.type == "PICKED" else bool(e.shipment_id) or e.type == "OVERDUE"


def is_superseded(n: Note, notes: list[Note]) -> bool:
    """Something later of the same parcel or return says it as well: a received return was approved."""
    if n.kind not in _RANK:
        return False
    return any(m.subject == n.subject and m.seq > n.seq and _RANK.get(m.kind, -1) > _RANK[n.kind] for m in notes)


def is_stale(n: Note, turn: Turn) -> bool:
    """What was so when it was noted, and is no more: it is not told."""
    s = turn.state
    if n.kind in ORDER_NOTICES:
        return bool(s.lines) and all(x.cancelled >= x.ordered for x in s.lines)
    if n.kind == "CANCELLED":
        cancelled = {x.line_id: x.cancelled for x in s.lines}
        return not any(cancelled.get(k) for k, _ in n.units)
    if n.kind == "OVERDUE":
        return not any(x.unshipped > 0 for a in s.allocations if a.id == n.subject for x in a.lines)
    if n.kind == "PICKED":
        return any(x.shipped for a in s.allocations if a.id == n.subject for x in a.lines)
    if n.kind in ("SHIPPED", "IN_TRANSIT", "OUT_FOR_DELIVERY"):
        return any(x.id == n.subject and x.delivered_at for x in s.shipments)
    return n.kind in RETURN_NOTICES and _return_stale(n, find_rma(s, n.subject))


def _return_stale(n: Note, r: Rma | None) -> bool:
    if r is None:
        return True
    if n.kind == "RETURN_REQUESTED":
        return bool(r.decision or r.ended)
    if n.kind == "RETURN_DECLINED":
        return r.decision == "approved"
    return n.kind in ("RMA_CREATED", "RETURN_LABELLED") and (bool(r.ended) or r.received_at > 0)


def find_rma(s: OrderState, rma_id: str) -> Rma | None:
    return next((r for r in s.book.rmas if r.id == rma_id), None) if s.book is not None else None
