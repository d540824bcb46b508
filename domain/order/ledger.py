"""An order's account: what was captured and what went back, by payment; what goes back for units, to the cent, never above what was paid.

Units of a line have an order of their own: the first ones cancelled or credited take the first shares of the line's value, the last the
rest (cumulative rounding, ``money.refund_units``). Whatever was refunded by the channel itself counts as well (``refund_matching``).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from domain.errors import Rejected
from domain.money import LineValue, Refund, line_value, refund_units, running_share, spread, to_refund

from .captures import captured
from .fulfilment.desired import facts
from .refund_matching import foreign_refunds, other_currency
from .state.order import OrderState
from .state.reported import FAILED, Header, RefundFact
from .state.returns import CreditFact

__all__ = ["Ledger", "credits_of", "foreign_refunds", "ledger", "moved_out", "units_told", "worth"]

_UNPAID = frozenset({"pending", "authorized", "voided", "failed", "expired"})

ROUNDING = 2
"""Minor units by which an order's lines and its total may differ through the channel's own rounding; of long orders one a line."""


class Ledger(msgspec.Struct):
    """An order's money: what was paid by line (``value``), and what of it went back or is on its way (``units``, ``gross``, ``tax`` by line).

    ``captured``: (payment id, gateway, amount), empty where the channel holds the money; ``refunded`` by payment, what was moved to an
    exchange among it; ``cap``: all that was paid, also for units that were taken off the order since; ``back``: all that went back, is on its way, or was moved. ``digital``: lines that never
    come back. ``presumed``: units by line that the channel cancelled, that left though, and of which it told no refund. ``goodwill``: refunded by the channel for no units in particular, and set off against no credit yet. ``unknown``: why what
    is left can't be told.
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
    digital: frozenset[str] = frozenset()
    goodwill: int = 0
    unknown: str = ""
    presumed: dict[str, int] = {}

    @property
    def left(self) -> int:
        """What may still go back in all."""
        return 0 if self.unknown else max(0, self.cap - self.back)

    def units_of(self, line_id: str, n: int) -> tuple[int, Refund]:
        """How many of ``n`` more units can be credited, and for how much; they are counted as credited from now on."""
        value, before = self.value[line_id], self.units.get(line_id, 0)
        n = max(0, min(n, value.qty - before))
        share = refund_units(value, min(before, value.qty), n)
        gross = max(0, min(share.gross, value.gross - self.gross.get(line_id, 0)))
        tax = max(0, min(share.tax, value.tax - self.tax.get(line_id, 0), gross))
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
        shipped = {k: line_value for k, line_value in self.value.items() if k not in self.digital}
        whole = all(self.units.get(k, 0) >= line_value.qty for k, line_value in shipped.items())
        done, of = 0, 1
        if whole and (rule != "never" or at_fault):
            done = of = 1
        elif rule == "share" and (total := sum(line_value.gross for line_value in shipped.values())) > 0:
            done, of = min(total, sum(self.gross.get(k, 0) for k in shipped)), total
        return self.shipping_upto(done, of)

    def shipping_upto(self, done: int, of: int) -> Refund:
        """The shipping that is missing to ``done`` of ``of`` parts of it; it is counted as gone back from now on."""
        gross = max(0, running_share(self.shipping, done, of) - self.shipping_back)
        tax = max(0, running_share(self.shipping_tax, done, of) - self.shipping_tax_back)
        self.shipping_back += gross
        self.shipping_tax_back += tax
        return Refund(gross, min(tax, gross))

    def payments(self, amount: int) -> list[tuple[str, int]]:
        """To which payments an amount goes; none where the channel holds the money. Raises Rejected where less is left."""
        if self.unknown and amount:
            raise Rejected("money.currency", "amount", f"{self.unknown}: what is left is not known")
        if amount > self.left:
            what = "captured" if self.captured else "paid"
            raise Rejected(
                "money.captured", "amount", f"{amount} is {amount - self.left} more than is left of what was {what}"
            )
        if not self.captured:
            return []
        return to_refund(amount, [(k, n) for k, _, n in self.captured], self.refunded)

    def set_off(self, money: int) -> int:
        """How much of an amount is missing because the channel has paid it back before, for no units in particular: it is not paid again."""
        missing = max(0, money - self.left)
        return missing if missing <= self.goodwill and not self.unknown else 0

    def take(self, parts: list[tuple[str, int]], amount: int) -> None:
        """Count an amount as gone, from these payments."""
        self.back += amount
        for k, n in parts:
            self.refunded[k] = self.refunded.get(k, 0) + n


def worth(state: OrderState, line_id: str, n: int) -> int:
    """What was paid for ``n`` units of a line, with tax and after all discounts."""
    value = _values(state).get(line_id)
    if value is None or not value.qty:
        return 0
    return running_share(value.gross, min(n, value.qty), value.qty)


