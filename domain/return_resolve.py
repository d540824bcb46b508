"""What a person makes of an exception: whose parcel it is, whether units are credited though, how a failed credit was paid."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from .commands import ReturnInspected, ReturnReceived, ReturnResolved
from .credit import ledger
from .errors import Rejected
from .keys import rma_id
from .order_identity import too_old
from .order_turn import Turn
from .return_book import book, find, known_to_channel, needed, problem, returned, told
from .return_commands import ACTIONS
from .return_credit import give_back_goods, paid_by_hand, send_credit, units_of
from .return_decide import channel
from .return_dock import apply_inspected, apply_received, put_away
from .return_exchange import release, withdraw
from .return_parcels import found_lines, got_lines, parcel, parcel_told, reopen, reports
from .return_state import GOOD, Parcel, Problem, Receipt, Rma, RmaLine
from .values import InspectedLine

__all__ = ["return_resolved"]


def return_resolved(turn: Turn, c: ReturnResolved) -> None:
    """Do it. Raises Rejected where it can't be done so; nothing open to do it to: STALE."""
    if c.action not in ACTIONS:
        raise Rejected("return.action", "action", f"{c.action!r} is none of {', '.join(ACTIONS)}")
    p = parcel(turn, c.exception_id) if c.exception_id else _only_parcel(turn, c)
    if p is not None:
        _parcel(turn, c, p)
        return
    r = needed(turn, c.rma_id)
    if c.action == "exchange_cancelled":
        _exchange_cancelled(turn, r, c)
    elif c.action in ("retry", "refunded"):
        _credit(turn, r, c)
    else:
        _problems(turn, r, c)


def _only_parcel(turn: Turn, c: ReturnResolved) -> Parcel | None:
    """No exception named: the parcel, where there is one only and no RMA of this order is meant."""
    if c.rma_id and c.action != "assign" and turn.state.header is not None:
        return None
    waiting = [p for p in book(turn).parcels if p.problem.state == "open"]
    return waiting[0] if len(waiting) == 1 else None


# -- parcels -----------------------------------------------------------------------------------------------------------
def _parcel(turn: Turn, c: ReturnResolved, p: Parcel) -> None:
    if p.problem.state != "open":
        too_old(turn, f"{p.problem.id} is {p.problem.state} already")
        return
    if c.action not in ("assign", "accept", "inspect", "refuse"):
        raise Rejected(
            "return.action", "action", f"{c.action!r} is for no parcel: assign, accept, inspect or refuse it"
        )
    {"assign": _assign, "accept": _accept, "inspect": _shelve, "refuse": _refuse_parcel}[c.action](turn, c, p)


def _assign(turn: Turn, c: ReturnResolved, p: Parcel) -> None:
    """It is another order's: that one gets what the WMS told."""
    if not c.to_order or c.to_order.count(":") < 2:
        raise Rejected("return.to_order", "to_order", f"{c.to_order!r} is no order key: channel:account:order_id")
    if c.to_order == turn.state.key:
        _accept(turn, c, p)
        return
    p.to, p.rma, p.problem.state = c.to_order, c.rma_id, "assigned"
    parcel_told(
        turn,
        "RETURN_RESOLVED",
        p,
        reason=f"belongs to {c.to_order} {c.reason}".rstrip(),
        actor=c.actor,
        intervention=True,
    )
    for command in reports(turn, p, c.to_order, c.rma_id):
        turn.tell(command)


def _accept(turn: Turn, c: ReturnResolved, p: Parcel) -> None:
    """It is a return of this order: the RMA named, the one that was over, or a new one."""
    if turn.state.header is None:
        raise Rejected(
            "return.order", "action", f"{turn.state.key} is no order: assign the parcel to one, or inspect it"
        )
    r = find(turn, c.rma_id or p.rma)
    if r is None:
        r = _blind(turn, c, p)
    elif r.ended or r.decision != "approved":
        reopen(turn, r, f"parcel {p.receipt.id} accepted {c.reason}".rstrip(), c.actor)
    p.problem.state = "accepted"
    b = book(turn)
    b.parcels = [x for x in b.parcels if x is not p]
    for report in reports(turn, p, turn.state.key, r.id):
        if isinstance(report, ReturnReceived):
            apply_received(turn, r, report)
        elif isinstance(report, ReturnInspected):
            apply_inspected(turn, r, report)


