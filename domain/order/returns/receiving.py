"""What the returns dock tells: goods received, goods inspected. Figures are cumulative within a receipt, so a repeat moves nothing.

Units are set against the RMA's lines as far as these expect any; what nobody announced is an exception. Only an inspection moves stock (each
unit once, with its quality) and leads to credit. A parcel that belongs to no return we know waits for a person (``return_parcels``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from domain.errors import Rejected
from domain.keys import PARCELS, parcel_key
from domain.money import running_share
from domain.order.dedupe import same_again
from domain.order.session import Turn, event_line
from domain.order.state.returns import GOOD, Receipt, Rma, RmaLine
from domain.order.state.rma_status import all_there
from domain.records.commands import ReturnInspected, ReturnReceived, StockReported
from domain.records.return_commands import DISPOSITIONS
from domain.records.values import InspectedLine, LineQty, ReturnedLine
from domain.rules.partners import depot_of, partner

from .book import problem, returned, told
from .unclaimed import expected_depot, keep, owner

_QUALITY = {"RESTOCK": "new", "B_GRADE": "b_grade", "WRITE_OFF": "write_off"}

__all__ = ["apply_inspected", "apply_received", "return_inspected", "return_received"]


def return_received(turn: Turn, c: ReturnReceived) -> None:
    """Goods arrived."""
    _check(c.lines, c.receipt_id)
    c = _at_own_depot(turn, c)
    r = owner(turn, c)
    if r is None:
        keep(turn, c)
    else:
        apply_received(turn, r, c)


def return_inspected(turn: Turn, c: ReturnInspected) -> None:
    """Goods were looked at. Raises Rejected for a disposition that is none."""
    _check(c.lines, c.receipt_id)
    for i, x in enumerate(c.lines):
        if x.disposition not in DISPOSITIONS:
            raise Rejected(
                "return.disposition",
                f"lines[{i}].disposition",
                f"{x.disposition!r} is none of {', '.join(DISPOSITIONS)}",
            )
    c = _at_own_depot(turn, c)
    r = owner(turn, c)
    if r is None:
        keep(turn, c)
    else:
        apply_inspected(turn, r, c)


_Report = TypeVar("_Report", ReturnReceived, ReturnInspected)


def _at_own_depot(turn: Turn, c: _Report) -> _Report:
    """The report with the depot that it is about. Raises Rejected where a 3PL speaks of a depot, or in the name, of another."""
    name = partner(c.source)
    if name and c.wms != name:
        raise Rejected("partner.foreign", "wms", f"{name!r} speaks for {c.wms!r}: a 3PL reports its own receipts only")
    if name and turn.channel == PARCELS and not turn.state.key.startswith(parcel_key(name, "-")[:-1]):
        raise Rejected("partner.foreign", "order_key", f"{name!r} speaks of {turn.state.key}, a parcel at another 3PL")
    depot = depot_of(c.source, c.depot, expected_depot(turn, c), turn.rules)
    return c if depot == c.depot else msgspec.structs.replace(c, depot=depot)


def _check(lines: Sequence[LineQty | InspectedLine], receipt_id: str) -> None:
    if not receipt_id:
        raise Rejected("return.receipt", "receipt_id", "a receipt has a number of its own at its WMS")
    for i, x in enumerate(lines):
        if x.qty < 0 or not (x.sku or x.line_id):
            raise Rejected("return.line", f"lines[{i}]", "a line names a line or SKU and a qty that is not negative")


def _receipt(r: Rma, c: ReturnReceived | ReturnInspected) -> Receipt:
    key = f"{c.wms}/{c.receipt_id}"
    if key not in r.receipts:
        r.receipts = {**r.receipts, key: Receipt(c.receipt_id, c.wms, c.depot or r.depot)}
    return r.receipts[key]


def apply_received(turn: Turn, r: Rma, c: ReturnReceived) -> None:
    """Fold a receipt into its RMA."""
    receipt, came, strange = _receipt(r, c), list[ReturnedLine](), list[tuple[RmaLine, int]]()
    r.depot = c.depot or r.depot
    for told_key, told_line, total in _sums(c.lines):
        n = total - max(receipt.got.get(told_key, 0), _looked_at(receipt, told_key))
        if n <= 0:
            continue
        receipt.got = {**receipt.got, told_key: total}
        for x, k in _place(r, told_line, n, lambda y: y.coming):
            x.received += k
            came.append(returned(x, k, depot=c.depot))
            n -= k
        if n:
            strange.append((RmaLine(told_line.line_id, told_line.sku, n), n))
    if not came and not strange:
        same_again(turn, f"receipt {c.receipt_id} of {r.id}")
        return
    _again(r)
    if came:
        r.received_at = r.received_at or c.occurred_at
        told(turn, "RMA_RECEIVED", r, came, at=c.occurred_at, complete=all_there(r), reason=c.detail)
    for x, n in strange:
        problem(turn, r, "UNEXPECTED", x, n, depot=c.depot, note=c.receipt_id)


def _again(r: Rma) -> None:
    """More came of a return that was over."""
    if r.ended == "CLOSED":
        r.ended = ""


def _looked_at(receipt: Receipt, article: str) -> int:
    """Units of the receipt that an inspection has told of already: it came before the word of their arrival."""
    there = ((k.rpartition("|"), n) for k, n in receipt.found.items())
    return sum(n for (name, _, disposition), n in there if name == article and disposition != "MISSING")


def _sums(lines: list[LineQty]) -> list[tuple[str, LineQty, int]]:
    """Units by line id, or by SKU where none is told."""
    sums: dict[str, tuple[LineQty, int]] = {}
    for x in lines:
        key = x.line_id or x.sku
        sums[key] = (x, sums[key][1] + x.qty if key in sums else x.qty)
    return [(k, x, n) for k, (x, n) in sums.items()]


def _place(
    r: Rma, told_line: LineQty | InspectedLine, n: int, room: Callable[[RmaLine], int]
) -> list[tuple[RmaLine, int]]:
    """Set ``n`` units against the RMA's lines that are meant and have room."""
    line_id, sku = told_line.line_id, told_line.sku
    fit = [x for x in r.lines if line_id and x.line_id == line_id] or [x for x in r.lines if sku and x.sku == sku]
    parts = []
    for x in fit:
        k = min(n, max(0, room(x)))
        if k:
            parts.append((x, k))
            n -= k
    return parts


