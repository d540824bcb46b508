"""A return before its goods arrive: asked for, decided, labelled, announced, on its way, expired.

Requests are kept as they come, also before the order itself; ``return_settle`` has the policy judge them as soon as it is known.
"""

from __future__ import annotations

from domain.errors import Rejected
from domain.keys import rma_id
from domain.order.dedupe import once, same_again, too_old
from domain.order.session import Turn
from domain.order.state.returns import Rma, RmaLine
from domain.order.state.rma_status import received
from domain.records.commands import ReturnDecided, ReturnReported, ReturnRequested, ReturnTracked
from domain.records.return_commands import DECISIONS, KINDS, SCANS
from domain.records.values import ReturnLine

from .book import book, find, needed, problem, taken, told
from .decisions import approve, cancel, decline

__all__ = ["return_decided", "return_reported", "return_requested", "return_tracked"]

_NEVER_OURS = frozenset({"requested", "declined"})
"""A return that we make is approved: what the channel shows so is another wish for the same units."""
_MOVING = frozenset({"IN_TRANSIT", "OUT_FOR_DELIVERY", "DELIVERED", "EXCEPTION"})


def return_requested(turn: Turn, c: ReturnRequested) -> None:
    """Open an RMA. Raises Rejected where it says nothing that could be returned."""
    if c.kind not in KINDS:
        raise Rejected("return.kind", "kind", f"{c.kind!r} is none of {', '.join(KINDS)}")
    if not c.lines or any(x.qty <= 0 for x in c.lines):
        raise Rejected("return.lines", "lines", "a return has at least one line, each with a qty above 0")
    if (c.kind == "exchange") != bool(c.exchange) or any(x.qty <= 0 or not x.sku for x in c.exchange):
        raise Rejected(
            "return.exchange", "exchange", "an exchange, and nothing else, says what goes out: sku and qty above 0"
        )
    known = find(turn, c.return_id) if c.return_id else None
    if known is not None:
        same_again(turn, f"return {c.return_id} is {known.id} already")
        return
    r = _new(turn, c.kind, c.via, c.lines, actor=c.actor or c.source)
    r.return_id, r.exchange, r.payer, r.amount = c.return_id, c.exchange, c.label_payer, c.amount
    told(turn, "RETURN_REQUESTED", r, reason=", ".join(sorted({x.reason for x in c.lines if x.reason})), actor=r.actor)


def _new(turn: Turn, kind: str, via: str, lines: list[ReturnLine], *, actor: str) -> Rma:
    b = book(turn)
    r = Rma(rma_id(turn.state.key, b.next), kind, via, turn.command.time, _lines(lines), actor=actor)
    b.rmas, b.next = [*b.rmas, r], b.next + 1
    return r


def _lines(lines: list[ReturnLine]) -> list[RmaLine]:
    return [RmaLine(x.line_id, x.sku, x.qty, x.reason, x.comment) for x in lines if x.qty > 0]


def return_decided(turn: Turn, c: ReturnDecided) -> None:
    """A person's or the channel's word on an RMA. Raises Rejected where it is not known, or can't be decided so any more."""
    if c.decision not in DECISIONS:
        raise Rejected("return.decision", "decision", f"{c.decision!r} is none of {', '.join(DECISIONS)}")
    r, actor = needed(turn, c.rma_id), c.actor or c.source
    if c.decision == "cancel":
        if r.ended or received(r):
            too_old(turn, f"{r.id} can't be cancelled: {'its goods are here' if received(r) else 'it is ' + r.ended}")
            return
        cancel(turn, r, c.reason, actor)
    elif c.decision == "decline":
        if r.decision:
            too_old(turn, f"{r.id} is {r.ended or r.decision} already")
            return
        decline(turn, r, c.reason, actor)
    else:
        _approve(turn, r, c, actor)


def _approve(turn: Turn, r: Rma, c: ReturnDecided, actor: str) -> None:
    if r.decision == "approved" or r.ended not in ("", "DECLINED"):
        too_old(turn, f"{r.id} is {r.ended or r.decision} already")
        return
    if turn.state.header is None:
        raise Rejected("order.unknown", "order_key", f"{turn.state.key} was never placed: nothing can be approved")
    wanted = {x.line_id or x.sku: x.qty for x in c.lines}
    dropped = [max(0, x.qty - wanted.get(x.line_id, wanted.get(x.sku, 0))) if wanted else x.dropped for x in r.lines]
    if over := _beyond(turn, r, dropped):
        too_old(turn, f"{r.id} can't be approved: {over}")
        return
    for x, n in zip(r.lines, dropped, strict=True):
        x.dropped = n
    r.ended, r.judged = "", True
    r.amount = c.amount if c.amount is not None else r.amount
    approve(turn, r, c.reason, actor)


