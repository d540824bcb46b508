"""What follows from a decision on a return: the channel is told, a label made, the dock and the
exchange prepared.
"""

from __future__ import annotations

from domain.order.session import OrderSession
from domain.order.state.returns import Rma
from domain.records.effects import ChannelReturn, ReturnExpected, ReturnLabel
from domain.records.values import Address, LineQty, ReturnedLine
from domain.rules.partners import target_of

from .book import known_to_channel, record_return, returned_lines
from .exchange import create, withdraw
from .policy import fault, label_for, location

__all__ = ["approve", "cancel", "channel", "decline", "expect"]

DAY_MS = 86_400_000


def approve(session: OrderSession, rma: Rma, reason: str, actor: str) -> None:
    """The units may come back: RMA_CREATED."""
    rules, header = session.rules.returns, session.state.header
    rma.decision, rma.reason, rma.actor = "approved", reason, actor
    if rules.expiry_days and rma.kind in ("return", "exchange"):
        rma.expires = session.command.time + rules.expiry_days * DAY_MS
    record_return(
        session,
        "RMA_CREATED",
        rma,
        reason=reason or ", ".join(sorted({line.reason for line in rma.lines if line.reason})),
        actor=actor,
    )
    if rma.theirs or header is None:
        return
    # A return the channel does not know is made there; not for an exchange, which is an order of
    # our own.
    if not rma.told and not rma.return_id:
        if not header.exchange_for:
            channel(session, rma, "create", returned_lines(rma), reason)
    elif rma.told in ("", "requested"):
        channel(session, rma, "approve", returned_lines(rma), reason)
    # A claim brings no goods back: no dock expects it and it needs no label.
    if rma.kind == "claim":
        return
    place = location(rules, header.ship_to.country)
    rma.depot = rma.depot or (place.depot if place else _shipped_from(session, rma))
    if rma.kind != "return_to_sender":
        _label(session, rma)
        expect(session, rma, returned_lines(rma))
    if rma.exchange and rules.exchange.ship == "approved":
        create(session, rma, held=True)


def _shipped_from(session: OrderSession, rma: Rma) -> str:
    """The depot the units came from; the first of the rules where that is not known."""
    units = {line.line_id for line in rma.lines}
    for allocation in session.state.allocations:
        if any(line.line_id in units and line.shipped for line in allocation.lines):
            return allocation.depot
    return next((depot.id for depot in session.rules.depots), "")


def _label(session: OrderSession, rma: Rma) -> None:
    """Have a label made, where the rules make any and the channel did not."""
    rules, header = session.rules.returns, session.state.header
    carrier = label_for(rules, session.channel, session.account)
    # Whose fault it is decides who pays, unless that was said already.
    at_fault = any(fault(rules, line.reason) == "merchant" for line in rma.lines)
    rma.payer = rma.payer or ("merchant" if at_fault else rules.label.payer)
    place = location(rules, header.ship_to.country) if header else None
    if header is None or place is None or not carrier or rma.tracking_number:
        return
    to = Address(place.name, "", place.street1, "", place.postcode, place.city, "", place.country)
    stored_address, head = header.ship_to, session.head("ReturnLabel")
    rma.label, rma.effects = "ASKED", {**rma.effects, head["event_id"]: "label"}
    session.effect(
        ReturnLabel(
            **head,
            order_key=session.state.key,
            target=f"label:{carrier}",
            rma_id=rma.id,
            order_name=header.name,
            carrier=carrier,
            payer=rma.payer,
            ship_from=Address(
                stored_address.name,
                stored_address.company,
                stored_address.street1,
                stored_address.street2,
                stored_address.postcode,
                stored_address.city,
                stored_address.region,
                stored_address.country,
                stored_address.phone,
            ),
            ship_to=to,
            depot=place.depot,
            lines=[
                LineQty(line.line_id, line.sku, line.qty - line.dropped)
                for line in rma.lines
                if line.qty > line.dropped
            ],
            email=header.email,
            language=header.language,
            barcode=rma.id,
            valid_until=rma.expires,
        )
    )


def expect(session: OrderSession, rma: Rma, lines: list[ReturnedLine]) -> None:
    """Tell the dock's WMS what is coming; no lines: nothing any more."""
    header = session.state.header
    if header is None or not rma.depot:
        return
    head = session.head("ReturnExpected")
    rma.effects = {**rma.effects, head["event_id"]: "expect"}
    session.effect(
        ReturnExpected(
            **head,
            order_key=session.state.key,
            target=target_of(rma.depot, session.rules),
            rma_id=rma.id,
            channel_rma=rma.channel_rma,
            order_name=header.name,
            depot=rma.depot,
            lines=lines,
            carrier=rma.carrier,
            tracking_number=rma.tracking_number,
        )
    )


def channel(session: OrderSession, rma: Rma, action: str, lines: list[ReturnedLine], reason: str) -> None:
    """Ask the channel to take over what was decided of a return."""
    head = session.head("ChannelReturn")
    rma.effects = {**rma.effects, head["event_id"]: action}
    session.effect(
        ChannelReturn(
            **head,
            order_key=session.state.key,
            target=session.target,
            channel_order_id=session.order_id,
            rma_id=rma.id,
            return_id=rma.return_id,
            channel_rma=rma.channel_rma,
            action=action,
            lines=lines,
            reason=reason,
        )
    )


def decline(session: OrderSession, rma: Rma, reason: str, actor: str, *, tell: bool = True) -> None:
    """The units may not come back; a person may still approve."""
    rma.decision, rma.ended, rma.reason, rma.actor = "declined", "DECLINED", reason, actor
    record_return(session, "RETURN_DECLINED", rma, reason=reason, actor=actor)
    if tell and known_to_channel(rma) and not rma.theirs:
        channel(session, rma, "decline", returned_lines(rma), reason)


def cancel(session: OrderSession, rma: Rma, reason: str, actor: str, *, tell: bool = True) -> None:
    """It will not be returned after all; only before anything was received."""
    # Looked at before it ends: the dock was told of live returns only.
    announced = rma.live and not rma.theirs
    rma.ended, rma.reason = "CANCELLED", reason
    record_return(session, "RETURN_CANCELLED", rma, reason=reason, actor=actor)
    withdraw(session, rma, reason)
    if announced and rma.kind in ("return", "exchange"):
        expect(session, rma, [])
    if tell and known_to_channel(rma) and not rma.theirs:
        channel(session, rma, "cancel", returned_lines(rma), reason)