def apply_inspected(turn: Turn, r: Rma, c: ReturnInspected) -> None:
    """Fold an inspection into its RMA: exceptions, stock, and what is then to be credited."""
    receipt, seen = _receipt(r, c), list[ReturnedLine]()
    had = [x.received for x in r.lines]
    receipt.depot = c.depot or receipt.depot
    r.depot = receipt.depot or r.depot
    later: list[tuple[str, RmaLine, int, str]] = []
    for key, u, total in _by_disposition(c.lines):
        before, disposition = receipt.found.get(key, 0), key.rpartition("|")[2]
        n = total - before
        if n < 0:
            _corrected(turn, r, key, before, total)
        if n <= 0:
            continue
        receipt.found = {**receipt.found, key: total}
        for x, k in _found(r, u, n, disposition):
            seen.append(_seen(turn, r, x, k, (disposition, receipt, u.note)))
            n -= k
            if disposition in ("MISSING", "WRONG_ITEM"):
                later.append((disposition, x, k, u.note))
        if n and disposition != "MISSING" and (strange := n - _announced_strange(r, u)) > 0:
            x = RmaLine(u.line_id, u.sku, strange)
            later.append(("UNEXPECTED", x, strange, f"{disposition} {u.note}".strip()))
    if not seen and not later:
        same_again(turn, f"inspection of receipt {c.receipt_id} of {r.id}")
        return
    _again(r)
    r.received_at = r.received_at or c.occurred_at
    came = [
        returned(x, x.received - n, depot=receipt.depot) for x, n in zip(r.lines, had, strict=True) if x.received > n
    ]
    if came:  # a step that was skipped is implied
        told(turn, "RMA_RECEIVED", r, came, at=c.occurred_at, complete=all_there(r))
    if seen:
        told(turn, "RETURN_INSPECTED", r, seen, at=c.occurred_at, actor=c.actor, complete=all_there(r))
    for kind, x, k, note in later:
        problem(turn, r, kind, x, k, depot=receipt.depot, note=note)


def _by_disposition(lines: list[InspectedLine]) -> list[tuple[str, InspectedLine, int]]:
    """Units by article and disposition, the good ones first: what was found is not missing."""
    sums: dict[str, tuple[InspectedLine, int]] = {}
    for x in lines:
        key = f"{x.line_id or x.sku}|{x.disposition}"
        sums[key] = (x, x.qty + (sums[key][1] if key in sums else 0))
    order = sorted(sums.items(), key=lambda item: DISPOSITIONS.index(item[1][0].disposition))
    return [(k, x, n) for k, (x, n) in order]


