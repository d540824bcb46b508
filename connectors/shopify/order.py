"""A Shopify order body to the canonical snapshot. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from connectors.checks import address as address_check
from connectors.checks.customer import customer_key
from connectors.checks.money import check_currency, minor
from connectors.checks.phone import e164
from connectors.protocols import TranslationError
from domain.records.values import Address, Client, Delivery, Order, OrderLine, Payment, Problem

from . import payload as p
from .context import Context
from .fields import MAX_EXACT, gid_tail, millis, order_key, quantity
from .total import order_discount, total_problem
from .units import cancelled_units, shipped_units

__all__ = ["line_id", "snapshot", "tax"]

_PAYMENT = {
    None: "pending",
    "pending": "pending",
    "unpaid": "pending",
    "authorized": "authorized",
    "partially_paid": "partially_paid",
    "paid": "paid",
    "partially_refunded": "partially_refunded",
    "refunded": "refunded",
    "voided": "voided",
    "expired": "voided",
}
_CAPTURED = frozenset({"paid", "partially_paid", "partially_refunded", "refunded"})
_SERVICES = (
    ("same_day", re.compile(r"same.?day|vandaag|today", re.IGNORECASE)),
    ("express", re.compile(r"express|next.?day|overnight|priority|spoed|24.?h|volgende dag", re.IGNORECASE)),
    ("pickup", re.compile(r"pick.?up|afhal|click.?(and|&).?collect|abhol", re.IGNORECASE)),
)
_RISKY = frozenset({"high", "cancel", "investigate"})


def line_id(number: int, admin_gid: str | None) -> str:
    """A line's id: the gid's, for the number beside it may be rounded."""
    return gid_tail(admin_gid, "LineItem") or str(number)


def tax(lines: list[p.TaxLine] | None, currency: str, field: str) -> int:
    """The sum of tax lines in minor units."""
    if not lines:
        return 0
    return sum(minor(line.price, currency, f"{field}.tax_lines[{i}].price") for i, line in enumerate(lines))


def _discount(line: p.LineItem, currency: str, field: str) -> int:
    """Allocations hold the line's own discount and its share of the order's; ``total_discount`` (older) only the first."""
    if line.discount_allocations:
        parts = enumerate(line.discount_allocations)
        return sum(minor(amount.amount, currency, f"{field}.discount_allocations[{i}].amount") for i, amount in parts)
    return minor(line.total_discount, currency, f"{field}.total_discount")


def _line(body: p.Order, i: int) -> OrderLine:
    item, field = body.line_items[i], f"line_items[{i}]"
    if item.price is None:
        raise TranslationError(f"{field}.price", "no price")
    qty = quantity(item.quantity, f"{field}.quantity")
    price = minor(item.price, body.currency, f"{field}.price")
    if abs(price) * qty > MAX_EXACT:
        raise TranslationError(f"{field}.price", f"{item.price} × {qty} is beyond any order")
    shipped = min(qty, shipped_units(item, body.fulfillments)) if body.fulfillments else 0
    return OrderLine(
        line_id=line_id(item.id, item.admin_graphql_api_id),
        sku=(item.sku or "").strip(),
        qty=qty,
        unit_price=price,
        tax=tax(item.tax_lines, body.currency, field),
        discount=_discount(item, body.currency, field),
        variant_id=str(item.variant_id or ""),
        title=item.title or "",
        bundle_id=str(item.sales_line_item_group_id or ""),
        requires_shipping=item.requires_shipping is not False and not item.gift_card,
        cancelled=cancelled_units(item, body.refunds or (), shipped),
        shipped=shipped,
    )


def _address(address: p.Address) -> Address:
    name = address.name or " ".join(text for text in (address.first_name, address.last_name) if text)
    return Address(
        name=name.strip(),
        company=(address.company or "").strip(),
        street1=(address.address1 or "").strip(),
        street2=(address.address2 or "").strip(),
        postcode=(address.zip or "").strip(),
        city=(address.city or "").strip(),
        region=(address.province_code or address.province or "").strip(),
        country=(address.country_code or "").strip().upper(),
        phone=(address.phone or "").strip(),
    )


def _client(body: p.Order, problems: list[Problem], ships: bool) -> Client:
    customer = body.customer or p.Customer()
    address = _address(body.shipping_address) if body.shipping_address else Address()
    billing = _address(body.billing_address) if body.billing_address else None
    if ships:
        problems += address_check.check(address)
    email = (body.email or body.contact_email or customer.email or "").strip()
    text = address.phone or body.phone or customer.phone or ""
    phone, problem = e164(text, address.country, "shipping_address.phone" if address.phone else "phone")
    if problem:
        problems.append(problem)
    return Client(
        customer_key=customer_key(email, phone, address),
        email=email,
        phone=phone,
        language=body.customer_locale or "",
        shipping_address=address,
        billing_address=billing,
    )


@lru_cache(maxsize=1024)
def _guess(text: str) -> str:
    return next((level for level, pattern in _SERVICES if pattern.search(text)), "standard")


def _delivery(body: p.Order, services: dict[str, str]) -> Delivery:
    """The service level by the account's own map (code or title), else by the words in them."""
    line = next(
        (shipping_line for shipping_line in body.shipping_lines or () if not shipping_line.is_removed), p.ShippingLine()
    )
    code, title = line.code or "", line.title or ""
    level = services.get(code) or services.get(title) or _guess(f"{code} {title}")
    return Delivery(ship_method=title or code, service_level=level)


