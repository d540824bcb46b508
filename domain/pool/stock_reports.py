"""Stock as a WMS, an ERP or a person tells it."""

from __future__ import annotations

from domain.errors import Rejected
from domain.records.commands import StockReported
from domain.rules.partners import depot_of

from .backorders import DAY_MS, timer
from .session import Session
from .shortage import ask_back
from .state import Fact, StockRow
from .stock import Ledger, row_of

__all__ = ["KEEP_FACTS_DAYS", "report_stock"]

KEEP_FACTS_DAYS = 14
"""How long a report's idempotency key is remembered; a repeat that comes later counts again."""

EVENTS = {
    "COUNT": "STOCK_COUNTED",
    "RECEIPT": "STOCK_RECEIVED",
    "CORRECTION": "STOCK_CORRECTED",
    "RESTOCK": "RESTOCKED",
}


def report_stock(s: Session, c: StockReported) -> None:
    """Apply a count, receipt, restock or correction once, and serve those who wait.

    Stock is never booked below what is reserved. What a count misses is remembered (``deficit``), and the allocations that matter
    least are asked back as far as no WMS has them (``pool_shortage``). The deficit goes off as reservations end: what a WMS has it
    reports short, and that is routed anew. Raises Rejected for a report that makes no sense.
    """
    _check(c)
    depot_of(c.source, c.depot, c.depot, s.rules)
    content = f"{c.kind}|{c.depot}|{c.sku}|{c.quality}|{c.qty}"
    if c.idempotency_key and _seen(s, c, content):
        return
    stock = s.stock(c.sku)
    quality = c.quality or s.quality(c.sku)
    row = row_of(stock, c.depot, quality)
    delta, reason = _delta(row, c)
    ledger = Ledger(s, c.depot, quality)
    ledger.change(c.sku, delta, 0)
    s.event(EVENTS[c.kind], depot=c.depot, moves=ledger.moves(), reason=reason, reference=c.reference)
    if quality == s.quality(c.sku):
        s.freed[c.sku] = None
        if row.deficit:
            ask_back(s, c.sku, c.depot)


def _check(c: StockReported) -> None:
    if c.kind not in EVENTS:
        raise Rejected("stock.kind", "kind", f"{c.kind!r} is none of {', '.join(EVENTS)}")
    if not c.sku or not c.depot:
        raise Rejected("stock.key", "sku" if c.depot else "depot", "a stock report names a depot and a SKU")
    if c.qty < 0 and c.kind != "CORRECTION":
        raise Rejected("stock.qty", "qty", f"{c.qty} units can't be; a CORRECTION may be negative")


def _seen(s: Session, c: StockReported, content: str) -> bool:
    fact = s.work.get(Fact, c.idempotency_key)
    if fact is None:
        s.work.put(c.idempotency_key, Fact(content))
        s.index("timers").set(timer(s.now + KEEP_FACTS_DAYS * DAY_MS, "fact", c.idempotency_key))
        return False
    if fact.content != content:
        raise Rejected("conflict.stock", "idempotency_key", f"{c.idempotency_key!r} said {fact.content} before")
    s.event("DUPLICATE", depot=c.depot, reason="stock", reference=c.idempotency_key)
    return True


def _delta(row: StockRow, c: StockReported) -> tuple[int, str]:
    """What to add to the booked stock so that it is true, but never below what is reserved; and a note where those differ."""
    true = c.qty if c.kind == "COUNT" else row.on_hand - row.deficit + c.qty
    booked = max(true, row.reserved)
    delta = booked - row.on_hand
    row.deficit = min(booked - true, row.reserved)
    if booked == true:
        return delta, ""
    if true < 0:
        return delta, f"{-true} more units taken off than there were"
    return delta, f"{true} there, {row.reserved} reserved: {booked - true} short"
