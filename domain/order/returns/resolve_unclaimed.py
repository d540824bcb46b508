"""What a person makes of goods that belong to no return we know: another order's, this one's after all, nobody's."""

from __future__ import annotations

from collections.abc import Callable

from domain.errors import Rejected
from domain.keys import rma_id
from domain.order.dedupe import too_old
from domain.order.session import Turn
from domain.order.state.returns import GOOD, Parcel, Rma, RmaLine
from domain.records.commands import ReturnInspected, ReturnReceived, ReturnResolved

from .book import book, find, told
from .receiving import apply_inspected, apply_received, put_away
from .unclaimed import found_lines, got_lines, parcel_told, reopen, reports
from .undelivered import take_back, undelivered

__all__ = ["PARCEL_ACTIONS", "resolve_parcel"]


def resolve_parcel(turn: Turn, c: ReturnResolved, p: Parcel) -> None:
    """Do it. Raises Rejected where it can't be done so; done already: STALE."""
    if p.problem.state != "open":
        too_old(turn, f"{p.problem.id} is {p.problem.state} already")
        return
    if c.action not in PARCEL_ACTIONS:
        raise Rejected(
            "return.action", "action", f"{c.action!r} is for no parcel: assign, accept, inspect or refuse it"
        )
    PARCEL_ACTIONS[c.action](turn, c, p)


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
        reason=f"{p.problem.id} belongs to {c.to_order} {c.reason}".rstrip(),
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
    r, over = find(turn, c.rma_id or p.rma), False
    if r is None:
        x = undelivered(turn, p.tracking_number, found_lines(p) or got_lines(p))
        r = _blind(turn, c, p) if x is None else take_back(turn, x, p.receipt.depot, c.actor or c.source)
    elif r.ended or r.decision != "approved":
        reopen(turn, r, f"{p.problem.id} parcel {p.receipt.id} accepted {c.reason}".rstrip(), c.actor)
        over = True
    p.problem.state = "accepted"
    if not over:
        why = f"{p.problem.id} accepted as {r.id} {c.reason}".rstrip()
        parcel_told(turn, "RETURN_RESOLVED", p, reason=why, actor=c.actor, intervention=True)
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
        reason=f"{p.problem.id} to stock, nobody is credited {c.reason}".rstrip(),
        actor=c.actor,
        intervention=True,
    )


def _refuse_parcel(turn: Turn, c: ReturnResolved, p: Parcel) -> None:
    p.problem.state = "refused"
    parcel_told(
        turn,
        "RETURN_RESOLVED",
        p,
        reason=f"{p.problem.id} refused {c.reason}".rstrip(),
        actor=c.actor,
        intervention=True,
    )


PARCEL_ACTIONS: dict[str, Callable[[Turn, ReturnResolved, Parcel], None]] = {
    "assign": _assign,
    "accept": _accept,
    "inspect": _shelve,
    "refuse": _refuse_parcel,
}