def _payment_state(body: p.Order) -> str:
    state = _PAYMENT.get(body.financial_status)
    if state is None:
        known = ", ".join(sorted(k for k in _PAYMENT if k))
        raise TranslationError("financial_status", f"{body.financial_status!r} is none of {known}")
    return state


def _payments(body: p.Order, state: str, total: int) -> list[Payment]:
    """What was captured, as far as the order itself tells: all that is not outstanding."""
    if state not in _CAPTURED:
        return []
    left = minor(body.total_outstanding, body.currency, "total_outstanding")
    captured = total - left if state == "partially_paid" else total
    return [Payment("order", ",".join(body.payment_gateway_names or ()), max(0, captured))]


def _shipping(body: p.Order) -> tuple[int, int]:
    """Shipping price after its discounts, and its tax."""
    price = total_tax = 0
    for i, line in enumerate(body.shipping_lines or ()):
        if not line.is_removed:
            field, text = f"shipping_lines[{i}]", line.price if line.discounted_price is None else line.discounted_price
            price += minor(text, body.currency, f"{field}.discounted_price")
            total_tax += tax(line.tax_lines, body.currency, field)
    return price, total_tax


def snapshot(body: p.Order, context: Context) -> Order:
    """The order as it now stands. Raises TranslationError naming the field."""
    order_id = gid_tail(body.admin_graphql_api_id, "Order") or str(body.id)
    check_currency(body.currency, "currency")
    total = minor(body.total_price, body.currency, "total_price")
    lines = [_line(body, i) for i in range(len(body.line_items))]
    state = _payment_state(body)
    problems: list[Problem] = []
    client = _client(body, problems, any(line.requires_shipping for line in lines))
    shipping, shipping_tax = _shipping(body)
    problems += total_problem(body, lines, shipping, shipping_tax, total)
    if body.risk_level and body.risk_level.lower() in _RISKY:
        problems.append(Problem("risk.high", "risk_level", body.risk_level))
    cancelled = millis(body.cancelled_at, "cancelled_at") if body.cancelled_at else None
    return Order(
        order_key=order_key(context.account, order_id, "id"),
        channel="shopify",
        account=context.account,
        order_id=order_id,
        name=body.name or "",
        created_at=millis(body.created_at, "created_at"),
        version=millis(body.updated_at, "updated_at"),
        currency=body.currency,
        payment_state=state,
        lines=lines,
        client=client,
        delivery=_delivery(body, context.services),
        total=total,
        shipping_total=shipping,
        shipping_tax=shipping_tax,
        tax_included=bool(body.taxes_included),
        tags=[text for text in (name.strip() for name in (body.tags or "").split(",")) if text],
        payments=_payments(body, state, total),
        discount=order_discount(body, lines, shipping, shipping_tax, total),
        problems=problems,
        risk=(body.risk_level or "").lower(),
        test=bool(body.test),
        cancelled_at=cancelled,
        cancel_reason=(body.cancel_reason or "") if cancelled is not None else "",
    )
