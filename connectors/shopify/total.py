"""Does an order add up? A difference is a problem for the rules, not an error: the order is still an order."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from connectors.checks.money import minor, plain
from domain.records.values import OrderLine, Problem

from . import payload as p

__all__ = ["order_discount", "total_problem"]


def _set(money: p.MoneySet | None, currency: str, field: str) -> int:
    if money is None or money.shop_money is None:
        return 0
    return minor(money.shop_money.amount, currency, f"{field}.shop_money.amount")


def _extras(body: p.Order) -> int:
    """Duties and their taxes, fees and tips: in the total, on no line. A tip that is a line is counted there."""
    tip_lines = sum(
        minor(item.price, body.currency, "line_items.price") for item in body.line_items if item.tip_payment_gateway
    )
    return (
        _set(body.original_total_duties_set, body.currency, "original_total_duties_set")
        + _duty_taxes(body)
        + _set(body.original_total_additional_fees_set, body.currency, "original_total_additional_fees_set")
        + max(0, minor(body.total_tip_received, body.currency, "total_tip_received") - tip_lines)
    )


def _duty_taxes(body: p.Order) -> int:
    """What is asked on top of the duties; where prices include taxes, the duties do so too."""
    if body.taxes_included:
        return 0
    taxes = [tax for line in body.line_items for duty in line.duties or () for tax in duty.tax_lines or ()]
    return sum(minor(tax.price, body.currency, "line_items.duties.tax_lines.price") for tax in taxes)


class Sums(msgspec.Struct, frozen=True):
    """What an order's parts add up to: by the discounts on its lines, and by its discount as a whole; ``totals`` it may show."""

    by_line: int
    by_order: int
    extras: int
    totals: frozenset[int]


def _sums(body: p.Order, lines: Sequence[OrderLine], shipping: int, shipping_tax: int, total: int) -> Sums:
    currency, extras = body.currency, _extras(body)
    taxes = 0 if body.taxes_included else sum(line.tax for line in lines) + shipping_tax
    goods = sum(line.unit_price * line.qty for line in lines)
    listed = sum(
        minor(shipping_line.price, currency, "shipping_lines.price")
        for shipping_line in body.shipping_lines or ()
        if not shipping_line.is_removed
    )
    by_line = goods - sum(line.discount for line in lines) + shipping + taxes
    by_order = goods - minor(body.total_discounts, currency, "total_discounts") + listed + taxes
    rounding = _set(
        body.total_cash_rounding_payment_adjustment_set, currency, "total_cash_rounding_payment_adjustment_set"
    )
    return Sums(by_line, by_order, extras, frozenset({total, total - extras, total - extras - rounding}))


def order_discount(body: p.Order, lines: Sequence[OrderLine], shipping: int, shipping_tax: int, total: int) -> int:
    """A discount of the whole order that is on none of its lines (older bodies, drafts): the total is only right with it."""
    sums = _sums(body, lines, shipping, shipping_tax, total)
    if sums.by_line in sums.totals or sums.by_order not in sums.totals:
        return 0
    return max(0, sums.by_line - sums.by_order)


def total_problem(
    body: p.Order, lines: Sequence[OrderLine], shipping: int, shipping_tax: int, total: int
) -> list[Problem]:
    """``money.total`` where lines + shipping + tax − discounts is not the total.

    Discounts are tried as the lines' allocations with discounted shipping, and as ``total_discounts`` with the full shipping price
    (older bodies have no allocations). An edited or refunded order's total may be its current one, over the current quantities.
    """
    sums = _sums(body, lines, shipping, shipping_tax, total)
    if sums.totals & {sums.by_line, sums.by_order}:
        return []
    if _edited(body):
        # An edit reprices lines and taxes in ways the body does not tell; current figures are Shopify's own.
        return []
    added, shown = plain(sums.by_line + sums.extras, body.currency), plain(total, body.currency)
    return [Problem("money.total", "total_price", f"the lines add up to {added}, the total is {shown} {body.currency}")]


def _edited(body: p.Order) -> bool:
    removed = any(
        item.current_quantity is not None and item.current_quantity != item.quantity for item in body.line_items
    )
    return removed or bool(body.refunds)
