"""Return to sender: a parcel that could not be delivered comes back without anybody having asked for a return.

By rule (``returns.return_to_sender``) it is taken as one when it arrives at the dock, and credited once inspected, without fees; else it
waits for a person like any parcel that names no return.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.keys import rma_id
from domain.order.session import Turn
from domain.order.state.order import Shipment
from domain.order.state.returns import Rma, RmaLine
from domain.records.commands import ReturnInspected, ReturnReceived
from domain.records.values import InspectedLine, LineQty
from domain.rules.partners import same_partner

from .book import book, told

__all__ = ["KIND", "sent_back", "take_back", "undelivered"]

KIND = "return_to_sender"


def sent_back(turn: Turn, c: ReturnReceived | ReturnInspected) -> Rma | None:
    """The return of the undelivered parcel that these goods are; None where there is none, or the rules leave it to a person."""
    if turn.rules.returns.return_to_sender != "credit":
        return None
    x = undelivered(turn, c.tracking_number, c.lines)
    if x is None:
        return None
    if (a := turn.allocation(x.allocation_id)) is not None:
        same_partner(c.source, a.depot, a.target, turn.rules, f"parcel {x.id} of {a.id}")
    return take_back(turn, x, c.depot, "policy")


def take_back(turn: Turn, x: Shipment, depot: str, actor: str) -> Rma:
    """Open the return of an undelivered parcel, approved."""
    b = book(turn)
    lines = [RmaLine(u.line_id, u.sku, u.qty, KIND) for u in x.lines]
    r = Rma(rma_id(turn.state.key, b.next), KIND, "carrier", turn.command.time, lines, "approved", judged=True)
    r.actor, r.tracking_number, r.carrier, r.depot = actor, x.tracking_number, x.carrier, depot
    r.reason = f"return to sender: parcel {x.id}"
    b.rmas, b.next = [*b.rmas, r], b.next + 1
    told(turn, "RMA_CREATED", r, reason=r.reason, actor=r.actor, intervention=actor != "policy")
    return r


def undelivered(turn: Turn, tracking_number: str, goods: Sequence[LineQty | InspectedLine]) -> Shipment | None:
    """A parcel on its way back that no return stands for yet: by its tracking number, or the only one with these articles."""
    book_ = turn.state.book
    taken = {r.reason for r in book_.rmas if r.kind == KIND} if book_ else set()
    back = [
        x
        for x in turn.state.shipments
        if x.status == "RETURN_TO_SENDER" and not x.delivered_at and f"return to sender: parcel {x.id}" not in taken
    ]
    if tracking_number:
        return next((x for x in back if x.tracking_number == tracking_number), None)
    names = {n for u in goods for n in (u.line_id, u.sku) if n}
    fit = [x for x in back if names & {n for u in x.lines for n in (u.line_id, u.sku)}]
    return fit[0] if len(fit) == 1 else None
