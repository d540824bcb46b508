"""Does an order add up? A difference is a problem for the rules, not an error: the order is still an order."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.checks.money import minor, plain
from domain.records.values import OrderLine, Problem

from . import payload as p

__all__ = ["total_problem"]


def _set(money: p.MoneySet | None, currency: str, field: str) -> int:
    if money is None or money.shop_money is None:
        return 0
    return minor(money.shop_money.amount, currency, f"{field}.shop_money.amount")


def _extras(body: p.Order) -> int:
    """Duties, fees, tips and cash rounding: in the total, on no line."""
    return (
        _set(body.original_total_duties_set, body.currency, "original_total_duties_set")
        + _set(body.original_total_additional_fees_set, body.currency, "original_total_additional_fees_set")
        + minor(body.total_tip_received, body.currency, "total_tip_received")
    )


def total_problem(
    body: p.Order, lines: Sequence[OrderLine], shipping: int, shipping_tax: int, total: int
) -> list[Problem]:
    """``money.total`` where lines + shipping + tax − discounts is not the total.

    Discounts are tried as the lines' allocations with discounted shipping, and as ``total_discounts`` with the full shipping price
    (older bodies have no allocations). An edited or refunded order's total may be its current one, over the current quantities.
    """
    currency = body.currency
    extras = _extras(body)
    taxes = 0 if body.taxes_included else sum(line.tax for line in lines) + shipping_tax
    goods = sum(line.unit_price * line.qty for line in lines)
    listed = sum(
        minor(s.price, currency, "shipping_lines.price") for s in body.shipping_lines or () if not s.is_removed
    )
    by_line = goods - sum(line.discount for line in lines) + shipping + taxes
    by_order = goods - minor(body.total_discounts, currency, "total_discounts") + listed + taxes
    rounding = _set(
        body.total_cash_rounding_payment_adjustment_set, currency, "total_cash_rounding_payment_adjustment_set"
    )
    sums = {by_line, by_order}
    if {total, total - extras, total - extras - rounding} & sums:
        return []
    if _edited(body):
        # An edit reprices lines and taxes in ways the body does not tell; current figures are Shopify's own.
        return []
    detail = (
        f"the lines add up to {plain(by_line + extras, currency)}, the total is {plain(total, currency)} {currency}"
    )
    return [Problem("money.total", "total_price", detail)]


def _edited(body: p.Order) -> bool:
    removed = any(x.current_quantity is not None and x.current_quantity != x.quantity for x in body.line_items)
    return removed or bool(body.refunds)