def _beyond(turn: Turn, r: Rma, dropped: list[int]) -> str:
    """Nobody can have more units come back than were bought and are in no other return."""
    asked: dict[str, int] = {}
    for x, n in zip(r.lines, dropped, strict=True):
        asked[x.line_id] = asked.get(x.line_id, 0) + x.qty - n
    for line_id, n in asked.items():
        line = turn.line(line_id)
        if line is not None and n > (free := line.ordered - line.cancelled - taken(turn, line_id, r)):
            return f"{n} of {line.sku}, and {max(0, free)} are in no return"
    return ""


def return_reported(turn: Turn, c: ReturnReported) -> None:
    """A return as the channel shows it: a new one, or the echo of ours. Its ``approved`` needs no policy of ours."""
    r = _reported(turn, c)
    if r is None and not c.lines and c.status == "approved" and (making := _making(turn)):
        # Most likely the echo of the one we are just making there; the channel's answer, or its units, will say so.
        told(turn, "RETURN_REPORTED", making[0], [], reason=f"{c.return_id} {c.status}, its units are not told yet")
        return
    if r is None:
        r = _new(turn, "return", "channel", c.lines, actor=turn.target)
        r.theirs = turn.state.header is not None and turn.state.header.fulfilled_by == "channel"
        told(turn, "RETURN_REQUESTED", r, reason=f"{c.return_id} {c.status}", actor=turn.target)
    else:
        told(turn, "RETURN_REPORTED", r, reason=f"{c.return_id} {c.status}")
    r.return_id, r.channel_rma = c.return_id or r.return_id, c.rma_id or r.channel_rma
    r.carrier, r.tracking_number = c.carrier or r.carrier, c.tracking_number or r.tracking_number
    r.told = c.status
    if not r.lines:  # a first word without the units (Shopify's webhooks); they come with the next
        r.lines = _lines(c.lines)
    if c.status in ("approved", "received", "handled", "closed") and r.judged and not r.decision:
        # One that is not judged yet is approved once its lines are set against the order's (``return_settle``).
        approve(turn, r, f"by {turn.target}", turn.target)
    elif c.status == "declined" and not r.decision:
        r.judged = True
        decline(turn, r, "by the channel", turn.target, tell=False)
    elif c.status == "cancelled" and not r.ended and not received(r):
        cancel(turn, r, "by the channel", turn.target, tell=False)


def _reported(turn: Turn, c: ReturnReported) -> Rma | None:
    """Ours of it: by the channel's ids, by our id that its units carry, or the one we are just making there that has the same units."""
    rmas = turn.state.book.rmas if turn.state.book else []
    for r in rmas:
        same_return = bool(c.return_id) and r.return_id == c.return_id
        if same_return and (not r.channel_rma or not c.rma_id or r.channel_rma == c.rma_id):
            return r
        if c.rma_id and c.rma_id in (r.channel_rma, r.id):
            return r
        if any(x.comment == r.id or x.comment.endswith(f" {r.id}") for x in c.lines):
            return r
    units = sorted((x.sku or x.line_id, x.qty) for x in c.lines)
    for r in _making(turn) if c.status not in _NEVER_OURS else ():
        if units in (sorted((x.sku, x.qty) for x in r.lines), sorted((x.line_id, x.qty) for x in r.lines)):
            return r
    return None


def _making(turn: Turn) -> list[Rma]:
    """Returns that the channel was asked to make, and has not answered yet."""
    rmas = turn.state.book.rmas if turn.state.book else []
    return [r for r in rmas if "create" in r.effects.values() and not r.return_id and not r.ended]


def return_tracked(turn: Turn, c: ReturnTracked) -> None:
    """The label, or a carrier's scan. It never credits anything. Raises Rejected where the return is not known."""
    if c.status not in SCANS:
        raise Rejected("return.scan", "status", f"{c.status!r} is none of {', '.join(SCANS)}")
    r = find(turn, c.rma_id, c.tracking_number)
    if r is None:
        raise Rejected(
            "return.unknown",
            "rma_id",
            f"neither {c.rma_id!r} nor parcel {c.tracking_number!r} is a return of {c.order_key}",
        )
    if not once(turn, f"return-scan/{c.idempotency_key}"):
        return
    if c.status == "LABELLED":
        r.label, r.label_ref, r.cost, r.cost_currency = "SENT", c.label_ref, c.cost, c.cost_currency
        r.carrier, r.tracking_number, r.tracking_url = c.carrier, c.tracking_number, c.tracking_url
        told(turn, "RETURN_LABELLED", r, at=c.occurred_at, reason=c.label_ref)
        return
    if c.status in _MOVING:
        r.moving = c.status
    told(turn, "RETURN_TRACKED", r, at=c.occurred_at, reason=f"{c.status}: {c.detail}" if c.detail else c.status)
    if c.status == "LOST" and not received(r):
        for x in r.lines:
            if x.coming:
                problem(turn, r, "LOST", x, x.coming, note=c.detail)
