"""Goods at the dock that belong to no return we know: kept, told as an exception, and handed on
once a person says whose they are.

They lie with the order, where the WMS named one, or under a key of their own
(``returns:WMS:PARCEL``). What the WMS still tells of a parcel that was handed on goes the same way.
"""

from __future__ import annotations

from typing import Any

import msgspec

from domain.order.dedupe import same_again
from domain.order.session import OrderSession
from domain.order.state.returns import Parcel, Problem, Receipt, Rma
from domain.records.commands import ReturnInspected, ReturnReceived
from domain.records.values import EventLine, InspectedLine, LineQty, ReturnedLine
from domain.rules.partners import same_partner

from .book import book, find, record_return
from .undelivered import sent_back

__all__ = ["expected_depot", "keep", "owner", "parcel", "record_parcel", "reopen", "reports"]

_OVER = frozenset({"CANCELLED", "EXPIRED", "DECLINED"})


def owner(session: OrderSession, receipt: ReturnReceived | ReturnInspected) -> Rma | None:
    """The return the goods belong to: the one of this receipt, of the number or the parcel, or the
    only one that expects goods.

    Raises Rejected where a 3PL names a return that another one expects.
    """
    book = session.state.book
    key = f"{receipt.wms}/{receipt.receipt_id}"
    if session.state.header is None or parcel(session, key) is not None:
        return None
    rmas = book.rmas if book else []
    rma = next((candidate for candidate in rmas if key in candidate.receipts), None) or find(
        session, receipt.rma_id, receipt.tracking_number
    )
    if rma is None and not receipt.rma_id:
        # No number to go by: taken only where a single return expects such goods.
        live = [
            candidate
            for candidate in rmas
            if candidate.live and candidate.kind != "claim" and any(line.coming for line in candidate.lines)
        ]
        names = {name for line_qty in receipt.lines for name in (line_qty.line_id, line_qty.sku) if name}
        fit = [
            candidate
            for candidate in live
            if names & {name for line in candidate.lines for name in (line.line_id, line.sku)}
        ]
        rma = fit[0] if len(fit) == 1 else None
    if rma is None and not receipt.rma_id:
        return sent_back(session, receipt)
    if rma is None or rma.kind == "claim" or (not rma.judged and not rma.decision):
        return None
    if key not in rma.receipts and rma.depot:
        same_partner(receipt.source, rma.depot, "", session.rules, f"return {rma.id}")
    if rma.ended in _OVER or rma.decision != "approved":
        if rma.ended == "DECLINED" or session.rules.returns.late != "accept":
            return None
        reopen(session, rma, f"taken though it was {rma.ended or 'not decided'}")
    return rma


def expected_depot(session: OrderSession, receipt: ReturnReceived | ReturnInspected) -> str:
    """Where the return that the report names is expected; ``""`` for none."""
    rma = find(session, receipt.rma_id, receipt.tracking_number)
    return rma.depot if rma is not None else ""


def reopen(session: OrderSession, rma: Rma, reason: str, actor: str = "") -> None:
    """Goods came for a return that was over, or never approved: it is taken all the same."""
    for line in rma.lines:
        line.dropped = 0
    rma.decision, rma.ended, rma.judged, rma.expires = "approved", "", True, 0
    record_return(session, "RETURN_RESOLVED", rma, reason=reason, actor=actor, intervention=bool(actor))


def parcel(session: OrderSession, key: str) -> Parcel | None:
    """The parcel of this receipt (``WMS/number``) or problem id."""
    parcels = session.state.book.parcels if session.state.book else []
    return next((kept for kept in parcels if key in (f"{kept.receipt.wms}/{kept.receipt.id}", kept.problem.id)), None)


def keep(session: OrderSession, receipt: ReturnReceived | ReturnInspected) -> None:
    """Keep what is told of a parcel; if it was handed on, hand this on too."""
    kept = parcel(session, f"{receipt.wms}/{receipt.receipt_id}")
    if kept is not None and kept.to:
        session.to_order(
            msgspec.structs.replace(receipt, **session.head(receipt.type), order_key=kept.to, rma_id=kept.rma)
        )
        return
    returns = book(session)
    if kept is None:
        kept = _new(session, receipt)
        returns.parcels = [*returns.parcels, kept]
    before = (kept.receipt.got, kept.receipt.found)
    if isinstance(receipt, ReturnReceived):
        kept.receipt.got = _more(
            kept.receipt.got, [(f"{line_qty.line_id}\t{line_qty.sku}", line_qty.qty) for line_qty in receipt.lines]
        )
    else:
        kept.receipt.found = _more(
            kept.receipt.found,
            [(f"{line.line_id}\t{line.sku}\t{line.disposition}\t{line.note}", line.qty) for line in receipt.lines],
        )
    # The last parcel of the book may be new: it is told even if it has no units.
    if (kept.receipt.got, kept.receipt.found) == before and returns.parcels[-1] is not kept:
        same_again(session, f"parcel {kept.receipt.wms}/{kept.receipt.id}")
        return
    why = f"{kept.problem.id} {kept.problem.kind}: {kept.problem.note}"
    record_parcel(session, "RETURN_EXCEPTION", kept, reason=why, at=receipt.occurred_at, intervention=True)