def _announced_strange(r: Rma, u: InspectedLine) -> int:
    """Unexpected units of this article that the receipt told of before: the inspection means the same ones."""
    names = {u.line_id, u.sku} - {""}
    return sum(p.qty for p in r.problems if p.kind == "UNEXPECTED" and names & {p.line_id, p.sku})


def _found(r: Rma, u: InspectedLine, n: int, disposition: str) -> list[tuple[RmaLine, int]]:
    """Set inspected units against the lines; units that were missing may turn up, and those given up may come after all."""
    parts = _place(r, u, n, lambda x: x.qty - x.settled)
    for x, k in parts:
        x.found = {**x.found, disposition: x.found.get(disposition, 0) + k}
    left = n - sum(k for _, k in parts)
    if left and disposition in GOOD:
        for x, k in _place(r, u, left, lambda x: x.found.get("MISSING", 0) - x.allowed + x.dropped):
            up = min(k, x.found.get("MISSING", 0) - x.allowed)
            x.found = {
                **x.found,
                "MISSING": x.found.get("MISSING", 0) - up,
                disposition: x.found.get(disposition, 0) + k,
            }
            x.dropped -= k - up
            _turned_up(r, x, up)
            parts.append((x, k))
    for x, _ in parts:
        x.received = max(x.received, x.good + x.found.get("WRONG_ITEM", 0))
    return parts


def _turned_up(r: Rma, x: RmaLine, n: int) -> None:
    for p in r.problems:
        if n and p.kind == "MISSING" and p.line_id == x.line_id and p.state in ("open", "refused"):
            k = min(n, p.qty)
            p.qty -= k
            n -= k
            if not p.qty:
                p.state = "turned_up"


def _seen(turn: Turn, r: Rma, x: RmaLine, n: int, what: tuple[str, Receipt, str]) -> ReturnedLine:
    """Units of one disposition: to stock with their quality, and what they are worth again."""
    disposition, receipt, note = what
    depot, sku = receipt.depot, ""
    if disposition in GOOD and not r.theirs:
        depot, sku = put_away(turn, InspectedLine(x.line_id, x.sku, n, disposition), receipt, r)
    percent = {"RESTOCK": 100, "B_GRADE": turn.rules.returns.b_grade.price_percent}.get(disposition, 0)
    line = turn.line(x.line_id)
    worth = running_share(event_line(line, n).amount, percent, 100) if line is not None else 0
    return returned(x, n, disposition=disposition, depot=depot, note=note, value=worth, stock_sku=sku)


def put_away(turn: Turn, unit: InspectedLine, receipt: Receipt, r: Rma | None) -> tuple[str, str]:
    """Have the pool count units where they are put; gives the depot and the SKU they have there. Raises Rejected without a depot."""
    rules, disposition, sku = turn.rules.returns, unit.disposition, unit.sku
    place = {"RESTOCK": rules.restock.depot, "B_GRADE": rules.b_grade.depot}.get(disposition, rules.write_off.depot)
    depot = place or receipt.depot
    if not depot:
        raise Rejected("return.depot", "depot", "neither the report nor the rules say where the goods are")
    quality = _QUALITY[disposition]
    if disposition == "B_GRADE" and rules.b_grade.sellable:
        sku += rules.b_grade.sku_suffix
    where = r.id if r is not None else turn.state.key
    head = turn.head("StockReported")
    turn.ask(
        StockReported(
            **head,
            pool=_pool(turn, unit.line_id),
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


def _pool(turn: Turn, line_id: str) -> str:
    """The pool the units came from."""
    for a in turn.state.allocations:
        if any(x.line_id == line_id for x in a.lines):
            return a.pool
    return turn.rules.default_pool


def _corrected(turn: Turn, r: Rma, key: str, before: int, now: int) -> None:
    """A figure that goes down can't take back stock and money by itself."""
    article, _, disposition = key.rpartition("|")
    if any(p.kind == "CORRECTION" and p.note.startswith(f"{key}: {before} → {now}") for p in r.problems):
        return
    x = next((x for x in r.lines if article in (x.line_id, x.sku)), RmaLine("", article, 0))
    problem(turn, r, "CORRECTION", x, before - now, note=f"{key}: {before} → {now}, {disposition} was booked")
