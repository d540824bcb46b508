"""Money: minor units, exact spreading, and refunds whose parts add up to the whole.

Amounts are integers in the currency's minor units. Nothing here rounds twice: a share is the difference of two rounded running
totals, so that the shares of any sequence add up to the total, to the cent (cumulative rounding).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .errors import Rejected

__all__ = ["LineValue", "Refund", "exponent", "line_value", "refund_units", "running_share", "spread", "to_refund"]

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_FOUR = "CLF UYW"
_EXPONENTS = {c: n for n, codes in ((0, _NONE), (3, _THREE), (4, _FOUR)) for c in codes.split()}


def exponent(currency: str) -> int:
    """The digits after the point of an ISO 4217 currency: EUR 2, JPY 0, KWD 3.

    Source: ISO 4217 table A.1; codes not listed there with another exponent have 2. Raises Rejected where it is no code.
    """
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha() or not currency.isupper():
        raise Rejected("money.currency", "currency", f"{currency!r} is not an ISO 4217 code such as EUR")
    return _EXPONENTS.get(currency, 2)


def running_share(total: int, done: int, of: int) -> int:
    """``total × done ÷ of``, rounded half away from zero: the running total after ``done`` of ``of`` equal parts."""
    if of <= 0 or not 0 <= done <= of:
        raise ValueError(f"{done} of {of} is no share")
    half = (2 * abs(total) * done + of) // (2 * of)
    return half if total >= 0 else -half


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """Split ``total`` in proportion to ``weights`` (≥ 0) so that the parts add up to it and none is off by a whole unit.

    All weights 0: it goes to the first. Used for order discounts over lines, shipping over parcels.
    """
    if not weights:
        raise ValueError("nothing to spread over")
    whole = sum(weights)
    if min(weights) < 0:
        raise ValueError("a weight is negative")
    if whole == 0:
        return [total, *([0] * (len(weights) - 1))]
    parts, done, given = [], 0, 0
    for weight in weights:
        done += weight
        upto = running_share(total, done, whole)
        parts.append(upto - given)
        given = upto
    return parts


class LineValue(msgspec.Struct, frozen=True):
    """What the customer paid for a line: ``gross`` with tax, of which ``tax``; for ``qty`` units."""

    qty: int
    gross: int
    tax: int


class Refund(msgspec.Struct, frozen=True):
    """What goes back for units: ``gross`` with tax, of which ``tax``."""

    gross: int
    tax: int


def line_value(qty: int, unit_price: int, discount: int, tax: int, tax_included: bool) -> LineValue:
    """The value of a line from its price a unit, its discount and its tax (both of the whole line)."""
    net = qty * unit_price - discount
    return LineValue(qty, net if tax_included else net + tax, tax)


def refund_units(value: LineValue, before: int, now: int) -> Refund:
    """What goes back for ``now`` more units of a line of which ``before`` went back already.

    Hard case 18: 3 × 29.99 less 10.00 (79.97 incl. 13.88 VAT) gives 26.66, 26.65, 26.66 with VAT 4.63, 4.62, 4.63.
    Raises Rejected where more units would go back than were bought.
    """
    if now < 0 or before < 0 or before + now > value.qty:
        raise Rejected("money.units", "qty", f"{before} + {now} units can't go back of {value.qty}")
    if not now:
        return Refund(0, 0)
    after = before + now
    gross = running_share(value.gross, after, value.qty) - running_share(value.gross, before, value.qty)
    tax = running_share(value.tax, after, value.qty) - running_share(value.tax, before, value.qty)
    return Refund(gross, tax)


def to_refund(amount: int, captured: Sequence[tuple[str, int]], refunded: dict[str, int]) -> list[tuple[str, int]]:
    """Which payments an ``amount`` goes back to: the original ones in their order, never above what each captured.

    ``captured``: (payment id, captured); ``refunded``: what went back to each already. Raises Rejected where less is left
    than ``amount``: that is for a person to decide.
    """
    parts, rest = [], amount
    for payment_id, total in captured:
        part = min(rest, total - refunded.get(payment_id, 0))
        if part > 0:
            parts.append((payment_id, part))
            rest -= part
    if rest > 0:
        raise Rejected("money.captured", "amount", f"{amount} is {rest} more than is left of what was captured")
    return parts
