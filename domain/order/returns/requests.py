"""A return before its goods arrive: asked for, decided, labelled, announced, on its way, expired.

Requests are kept as they come, also before the order itself; ``return_settle`` has the policy judge them as soon as it is known.
"""

from __future__ import annotations

from domain.errors import Rejected
from domain.keys import rma_id
from domain.order.dedupe import once, same_again, too_old
from domain.order.session import OrderSession
from domain.order.state.returns import Rma, RmaLine
from domain.order.state.rma_status import received
from domain.records.commands import ReturnDecided, ReturnReported, ReturnRequested, ReturnTracked
from domain.records.return_commands import DECISIONS, KINDS, SCANS
from domain.records.values import ReturnLine

from .book import book, find, needed, problem, record_return, taken
from .decisions import approve, cancel, decline

__all__ = ["return_decided", "return_reported", "return_requested", "return_tracked"]

_NEVER_OURS = frozenset({"requested", "declined"})
"""A return that we make is approved: what the channel shows so is another wish for the same units."""
_MOVING = frozenset({"IN_TRANSIT", "OUT_FOR_DELIVERY", "DELIVERED", "EXCEPTION"})


def return_requested(session: OrderSession, request: ReturnRequested) -> None:
    """Open an RMA. Raises Rejected where it says nothing that could be returned."""
    if request.kind not in KINDS:
        raise Rejected("return.kind", "kind", f"{request.kind!r} is none of {', '.join(KINDS)}")
    if not request.lines or any(line.qty <= 0 for line in request.lines):
        raise Rejected("return.lines", "lines", "a return has at least one line, each with a qty above 0")
    if (request.kind == "exchange") != bool(request.exchange) or any(
        line.qty <= 0 or not line.sku for line in request.exchange
    ):
        raise Rejected(
            "return.exchange", "exchange", "an exchange, and nothing else, says what goes out: sku and qty above 0"
        )
    known = find(session, request.return_id) if request.return_id else None
    if known is not None:
        same_again(session, f"return {request.return_id} is {known.id} already")
        return
    rma = _new(session, request.kind, request.via, request.lines, actor=request.actor or request.source)
    rma.return_id, rma.exchange, rma.payer, rma.amount = (
        request.return_id,
        request.exchange,
        request.label_payer,
        request.amount,
    )
    record_return(
        session,
        "RETURN_REQUESTED",
        rma,
        reason=", ".join(sorted({line.reason for line in request.lines if line.reason})),
        actor=rma.actor,
    )


def _new(session: OrderSession, kind: str, via: str, lines: list[ReturnLine], *, actor: str) -> Rma:
    b = book(session)
    rma = Rma(rma_id(session.state.key, b.next), kind, via, session.command.time, _lines(lines), actor=actor)
    b.rmas, b.next = [*b.rmas, rma], b.next + 1
    return rma


def _lines(lines: list[ReturnLine]) -> list[RmaLine]:
    return [RmaLine(line.line_id, line.sku, line.qty, line.reason, line.comment) for line in lines if line.qty > 0]


def return_decided(session: OrderSession, decision: ReturnDecided) -> None:
    """A person's or the channel's word on an RMA. Raises Rejected where it is not known, or can't be decided so any more."""
    if decision.decision not in DECISIONS:
        raise Rejected("return.decision", "decision", f"{decision.decision!r} is none of {', '.join(DECISIONS)}")
    rma, actor = needed(session, decision.rma_id), decision.actor or decision.source
    if decision.decision == "cancel":
        if rma.ended or received(rma):
            too_old(
                session,
                f"{rma.id} can't be cancelled: {'its goods are here' if received(rma) else 'it is ' + rma.ended}",
            )
            return
        cancel(session, rma, decision.reason, actor)
    elif decision.decision == "decline":
        if rma.decision:
            too_old(session, f"{rma.id} is {rma.ended or rma.decision} already")
            return
        decline(session, rma, decision.reason, actor)
    else:
        _approve(session, rma, decision, actor)


def _approve(session: OrderSession, rma: Rma, decision: ReturnDecided, actor: str) -> None:
    if rma.decision == "approved" or rma.ended not in ("", "DECLINED"):
        too_old(session, f"{rma.id} is {rma.ended or rma.decision} already")
        return
    if session.state.header is None:
        raise Rejected("order.unknown", "order_key", f"{session.state.key} was never placed: nothing can be approved")
    wanted = {line_qty.line_id or line_qty.sku: line_qty.qty for line_qty in decision.lines}
    dropped = [
        max(0, rma_line.qty - wanted.get(rma_line.line_id, wanted.get(rma_line.sku, 0))) if wanted else rma_line.dropped
        for rma_line in rma.lines
    ]
    if over := _beyond(session, rma, dropped):
        too_old(session, f"{rma.id} can't be approved: {over}")
        return
    for line, n in zip(rma.lines, dropped, strict=True):
        line.dropped = n
    rma.ended, rma.judged = "", True
    rma.amount = decision.amount if decision.amount is not None else rma.amount
    approve(session, rma, decision.reason, actor)


