"""What the returns dock tells: goods received, goods inspected.

Figures are cumulative within a receipt, so a repeat moves nothing.

Units are set against the RMA's lines as far as these expect any; what nobody announced is an
exception. Only an inspection moves stock (each unit once, with its quality) and leads to credit. A
parcel that belongs to no return we know waits for a person (``unclaimed``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from domain.errors import Rejected
from domain.keys import PARCELS, parcel_key
from domain.money import running_share
from domain.order.dedupe import same_again
from domain.order.session import OrderSession, event_line
from domain.order.state.returns import GOOD, Receipt, Rma, RmaLine
from domain.order.state.rma_status import all_there
from domain.records.commands import ReturnInspected, ReturnReceived, StockReported
from domain.records.return_commands import DISPOSITIONS
from domain.records.values import InspectedLine, LineQty, ReturnedLine
from domain.rules.partners import depot_of, partner

from .book import problem, record_return, returned
from .unclaimed import expected_depot, keep, owner

_QUALITY = {"RESTOCK": "new", "B_GRADE": "b_grade", "WRITE_OFF": "write_off"}

__all__ = ["apply_inspected", "apply_received", "return_inspected", "return_received"]


def return_received(session: OrderSession, receipt: ReturnReceived) -> None:
    """Book the goods of a return as arrived at a depot."""
    _check(receipt.lines, receipt.receipt_id)
    receipt = _at_own_depot(session, receipt)
    rma = owner(session, receipt)
    if rma is None:
        keep(session, receipt)
    else:
        apply_received(session, rma, receipt)


def return_inspected(session: OrderSession, inspection: ReturnInspected) -> None:
    """Goods were looked at. Raises Rejected for a disposition that is none."""
    _check(inspection.lines, inspection.receipt_id)
    for i, line in enumerate(inspection.lines):
        if line.disposition not in DISPOSITIONS:
            raise Rejected(
                "return.disposition",
                f"lines[{i}].disposition",
                f"{line.disposition!r} is none of {', '.join(DISPOSITIONS)}",
            )
    inspection = _at_own_depot(session, inspection)
    rma = owner(session, inspection)
    if rma is None:
        keep(session, inspection)
    else:
        apply_inspected(session, rma, inspection)


_Report = TypeVar("_Report", ReturnReceived, ReturnInspected)


def _at_own_depot(session: OrderSession, report: _Report) -> _Report:
    """The report with the depot that it is about.

    Raises Rejected where a 3PL speaks of a depot, or in the name, of another.
    """
    name = partner(report.source)
    if name and report.wms != name:
        raise Rejected(
            "partner.foreign", "wms", f"{name!r} speaks for {report.wms!r}: a 3PL reports its own receipts only"
        )
    if name and session.channel == PARCELS and not session.state.key.startswith(parcel_key(name, "-")[:-1]):
        raise Rejected(
            "partner.foreign", "order_key", f"{name!r} speaks of {session.state.key}, a parcel at another 3PL"
        )
    depot = depot_of(report.source, report.depot, expected_depot(session, report), session.rules)
    return report if depot == report.depot else msgspec.structs.replace(report, depot=depot)


def _check(lines: Sequence[LineQty | InspectedLine], receipt_id: str) -> None:
    if not receipt_id:
        raise Rejected("return.receipt", "receipt_id", "a receipt has a number of its own at its WMS")
    for i, line_qty in enumerate(lines):
        if line_qty.qty < 0 or not (line_qty.sku or line_qty.line_id):
            raise Rejected("return.line", f"lines[{i}]", "a line names a line or SKU and a qty that is not negative")


def _receipt(rma: Rma, receipt: ReturnReceived | ReturnInspected) -> Receipt:
    key = f"{receipt.wms}/{receipt.receipt_id}"
    if key not in rma.receipts:
        rma.receipts = {**rma.receipts, key: Receipt(receipt.receipt_id, receipt.wms, receipt.depot or rma.depot)}
    return rma.receipts[key]


def apply_received(session: OrderSession, rma: Rma, report: ReturnReceived) -> None:
    """Fold a receipt into its RMA."""
    receipt, came, strange = _receipt(rma, report), list[ReturnedLine](), list[tuple[RmaLine, int]]()
    rma.depot = report.depot or rma.depot
    for told_key, told_line, total in _sums(report.lines):
        # Cumulative figures: new is what goes beyond the receipt so far, and beyond what an
        # inspection that came first has spoken of.
        fresh = total - max(receipt.got.get(told_key, 0), _looked_at(receipt, told_key))
        if fresh <= 0:
            continue
        receipt.got = {**receipt.got, told_key: total}
        for line, placed in _place(rma, told_line, fresh, lambda rma_line: rma_line.coming):
            line.received += placed
            came.append(returned(line, placed, depot=report.depot))
            fresh -= placed
        if fresh:
            strange.append((RmaLine(told_line.line_id, told_line.sku, fresh), fresh))
    if not came and not strange:
        same_again(session, f"receipt {report.receipt_id} of {rma.id}")
        return
    _again(rma)
    if came:
        rma.received_at = rma.received_at or report.occurred_at
        record_return(
            session, "RMA_RECEIVED", rma, came, at=report.occurred_at, complete=all_there(rma), reason=report.detail
        )
    for line, qty in strange:
        problem(session, rma, "UNEXPECTED", line, qty, depot=report.depot, note=report.receipt_id)


def _again(rma: Rma) -> None:
    """More came of a return that was over."""
    if rma.ended == "CLOSED":
        rma.ended = ""


def _looked_at(receipt: Receipt, article: str) -> int:
    """Units of the receipt that an inspection has told of already: it came before the word of their
    arrival.
    """
    there = ((key.rpartition("|"), units) for key, units in receipt.found.items())
    return sum(units for (name, _, disposition), units in there if name == article and disposition != "MISSING")


def _sums(lines: list[LineQty]) -> list[tuple[str, LineQty, int]]:
    """Units by line id, or by SKU where none is told."""
    sums: dict[str, tuple[LineQty, int]] = {}
    for line_qty in lines:
        key = line_qty.line_id or line_qty.sku
        sums[key] = (line_qty, sums[key][1] + line_qty.qty if key in sums else line_qty.qty)
    return [(article, item, total) for article, (item, total) in sums.items()]


def _place(
    rma: Rma, told_line: LineQty | InspectedLine, units: int, room: Callable[[RmaLine], int]
) -> list[tuple[RmaLine, int]]:
    """Set units against the RMA's lines that are meant and have room."""
    line_id, sku = told_line.line_id, told_line.sku
    fit = [rma_line for rma_line in rma.lines if line_id and rma_line.line_id == line_id] or [
        rma_line for rma_line in rma.lines if sku and rma_line.sku == sku
    ]
    parts = []
    for line in fit:
        fitting = min(units, max(0, room(line)))
        if fitting:
            parts.append((line, fitting))
            units -= fitting
    return parts


