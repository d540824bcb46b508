"""Every order a channel sent, and had confirmed or could be polled for, has come to its end or to a reason that is written down."""

from __future__ import annotations

from collections import Counter

from .evidence import Evidence, SentOrder
from .finding import Finding, found
from .order_books import DONE, Book, books

__all__ = ["check"]

PROMISE = (
    "every order sent is in a final state, or held, waiting, a test, the channel's own or in the DLQ, with the reason"
)


def check(evidence: Evidence) -> Finding:
    """Check the promise that the module's docstring states."""
    orders = books(evidence.order_events)
    dead = {entry.key for entry in evidence.dlq}
    ends: Counter[str] = Counter()
    violations = []
    sent = [order for channel in evidence.channels for order in channel.orders]
    for order in sent:
        end, wrong = _end(order, orders.get(order.key), order.key in dead)
        ends[end] += 1
        if wrong:
            violations.append(f"{order.key}: {wrong}")
    known = {order.key for order in sent}
    violations += [f"{key}: no channel ever sent it" for key in orders if key not in known]
    return found("final_states", PROMISE, {"sent": len(sent), **dict(ends.most_common())}, violations)


def _end(order: SentOrder, book: Book | None, dead: bool) -> tuple[str, str]:
    """What became of it, and what is wrong with that."""
    if not order.seen:
        return ("never confirmed", "") if book is None else _known(book, order, dead)
    if book is None:
        return ("in the DLQ", "") if dead else ("lost", "confirmed or shown by a poll, but there is no event of it")
    return _known(book, order, dead)


def _known(book: Book, order: SentOrder, dead: bool) -> tuple[str, str]:
    if book.status in DONE:
        return book.status, ""
    why = book.explanation(order.elsewhere)
    if why == "test order" and not order.test:
        return "stuck", "left alone as a test order, which it is not"
    if why == "fulfilled by the channel" and not order.channel_ships:
        return "stuck", "left to the channel, which does not ship it"
    if why:
        return why, ""
    if dead:
        return "in the DLQ", ""
    return "stuck", f"stuck at {book.status} after {book.last}, open: {dict(book.open())}"
