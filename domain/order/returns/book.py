"""Working with an order's book of returns during one command: finding an RMA, telling what happened
to it.
"""

from __future__ import annotations

from collections.abc import Iterable

from domain.errors import Rejected
from domain.order.session import OrderSession, event_line
from domain.order.state.returns import Book, CreditFact, Problem, Rma, RmaLine
from domain.records.values import EventLine, ReturnedLine

__all__ = [
    "book",
    "find",
    "known_to_channel",
    "needed",
    "problem",
    "record_return",
    "returned",
    "returned_lines",
    "taken",
]


def book(session: OrderSession) -> Book:
    """The order's book; begun where there is none."""
    if session.state.book is None:
        session.state.book = Book()
    return session.state.book


def find(session: OrderSession, text: str, tracking: str = "") -> Rma | None:
    """The RMA of this id: ours, the channel's return id or RMA number; else the one whose parcel
    has the tracking number.
    """
    rmas = session.state.book.rmas if session.state.book else []
    if text:
        found = next((rma for rma in rmas if text in (rma.id, rma.return_id, rma.channel_rma)), None)
        if found is not None:
            return found
    return next((rma for rma in rmas if tracking and rma.tracking_number == tracking), None)


def needed(session: OrderSession, text: str) -> Rma:
    """The RMA of this id. Raises Rejected where the order has none."""
    found = find(session, text)
    if found is None:
        has = ", ".join(rma.id for rma in session.state.book.rmas) if session.state.book else ""
        raise Rejected(
            "return.unknown", "rma_id", f"{text!r} is no return of {session.state.key}; it has {has or 'none'}"
        )
    return found


def taken(session: OrderSession, line_id: str, but: Rma | None = None) -> int:
    """Units of a line that are in returns (asked for or approved, not declined, cancelled or
    expired).
    """
    rmas = session.state.book.rmas if session.state.book else []
    return sum(
        line.qty - line.dropped
        for rma in rmas
        if rma is not but and rma.ended in ("", "CLOSED") and not (rma.kind == "claim" and rma.amount is not None)
        for line in rma.lines
        if line.line_id == line_id
    )


def known_to_channel(rma: Rma) -> bool:
    """The channel has this return: it told us of it, or we made it there."""
    return bool(rma.return_id or rma.channel_rma) or "create" in rma.effects.values()


def problem(
    session: OrderSession,
    rma: Rma,
    kind: str,
    line: RmaLine | ReturnedLine,
    qty: int,
    *,
    depot: str = "",
    note: str = "",
) -> Problem:
    """Open an exception of an RMA: it waits for a person."""
    opened = Problem(f"e{len(rma.problems) + 1}", kind, line.line_id, line.sku, qty, depot, note, session.command.time)
    rma.problems = [*rma.problems, opened]
    # A return with an open exception is not over.
    if rma.ended in ("CLOSED", "EXPIRED"):
        rma.ended = ""
    unit = ReturnedLine(line.line_id, line.sku, qty, getattr(line, "reason", ""), kind, depot, note)
    why = f"{opened.id} {kind}: {qty} × {line.sku}" + (f", {note}" if note else "")
    record_return(session, "RETURN_EXCEPTION", rma, [unit], reason=why, intervention=True)
    return opened


def returned(line: RmaLine, qty: int, **more: str | int) -> ReturnedLine:
    """``qty`` units of an RMA's line, with what else is known of them."""
    return ReturnedLine(line.line_id, line.sku, qty, line.reason, **more)  # type: ignore[arg-type]  # text and numbers, as its fields are


def returned_lines(rma: Rma) -> list[ReturnedLine]:
    """All units an RMA is about."""
    return [
        ReturnedLine(line.line_id, line.sku, line.qty - line.dropped, line.reason, note=line.comment)
        for line in rma.lines
        if line.qty > line.dropped
    ]


def record_return(
    session: OrderSession,
    kind: str,
    rma: Rma,
    units: Iterable[ReturnedLine] | None = None,
    *,
    at: int | None = None,
    reason: str = "",
    actor: str = "",
    intervention: bool = False,
    complete: bool = False,
    amount: int | None = None,
    credit: CreditFact | None = None,
) -> None:
    """Record what happened to a return; no ``units``: all of it.

    ``amount``: else that of ``credit``, else the units' price.
    """
    units = list(returned_lines(rma) if units is None else units)
    session.record(
        kind,
        [_priced(session, line) for line in units],
        at=at,
        reason=reason,
        actor=actor,
        intervention=intervention,
        complete=complete,
        amount=amount if credit is None else credit.amount,
        rma=(rma.id, rma.kind),
        returned=units,
        tax=credit.tax if credit else 0,
        fees=sum(fee for _, fee, _ in credit.fees) if credit else 0,
        tracking_number=rma.tracking_number,
        carrier=rma.carrier,
    )


def _priced(session: OrderSession, returned_line: ReturnedLine) -> EventLine:
    line = session.line(returned_line.line_id)
    # Units that have an amount of their own are told with it, not with the order's price.
    if returned_line.amount:
        return EventLine(returned_line.line_id, returned_line.sku, returned_line.qty, returned_line.amount)
    return (
        event_line(line, returned_line.qty)
        if line is not None
        else EventLine(returned_line.line_id, returned_line.sku, returned_line.qty)
    )
