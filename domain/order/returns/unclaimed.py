"""Goods at the dock that belong to no return we know: kept, told as an exception, and handed on once a person says whose they are.

They lie with the order, where the WMS named one, or under a key of their own (``returns:WMS:PARCEL``). What the WMS still tells of a
parcel that was handed on goes the same way.
"""

from __future__ import annotations

from typing import Any

import msgspec

from domain.order.dedupe import same_again
from domain.order.session import Turn
from domain.order.state.returns import Parcel, Problem, Receipt, Rma
from domain.records.commands import ReturnInspected, ReturnReceived
from domain.records.values import EventLine, InspectedLine, LineQty, ReturnedLine
from domain.rules.partners import same_partner

from .book import book, find, told
from .undelivered import sent_back

__all__ = ["expected_depot", "keep", "owner", "parcel", "parcel_told", "reopen", "reports"]

_OVER = frozenset({"CANCELLED", "EXPIRED", "DECLINED"})


def owner(turn: Turn, c: ReturnReceived | ReturnInspected) -> Rma | None:
    """The return the goods belong to: the one of this receipt, of the number or the parcel, or the only one that expects goods.

    Raises Rejected where a 3PL names a return that another one expects.
    """
    b = turn.state.book
    key = f"{c.wms}/{c.receipt_id}"
    if turn.state.header is None or parcel(turn, key) is not None:
        return None
    rmas = b.rmas if b else []
    r = next((r for r in rmas if key in r.receipts), None) or find(turn, c.rma_id, c.tracking_number)
    if r is None and not c.rma_id:
        live = [x for x in rmas if x.live and x.kind != "claim" and any(y.coming for y in x.lines)]
        names = {n for x in c.lines for n in (x.line_id, x.sku) if n}
        fit = [x for x in live if names & {n for y in x.lines for n in (y.line_id, y.sku)}]
        r = fit[0] if len(fit) == 1 else None
    if r is None and not c.rma_id:
        return sent_back(turn, c)
    if r is None or r.kind == "claim" or (not r.judged and not r.decision):
        return None
    if key not in r.receipts and r.depot:
        same_partner(c.source, r.depot, "", turn.rules, f"return {r.id}")
    if r.ended in _OVER or r.decision != "approved":
        if r.ended == "DECLINED" or turn.rules.returns.late != "accept":
            return None
        reopen(turn, r, f"taken though it was {r.ended or 'not decided'}")
    return r


def expected_depot(turn: Turn, c: ReturnReceived | ReturnInspected) -> str:
    """Where the return that the report names is expected; ``""`` for none."""
    r = find(turn, c.rma_id, c.tracking_number)
    return r.depot if r is not None else ""


def reopen(turn: Turn, r: Rma, reason: str, actor: str = "") -> None:
    """Goods came for a return that was over, or never approved: it is taken all the same."""
    for x in r.lines:
        x.dropped = 0
    r.decision, r.ended, r.judged, r.expires = "approved", "", True, 0
    told(turn, "RETURN_RESOLVED", r, reason=reason, actor=actor, intervention=bool(actor))


def parcel(turn: Turn, key: str) -> Parcel | None:
    """The parcel of this receipt (``WMS/number``) or problem id."""
    parcels = turn.state.book.parcels if turn.state.book else []
    return next((p for p in parcels if key in (f"{p.receipt.wms}/{p.receipt.id}", p.problem.id)), None)


def keep(turn: Turn, c: ReturnReceived | ReturnInspected) -> None:
    """Keep what is told of a parcel; if it was handed on, hand this on too."""
    p = parcel(turn, f"{c.wms}/{c.receipt_id}")
    if p is not None and p.to:
        turn.tell(msgspec.structs.replace(c, **turn.head(c.type), order_key=p.to, rma_id=p.rma))
        return
    b = book(turn)
    if p is None:
        p = _new(turn, c)
        b.parcels = [*b.parcels, p]
    before = (p.receipt.got, p.receipt.found)
    if isinstance(c, ReturnReceived):
        p.receipt.got = _more(p.receipt.got, [(f"{x.line_id}\t{x.sku}", x.qty) for x in c.lines])
    else:
        p.receipt.found = _more(
            p.receipt.found, [(f"{x.line_id}\t{x.sku}\t{x.disposition}\t{x.note}", x.qty) for x in c.lines]
        )
    if (p.receipt.got, p.receipt.found) == before and b.parcels[-1] is not p:
        same_again(turn, f"parcel {p.receipt.wms}/{p.receipt.id}")
        return
    why = f"{p.problem.id} {p.problem.kind}: {p.problem.note}"
    parcel_told(turn, "RETURN_EXCEPTION", p, reason=why, at=c.occurred_at, intervention=True)