def apply_inspected(session: OrderSession, rma: Rma, inspection: ReturnInspected) -> None:
    """Fold an inspection into its RMA: exceptions, stock, and what is then to be credited."""
    receipt, seen = _receipt(rma, inspection), list[ReturnedLine]()
    had = [own.received for own in rma.lines]
    receipt.depot = inspection.depot or receipt.depot
    rma.depot = receipt.depot or rma.depot
    later: list[tuple[str, RmaLine, int, str]] = []
    for key, line, total in _by_disposition(inspection.lines):
        before, disposition = receipt.found.get(key, 0), key.rpartition("|")[2]
        fresh = total - before
        if fresh < 0:
            _corrected(session, rma, key, before, total)
        if fresh <= 0:
            continue
        receipt.found = {**receipt.found, key: total}
        for rma_line, placed in _found(rma, line, fresh, disposition):
            seen.append(_seen(session, rma, rma_line, placed, (disposition, receipt, line.note)))
            fresh -= placed
            if disposition in ("MISSING", "WRONG_ITEM"):
                later.append((disposition, rma_line, placed, line.note))
        if fresh and disposition != "MISSING" and (strange := fresh - _announced_strange(rma, line)) > 0:
            rma_line = RmaLine(line.line_id, line.sku, strange)
            later.append(("UNEXPECTED", rma_line, strange, f"{disposition} {line.note}".strip()))
    if not seen and not later:
        same_again(session, f"inspection of receipt {inspection.receipt_id} of {rma.id}")
        return
    _again(rma)
    rma.received_at = rma.received_at or inspection.occurred_at
    came = [
        returned(own, own.received - already, depot=receipt.depot)
        for own, already in zip(rma.lines, had, strict=True)
        if own.received > already
    ]
    if came:  # a step that was skipped is implied
        record_return(session, "RMA_RECEIVED", rma, came, at=inspection.occurred_at, complete=all_there(rma))
    if seen:
        record_return(
            session,
            "RETURN_INSPECTED",
            rma,
            seen,
            at=inspection.occurred_at,
            actor=inspection.actor,
            complete=all_there(rma),
        )
    for kind, rma_line, placed, note in later:
        problem(session, rma, kind, rma_line, placed, depot=receipt.depot, note=note)


def _by_disposition(lines: list[InspectedLine]) -> list[tuple[str, InspectedLine, int]]:
    """Units by article and disposition, the good ones first: what was found is not missing."""
    sums: dict[str, tuple[InspectedLine, int]] = {}
    for line in lines:
        key = f"{line.line_id or line.sku}|{line.disposition}"
        sums[key] = (line, line.qty + (sums[key][1] if key in sums else 0))
    order = sorted(sums.items(), key=lambda item: DISPOSITIONS.index(item[1][0].disposition))
    return [(found_key, inspected_line, total) for found_key, (inspected_line, total) in order]


def _announced_strange(rma: Rma, line: InspectedLine) -> int:
    """Unexpected units of this article that the receipt told of before: the inspection means the
    same ones.
    """
    names = {line.line_id, line.sku} - {""}
    return sum(
        problem.qty
        for problem in rma.problems
        if problem.kind == "UNEXPECTED" and names & {problem.line_id, problem.sku}
    )


