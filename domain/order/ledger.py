"""What goes back for returned units: to the cent, never above what was paid, and back to the payments it came from.

Units of a line have an order of their own: the first ones cancelled or credited take the first shares of the line's value, the last the
rest (cumulative rounding, ``money.refund_units``). Whatever was refunded by the channel itself counts as well.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from domain.errors import Rejected
from domain.money import LineValue, Refund, line_value, refund_units, running_share, spread, to_refund

from .state.order import Line, OrderState
from .state.reported import RefundFact
from .state.returns import CreditFact

__all__ = ["Ledger", "credits_of", "foreign_refunds", "ledger"]

_CAPTURES = frozenset({"capture", "sale"})
_UNPAID = frozenset({"pending", "authorized", "voided", "failed", "expired"})


class Ledger(msgspec.Struct):
    """An order's money: what was paid by line (``value``), and what of it went back or is on its way (``units``, ``gross``, ``tax`` by line).

    ``captured``: (payment id, gateway, amount), empty where the channel holds the money; ``refunded`` by payment; ``cap``: all that was
    paid, also for units that were taken off the order since; ``back``: all that went back, or is on its way.
    """

    value: dict[str, LineValue]
    units: dict[str, int]
    gross: dict[str, int]
    tax: dict[str, int]
    shipping: int
    shipping_tax: int
    shipping_back: int
    shipping_tax_back: int
    captured: list[tuple[str, str, int]]
    refunded: dict[str, int]
    cap: int
    back: int

    @property
    def left(self) -> int:
        """What may still go back in all."""
        return max(0, self.cap - self.back)

    def units_of(self, line_id: str, n: int) -> tuple[int, Refund]:
        """How many of ``n`` more units can be credited, and for how much; they are counted as credited from now on."""
        value, before = self.value[line_id], self.units.get(line_id, 0)
        n = max(0, min(n, value.qty - before))
        r = refund_units(value, min(before, value.qty), n)
        gross = max(0, min(r.gross, value.gross - self.gross.get(line_id, 0)))
        tax = max(0, min(r.tax, value.tax - self.tax.get(line_id, 0), gross))
        self._count(line_id, n, gross, tax)
        return n, Refund(gross, tax)

    def amount_of(self, line_id: str, wanted: int) -> Refund:
        """An amount of a line without its units (a claim for a part of the price), at most what is left of it."""
        value = self.value[line_id]
        gross = max(0, min(wanted, value.gross - self.gross.get(line_id, 0)))
        share = running_share(value.tax, gross, value.gross) if value.gross else 0
        tax = max(0, min(share, value.tax - self.tax.get(line_id, 0)))
        self._count(line_id, 0, gross, tax)
        return Refund(gross, tax)

    def _count(self, line_id: str, n: int, gross: int, tax: int) -> None:
        self.units[line_id] = self.units.get(line_id, 0) + n
        self.gross[line_id] = self.gross.get(line_id, 0) + gross
        self.tax[line_id] = self.tax.get(line_id, 0) + tax

    def shipping_part(self, rule: str, *, at_fault: bool) -> Refund:
        """The shipping that goes back now (``return_rules.Returns.shipping``): what the rule gives in all, less what went back before."""
        whole = all(self.units.get(k, 0) >= v.qty for k, v in self.value.items())
        done, of = 0, 1
        if whole and (rule != "never" or at_fault):
            done = of = 1
        elif rule == "share" and (total := sum(v.gross for v in self.value.values())) > 0:
            done, of = min(total, sum(self.gross.values())), total
        gross = max(0, running_share(self.shipping, done, of) - self.shipping_back)
        tax = max(0, running_share(self.shipping_tax, done, of) - self.shipping_tax_back)
        self.shipping_back += gross
        self.shipping_tax_back += tax
        return Refund(gross, min(tax, gross))

    def payments(self, amount: int) -> list[tuple[str, int]]:
        """To which payments an amount goes; none where the channel holds the money. Raises Rejected where less is left."""
        if amount > self.left:
            what = "captured" if self.captured else "paid"
            raise Rejected(
                "money.captured", "amount", f"{amount} is {amount - self.left} more than is left of what was {what}"
            )
        if not self.captured:
            return []
        return to_refund(amount, [(k, n) for k, _, n in self.captured], self.refunded)


def ledger(s: OrderState, fresh: Mapping[str, int] | None = None) -> Ledger:
    """An order's money as it stands. ``fresh``: units by line that were just cancelled, and have no share yet."""
    h = s.header
    if h is None:
        raise Rejected("order.unknown", "order_key", f"{s.key} was never placed")
    value = _values(s.lines, included=h.tax_included, discount=h.discount)
    shipping = h.shipping_total + (0 if h.tax_included else h.shipping_tax)
    captured = _captured(s)
    total = h.total or sum(v.gross for v in value.values()) + shipping
    paid = 0 if h.payment_state in _UNPAID else total
    cap = sum(n for _, _, n in captured) if captured else paid
    book = Ledger(value, {}, {}, {}, shipping, h.shipping_tax, 0, 0, captured, {}, cap, 0)
    _count_back(book, s, fresh or {})
    taken_off = _let_go(book, s)
    if not captured:
        book.cap += taken_off
    return book