def _new(turn: Turn, c: ReturnReceived | ReturnInspected) -> Parcel:
    b, known = book(turn), find(turn, c.rma_id, c.tracking_number)
    if turn.state.header is None:
        kind, note = "UNKNOWN", f"receipt {c.receipt_id} at {c.wms} names no order we know"
    elif known is not None:
        kind, note = "LATE", f"{known.id} is {known.ended or 'not decided'}"
    else:
        kind, note = "NO_RMA", f"{c.rma_id!r} is no return of this order" if c.rma_id else "the parcel names no return"
    p = Problem(f"p{len(b.parcels) + 1}", kind, "", "", sum(x.qty for x in c.lines), c.depot, note, turn.command.time)
    return Parcel(
        Receipt(c.receipt_id, c.wms, c.depot),
        c.rma_id,
        c.tracking_number,
        c.occurred_at,
        p,
        rma=known.id if known else "",
    )


def _more(had: dict[str, int], told_: list[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for k, n in told_:
        sums[k] = sums.get(k, 0) + n
    return {**had, **{k: max(n, had.get(k, 0)) for k, n in sums.items()}}


def parcel_told(
    turn: Turn, kind: str, p: Parcel, *, reason: str, actor: str = "", at: int | None = None, intervention: bool = False
) -> None:
    """Record what happened to a parcel."""
    units = [ReturnedLine(x.line_id, x.sku, x.qty, "", x.disposition, p.receipt.depot, x.note) for x in found_lines(p)]
    units = units or [ReturnedLine(x.line_id, x.sku, x.qty, depot=p.receipt.depot) for x in got_lines(p)]
    turn.event(
        kind,
        [EventLine(x.line_id, x.sku, x.qty) for x in units],
        at=at,
        reason=reason,
        actor=actor,
        intervention=intervention,
        rma=(p.rma, "parcel"),
        returned=units,
        tracking_number=p.tracking_number,
    )


def got_lines(p: Parcel) -> list[LineQty]:
    """Units as received."""
    return [LineQty(line_id, sku, n) for k, n in p.receipt.got.items() for line_id, sku in [k.split("\t")]]


def found_lines(p: Parcel) -> list[InspectedLine]:
    """Units as inspected."""
    lines = []
    for k, n in p.receipt.found.items():
        line_id, sku, disposition, note = k.split("\t", 3)
        lines.append(InspectedLine(line_id, sku, n, disposition, note))
    return lines


def reports(turn: Turn, p: Parcel, order_key: str, rma: str) -> list[ReturnReceived | ReturnInspected]:
    """What the WMS told of the parcel, as if it had told it of that order's return."""
    made: list[ReturnReceived | ReturnInspected] = []
    where: dict[str, Any] = {
        "order_key": order_key,
        "wms": p.receipt.wms,
        "depot": p.receipt.depot,
        "receipt_id": p.receipt.id,
        "rma_id": rma,
        "tracking_number": "" if rma else p.tracking_number,
        "occurred_at": p.at,
    }
    key = f"{turn.state.key}/{p.problem.id}"
    if got := got_lines(p):
        made.append(ReturnReceived(**turn.head("ReturnReceived"), idempotency_key=f"{key}/got", lines=got, **where))
    if found := found_lines(p):
        made.append(
            ReturnInspected(**turn.head("ReturnInspected"), idempotency_key=f"{key}/found", lines=found, **where)
        )
    return made