def _beyond(session: OrderSession, rma: Rma, dropped: list[int]) -> str:
    """Nobody can have more units come back than were bought and are in no other return."""
    asked: dict[str, int] = {}
    for rma_line, n in zip(rma.lines, dropped, strict=True):
        asked[rma_line.line_id] = asked.get(rma_line.line_id, 0) + rma_line.qty - n
    for line_id, n in asked.items():
        line = session.line(line_id)
        if line is not None and n > (free := line.ordered - line.cancelled - taken(session, line_id, rma)):
            return f"{n} of {line.sku}, and {max(0, free)} are in no return"
    return ""


def return_reported(session: OrderSession, report: ReturnReported) -> None:
    """A return as the channel shows it: a new one, or the echo of ours. Its ``approved`` needs no policy of ours."""
    rma = _reported(session, report)
    if rma is None and not report.lines and report.status == "approved" and (making := _making(session)):
        # Most likely the echo of the one we are just making there; the channel's answer, or its units, will say so.
        record_return(
            session,
            "RETURN_REPORTED",
            making[0],
            [],
            reason=f"{report.return_id} {report.status}, its units are not told yet",
        )
        return
    if rma is None:
        rma = _new(session, "return", "channel", report.lines, actor=session.target)
        rma.theirs = session.state.header is not None and session.state.header.fulfilled_by == "channel"
        record_return(
            session, "RETURN_REQUESTED", rma, reason=f"{report.return_id} {report.status}", actor=session.target
        )
    else:
        record_return(session, "RETURN_REPORTED", rma, reason=f"{report.return_id} {report.status}")
    rma.return_id, rma.channel_rma = report.return_id or rma.return_id, report.rma_id or rma.channel_rma
    rma.carrier, rma.tracking_number = report.carrier or rma.carrier, report.tracking_number or rma.tracking_number
    rma.told = report.status
    if not rma.lines:  # a first word without the units (Shopify's webhooks); they come with the next
        rma.lines = _lines(report.lines)
    if report.status in ("approved", "received", "handled", "closed") and rma.judged and not rma.decision:
        # One that is not judged yet is approved once its lines are set against the order's (``return_settle``).
        approve(session, rma, f"by {session.target}", session.target)
    elif report.status == "declined" and not rma.decision:
        rma.judged = True
        decline(session, rma, "by the channel", session.target, tell=False)
    elif report.status == "cancelled" and not rma.ended and not received(rma):
        cancel(session, rma, "by the channel", session.target, tell=False)


def _reported(session: OrderSession, report: ReturnReported) -> Rma | None:
    """Ours of it: by the channel's ids, by our id that its units carry, or the one we are just making there that has the same units."""
    rmas = session.state.book.rmas if session.state.book else []
    for rma in rmas:
        same_return = bool(report.return_id) and rma.return_id == report.return_id
        if same_return and (not rma.channel_rma or not report.rma_id or rma.channel_rma == report.rma_id):
            return rma
        if report.rma_id and report.rma_id in (rma.channel_rma, rma.id):
            return rma
        if any(line.comment == rma.id or line.comment.endswith(f" {rma.id}") for line in report.lines):
            return rma
    units = sorted((line.sku or line.line_id, line.qty) for line in report.lines)
    for rma in _making(session) if report.status not in _NEVER_OURS else ():
        if units in (
            sorted((line.sku, line.qty) for line in rma.lines),
            sorted((line.line_id, line.qty) for line in rma.lines),
        ):
            return rma
    return None


def _making(session: OrderSession) -> list[Rma]:
    """Returns that the channel was asked to make, and has not answered yet."""
    rmas = session.state.book.rmas if session.state.book else []
    return [rma for rma in rmas if "create" in rma.effects.values() and not rma.return_id and not rma.ended]


def return_tracked(session: OrderSession, scan: ReturnTracked) -> None:
    """The label, or a carrier's scan. It never credits anything. Raises Rejected where the return is not known."""
    if scan.status not in SCANS:
        raise Rejected("return.scan", "status", f"{scan.status!r} is none of {', '.join(SCANS)}")
    rma = find(session, scan.rma_id, scan.tracking_number)
    if rma is None:
        raise Rejected(
            "return.unknown",
            "rma_id",
            f"neither {scan.rma_id!r} nor parcel {scan.tracking_number!r} is a return of {scan.order_key}",
        )
    if not once(session, f"return-scan/{scan.idempotency_key}"):
        return
    if scan.status == "LABELLED":
        rma.label, rma.label_ref, rma.cost, rma.cost_currency = "SENT", scan.label_ref, scan.cost, scan.cost_currency
        rma.carrier, rma.tracking_number, rma.tracking_url = scan.carrier, scan.tracking_number, scan.tracking_url
        record_return(session, "RETURN_LABELLED", rma, at=scan.occurred_at, reason=scan.label_ref)
        return
    if scan.status in _MOVING:
        rma.moving = scan.status
    record_return(
        session,
        "RETURN_TRACKED",
        rma,
        at=scan.occurred_at,
        reason=f"{scan.status}: {scan.detail}" if scan.detail else scan.status,
    )
    if scan.status == "LOST" and not received(rma):
        for line in rma.lines:
            if line.coming:
                problem(session, rma, "LOST", line, line.coming, note=scan.detail)
