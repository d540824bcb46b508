"""Stock as a WMS, an ERP or a person tells it."""

from __future__ import annotations

from domain.errors import Rejected
from domain.records.commands import StockReported
from domain.rules.partners import depot_of

from .backorders import DAY_MS, timer
from .session import PoolSession
from .shortage import ask_back
from .state import Fact, StockRow
from .stock import StockMoves, row_of

__all__ = ["KEEP_FACTS_DAYS", "report_stock"]

KEEP_FACTS_DAYS = 14
"""How long a report's idempotency key is remembered; a repeat that comes later counts again."""

EVENTS = {
    "COUNT": "STOCK_COUNTED",
    "RECEIPT": "STOCK_RECEIVED",
    "CORRECTION": "STOCK_CORRECTED",
    "RESTOCK": "RESTOCKED",
}


def report_stock(session: PoolSession, report: StockReported) -> None:
    """Apply a count, receipt, restock or correction once, and serve those who wait.

    Stock is never booked below what is reserved. What a count misses is remembered (``deficit``), and the allocations that matter
    least are asked back as far as no WMS has them (``pool_shortage``). The deficit goes off as reservations end: what a WMS has it
    reports short, and that is routed anew. Raises Rejected for a report that makes no sense.
    """
    _check(report)
    depot_of(report.source, report.depot, report.depot, session.rules)
    content = f"{report.kind}|{report.depot}|{report.sku}|{report.quality}|{report.qty}"
    if report.idempotency_key and _seen(session, report, content):
        return
    stock = session.stock(report.sku)
    quality = report.quality or session.quality(report.sku)
    row = row_of(stock, report.depot, quality)
    delta, reason = _delta(row, report)
    ledger = StockMoves(session, report.depot, quality)
    ledger.change(report.sku, delta, 0)
    session.event(
        EVENTS[report.kind], depot=report.depot, moves=ledger.moves(), reason=reason, reference=report.reference
    )
    if quality == session.quality(report.sku):
        session.freed[report.sku] = None
        if row.deficit:
            ask_back(session, report.sku, report.depot)


def _check(report: StockReported) -> None:
    if report.kind not in EVENTS:
        raise Rejected("stock.kind", "kind", f"{report.kind!r} is none of {', '.join(EVENTS)}")
    if not report.sku or not report.depot:
        raise Rejected("stock.key", "sku" if report.depot else "depot", "a stock report names a depot and a SKU")
    if report.qty < 0 and report.kind != "CORRECTION":
        raise Rejected("stock.qty", "qty", f"{report.qty} units can't be; a CORRECTION may be negative")


def _seen(session: PoolSession, report: StockReported, content: str) -> bool:
    fact = session.work.get(Fact, report.idempotency_key)
    if fact is None:
        session.work.put(report.idempotency_key, Fact(content))
        session.index("timers").set(timer(session.now + KEEP_FACTS_DAYS * DAY_MS, "fact", report.idempotency_key))
        return False
    if fact.content != content:
        raise Rejected("conflict.stock", "idempotency_key", f"{report.idempotency_key!r} said {fact.content} before")
    session.event("DUPLICATE", depot=report.depot, reason="stock", reference=report.idempotency_key)
    return True


def _delta(row: StockRow, report: StockReported) -> tuple[int, str]:
    """What to add to the booked stock so that it is true, but never below what is reserved; and a note where those differ."""
    true = report.qty if report.kind == "COUNT" else row.on_hand - row.deficit + report.qty
    booked = max(true, row.reserved)
    delta = booked - row.on_hand
    row.deficit = min(booked - true, row.reserved)
    if booked == true:
        return delta, ""
    if true < 0:
        return delta, f"{-true} more units taken off than there were"
    return delta, f"{true} there, {row.reserved} reserved: {booked - true} short"
