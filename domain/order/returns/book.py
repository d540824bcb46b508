"""Working with an order's book of returns during one command: finding an RMA, telling what happened to it."""

from __future__ import annotations

from collections.abc import Iterable

from domain.errors import Rejected
from domain.order.session import Turn, event_line
from domain.order.state.returns import Book, CreditFact, Problem, Rma, RmaLine
from domain.records.values import EventLine, ReturnedLine

__all__ = ["book", "find", "known_to_channel", "needed", "problem", "returned", "returned_lines", "taken", "told"]


def book(turn: Turn) -> Book:
    """The order's book; begun where there is none."""
    if turn.state.book is None:
        turn.state.book = Book()
    return turn.state.book


def find(turn: Turn, text: str, tracking: str = "") -> Rma | None:
    """The RMA of this id: ours, the channel's return id or RMA number; else the one whose parcel has the tracking number."""
    rmas = turn.state.book.rmas if turn.state.book else []
    if text:
        found = next((r for r in rmas if text in (r.id, r.return_id, r.channel_rma)), None)
        if found is not None:
            return found
    return next((r for r in rmas if tracking and r.tracking_number == tracking), None)


def needed(turn: Turn, text: str) -> Rma:
    """The RMA of this id. Raises Rejected where the order has none."""
    found = find(turn, text)
    if found is None:
        has = ", ".join(r.id for r in turn.state.book.rmas) if turn.state.book else ""
        raise Rejected("return.unknown", "rma_id", f"{text!r} is no return of {turn.state.key}; it has {has or 'none'}")
    return found


def taken(turn: Turn, line_id: str, but: Rma | None = None) -> int:
    """Units of a line that are in returns (asked for or approved, not declined, cancelled or expired)."""
    rmas = turn.state.book.rmas if turn.state.book else []
    return sum(
        x.qty - x.dropped
        for r in rmas
        if r is not but and r.ended in ("", "CLOSED") and not (r.kind == "claim" and r.amount is not None)
        for x in r.lines
        if x.line_id == line_id
    )


def known_to_channel(r: Rma) -> bool:
    """The channel has this return: it told us of it, or we made it there."""
    return bool(r.return_id or r.channel_rma) or "create" in r.effects.values()


def problem(
    turn: Turn, r: Rma, kind: str, x: RmaLine | ReturnedLine, qty: int, *, depot: str = "", note: str = ""
) -> Problem:
    """Open an exception of an RMA: it waits for a person."""
    p = Problem(f"e{len(r.problems) + 1}", kind, x.line_id, x.sku, qty, depot, note, turn.command.time)
    r.problems = [*r.problems, p]
    if r.ended in ("CLOSED", "EXPIRED"):
        r.ended = ""
    unit = ReturnedLine(x.line_id, x.sku, qty, getattr(x, "reason", ""), kind, depot, note)
    why = f"{p.id} {kind}: {qty} × {x.sku}" + (f", {note}" if note else "")
    told(turn, "RETURN_EXCEPTION", r, [unit], reason=why, intervention=True)
    return p


def returned(x: RmaLine, n: int, **more: str | int) -> ReturnedLine:
    """``n`` units of an RMA's line, with what else is known of them."""
    return ReturnedLine(x.line_id, x.sku, n, x.reason, **more)  # type: ignore[arg-type]  # text and numbers, as its fields are


def returned_lines(r: Rma) -> list[ReturnedLine]:
    """All units an RMA is about."""
    return [
        ReturnedLine(x.line_id, x.sku, x.qty - x.dropped, x.reason, note=x.comment)
        for x in r.lines
        if x.qty > x.dropped
    ]


def told(
    turn: Turn,
    kind: str,
    r: Rma,
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
    """Record what happened to a return; no ``units``: all of it. ``amount``: else that of ``credit``, else the units' price."""
    units = list(returned_lines(r) if units is None else units)
    turn.event(
        kind,
        [_priced(turn, u) for u in units],
        at=at,
        reason=reason,
        actor=actor,
        intervention=intervention,
        complete=complete,
        amount=amount if credit is None else credit.amount,
        rma=(r.id, r.kind),
        returned=units,
        tax=credit.tax if credit else 0,
        fees=sum(a for _, a, _ in credit.fees) if credit else 0,
        tracking_number=r.tracking_number,
        carrier=r.carrier,
    )


def _priced(turn: Turn, u: ReturnedLine) -> EventLine:
    line = turn.line(u.line_id)
    if u.amount:
        return EventLine(u.line_id, u.sku, u.qty, u.amount)
    return event_line(line, u.qty) if line is not None else EventLine(u.line_id, u.sku, u.qty)
