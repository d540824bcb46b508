"""What a person makes of an exception: whose parcel it is, whether units are credited though, how a failed credit was paid."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from domain.errors import Rejected
from domain.money import running_share
from domain.order.dedupe import too_old
from domain.order.session import Turn
from domain.order.state.returns import GOOD, Parcel, Problem, Receipt, Rma, RmaLine
from domain.records.commands import ReturnResolved
from domain.records.return_commands import ACTIONS
from domain.records.values import ExchangeLine, InspectedLine

from .book import book, find, known_to_channel, needed, returned, told
from .credit_payment import give_back_goods
from .decisions import channel
from .exchange import release, withdraw
from .receiving import put_away
from .resolve_unclaimed import PARCEL_ACTIONS, resolve_parcel
from .settlement import due_again, resolve_credits
from .unclaimed import parcel

__all__ = ["return_resolved"]


def return_resolved(turn: Turn, c: ReturnResolved) -> None:
    """Do it. Raises Rejected where it can't be done so; nothing open to do it to: STALE."""
    if c.action not in ACTIONS:
        raise Rejected("return.action", "action", f"{c.action!r} is none of {', '.join(ACTIONS)}")
    p = parcel(turn, c.exception_id) if c.exception_id else _only_parcel(turn, c)
    if p is not None:
        resolve_parcel(turn, c, p)
        return
    r = needed(turn, c.rma_id)
    if c.action == "exchange_cancelled":
        _exchange_cancelled(turn, r, c)
    elif c.action in ("retry", "refunded") or _means_a_credit(r, c):
        resolve_credits(turn, r, c)
    else:
        _problems(turn, r, c)


def _means_a_credit(r: Rma, c: ReturnResolved) -> bool:
    """``refuse`` without an exception is for what waits: an exception, else a credit."""
    if c.action != "refuse":
        return False
    waiting = [x.id for x in r.credits if x.status == "MANUAL"]
    return c.exception_id in waiting or (bool(waiting) and not c.exception_id and not r.open_problems)


def _only_parcel(turn: Turn, c: ReturnResolved) -> Parcel | None:
    """No exception named: the parcel, where there is one only and no RMA of this order is meant, or one whose only trouble it is."""
    waiting = [p for p in book(turn).parcels if p.problem.state == "open"]
    if c.rma_id and c.action != "assign" and turn.state.header is not None:
        r = find(turn, c.rma_id)
        if r is None or r.open_problems or c.action not in PARCEL_ACTIONS:
            return None
        waiting = [p for p in waiting if p.rma == r.id]
    elif len(waiting) > 1:
        which = ", ".join(p.problem.id for p in waiting)
        raise Rejected("return.exception", "exception_id", f"{len(waiting)} parcels wait here: say which, {which}")
    return waiting[0] if len(waiting) == 1 else None


# -- exceptions of an RMA ----------------------------------------------------------------------------------------------
def _problems(turn: Turn, r: Rma, c: ReturnResolved) -> None:
    waiting = [p for p in r.problems if p.state == "open" and c.exception_id in ("", p.id)]
    do = _WAYS.get(c.action)
    if do is None:
        raise Rejected("return.action", "action", f"{c.action!r} is for parcels that belong to no return")
    if not waiting:
        too_old(turn, f"{r.id}: no open exception {c.exception_id}".rstrip())
        return
    for p in waiting:
        do(turn, r, p, c)
        unit = returned(RmaLine(p.line_id, p.sku, p.qty), p.qty, disposition=p.kind)
        why = f"{p.id} {p.kind} {p.state} {c.reason}".rstrip()
        told(turn, "RETURN_RESOLVED", r, [unit], reason=why, actor=c.actor or c.source, intervention=True)


def _line(r: Rma, p: Problem) -> RmaLine | None:
    return next((x for x in r.lines if x.line_id == p.line_id), None)


def _credit_though(turn: Turn, r: Rma, p: Problem, c: ReturnResolved) -> None:
    """Credit the units all the same; let an exchange go though it is not covered."""
    if p.kind == "EXCHANGE":
        release(turn, r, c.reason)
    elif p.kind == "CORRECTION":
        raise Rejected(
            "return.action", "action", "a correction gives no credit: refuse it, after the stock was put right"
        )
    else:
        x = _line(r, p)
        if x is None or p.kind == "UNEXPECTED":
            raise Rejected("return.action", "action", f"{p.sku} was not announced: accept it into the return first")
        if p.kind == "REFUND":
            x.owed += p.qty
            due_again(r, x, p.qty)
            p.state = "credited"
            return
        if p.kind == "LOST":
            x.found = {**x.found, "MISSING": x.found.get("MISSING", 0) + p.qty}
        x.allowed += p.qty
    p.state = "credited"