def _new(session: OrderSession, receipt: ReturnReceived | ReturnInspected) -> Parcel:
    returns, known = book(session), find(session, receipt.rma_id, receipt.tracking_number)
    if session.state.header is None:
        kind, note = "UNKNOWN", f"receipt {receipt.receipt_id} at {receipt.wms} names no order we know"
    elif known is not None:
        kind, note = "LATE", f"{known.id} is {known.ended or 'not decided'}"
    else:
        kind, note = (
            "NO_RMA",
            f"{receipt.rma_id!r} is no return of this order" if receipt.rma_id else "the parcel names no return",
        )
    problem = Problem(
        f"p{len(returns.parcels) + 1}",
        kind,
        "",
        "",
        sum(line_qty.qty for line_qty in receipt.lines),
        receipt.depot,
        note,
        session.command.time,
    )
    return Parcel(
        Receipt(receipt.receipt_id, receipt.wms, receipt.depot),
        receipt.rma_id,
        receipt.tracking_number,
        receipt.occurred_at,
        problem,
        rma=known.id if known else "",
    )


def _more(had: dict[str, int], reported: list[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for key, units in reported:
        sums[key] = sums.get(key, 0) + units
    # Cumulative as the WMS tells them, so the greater figure stands.
    return {**had, **{article: max(total, had.get(article, 0)) for article, total in sums.items()}}


def record_parcel(
    session: OrderSession,
    kind: str,
    kept: Parcel,
    *,
    reason: str,
    actor: str = "",
    at: int | None = None,
    intervention: bool = False,
) -> None:
    """Record what happened to a parcel."""
    units = [
        ReturnedLine(line.line_id, line.sku, line.qty, "", line.disposition, kept.receipt.depot, line.note)
        for line in found_lines(kept)
    ]
    units = units or [
        ReturnedLine(line_qty.line_id, line_qty.sku, line_qty.qty, depot=kept.receipt.depot)
        for line_qty in got_lines(kept)
    ]
    session.record(
        kind,
        [EventLine(line.line_id, line.sku, line.qty) for line in units],
        at=at,
        reason=reason,
        actor=actor,
        intervention=intervention,
        rma=(kept.rma, "parcel"),
        returned=units,
        tracking_number=kept.tracking_number,
    )


def got_lines(kept: Parcel) -> list[LineQty]:
    """Return the units of each line as the dock received them."""
    return [
        LineQty(line_id, sku, units) for key, units in kept.receipt.got.items() for line_id, sku in [key.split("\t")]
    ]


def found_lines(kept: Parcel) -> list[InspectedLine]:
    """Return the units of each line as the dock inspected them."""
    lines = []
    for key, units in kept.receipt.found.items():
        line_id, sku, disposition, note = key.split("\t", 3)
        lines.append(InspectedLine(line_id, sku, units, disposition, note))
    return lines


def reports(session: OrderSession, kept: Parcel, order_key: str, rma: str) -> list[ReturnReceived | ReturnInspected]:
    """What the WMS told of the parcel, as if it had told it of that order's return."""
    made: list[ReturnReceived | ReturnInspected] = []
    where: dict[str, Any] = {
        "order_key": order_key,
        "wms": kept.receipt.wms,
        "depot": kept.receipt.depot,
        "receipt_id": kept.receipt.id,
        "rma_id": rma,
        "tracking_number": "" if rma else kept.tracking_number,
        "occurred_at": kept.at,
    }
    key = f"{session.state.key}/{kept.problem.id}"
    if got := got_lines(kept):
        made.append(ReturnReceived(**session.head("ReturnReceived"), idempotency_key=f"{key}/got", lines=got, **where))
    if found := found_lines(kept):
        made.append(
            ReturnInspected(**session.head("ReturnInspected"), idempotency_key=f"{key}/found", lines=found, **where)
        )
    return made
