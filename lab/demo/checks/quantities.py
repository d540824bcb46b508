"""The quantity truth of each order line, from its events: ordered = cancelled + shipped, and open only where that is explained."""

from __future__ import annotations

from collections import Counter

from .evidence import Evidence
from .finding import Finding, found
from .order_books import DONE, Book, books

__all__ = ["check"]

PROMISE = "every order line: ordered = cancelled + shipped, open units only where explained, shipped units delivered"


def check(evidence: Evidence) -> Finding:
    """Check the promise that the module's docstring states."""
    orders = books(evidence.order_events)
    elsewhere = {order.key: order.elsewhere for channel in evidence.channels for order in channel.orders}
    nothing: frozenset[str] = frozenset()
    violations = [text for key, book in orders.items() for text in _judge(book, elsewhere.get(key, nothing))]
    violations += _against_the_channel(evidence, orders)
    figures = {
        name: sum(sum(getattr(book, name).values()) for book in orders.values())
        for name in ("ordered", "cancelled", "shipped", "delivered")
    }
    figures["open"] = sum(sum(book.open().values()) for book in orders.values())
    return found("quantities", PROMISE, {"orders": len(orders), **figures}, violations)


def _judge(book: Book, elsewhere: frozenset[str]) -> list[str]:
    bad = [f"{book.key}: {text}" for text in book.problems]
    left = {line: qty for line, qty in book.open().items() if line not in elsewhere}
    for line, qty in left.items():
        if qty < 0:
            bad.append(
                f"{book.key}/{line}: {-qty} units more shipped or cancelled than the {book.ordered[line]} ordered"
            )
    if left and book.status in DONE and not book.explanation():
        bad.append(f"{book.key}: {book.status}, but {left} units are open")
    if book.status in DONE:
        for line in book.by_us - book.delivered:
            bad.append(f"{book.key}/{line}: {book.by_us[line]} shipped, {book.delivered[line]} delivered")
    return bad


def _against_the_channel(evidence: Evidence, orders: dict[str, Book]) -> list[str]:
    """What was ordered is what the channel's ledger says; what was shipped is what the warehouses' ledgers say."""
    bad = []
    for channel in evidence.channels:
        for sent in channel.orders:
            book = orders.get(sent.key)
            if book is None or not book.ordered:
                continue
            if Counter(sent.lines) != +book.ordered:
                bad.append(f"{sent.key}: {dict(sent.lines)} ordered at the channel, {dict(book.ordered)} in the log")
    return bad
