"""What a person makes of an exception: whose parcel it is, whether units are credited though, how a failed credit was paid."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from domain.errors import Rejected
from domain.money import running_share
from domain.order.dedupe import too_old
from domain.order.session import OrderSession
from domain.order.state.returns import GOOD, Parcel, Problem, Receipt, Rma, RmaLine
from domain.records.commands import ReturnResolved
from domain.records.return_commands import ACTIONS
from domain.records.values import ExchangeLine, InspectedLine

from .book import book, find, known_to_channel, needed, record_return, returned
from .credit_payment import give_back_goods
from .decisions import channel
from .exchange import release, withdraw
from .receiving import put_away
from .resolve_unclaimed import PARCEL_ACTIONS, resolve_parcel
from .settlement import due_again, resolve_credits
from .unclaimed import parcel

__all__ = ["return_resolved"]


def return_resolved(session: OrderSession, resolution: ReturnResolved) -> None:
    """Do it. Raises Rejected where it can't be done so; nothing open to do it to: STALE."""
    if resolution.action not in ACTIONS:
        raise Rejected("return.action", "action", f"{resolution.action!r} is none of {', '.join(ACTIONS)}")
    p = parcel(session, resolution.exception_id) if resolution.exception_id else _only_parcel(session, resolution)
    if p is not None:
        resolve_parcel(session, resolution, p)
        return
    rma = needed(session, resolution.rma_id)
    if resolution.action == "exchange_cancelled":
        _exchange_cancelled(session, rma, resolution)
    elif resolution.action in ("retry", "refunded") or _means_a_credit(rma, resolution):
        resolve_credits(session, rma, resolution)
    else:
        _problems(session, rma, resolution)


def _means_a_credit(rma: Rma, resolution: ReturnResolved) -> bool:
    """``refuse`` without an exception is for what waits: an exception, else a credit."""
    if resolution.action != "refuse":
        return False
    waiting = [credit.id for credit in rma.credits if credit.status == "MANUAL"]
    return resolution.exception_id in waiting or (
        bool(waiting) and not resolution.exception_id and not rma.open_problems
    )


def _only_parcel(session: OrderSession, resolution: ReturnResolved) -> Parcel | None:
    """No exception named: the parcel, where there is one only and no RMA of this order is meant, or one whose only trouble it is."""
    waiting = [parcel for parcel in book(session).parcels if parcel.problem.state == "open"]
    if resolution.rma_id and resolution.action != "assign" and session.state.header is not None:
        rma = find(session, resolution.rma_id)
        if rma is None or rma.open_problems or resolution.action not in PARCEL_ACTIONS:
            return None
        waiting = [parcel for parcel in waiting if parcel.rma == rma.id]
    elif len(waiting) > 1:
        which = ", ".join(parcel.problem.id for parcel in waiting)
        raise Rejected("return.exception", "exception_id", f"{len(waiting)} parcels wait here: say which, {which}")
    return waiting[0] if len(waiting) == 1 else None


# -- exceptions of an RMA ----------------------------------------------------------------------------------------------
def _problems(session: OrderSession, rma: Rma, resolution: ReturnResolved) -> None:
    waiting = [p for p in rma.problems if p.state == "open" and resolution.exception_id in ("", p.id)]
    do = _WAYS.get(resolution.action)
    if do is None:
        raise Rejected("return.action", "action", f"{resolution.action!r} is for parcels that belong to no return")
    if not waiting:
        too_old(session, f"{rma.id}: no open exception {resolution.exception_id}".rstrip())
        return
    for problem in waiting:
        do(session, rma, problem, resolution)
        unit = returned(RmaLine(problem.line_id, problem.sku, problem.qty), problem.qty, disposition=problem.kind)
        why = f"{problem.id} {problem.kind} {problem.state} {resolution.reason}".rstrip()
        record_return(
            session,
            "RETURN_RESOLVED",
            rma,
            [unit],
            reason=why,
            actor=resolution.actor or resolution.source,
            intervention=True,
        )


def _line(rma: Rma, problem: Problem) -> RmaLine | None:
    return next((line for line in rma.lines if line.line_id == problem.line_id), None)


def _credit_though(session: OrderSession, rma: Rma, problem: Problem, resolution: ReturnResolved) -> None:
    """Credit the units all the same; let an exchange go though it is not covered."""
    if problem.kind == "EXCHANGE":
        release(session, rma, resolution.reason)
    elif problem.kind == "CORRECTION":
        raise Rejected(
            "return.action", "action", "a correction gives no credit: refuse it, after the stock was put right"
        )
    else:
        line = _line(rma, problem)
        if line is None or problem.kind == "UNEXPECTED":
            raise Rejected(
                "return.action", "action", f"{problem.sku} was not announced: accept it into the return first"
            )
        if problem.kind == "REFUND":
            line.owed += problem.qty
            due_again(rma, line, problem.qty)
            problem.state = "credited"
            return
        if problem.kind == "LOST":
            line.found = {**line.found, "MISSING": line.found.get("MISSING", 0) + problem.qty}
        line.allowed += problem.qty
    problem.state = "credited"