def _refuse(turn: Turn, r: Rma, p: Problem, c: ReturnResolved) -> None:
    """No credit for these units; no exchange for goods that did not come."""
    x = _line(r, p)
    if p.kind == "EXCHANGE":
        withdraw(turn, r, c.reason or "refused")
    elif p.kind == "LOST" and x is not None:
        x.dropped += min(p.qty, x.coming)
    p.state = "refused"
    _not_credited(turn, r, p, c)


def _not_credited(turn: Turn, r: Rma, p: Problem, c: ReturnResolved) -> None:
    """The channel is told of units that it waits for and that will not be credited."""
    x = _line(r, p)
    if x is not None and p.kind in ("MISSING", "WRONG_ITEM", "LOST") and known_to_channel(r) and not r.theirs:
        channel(turn, r, "refuse", [returned(x, p.qty, disposition=p.kind, note=p.note)], c.reason)


def _take_in(turn: Turn, r: Rma, p: Problem, c: ReturnResolved) -> None:
    """Units nobody announced are taken into the return; of what inspection found, or as the command says."""
    if p.kind != "UNEXPECTED":
        raise Rejected("return.action", "action", f"{p.id} is {p.kind}: credit or refuse it")
    line = turn.line(p.line_id) or next((y for y in turn.state.lines if p.sku in (y.sku, y.variant_id)), None)
    if line is None or line.shipped - line.returned < p.qty:
        raise Rejected(
            "return.lines",
            "exception_id",
            f"this order has not shipped {p.qty} more of {p.sku}: inspect or refuse them",
        )
    x = RmaLine(line.line_id, line.sku, p.qty, received=p.qty)
    r.lines = [*r.lines, x]
    p.state = "accepted"
    disposition = _disposition(p, c)
    if disposition:
        x.found = {disposition: p.qty}
        put_away(
            turn, InspectedLine(x.line_id, x.sku, p.qty, disposition), Receipt(p.id, "resolved", p.depot or r.depot), r
        )
        told(turn, "RETURN_INSPECTED", r, [returned(x, p.qty, disposition=disposition, depot=p.depot)], actor=c.actor)


def _disposition(p: Problem, c: ReturnResolved) -> str:
    x = _said(p, c)
    said = x.disposition if x is not None else p.note.partition(" ")[0]
    return said if said in GOOD else ""


def _said(p: Problem, c: ReturnResolved) -> InspectedLine | None:
    """What the command says of these units. What lay in the place of an article is another one."""
    if p.kind == "WRONG_ITEM":
        return c.lines[0] if len(c.lines) == 1 else None
    return next((x for x in c.lines if x.sku == p.sku), None)


def _to_stock(turn: Turn, r: Rma, p: Problem, c: ReturnResolved) -> None:
    """Units that are none of this return go to stock, nobody is credited."""
    disposition, x = _disposition(p, c), _said(p, c)
    if p.kind not in ("UNEXPECTED", "WRONG_ITEM") or not disposition:
        what = "what lay there, one article" if p.kind == "WRONG_ITEM" else f"what becomes of {p.qty} × {p.sku}"
        raise Rejected("return.lines", "lines", f"say {what}: RESTOCK, B_GRADE or WRITE_OFF")
    unit = InspectedLine(p.line_id, p.sku, p.qty, disposition)
    if x is not None and p.kind == "WRONG_ITEM":
        unit = InspectedLine("", x.sku, x.qty, disposition)
    put_away(turn, unit, Receipt(p.id, "resolved", p.depot or r.depot), r)
    p.state = "accepted"
    _not_credited(turn, r, p, c)


_WAYS: dict[str, Callable[[Turn, Rma, Problem, ReturnResolved], None]] = {
    "credit": _credit_though,
    "refuse": _refuse,
    "accept": _take_in,
    "inspect": _to_stock,
}


# -- exchanges ---------------------------------------------------------------------------------------------------------
def _exchange_cancelled(turn: Turn, r: Rma, c: ReturnResolved) -> None:
    """Goods that were to go out for the returned ones will not: what they were paid with came back, and goes to the customer.

    Where nothing was set off yet, the returned goods will be credited for what is not exchanged.
    """
    gone = {x.line_id: x.qty for x in c.lines}
    r.exchange = [_less(x, gone.get(f"x{i}", 0)) for i, x in enumerate(r.exchange, 1)]
    give_back_goods(turn, r, c)


def _less(x: ExchangeLine, n: int) -> ExchangeLine:
    left = max(0, x.qty - n)
    return msgspec.structs.replace(x, qty=left, tax=running_share(x.tax, left, x.qty) if x.qty else 0)
