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
    """Write a time as Shopify does: ``2026-11-23T10:00:00+01:00``."""
    return (
        None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).astimezone(_ZONE).isoformat(timespec="seconds")
    )


def money(cents: int) -> str:
    """Write cents as Shopify does: ``26.66``."""
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
    return sum(qty for refund in order.refunds for line, qty in refund.lines if line == x.id)


def line_body(order: SimOrder, line: SimLine) -> dict[str, Any]:
    """Build the body of one line item."""
    done = "fulfilled" if line.fulfilled == line.qty else ("partial" if line.fulfilled else None)
    paid = line.product.price_minor * line.qty - line.discount
    allocations = [{"amount": money(line.discount), "amount_set": _set(line.discount), "discount_application_index": 0}]
    return {
        "id": line.id,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{line.id}",
        "attributed_staffs": [],
        "current_quantity": line.qty - _gone(order, line),
        "fulfillable_quantity": 0 if order.cancelled_at else line.remaining,
        "fulfillment_service": "manual",
        "fulfillment_status": done,
        "gift_card": False,
        "grams": line.product.weight,
        "name": line.product.title,
        **_both("price", line.product.price_minor),
        "product_exists": True,
        "product_id": 8_000_000_000_000 + int(line.product.ean[-6:]),
        "properties": [],
        "quantity": line.qty,
        "requires_shipping": True,
        "sales_line_item_group_id": line.group,
        "sku": line.product.sku,
        "taxable": True,
        "title": line.product.title,
        **_both("total_discount", 0),
        "variant_id": 4_000_000_000_000 + int(line.product.ean[-6:]),
        "variant_inventory_management": "shopify",
        "variant_title": None,
        "vendor": "Wharf & Co",
        "tax_lines": _tax_lines(paid),
        "duties": [],
        "discount_allocations": allocations if line.discount else [],
    }


def share(line: SimLine, before: int, qty: int) -> int:
    """Cents paid for ``qty`` more units of a line of which ``before`` were paid back: the difference of two rounded running totals."""
    whole = line.product.price_minor * line.qty - line.discount

    def upto(n: int) -> int:
        return (2 * whole * n + line.qty) // (2 * line.qty)

    return upto(before + qty) - upto(before)


def _refunded_before(order: SimOrder, refund: SimRefund, number: int) -> int:
    earlier = order.refunds[: order.refunds.index(refund)] if refund in order.refunds else order.refunds
    return sum(qty for other in earlier for line, qty in other.lines if line == number)


def refund_body(order: SimOrder, refund: SimRefund) -> dict[str, Any]:
    """A refund, as in ``refunds/create`` and in the order."""
    lines: list[dict[str, Any]] = []
    for number, qty in refund.lines:
        line = order.line(number)
        if line is None:
            continue
        cents = share(line, _refunded_before(order, refund, number), qty)
        lines.append(
            {
                "id": refund.id * 10 + len(lines),
                "quantity": qty,
                "line_item_id": number,
                "location_id": 1 if refund.restock == "cancel" else None,
                "restock_type": refund.restock,
                "subtotal": cents / 100,
                "total_tax": _vat(cents) / 100,
                "subtotal_set": _set(cents),
                "total_tax_set": _set(_vat(cents)),
                "line_item": line_body(order, line),
            }
        )
    return {
        "id": refund.id,
        "admin_graphql_api_id": f"gid://shopify/Refund/{refund.id}",
        "order_id": order.id,
        "created_at": iso(refund.at),
        "processed_at": iso(refund.at),
        "note": refund.note,
        "restock": refund.restock == "cancel",
        "refund_line_items": lines,
        "transactions": [transaction_body(order, refund, i) for i in range(len(refund.paid))],
        "order_adjustments": [],
        "duties": [],
        "return": None,
        "refund_shipping_lines": [],
    }


def transaction_body(order: SimOrder, refund: SimRefund, i: int) -> dict[str, Any]:
    """The payment transaction of a refund's ``i``-th part."""
    parent, cents = refund.paid[i]
    return {
        "id": refund.id * 100 + 90 + i,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{refund.id * 100 + 90 + i}",
        "order_id": order.id,
        "parent_id": parent,
        "kind": "refund",
        "status": "success",
        "gateway": "shopify_payments",
        "amount": money(cents),
        "currency": "EUR",
        "created_at": iso(refund.at),
    }


def return_body(order: SimOrder, returned: SimReturn) -> dict[str, Any]:
    """A return, as in ``returns/request`` and the like: its lines are not in it, they are fetched."""
    return {
        "id": returned.id,
        "admin_graphql_api_id": f"gid://shopify/Return/{returned.id}",
        "status": returned.status.lower(),
        "order": {"id": order.id, "admin_graphql_api_id": order.gid},
        "total_return_line_items": len(returned.lines),
        "name": returned.name,
        "return_line_items": [],
        "return_shipping_fees": [],
        "exchange_line_items": [],
        "total_exchange_line_items": 0,
    }


