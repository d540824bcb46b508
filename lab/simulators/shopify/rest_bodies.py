"""How Shopify shows the simulated shop's orders (REST Admin API, as in webhooks): an amount is a string, with a ``_set`` beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from .orders import SimFulfilment, SimLine, SimOrder, SimRefund, SimReturn

__all__ = [
    "fulfilment_body",
    "iso",
    "line_body",
    "money",
    "order_body",
    "refund_body",
    "return_body",
    "share",
    "transaction_body",
]

VAT = 21
_ZONE = timezone(timedelta(hours=1))


def iso(ms: int | None) -> str | None:
    """``2026-11-23T10:00:00+01:00``."""
    return (
        None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).astimezone(_ZONE).isoformat(timespec="seconds")
    )


def money(cents: int) -> str:
    """``26.66``."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _set(cents: int) -> dict[str, Any]:
    side = {"amount": money(cents), "currency_code": "EUR"}
    return {"shop_money": side, "presentment_money": side}


def _both(name: str, cents: int) -> dict[str, Any]:
    return {name: money(cents), f"{name}_set": _set(cents)}


def _vat(cents: int) -> int:
    return (cents * VAT + (100 + VAT) // 2) // (100 + VAT)


def _tax_lines(cents: int) -> list[dict[str, Any]]:
    return [{"title": "VAT", "rate": VAT / 100, "channel_liable": False, **_both("price", _vat(cents))}]


def _gone(order: SimOrder, x: SimLine) -> int:
    """Units that were refunded: cancelled before they shipped, or returned."""
    return sum(qty for r in order.refunds for line, qty in r.lines if line == x.id)


def line_body(order: SimOrder, x: SimLine) -> dict[str, Any]:
    """A line item."""
    done = "fulfilled" if x.fulfilled == x.qty else ("partial" if x.fulfilled else None)
    paid = x.product.price_minor * x.qty - x.discount
    allocations = [{"amount": money(x.discount), "amount_set": _set(x.discount), "discount_application_index": 0}]
    return {
        "id": x.id,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{x.id}",
        "attributed_staffs": [],
        "current_quantity": x.qty - _gone(order, x),
        "fulfillable_quantity": 0 if order.cancelled_at else x.remaining,
        "fulfillment_service": "manual",
        "fulfillment_status": done,
        "gift_card": False,
        "grams": x.product.weight,
        "name": x.product.title,
        **_both("price", x.product.price_minor),
        "product_exists": True,
        "product_id": 8_000_000_000_000 + int(x.product.ean[-6:]),
        "properties": [],
        "quantity": x.qty,
        "requires_shipping": True,
        "sales_line_item_group_id": x.group,
        "sku": x.product.sku,
        "taxable": True,
        "title": x.product.title,
        **_both("total_discount", 0),
        "variant_id": 4_000_000_000_000 + int(x.product.ean[-6:]),
        "variant_inventory_management": "shopify",
        "variant_title": None,
        "vendor": "Wharf & Co",
        "tax_lines": _tax_lines(paid),
        "duties": [],
        "discount_allocations": allocations if x.discount else [],
    }


def share(x: SimLine, before: int, qty: int) -> int:
    """Cents paid for ``qty`` more units of a line of which ``before`` were paid back: the difference of two rounded running totals."""
    whole = x.product.price_minor * x.qty - x.discount

    def upto(n: int) -> int:
        return (2 * whole * n + x.qty) // (2 * x.qty)

    return upto(before + qty) - upto(before)


def _refunded_before(order: SimOrder, r: SimRefund, number: int) -> int:
    earlier = order.refunds[: order.refunds.index(r)] if r in order.refunds else order.refunds
    return sum(qty for other in earlier for line, qty in other.lines if line == number)


def refund_body(order: SimOrder, r: SimRefund) -> dict[str, Any]:
    """A refund, as in ``refunds/create`` and in the order."""
    lines: list[dict[str, Any]] = []
    for number, qty in r.lines:
        x = order.line(number)
        if x is None:
            continue
        cents = share(x, _refunded_before(order, r, number), qty)
        lines.append(
            {
                "id": r.id * 10 + len(lines),
                "quantity": qty,
                "line_item_id": number,
                "location_id": 1 if r.restock == "cancel" else None,
                "restock_type": r.restock,
                "subtotal": cents / 100,
                "total_tax": _vat(cents) / 100,
                "subtotal_set": _set(cents),
                "total_tax_set": _set(_vat(cents)),
                "line_item": line_body(order, x),
            }
        )
    return {
        "id": r.id,
        "admin_graphql_api_id": f"gid://shopify/Refund/{r.id}",
        "order_id": order.id,
        "created_at": iso(r.at),
        "processed_at": iso(r.at),
        "note": r.note,
        "restock": r.restock == "cancel",
        "refund_line_items": lines,
        "transactions": [transaction_body(order, r, i) for i in range(len(r.paid))],
        "order_adjustments": [],
        "duties": [],
        "return": None,
        "refund_shipping_lines": [],
    }


def transaction_body(order: SimOrder, r: SimRefund, i: int) -> dict[str, Any]:
    """The payment transaction of a refund's ``i``-th part."""
    parent, cents = r.paid[i]
    return {
        "id": r.id * 100 + 90 + i,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{r.id * 100 + 90 + i}",
        "order_id": order.id,
        "parent_id": parent,
        "kind": "refund",
        "status": "success",
        "gateway": "shopify_payments",
        "amount": money(cents),
        "currency": "EUR",
        "created_at": iso(r.at),
    }


def return_body(order: SimOrder, r: SimReturn) -> dict[str, Any]:
    """A return, as in ``returns/request`` and the like: its lines are not in it, they are fetched."""
    return {
        "id": r.id,
        "admin_graphql_api_id": f"gid://shopify/Return/{r.id}",
        "status": r.status.lower(),
        "order": {"id": order.id, "admin_graphql_api_id": order.gid},
        "total_return_line_items": len(r.lines),
        "name": r.name,
        "return_line_items": [],
        "return_shipping_fees": [],
        "exchange_line_items": [],
        "total_exchange_line_items": 0,
    }


def fulfilment_body(order: SimOrder, f: SimFulfilment) -> dict[str, Any]:
    """A fulfilment, as in ``fulfillments/create`` and in the order."""
    lines = []
    for number, qty in f.lines:
        x = order.line(number)
        if x is not None:
            lines.append({**line_body(order, x), "quantity": qty})
    return {
        "id": f.id,
        "admin_graphql_api_id": f"gid://shopify/Fulfillment/{f.id}",
        "order_id": order.id,
        "name": f"#{order.number}.{order.fulfilments.index(f) + 1}",
        "status": "success",
        "created_at": iso(f.at),
        "updated_at": iso(f.at),
        "service": "manual",
        "shipment_status": None,
        "location_id": 1,
        "tracking_company": f.company or None,
        "tracking_number": f.number or None,
        "tracking_numbers": [f.number] if f.number else [],
        "tracking_url": f.url or None,
        "tracking_urls": [f.url] if f.url else [],
        "receipt": {},
        "line_items": lines,
    }


def order_body(o: SimOrder) -> dict[str, Any]:
    """The order as it now stands."""
    goods = sum(x.product.price_minor * x.qty for x in o.lines)
    discount = sum(x.discount for x in o.lines)
    current = o.total - sum(share(x, 0, _gone(o, x)) for x in o.lines)
    left = sum(x.remaining for x in o.lines)
    fulfilled = sum(x.fulfilled for x in o.lines)
    status = None if not fulfilled else ("partial" if left else "fulfilled")
    name = "Express next day" if o.express else "Standard"
    outstanding = o.total if o.financial_status in ("pending", "authorized") else 0
    return {
        "id": o.id,
        "admin_graphql_api_id": o.gid,
        "app_id": 580111,
        "browser_ip": "192.0.2.1",
        "buyer_accepts_marketing": "newsletter" in o.tags,
        "cancel_reason": o.cancel_reason,
        "cancelled_at": iso(o.cancelled_at),
        "cart_token": f"cart-{o.id}",
        "checkout_id": 30_000_000_000_000 + o.number,
        "checkout_token": f"checkout-{o.id}",
        "client_details": {
            "accept_language": o.customer["language"],
            "browser_ip": "192.0.2.1",
            "user_agent": "Mozilla/5.0",
        },
        "closed_at": None,
        "confirmation_number": f"W{o.number}",
        "confirmed": True,
        "contact_email": o.customer["email"],
        "created_at": iso(o.created_at),
        "currency": "EUR",
        **_both("current_subtotal_price", current - o.shipping),
        **_both("current_total_discounts", discount),
        **_both("current_total_price", current),
        **_both("current_total_tax", _vat(current)),
        "customer_locale": o.customer["language"],
        "discount_codes": [{"code": "TEN", "amount": money(discount), "type": "percentage"}] if discount else [],
        "duties_included": False,
        "email": o.customer["email"],
        "estimated_taxes": False,
        "financial_status": o.financial_status,
        "fulfillment_status": status,
        "landing_site": "/",
        "location_id": None,
        "name": f"#{o.number}",
        "note": None,
        "note_attributes": [],
        "number": o.number - 1000,
        "order_number": o.number,
        "order_status_url": f"https://shop.example/orders/{o.id}",
        "payment_gateway_names": ["shopify_payments"],
        "phone": None,
        "po_number": None,
        "presentment_currency": "EUR",
        "processed_at": iso(o.created_at),
        "referring_site": None,
        "source_name": "web",
        **_both("subtotal_price", goods - discount),
        "tags": o.tags,
        "tax_exempt": False,
        "tax_lines": _tax_lines(o.total),
        "taxes_included": True,
        "test": o.test,
        "token": f"token-{o.id}",
        **_both("total_discounts", discount),
        **_both("total_line_items_price", goods),
        "total_outstanding": money(outstanding),
        **_both("total_price", o.total),
        **_both("total_shipping_price", o.shipping),
        **_both("total_tax", _vat(o.total)),
        "total_tip_received": "0.00",
        "total_weight": sum(x.product.weight * x.qty for x in o.lines),
        "updated_at": iso(o.updated_at),
        "user_id": None,
        "billing_address": o.address,
        "customer": {
            "id": 7_000_000_000_000 + o.number,
            "email": o.customer["email"],
            "first_name": o.customer["first"],
            "last_name": o.customer["last"],
            "phone": None,
            "verified_email": True,
            "tags": "",
            "currency": "EUR",
            "default_address": o.address,
        },
        "discount_applications": (
            [
                {
                    "type": "discount_code",
                    "code": "TEN",
                    "value": "10.0",
                    "value_type": "percentage",
                    "target_type": "line_item",
                }
            ]
            if discount
            else []
        ),
        "fulfillments": [fulfilment_body(o, f) for f in o.fulfilments],
        "line_items": [line_body(o, x) for x in o.lines],
        "payment_terms": None,
        "refunds": [refund_body(o, r) for r in o.refunds],
        "shipping_address": o.address,
        "shipping_lines": [
            {
                "id": o.id * 10 + 5,
                "carrier_identifier": None,
                "code": name,
                **_both("discounted_price", o.shipping),
                "is_removed": False,
                "phone": None,
                **_both("price", o.shipping),
                "source": "shopify",
                "title": name,
                "tax_lines": _tax_lines(o.shipping),
                "discount_allocations": [],
            }
        ],
        "returns": [],
        "line_item_groups": [],
    }
