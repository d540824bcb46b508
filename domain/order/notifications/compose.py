"""A message's content, as the order stands when it is decided."""

from __future__ import annotations

from typing import Any

from domain.order.session import OrderSession, event_line
from domain.order.state.notifications import Note
from domain.order.state.order import Shipment
from domain.order.state.reported import Header
from domain.order.state.returns import Rma
from domain.records.customer_message import CustomerMessage
from domain.records.values import MessageCause, MessageLine, MessageParcel
from domain.rules.notifications import TEMPLATES, MessageRule, Notifications

from .customer_clock import zone_of
from .news import Standing

__all__ = ["address", "language_of", "message", "of_cancel", "of_order", "of_parcels", "of_return"]


def address(header: Header, medium: str) -> str:
    """Where the customer is reached over a medium; ``""``: nowhere."""
    return header.email if medium == "mail" else header.phone


def language_of(header: Header, rules: Notifications) -> str:
    """The language he is written to in."""
    own = header.language.replace("_", "-").partition("-")[0].lower()
    if own in rules.languages:
        return own
    usual = rules.by_country.get(header.ship_to.country, rules.language)
    return usual if usual in rules.languages else rules.language


def message(
    session: OrderSession,
    header: Header,
    row: MessageRule,
    medium: str,
    *,
    kind: str,
    notes: list[Note],
    content: dict[str, Any],
) -> CustomerMessage:
    """The message of these notes. ``content``: what the functions below make of them."""
    rules = session.rules.notifications
    # What a kind of message says nothing of stays empty; ``content`` fills in the rest.
    fields: dict[str, Any] = {
        "lines": [],
        "parcels": [],
        "eta": "",
        "eta_before": "",
        "give_up_at": 0,
        "amount": 0,
        "tax": 0,
        "fees": 0,
        "reason": next((note.reason for note in reversed(notes) if note.reason), ""),
        "complete": any(note.complete for note in notes),
        "rma_id": "",
        "rma_kind": "",
        "label_url": "",
        "valid_until": 0,
    }
    return CustomerMessage(
        **session.head("CustomerMessage"),
        order_key=session.state.key,
        target=f"message:{medium}",
        medium=medium,
        to=address(header, medium),
        kind=kind,
        template=row.template or TEMPLATES[kind],
        language=language_of(header, rules),
        timezone=zone_of(header.ship_to.country, rules),
        causes=[MessageCause(note.kind, note.seq, note.at) for note in notes],
        rule_version=session.rules.version,
        order_name=header.name,
        placed_at=header.created_at,
        customer=header.ship_to.name,
        country=header.ship_to.country,
        currency=header.currency,
        total=header.total,
        **{**fields, **content},
    )


def of_order(session: OrderSession, now: Standing, before: str) -> dict[str, Any]:
    """Where every unit stands that is not cancelled, and when it comes."""
    lines = []
    done: dict[str, int] = {}
    for part in now.parts:
        # A line's price is shared out unit by unit, the shipped ones first: so parts add up to it.
        before_part = done.get(part.line.line_id, part.line.shipped)
        done[part.line.line_id] = before_part + part.qty
        lines.append(_line(session, part.line.line_id, part.qty, part.state, part.eta, before=before_part))
    lines += [_line(session, line.line_id, line.shipped, "shipped") for line in session.state.lines if line.shipped]
    return {
        "lines": lines,
        "eta": max((placed.eta for placed in now.parts), default=""),
        "eta_before": before,
        "give_up_at": session.state.due,
        "complete": all(placed.state == "coming" for placed in now.parts),
    }


def of_cancel(session: OrderSession, notes: list[Note]) -> dict[str, Any]:
    """What will not come."""
    units = _units(notes)
    return {
        "lines": [_line(session, line_id, qty, "cancelled") for line_id, qty in units.items()],
        "amount": sum(note.amount for note in notes),
    }


def of_parcels(session: OrderSession, kind: str, notes: list[Note], days: dict[str, str]) -> dict[str, Any]:
    """The parcels and what is in them; ``days``: allocation to the day it arrives."""
    subjects = {note.subject for note in notes}
    parcels = [shipment for shipment in session.state.shipments if shipment.id in subjects]
    state = {"DELIVERED": "delivered", "PICKED": "coming", "OVERDUE": "coming"}.get(kind, "shipped")
    # What has arrived needs no day any more.
    days = {} if kind == "DELIVERED" else days
    lines = [
        _line(session, line_qty.line_id, line_qty.qty, state, days.get(shipment.allocation_id, ""))
        for shipment in parcels
        for line_qty in shipment.lines
    ]
    if not parcels:  # picked, not packed yet
        lines = [_line(session, line_id, qty, state) for line_id, qty in _units(notes).items()]
    etas = [days.get(shipment.allocation_id, "") for shipment in parcels]
    return {"lines": lines, "parcels": [_parcel(shipment) for shipment in parcels], "eta": max(etas, default="")}


def of_return(session: OrderSession, rma: Rma, notes: list[Note]) -> dict[str, Any]:
    """A return: what is in it (what was received or credited, where it tells of that), its label,
    and the money where some went back.
    """
    # News without units of its own (approved, label made) is about all of the return.
    units = [(line_id, qty) for line_id, qty in _units(notes).items() if qty] or [
        (line.line_id, line.qty - line.dropped) for line in rma.lines
    ]
    tracked = bool(rma.tracking_number) and not rma.received_at
    parcel = MessageParcel(rma.id, rma.carrier, rma.tracking_number, rma.tracking_url) if tracked else None
    return {
        "lines": [_line(session, line_id, qty, "returned") for line_id, qty in units if line_id and qty > 0],
        "parcels": [parcel] if parcel else [],
        "amount": sum(note.amount for note in notes),
        "tax": sum(note.tax for note in notes),
        "fees": sum(note.fees for note in notes),
        "rma_id": rma.id,
        "rma_kind": rma.kind,
        "label_url": rma.label_ref if rma.label == "SENT" and rma.live else "",
        "valid_until": rma.expires if rma.live else 0,
    }


def _units(notes: list[Note]) -> dict[str, int]:
    units: dict[str, int] = {}
    for note in notes:
        for line_id, qty in note.units:
            units[line_id] = units.get(line_id, 0) + qty
    return units


def _line(session: OrderSession, line_id: str, qty: int, state: str, eta: str = "", *, before: int = 0) -> MessageLine:
    line = session.line(line_id)
    if line is None:
        return MessageLine(line_id, line_id, "", qty, 0, state, eta)
    price = event_line(line, qty, before).amount
    return MessageLine(line_id, line.sku, line.title or line.sku, qty, price, state, eta)


def _parcel(shipment: Shipment) -> MessageParcel:
    return MessageParcel(
        shipment.id,
        shipment.carrier,
        shipment.tracking_number,
        shipment.tracking_url,
        sum(line_qty.qty for line_qty in shipment.lines),
    )
