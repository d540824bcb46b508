"""What follows from a decision on a return: the channel is told, a label made, the dock and the exchange prepared."""

from __future__ import annotations

from domain.order.session import Turn
from domain.order.state.returns import Rma
from domain.records.effects import ChannelReturn, ReturnExpected, ReturnLabel
from domain.records.values import Address, LineQty, ReturnedLine
from domain.rules.partners import target_of

from .book import known_to_channel, returned_lines, told
from .exchange import create, withdraw
from .policy import fault, label_for, location

__all__ = ["approve", "cancel", "channel", "decline", "expect"]

DAY_MS = 86_400_000


def approve(turn: Turn, r: Rma, reason: str, actor: str) -> None:
    """The units may come back: RMA_CREATED."""
    rules, h = turn.rules.returns, turn.state.header
    r.decision, r.reason, r.actor = "approved", reason, actor
    if rules.expiry_days and r.kind in ("return", "exchange"):
        r.expires = turn.command.time + rules.expiry_days * DAY_MS
    told(
        turn, "RMA_CREATED", r, reason=reason or ", ".join(sorted({x.reason for x in r.lines if x.reason})), actor=actor
    )
    if r.theirs or h is None:
        return
    if not r.told and not r.return_id:
        if not h.exchange_for:
            channel(turn, r, "create", returned_lines(r), reason)
    elif r.told in ("", "requested"):
        channel(turn, r, "approve", returned_lines(r), reason)
    if r.kind == "claim":
        return
    place = location(rules, h.ship_to.country)
    r.depot = r.depot or (place.depot if place else _shipped_from(turn, r))
    if r.kind != "return_to_sender":
        _label(turn, r)
        expect(turn, r, returned_lines(r))
    if r.exchange and rules.exchange.ship == "approved":
        create(turn, r, held=True)


def _shipped_from(turn: Turn, r: Rma) -> str:
    """The depot the units came from; the first of the rules where that is not known."""
    units = {x.line_id for x in r.lines}
    for a in turn.state.allocations:
        if any(x.line_id in units and x.shipped for x in a.lines):
            return a.depot
    return next((d.id for d in turn.rules.depots), "")


def _label(turn: Turn, r: Rma) -> None:
    """Have a label made, where the rules make any and the channel did not."""
    rules, h = turn.rules.returns, turn.state.header
    carrier = label_for(rules, turn.channel, turn.account)
    at_fault = any(fault(rules, x.reason) == "merchant" for x in r.lines)
    r.payer = r.payer or ("merchant" if at_fault else rules.label.payer)
    place = location(rules, h.ship_to.country) if h else None
    if h is None or place is None or not carrier or r.tracking_number:
        return
    to = Address(place.name, "", place.street1, "", place.postcode, place.city, "", place.country)
    a, head = h.ship_to, turn.head("ReturnLabel")
    r.label, r.effects = "ASKED", {**r.effects, head["event_id"]: "label"}
    turn.do(
        ReturnLabel(
            **head,
            order_key=turn.state.key,
            target=f"label:{carrier}",
            rma_id=r.id,
            order_name=h.name,
            carrier=carrier,
            payer=r.payer,
            ship_from=Address(
                a.name, a.company, a.street1, a.street2, a.postcode, a.city, a.region, a.country, a.phone
            ),
            ship_to=to,
            depot=place.depot,
            lines=[LineQty(x.line_id, x.sku, x.qty - x.dropped) for x in r.lines if x.qty > x.dropped],
            email=h.email,
            language=h.language,
            barcode=r.id,
            valid_until=r.expires,
        )
    )


def expect(turn: Turn, r: Rma, lines: list[ReturnedLine]) -> None:
    """Tell the dock's WMS what is coming; no lines: nothing any more."""
    h = turn.state.header
    if h is None or not r.depot:
        return
    head = turn.head("ReturnExpected")
    r.effects = {**r.effects, head["event_id"]: "expect"}
    turn.do(
        ReturnExpected(
            **head,
            order_key=turn.state.key,
            target=target_of(r.depot, turn.rules),
            rma_id=r.id,
            channel_rma=r.channel_rma,
            order_name=h.name,
            depot=r.depot,
            lines=lines,
            carrier=r.carrier,
            tracking_number=r.tracking_number,
        )
    )


def channel(turn: Turn, r: Rma, action: str, lines: list[ReturnedLine], reason: str) -> None:
    """Tell the channel."""
    head = turn.head("ChannelReturn")
    r.effects = {**r.effects, head["event_id"]: action}
    turn.do(
        ChannelReturn(
            **head,
            order_key=turn.state.key,
            target=turn.target,
            channel_order_id=turn.order_id,
            rma_id=r.id,
            return_id=r.return_id,
            channel_rma=r.channel_rma,
            action=action,
            lines=lines,
            reason=reason,
        )
    )


def decline(turn: Turn, r: Rma, reason: str, actor: str, *, tell: bool = True) -> None:
    """The units may not come back; a person may still approve."""
    r.decision, r.ended, r.reason, r.actor = "declined", "DECLINED", reason, actor
    told(turn, "RETURN_DECLINED", r, reason=reason, actor=actor)
    if tell and known_to_channel(r) and not r.theirs:
        channel(turn, r, "decline", returned_lines(r), reason)


def cancel(turn: Turn, r: Rma, reason: str, actor: str, *, tell: bool = True) -> None:
    """It will not be returned after all; only before anything was received."""
    announced = r.live and not r.theirs
    r.ended, r.reason = "CANCELLED", reason
    told(turn, "RETURN_CANCELLED", r, reason=reason, actor=actor)
    withdraw(turn, r, reason)
    if announced and r.kind in ("return", "exchange"):
        expect(turn, r, [])
    if tell and known_to_channel(r) and not r.theirs:
        channel(turn, r, "cancel", returned_lines(r), reason)