def _found(rma: Rma, line: InspectedLine, units: int, disposition: str) -> list[tuple[RmaLine, int]]:
    """Set inspected units against the lines; units that were missing may turn up, and those given
    up may come after all.
    """
    parts = _place(rma, line, units, lambda candidate: candidate.qty - candidate.settled)
    for rma_line, placed in parts:
        rma_line.found = {**rma_line.found, disposition: rma_line.found.get(disposition, 0) + placed}
    # Good units that no line expects any more: they had been missing, or given up.
    left = units - sum(part for _, part in parts)
    if left and disposition in GOOD:
        for rma_line, placed in _place(
            rma, line, left, lambda candidate: candidate.found.get("MISSING", 0) - candidate.allowed + candidate.dropped
        ):
            # Of these the missing ones turned up, but for those that a person let us credit all
            # the same; the rest had been given up.
            up = min(placed, rma_line.found.get("MISSING", 0) - rma_line.allowed)
            rma_line.found = {
                **rma_line.found,
                "MISSING": rma_line.found.get("MISSING", 0) - up,
                disposition: rma_line.found.get(disposition, 0) + placed,
            }
            rma_line.dropped -= placed - up
            _turned_up(rma, rma_line, up)
            parts.append((rma_line, placed))
    for rma_line, _ in parts:
        # What was inspected has come, told or not. MISSING and the like are no goods.
        rma_line.received = max(rma_line.received, rma_line.good + rma_line.found.get("WRONG_ITEM", 0))
    return parts


def _turned_up(rma: Rma, line: RmaLine, units: int) -> None:
    for missing in rma.problems:
        if (
            units
            and missing.kind == "MISSING"
            and missing.line_id == line.line_id
            and missing.state in ("open", "refused")
        ):
            there = min(units, missing.qty)
            missing.qty -= there
            units -= there
            if not missing.qty:
                missing.state = "turned_up"


def _seen(session: OrderSession, rma: Rma, rma_line: RmaLine, qty: int, what: tuple[str, Receipt, str]) -> ReturnedLine:
    """Units of one disposition: to stock with their quality, and what they are worth again."""
    disposition, receipt, note = what
    depot, sku = receipt.depot, ""
    if disposition in GOOD and not rma.theirs:
        depot, sku = put_away(session, InspectedLine(rma_line.line_id, rma_line.sku, qty, disposition), receipt, rma)
    # Written off, wrong or missing: worth nothing again.
    percent = {"RESTOCK": 100, "B_GRADE": session.rules.returns.b_grade.price_percent}.get(disposition, 0)
    line = session.line(rma_line.line_id)
    worth = running_share(event_line(line, qty).amount, percent, 100) if line is not None else 0
    return returned(rma_line, qty, disposition=disposition, depot=depot, note=note, value=worth, stock_sku=sku)


def put_away(session: OrderSession, unit: InspectedLine, receipt: Receipt, rma: Rma | None) -> tuple[str, str]:
    """Have the pool count units where they are put; gives the depot and the SKU they have there.

    Raises Rejected without a depot.
    """
    rules, disposition, sku = session.rules.returns, unit.disposition, unit.sku
    place = {"RESTOCK": rules.restock.depot, "B_GRADE": rules.b_grade.depot}.get(disposition, rules.write_off.depot)
    depot = place or receipt.depot
    if not depot:
        raise Rejected("return.depot", "depot", "neither the report nor the rules say where the goods are")
    quality = _QUALITY[disposition]
    # A second that may be sold is an article of its own.
    if disposition == "B_GRADE" and rules.b_grade.sellable:
        sku += rules.b_grade.sku_suffix
    where = rma.id if rma is not None else session.state.key
    head = session.head("StockReported")
    session.to_pool(
        StockReported(
            **head,
            pool=_pool(session, unit.line_id),
            idempotency_key=f"return/{head['event_id']}",
            kind="RESTOCK",
            depot=depot,
            sku=sku,
            quality=quality,
            qty=unit.qty,
            reference=where,
        )
    )
    return depot, sku


def _pool(session: OrderSession, line_id: str) -> str:
    """The pool the units came from."""
    for allocation in session.state.allocations:
        if any(line.line_id == line_id for line in allocation.lines):
            return allocation.pool
    return session.rules.default_pool


def _corrected(session: OrderSession, rma: Rma, key: str, before: int, now: int) -> None:
    """A figure that goes down can't take back stock and money by itself."""
    article, _, disposition = key.rpartition("|")
    if any(known.kind == "CORRECTION" and known.note.startswith(f"{key}: {before} → {now}") for known in rma.problems):
        return
    line = next(
        (rma_line for rma_line in rma.lines if article in (rma_line.line_id, rma_line.sku)), RmaLine("", article, 0)
    )
    problem(session, rma, "CORRECTION", line, before - now, note=f"{key}: {before} → {now}, {disposition} was booked")
