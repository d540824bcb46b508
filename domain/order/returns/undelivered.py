"""Return to sender: a parcel that could not be delivered comes back without anybody having asked
for a return.

By rule (``returns.return_to_sender``) it is taken as one when it arrives at the dock, and credited
once inspected, without fees; else it waits for a person like any parcel that names no return.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.keys import rma_id
from domain.order.session import OrderSession
from domain.order.state.order import Shipment
from domain.order.state.returns import Rma, RmaLine
from domain.records.commands import ReturnInspected, ReturnReceived
from domain.records.values import InspectedLine, LineQty
from domain.rules.partners import same_partner

from .book import book, record_return

__all__ = ["KIND", "sent_back", "take_back", "undelivered"]

KIND = "return_to_sender"


def sent_back(session: OrderSession, receipt: ReturnReceived | ReturnInspected) -> Rma | None:
    """The return of the undelivered parcel that these goods are; None where there is none, or the
    rules leave it to a person.
    """
    if session.rules.returns.return_to_sender != "credit":
        return None
    shipment = undelivered(session, receipt.tracking_number, receipt.lines)
    if shipment is None:
        return None
    if (allocation := session.allocation(shipment.allocation_id)) is not None:
        same_partner(
            receipt.source,
            allocation.depot,
            allocation.target,
            session.rules,
            f"parcel {shipment.id} of {allocation.id}",
        )
    return take_back(session, shipment, receipt.depot, "policy")


def take_back(session: OrderSession, shipment: Shipment, depot: str, actor: str) -> Rma:
    """Open the return of an undelivered parcel, approved."""
    returns = book(session)
    lines = [RmaLine(line_qty.line_id, line_qty.sku, line_qty.qty, KIND) for line_qty in shipment.lines]
    rma = Rma(
        rma_id(session.state.key, returns.next), KIND, "carrier", session.command.time, lines, "approved", judged=True
    )
    rma.actor, rma.tracking_number, rma.carrier, rma.depot = actor, shipment.tracking_number, shipment.carrier, depot
    rma.reason = f"return to sender: parcel {shipment.id}"
    returns.rmas, returns.next = [*returns.rmas, rma], returns.next + 1
    record_return(session, "RMA_CREATED", rma, reason=rma.reason, actor=rma.actor, intervention=actor != "policy")
    return rma


def undelivered(
    session: OrderSession, tracking_number: str, goods: Sequence[LineQty | InspectedLine]
) -> Shipment | None:
    """A parcel on its way back that no return stands for yet: by its tracking number, or the only
    one with these articles.
    """
    returns = session.state.book
    # A return names its parcel in its reason: one parcel, one return.
    taken = {rma.reason for rma in returns.rmas if rma.kind == KIND} if returns else set()
    back = [
        shipment
        for shipment in session.state.shipments
        if shipment.status == "RETURN_TO_SENDER"
        and not shipment.delivered_at
        and f"return to sender: parcel {shipment.id}" not in taken
    ]
    if tracking_number:
        return next((shipment for shipment in back if shipment.tracking_number == tracking_number), None)
    names = {name for line_qty in goods for name in (line_qty.line_id, line_qty.sku) if name}
    fit = [
        shipment
        for shipment in back
        if names & {name for line_qty in shipment.lines for name in (line_qty.line_id, line_qty.sku)}
    ]
    return fit[0] if len(fit) == 1 else None