def fulfilment_body(order: SimOrder, fulfilment: SimFulfilment) -> dict[str, Any]:
    """A fulfilment, as in ``fulfillments/create`` and in the order."""
    lines = []
    for number, qty in fulfilment.lines:
        line = order.line(number)
        if line is not None:
            lines.append({**line_body(order, line), "quantity": qty})
    return {
        "id": fulfilment.id,
        "admin_graphql_api_id": f"gid://shopify/Fulfillment/{fulfilment.id}",
        "order_id": order.id,
        "name": f"#{order.number}.{order.fulfilments.index(fulfilment) + 1}",
        "status": "success",
        "created_at": iso(fulfilment.at),
        "updated_at": iso(fulfilment.at),
        "service": "manual",
        "shipment_status": None,
        "location_id": 1,
        "tracking_company": fulfilment.company or None,
        "tracking_number": fulfilment.number or None,
        "tracking_numbers": [fulfilment.number] if fulfilment.number else [],
        "tracking_url": fulfilment.url or None,
        "tracking_urls": [fulfilment.url] if fulfilment.url else [],
        "receipt": {},
        "line_items": lines,
    }


def order_body(order: SimOrder) -> dict[str, Any]:
    """The order as it now stands."""
    goods = sum(line.product.price_minor * line.qty for line in order.lines)
    discount = sum(line.discount for line in order.lines)
    current = order.total - sum(share(line, 0, _gone(order, line)) for line in order.lines)
    left = sum(line.remaining for line in order.lines)
    fulfilled = sum(line.fulfilled for line in order.lines)
    status = None if not fulfilled else ("partial" if left else "fulfilled")
    name = "Express next day" if order.express else "Standard"
    outstanding = order.total if order.financial_status in ("pending", "authorized") else 0
    return {
        "id": order.id,
        "admin_graphql_api_id": order.gid,
        "app_id": 580111,
        "browser_ip": "192.0.2.1",
        "buyer_accepts_marketing": "newsletter" in order.tags,
        "cancel_reason": order.cancel_reason,
        "cancelled_at": iso(order.cancelled_at),
        "cart_token": f"cart-{order.id}",
        "checkout_id": 30_000_000_000_000 + order.number,
        "checkout_token": f"checkout-{order.id}",
        "client_details": {
            "accept_language": order.customer["language"],
            "browser_ip": "192.0.2.1",
            "user_agent": "Mozilla/5.0",
        },
        "closed_at": None,
        "confirmation_number": f"W{order.number}",
        "confirmed": True,
        "contact_email": order.customer["email"],
        "created_at": iso(order.created_at),
        "currency": "EUR",
        **_both("current_subtotal_price", current - order.shipping),
        **_both("current_total_discounts", discount),
        **_both("current_total_price", current),
        **_both("current_total_tax", _vat(current)),
        "customer_locale": order.customer["language"],
        "discount_codes": [{"code": "TEN", "amount": money(discount), "type": "percentage"}] if discount else [],
        "duties_included": False,
        "email": order.customer["email"],
        "estimated_taxes": False,
        "financial_status": order.financial_status,
        "fulfillment_status": status,
        "landing_site": "/",
        "location_id": None,
        "name": f"#{order.number}",
        "note": None,
        "note_attributes": [],
        "number": order.number - 1000,
        "order_number": order.number,
        "order_status_url": f"https://shop.example/orders/{order.id}",
        "payment_gateway_names": ["shopify_payments"],
        "phone": None,
        "po_number": None,
        "presentment_currency": "EUR",
        "processed_at": iso(order.created_at),
        "referring_site": None,
        "source_name": "web",
        **_both("subtotal_price", goods - discount),
        "tags": order.tags,
        "tax_exempt": False,
        "tax_lines": _tax_lines(order.total),
        "taxes_included": True,
        "test": order.test,
        "token": f"token-{order.id}",
        **_both("total_discounts", discount),
        **_both("total_line_items_price", goods),
        "total_outstanding": money(outstanding),
        **_both("total_price", order.total),
        **_both("total_shipping_price", order.shipping),
        **_both("total_tax", _vat(order.total)),
        "total_tip_received": "0.00",
        "total_weight": sum(line.product.weight * line.qty for line in order.lines),
        "updated_at": iso(order.updated_at),
        "user_id": None,
        "billing_address": order.address,
        "customer": {
            "id": 7_000_000_000_000 + order.number,
            "email": order.customer["email"],
            "first_name": order.customer["first"],
            "last_name": order.customer["last"],
            "phone": None,
            "verified_email": True,
            "tags": "",
            "currency": "EUR",
            "default_address": order.address,
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
        "fulfillments": [fulfilment_body(order, fulfilment) for fulfilment in order.fulfilments],
        "line_items": [line_body(order, line) for line in order.lines],
        "payment_terms": None,
        "refunds": [refund_body(order, refund) for refund in order.refunds],
        "shipping_address": order.address,
        "shipping_lines": [
            {
                "id": order.id * 10 + 5,
                "carrier_identifier": None,
                "code": name,
                **_both("discounted_price", order.shipping),
                "is_removed": False,
                "phone": None,
                **_both("price", order.shipping),
                "source": "shopify",
                "title": name,
                "tax_lines": _tax_lines(order.shipping),
                "discount_allocations": [],
            }
        ],
        "returns": [],
        "line_item_groups": [],
    }