def _refuse(session: OrderSession, rma: Rma, problem: Problem, resolution: ReturnResolved) -> None:
    """No credit for these units; no exchange for goods that did not come."""
    line = _line(rma, problem)
    if problem.kind == "EXCHANGE":
        withdraw(session, rma, resolution.reason or "refused")
    elif problem.kind == "LOST" and line is not None:
        line.dropped += min(problem.qty, line.coming)
    problem.state = "refused"
    _not_credited(session, rma, problem, resolution)


def _not_credited(session: OrderSession, rma: Rma, problem: Problem, resolution: ReturnResolved) -> None:
    """The channel is told of units that it waits for and that will not be credited."""
    line = _line(rma, problem)
    if (
        line is not None
        and problem.kind in ("MISSING", "WRONG_ITEM", "LOST")
        and known_to_channel(rma)
        and not rma.theirs
    ):
        channel(
            session,
            rma,
            "refuse",
            [returned(line, problem.qty, disposition=problem.kind, note=problem.note)],
            resolution.reason,
        )


def _take_in(session: OrderSession, rma: Rma, problem: Problem, resolution: ReturnResolved) -> None:
    """Units nobody announced are taken into the return; of what inspection found, or as the command says."""
    if problem.kind != "UNEXPECTED":
        raise Rejected("return.action", "action", f"{problem.id} is {problem.kind}: credit or refuse it")
    line = session.line(problem.line_id) or next(
        (y for y in session.state.lines if problem.sku in (y.sku, y.variant_id)), None
    )
    if line is None or line.shipped - line.returned < problem.qty:
        raise Rejected(
            "return.lines",
            "exception_id",
            f"this order has not shipped {problem.qty} more of {problem.sku}: inspect or refuse them",
        )
    rma_line = RmaLine(line.line_id, line.sku, problem.qty, received=problem.qty)
    rma.lines = [*rma.lines, rma_line]
    problem.state = "accepted"
    disposition = _disposition(problem, resolution)
    if disposition:
        rma_line.found = {disposition: problem.qty}
        put_away(
            session,
            InspectedLine(rma_line.line_id, rma_line.sku, problem.qty, disposition),
            Receipt(problem.id, "resolved", problem.depot or rma.depot),
            rma,
        )
        record_return(
            session,
            "RETURN_INSPECTED",
            rma,
            [returned(rma_line, problem.qty, disposition=disposition, depot=problem.depot)],
            actor=resolution.actor,
        )


def _disposition(problem: Problem, resolution: ReturnResolved) -> str:
    line = _said(problem, resolution)
    said = line.disposition if line is not None else problem.note.partition(" ")[0]
    return said if said in GOOD else ""


def _said(problem: Problem, resolution: ReturnResolved) -> InspectedLine | None:
    """What the command says of these units. What lay in the place of an article is another one."""
    if problem.kind == "WRONG_ITEM":
        return resolution.lines[0] if len(resolution.lines) == 1 else None
    return next((line for line in resolution.lines if line.sku == problem.sku), None)


def _to_stock(session: OrderSession, rma: Rma, problem: Problem, resolution: ReturnResolved) -> None:
    """Units that are none of this return go to stock, nobody is credited."""
    disposition, line = _disposition(problem, resolution), _said(problem, resolution)
    if problem.kind not in ("UNEXPECTED", "WRONG_ITEM") or not disposition:
        what = (
            "what lay there, one article"
            if problem.kind == "WRONG_ITEM"
            else f"what becomes of {problem.qty} × {problem.sku}"
        )
        raise Rejected("return.lines", "lines", f"say {what}: RESTOCK, B_GRADE or WRITE_OFF")
    unit = InspectedLine(problem.line_id, problem.sku, problem.qty, disposition)
    if line is not None and problem.kind == "WRONG_ITEM":
        unit = InspectedLine("", line.sku, line.qty, disposition)
    put_away(session, unit, Receipt(problem.id, "resolved", problem.depot or rma.depot), rma)
    problem.state = "accepted"
    _not_credited(session, rma, problem, resolution)


_WAYS: dict[str, Callable[[OrderSession, Rma, Problem, ReturnResolved], None]] = {
    "credit": _credit_though,
    "refuse": _refuse,
    "accept": _take_in,
    "inspect": _to_stock,
}


# -- exchanges ---------------------------------------------------------------------------------------------------------
def _exchange_cancelled(session: OrderSession, rma: Rma, resolution: ReturnResolved) -> None:
    """Goods that were to go out for the returned ones will not: what they were paid with came back, and goes to the customer.

    Where nothing was set off yet, the returned goods will be credited for what is not exchanged.
    """
    gone = {line.line_id: line.qty for line in resolution.lines}
    rma.exchange = [_less(line, gone.get(f"x{i}", 0)) for i, line in enumerate(rma.exchange, 1)]
    give_back_goods(session, rma, resolution)


def _less(line: ExchangeLine, n: int) -> ExchangeLine:
    left = max(0, line.qty - n)
    return msgspec.structs.replace(line, qty=left, tax=running_share(line.tax, left, line.qty) if line.qty else 0)