def _blind(turn: Turn, c: ReturnResolved, p: Parcel) -> Rma:
    """A return that nobody asked for: approved as it lies there, as far as the order has such units."""
    b, lines = book(turn), list[RmaLine]()
    units = {(x.line_id, x.sku): x.qty for x in got_lines(p)}
    for x in c.lines or found_lines(p):
        units.setdefault((x.line_id, x.sku), x.qty)
    for (line_id, sku), n in units.items():
        line = turn.line(line_id) or next((y for y in turn.state.lines if sku and sku in (y.sku, y.variant_id)), None)
        if line is not None:
            lines.append(RmaLine(line.line_id, line.sku, min(n, max(0, line.shipped - line.returned))))
    lines = [x for x in lines if x.qty]
    if not lines:
        raise Rejected(
            "return.lines", "lines", "nothing in the parcel is of this order: inspect it, or assign it to another"
        )
    r = Rma(rma_id(turn.state.key, b.next), "return", "operator", turn.command.time, lines, "approved", judged=True)
    r.actor, r.depot = c.actor, p.receipt.depot
    b.rmas, b.next = [*b.rmas, r], b.next + 1
    told(
        turn,
        "RMA_CREATED",
        r,
        reason=f"parcel {p.receipt.id} without a request {c.reason}".rstrip(),
        actor=c.actor,
        intervention=True,
    )
    return r


def _shelve(turn: Turn, c: ReturnResolved, p: Parcel) -> None:
    """Nobody's: the goods go to stock as told (by the command, else as the WMS inspected them), nobody is credited."""
    lines = c.lines or found_lines(p)
    if not lines:
        raise Rejected("return.lines", "lines", "say what becomes of the units: RESTOCK, B_GRADE or WRITE_OFF")
    for x in lines:
        if x.disposition in GOOD:
            put_away(turn, x, p.receipt, None)
    p.problem.state = "accepted"
    parcel_told(
        turn,
        "RETURN_RESOLVED",
        p,
        reason=f"to stock, nobody is credited {c.reason}".rstrip(),
        actor=c.actor,
        intervention=True,
    )


def _refuse_parcel(turn: Turn, c: ReturnResolved, p: Parcel) -> None:
    p.problem.state = "refused"
    parcel_told(turn, "RETURN_RESOLVED", p, reason=f"refused {c.reason}".rstrip(), actor=c.actor, intervention=True)


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
    said = next((x.disposition for x in c.lines if x.sku == p.sku), p.note.partition(" ")[0])
    return said if said in GOOD else ""


def _to_stock(turn: Turn, r: Rma, p: Problem, c: ReturnResolved) -> None:
    """Units that are none of this return go to stock, nobody is credited."""
    disposition = _disposition(p, c)
    if p.kind not in ("UNEXPECTED", "WRONG_ITEM") or not disposition:
        raise Rejected("return.lines", "lines", f"say what becomes of {p.qty} × {p.sku}: RESTOCK, B_GRADE or WRITE_OFF")
    sku = next((x.sku for x in c.lines), p.sku)
    put_away(
        turn,
        InspectedLine(p.line_id if sku == p.sku else "", sku, p.qty, disposition),
        Receipt(p.id, "resolved", p.depot or r.depot),
        r,
    )
    p.state = "accepted"


_WAYS: dict[str, Callable[[Turn, Rma, Problem, ReturnResolved], None]] = {
    "credit": _credit_though,
    "refuse": _refuse,
    "accept": _take_in,
    "inspect": _to_stock,
}


# -- credits and exchanges ---------------------------------------------------------------------------------------------
def _credit(turn: Turn, r: Rma, c: ReturnResolved) -> None:
    waiting = [x for x in r.credits if x.status == "MANUAL" and c.exception_id in ("", x.id)]
    if not waiting:
        too_old(turn, f"{r.id}: no credit waits for a person")
        return
    for x in waiting:
        if c.action == "refunded":
            paid_by_hand(turn, r, x, c.reference, c.actor or c.source)
            continue
        book_ = ledger(turn.state)
        book_.back -= x.amount + x.goods
        for k, n in x.payments:
            book_.refunded[k] -= n
        x.payments = book_.payments(x.amount)
        told(
            turn,
            "RETURN_RESOLVED",
            r,
            [],
            reason=f"credit {x.id} tried again",
            actor=c.actor or c.source,
            intervention=True,
        )
        send_credit(turn, r, x, units_of(r, x))


def _exchange_cancelled(turn: Turn, r: Rma, c: ReturnResolved) -> None:
    """Goods that were to go out for the returned ones will not: their value goes back in money, as far as it stood for them."""
    gone = {x.line_id: x.qty for x in c.lines}
    left = [(x, x.qty - gone.get(f"x{i}", 0)) for i, x in enumerate(r.exchange, 1)]
    r.exchange = [msgspec.structs.replace(x, qty=max(0, n)) for x, n in left]
    if not r.covered:
        return  # nothing was set off yet: the returned goods will be credited for what is not exchanged
    done = give_back_goods(turn, r, c.amount)
    if c.amount > done:
        problem(
            turn, r, "EXCHANGE", r.lines[0], 0, note=f"{c.amount - done} was to be paid for goods that will not go out"
        )