def ledger(state: OrderState, fresh: Mapping[str, int] | None = None) -> Ledger:
    """An order's money as it stands. ``fresh``: units by line that were just cancelled, and have no share yet."""
    header = state.header
    if header is None:
        raise Rejected("order.unknown", "order_key", f"{state.key} was never placed")
    value = _values(state)
    shipping = _shipping(header)
    paid_by = captured(state)
    cap = sum(n for *_, n in paid_by)
    if not paid_by and not header.exchange_for:
        total = header.total or sum(line_value.gross for line_value in value.values()) + shipping
        cap = 0 if header.payment_state in _UNPAID else total
    paid_by = [payment for payment in paid_by if payment[0]]  # the others are held by the channel
    digital = frozenset(line.line_id for line in state.lines if not line.requires_shipping)
    if len(digital) == len(state.lines):
        digital = frozenset()
    book = Ledger(value, {}, {}, {}, shipping, header.shipping_tax, 0, 0, paid_by, {}, cap, 0, digital)
    _count_back(book, state, fresh or {})
    taken_off = _let_go(book, state)
    if not paid_by and not header.exchange_for:
        book.cap += taken_off
    return book


def _values(state: OrderState) -> dict[str, LineValue]:
    """What was paid for each line; a discount of the whole order is spread over the lines by their value."""
    header, lines = state.header, state.lines
    included, discount = (header.tax_included, header.discount) if header else (True, 0)
    plain = [line_value(x.wanted or x.ordered, x.unit_price, x.discount, x.tax, included) for x in lines]
    discount += _rounded(header, plain) if header else 0
    off = spread(discount, [max(0, v.gross) for v in plain]) if discount and plain else [0] * len(plain)
    values = {}
    for line, before, less in zip(lines, plain, off, strict=True):
        gross = max(0, before.gross - less)
        values[line.line_id] = LineValue(before.qty, gross, min(before.tax, gross))
    return values


def _rounded(header: Header, lines: list[LineValue]) -> int:
    """By how much the channel's own rounding lets the lines add up to more than the total that was paid (or, below 0, to less).

    A shop that rounds taxes or discounts line by line may be off by half a cent a line or so. A greater difference is none of rounding: duties,
    tips, an edit.
    """
    if not header.total or header.exchange_for:
        return 0
    sums = sum(line.gross for line in lines) - header.discount + _shipping(header)
    difference = sums - header.total
    return difference if abs(difference) <= max(ROUNDING, len(lines)) else 0


def _shipping(header: Header) -> int:
    return header.shipping_total + (0 if header.tax_included else header.shipping_tax)


def credits_of(state: OrderState) -> list[CreditFact]:
    """Every credit of the order's returns, in order."""
    return [credit for rma in state.book.rmas for credit in rma.credits] if state.book else []


def moved_out(state: OrderState) -> dict[str, int]:
    """What was moved to the order's exchanges, by payment, less what came back from them."""
    moved: dict[str, int] = {}
    for credit in credits_of(state):
        for k, n in credit.moved:
            moved[k] = moved.get(k, 0) + n
    return moved


def _let_go(book: Ledger, state: OrderState) -> int:
    """What we had paid back for cancelled units that the newest snapshot no longer has: neither its lines nor its total hold their price.

    Only our own cancellations count: they were never of more units than a line had then. A channel may refund more than was paid.
    """
    gone = 0
    for line_id, (units, gross, tax) in _cancelled(state).items():
        kept = book.value[line_id].qty if line_id in book.value else 0
        if units <= kept:
            continue
        off, off_tax = (n - running_share(n, kept, units) for n in (gross, tax))
        gone += off
        if line_id in book.value:
            book._count(line_id, kept - units, -off, -off_tax)
    return gone


def _cancelled(state: OrderState) -> dict[str, tuple[int, int, int]]:
    """What cancellations of ours paid back, by line: (units, amount, tax)."""
    sums: dict[str, tuple[int, int, int]] = {}
    for line_id, *more in (value for refund in state.paid_back.values() if not refund.failed for value in refund.lines):
        units, gross, tax = (amount + number for amount, number in zip(sums.get(line_id, (0, 0, 0)), more, strict=True))
        sums[line_id] = (units, gross, tax)
    return sums


def _count_back(book: Ledger, state: OrderState, fresh: Mapping[str, int]) -> None:
    foreign = foreign_refunds(state)
    for refund in foreign.values():
        _count_foreign(book, state, refund)
    theirs = book.shipping_back
    for cancel in state.paid_back.values():
        if not cancel.failed:
            for line_id, n, gross, tax in cancel.lines:
                if line_id in book.value:
                    book._count(line_id, n, gross, tax)
            book.shipping_back += cancel.shipping
    _count_cancelled(book, state, foreign, fresh)
    book.shipping_tax_back = (
        running_share(book.shipping_tax, min(book.shipping_back, book.shipping), book.shipping) if book.shipping else 0
    )
    _count_ours(book, state)
    if (twice := min(theirs, book.shipping_back - book.shipping)) > 0:
        # What we took for shipping was goodwill: all of the shipping goes back by a payout of ours.
        book.shipping_back -= twice
        book.goodwill += twice
    _count_payments(book, state, foreign)