def _values(lines: list[Line], *, included: bool, discount: int) -> dict[str, LineValue]:
    """What was paid for each line; a discount of the whole order is spread over the lines by their value."""
    plain = [line_value(x.wanted or x.ordered, x.unit_price, x.discount, x.tax, included) for x in lines]
    off = spread(discount, [max(0, v.gross) for v in plain]) if discount and plain else [0] * len(plain)
    values = {}
    for x, v, d in zip(lines, plain, off, strict=True):
        gross = max(0, v.gross - d)
        values[x.line_id] = LineValue(v.qty, gross, min(v.tax, gross))
    return values


def _captured(s: OrderState) -> list[tuple[str, str, int]]:
    """The payments as the channel shows them, else as their transactions were told."""
    if s.header is not None and any(n for _, _, n in s.header.payments):
        return [p for p in s.header.payments if p[2]]
    done = {k: p.amount for k, p in s.payments.items() if p.status == "success" and p.kind in _CAPTURES and p.amount}
    return [(k, "", n) for k, n in done.items()]


def credits_of(s: OrderState) -> list[CreditFact]:
    """Every credit of the order's returns, in order."""
    return [c for r in s.book.rmas for c in r.credits] if s.book else []


def foreign_refunds(s: OrderState) -> dict[str, RefundFact]:
    """The refunds that the channel made itself, by id: not the echoes of our credits, or of what we had it pay back for cancelled units.

    An echo has the id that the channel answered to us. While a credit is not answered, a refund of its amount is taken for its echo.
    """
    if not s.refunds:
        return {}
    ours = credits_of(s)
    cancels = [c for c in s.paid_back.values() if not c.failed]
    known = {c.reference for c in ours if c.reference} | {c.reference for c in cancels if c.reference}
    waiting = [c.amount for c in ours if c.sent and not c.reference]
    waiting += [c.amount for c in cancels if not c.answered]
    foreign = {}
    for k, r in s.refunds.items():
        if k in known:
            continue
        if r.amount in waiting:
            waiting.remove(r.amount)
        else:
            foreign[k] = r
    return foreign


def _let_go(book: Ledger, s: OrderState) -> int:
    """What we had paid back for cancelled units that the newest snapshot no longer has: neither its lines nor its total hold their price.

    Only our own cancellations count: they were never of more units than a line had then. A channel may refund more than was paid.
    """
    gone = 0
    for line_id, (units, gross, tax) in _cancelled(s).items():
        kept = book.value[line_id].qty if line_id in book.value else 0
        if units <= kept:
            continue
        off, off_tax = (n - running_share(n, kept, units) for n in (gross, tax))
        gone += off
        if line_id in book.value:
            book._count(line_id, kept - units, -off, -off_tax)
    return gone


def _cancelled(s: OrderState) -> dict[str, tuple[int, int, int]]:
    """What cancellations of ours paid back, by line: (units, amount, tax)."""
    sums: dict[str, tuple[int, int, int]] = {}
    for line_id, *more in (x for c in s.paid_back.values() if not c.failed for x in c.lines):
        units, gross, tax = (a + b for a, b in zip(sums.get(line_id, (0, 0, 0)), more, strict=True))
        sums[line_id] = (units, gross, tax)
    return sums


def _count_back(book: Ledger, s: OrderState, fresh: Mapping[str, int]) -> None:
    included = s.header.tax_included if s.header else True
    foreign = foreign_refunds(s)
    cancels: dict[str, int] = {}
    for r in foreign.values():
        listed = 0
        for x in r.lines:
            gross = x.amount if included else x.amount + x.tax
            listed += gross
            if x.line_id not in book.value:
                continue
            if x.restock == "cancel":
                cancels[x.line_id] = cancels.get(x.line_id, 0) + x.qty
            book._count(x.line_id, x.qty, gross, x.tax)
        book.shipping_back += max(0, min(r.amount - listed, book.shipping - book.shipping_back))
    for c in s.paid_back.values():
        for line_id, n, gross, tax in [] if c.failed else c.lines:
            cancels[line_id] = cancels.get(line_id, 0) + n
            if line_id in book.value:
                book._count(line_id, n, gross, tax)
    for line in s.lines:
        # Cancelled units take their place among the shares whether the channel told of their refund or never took the money.
        book.units[line.line_id] = book.units.get(line.line_id, 0) + max(
            0, line.cancelled - cancels.get(line.line_id, 0) - fresh.get(line.line_id, 0)
        )
    book.shipping_tax_back = running_share(book.shipping_tax, book.shipping_back, book.shipping) if book.shipping else 0
    _count_ours(book, s)
    _count_payments(book, s, sum(r.amount for r in foreign.values()))


def _count_ours(book: Ledger, s: OrderState) -> None:
    for c in credits_of(s):
        for line_id, n, gross, tax in c.lines:
            if line_id in book.value:
                book._count(line_id, n, gross, tax)
        book.shipping_back += c.shipping
        book.shipping_tax_back += c.shipping_tax


def _count_payments(book: Ledger, s: OrderState, foreign: int) -> None:
    """Which payment a refund of the channel went to is not told: the first ones that have something left."""
    for c in credits_of(s):
        book.back += c.amount + c.goods
        for k, n in c.payments:
            book.refunded[k] = book.refunded.get(k, 0) + n
    for x in s.paid_back.values():
        if not x.failed:
            book.back += x.amount
            for k, n in x.payments:
                book.refunded[k] = book.refunded.get(k, 0) + n
    rest = foreign + sum(c.goods for c in credits_of(s))
    book.back += foreign
    for k, _, n in book.captured:
        part = max(0, min(rest, n - book.refunded.get(k, 0)))
        book.refunded[k] = book.refunded.get(k, 0) + part
        rest -= part