def _count_foreign(book: Ledger, state: OrderState, refund: RefundFact) -> None:
    """A refund of the channel: its lines as far as it lists any, then shipping, the rest is goodwill."""
    listed, strange = 0, other_currency(state, refund)
    included = state.header.tax_included if state.header else True
    for line in refund.lines:
        if line.line_id not in book.value:
            listed += line.amount
        elif strange:
            book.units_of(line.line_id, line.qty)
        else:
            gross = line.amount if included else line.amount + line.tax
            listed += gross
            book._count(line.line_id, line.qty, gross, line.tax)
    if strange:
        return
    rest = max(0, refund.gone - listed)
    shipping = max(0, min(rest, book.shipping - book.shipping_back))
    book.shipping_back += shipping
    book.goodwill += rest - shipping


class Told(msgspec.Struct):
    """Units of a line that refunds speak of: cancelled with them (ours, or ``restock: cancel``), come back, or neither said (``plain``)."""

    cancelled: int = 0
    returned: int = 0
    plain: int = 0


def units_told(state: OrderState, foreign: Mapping[str, RefundFact]) -> dict[str, Told]:
    """Return units the channel was told of, by line id."""
    units = {line.line_id: Told() for line in state.lines}
    for cancel in state.paid_back.values():
        for line_id, n, *_ in [] if cancel.failed else cancel.lines:
            units.setdefault(line_id, Told()).cancelled += n
    for refund in foreign.values():
        for line in refund.lines:
            told = units.setdefault(line.line_id, Told())
            if line.restock == "cancel":
                told.cancelled += line.qty
            elif line.restock in ("return", "legacy_restock"):
                told.returned += line.qty
            else:
                told.plain += line.qty
    return units


def _count_cancelled(
    book: Ledger, state: OrderState, foreign: Mapping[str, RefundFact], fresh: Mapping[str, int]
) -> None:
    """Cancelled units take their place among the shares whether the channel told of their refund or never took the money.

    So do units that the channel cancelled itself and that left though: they are its to pay back, unless a person knows that it did not. A
    refund that does not say whether its units came back may be theirs.
    """
    told, refunds = facts(state), units_told(state, foreign)
    owed: dict[str, int] = {}
    for rma in state.book.rmas if state.book else []:
        for unit in rma.lines:
            owed[unit.line_id] = owed.get(unit.line_id, 0) + unit.owed
    for line in state.lines:
        known = line.ordered if told.every_known else max(told.known.get(line.line_id, 0), line.shown_cancelled)
        gone = max(line.cancelled, min(known, line.ordered) - owed.get(line.line_id, 0))
        paid = refunds[line.line_id].cancelled + fresh.get(line.line_id, 0)
        paid += min(refunds[line.line_id].plain, max(0, gone - paid))
        book.units[line.line_id] = book.units.get(line.line_id, 0) + max(0, gone - paid)
        if untold := max(0, gone - paid) - max(0, line.cancelled - paid):
            book.presumed = {**book.presumed, line.line_id: untold}


def _count_ours(book: Ledger, state: OrderState) -> None:
    for credit in credits_of(state):
        for line_id, n, gross, tax in credit.lines:
            if line_id in book.value:
                book._count(line_id, n, gross, tax)
        book.shipping_back += credit.shipping
        book.shipping_tax_back += credit.shipping_tax
        book.goodwill -= credit.set_off


def _count_payments(book: Ledger, state: OrderState, foreign: dict[str, RefundFact]) -> None:
    for credit in credits_of(state):
        if credit.counts:
            book.take(credit.payments, credit.amount)
    for cancel in state.paid_back.values():
        if not cancel.failed:
            book.take(cancel.payments, cancel.amount)
    known = {k for k, *_ in book.captured}
    for k, n in moved_out(state).items():
        book.take([(k, n)], n)
        if k and k not in known and n < 0:
            book.captured.append((k, "", 0))  # it was made for an exchange that will not go out
    rest = sum(_by_payment(book, refund) for refund in foreign.values())
    for k, refund in foreign.items():
        if other_currency(state, refund):
            book.unknown = f"refund {k} is in {refund.currency}"
    if state.header is not None and state.header.payment_state == "refunded":
        rest += max(0, book.cap - book.back)
        book.back, book.unknown = max(book.back, book.cap), ""
    _spread(book, rest)


def _by_payment(book: Ledger, refund: RefundFact) -> int:
    """Count a refund of the channel; gives the part of which it does not say to which payment it went."""
    book.back += refund.gone
    known, rest = {k for k, *_ in book.captured}, refund.gone
    for part in refund.parts.values():
        if part.payment_id in known and part.status not in FAILED:
            book.refunded[part.payment_id] = book.refunded.get(part.payment_id, 0) + part.amount
            rest -= part.amount
    return rest


def _spread(book: Ledger, rest: int) -> None:
    """The first payments that have something left."""
    for k, _, n in book.captured:
        part = max(0, min(rest, n - book.refunded.get(k, 0)))
        book.refunded[k] = book.refunded.get(k, 0) + part
        rest -= part
