"""The simulated shop's orders: how one is made from a seed, and how Shopify shows it (REST Admin API, as in webhooks).

Prices include 21 % VAT; money is kept in cents and shown as Shopify does, a string and a ``_set`` beside it. Every change moves
``updated_at`` on by a second at least: Shopify counts no finer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from .catalogue import Product
from .timeline import roll

__all__ = ["LINE", "SimFulfilment", "SimLine", "SimOrder", "SimRefund", "Story", "iso", "make"]

LINE = 100
"""Line ids of order ``n`` are ``n * LINE + 1`` and on."""
FIRST_ID = 5_600_000_000_000
VAT = 21
_ZONE = timezone(timedelta(hours=1))
_PLACES = (
    (
        "NL",
        "Netherlands",
        45,
        ("1015 CN", "Amsterdam"),
        ("3011 AD", "Rotterdam"),
        ("3512 JE", "Utrecht"),
        ("9712 HS", "Groningen"),
    ),
    ("DE", "Germany", 22, ("10115", "Berlin"), ("80331", "München"), ("50667", "Köln")),
    ("BE", "Belgium", 15, ("2000", "Antwerpen"), ("9000", "Gent"), ("1000", "Bruxelles")),
    ("FR", "France", 10, ("75011", "Paris"), ("69002", "Lyon")),
    ("GB", "United Kingdom", 5, ("EC1A 1BB", "London"), ("M1 1AE", "Manchester")),
    (
        "AT",
        "Austria",
        3,
        ("1010", "Wien"),
    ),
)
_STREETS = (
    "Keizersgracht",
    "Kerkstraat",
    "Hauptstraße",
    "Rue de la Paix",
    "Station Road",
    "Lange Nieuwstraat",
    "Lindenallee",
)
_FIRST = ("Anna", "Bram", "Chloé", "Daan", "Emma", "Finn", "Greta", "Hugo", "Ines", "Jan", "Lotte", "Noah", "Zoë")
_LAST = ("Jansen", "de Vries", "Müller", "Peeters", "Dubois", "Smith", "Bakker", "Schmidt", "van den Berg", "Moreau")
_DIAL = {"NL": "+31 6 1234 {:04d}", "DE": "+49 151 2345 {:04d}", "BE": "+32 470 12 {:04d}", "FR": "+33 6 12 34 {:04d}"}


@dataclass(slots=True)
class SimLine:
    """``cancelled`` and ``fulfilled`` units; ``item`` is the id of its line on fulfilment order ``place`` (0 or 1)."""

    id: int
    product: Product
    qty: int
    discount: int = 0
    group: int | None = None
    place: int = 0
    cancelled: int = 0
    fulfilled: int = 0

    @property
    def remaining(self) -> int:
        """Units still to fulfil."""
        return self.qty - self.cancelled - self.fulfilled


@dataclass(slots=True)
class SimRefund:
    """Units refunded before they shipped."""

    id: int
    at: int
    lines: list[tuple[int, int]]


@dataclass(slots=True)
class SimFulfilment:
    """A fulfilment that Wharfinger made."""

    id: int
    at: int
    company: str
    number: str
    url: str
    lines: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Story:
    """What will happen to an order, in minutes after it was placed (None: never). ``bad_address``: its postcode is wrong at first."""

    bad_address: bool = False
    paid_after: float | None = 0.0
    fixed_after: float | None = None
    cancelled_after: float | None = None
    part_after: float | None = None
    create_is_late: bool = False


@dataclass(slots=True)
class SimOrder:
    """An order as the shop knows it. Times are UTC ms."""

    id: int
    number: int
    created_at: int
    updated_at: int
    lines: list[SimLine]
    customer: dict[str, str]
    address: dict[str, str | None]
    right_zip: str
    express: bool
    shipping: int
    story: Story
    test: bool = False
    tags: str = ""
    financial_status: str = "paid"
    cancelled_at: int | None = None
    cancel_reason: str | None = None
    refunds: list[SimRefund] = field(default_factory=list)
    fulfilments: list[SimFulfilment] = field(default_factory=list)
    held: list[str] = field(default_factory=list)

    @property
    def gid(self) -> str:
        """Its global id."""
        return f"gid://shopify/Order/{self.id}"

    @property
    def total(self) -> int:
        """Cents."""
        return sum(x.product.price_minor * x.qty - x.discount for x in self.lines) + self.shipping

    def touch(self, now: int) -> None:
        """A change: ``updated_at`` moves on."""
        self.updated_at = max(now // 1000 * 1000, self.updated_at + 1000)

    def line(self, number: int) -> SimLine | None:
        """A line by id."""
        return next((x for x in self.lines if x.id == number), None)

    def body(self) -> dict[str, Any]:
        """As Shopify shows it."""
        return _order(self)


def iso(ms: int | None) -> str | None:
    """``2026-11-23T10:00:00+01:00``."""
    return (
        None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).astimezone(_ZONE).isoformat(timespec="seconds")
    )


def make(seed: int, n: int, products: Sequence[Product], now: int) -> SimOrder:
    """The ``n``-th order (from 1) of a seed's shop."""
    chance = roll(seed, "order", n)
    order_id = FIRST_ID + n
    picked = chance.sample(
        list(products), k=min(len(products), chance.choices((1, 2, 3, 4, 6), (40, 28, 18, 10, 4))[0])
    )
    two_places = len(picked) >= 3 and chance.random() < 0.2
    lines = [
        SimLine(
            id=order_id * LINE + i + 1,
            product=product,
            qty=chance.choices((1, 2, 3, 5), (70, 20, 8, 2))[0],
            place=int(two_places and i == len(picked) - 1),
        )
        for i, product in enumerate(picked)
    ]
    if len(lines) > 1 and chance.random() < 0.15:
        for line in lines[:2]:
            line.group, line.qty = order_id * 10, 1
    if chance.random() < 0.15:
        for line in lines:
            line.discount = line.product.price_minor * line.qty // 10
    express = chance.random() < 0.15
    goods = sum(x.product.price_minor * x.qty - x.discount for x in lines)
    customer, address = _customer(chance.random, chance.choice, chance.choices, n)
    story = _story(seed, n)
    tags = [t for t, p in (("VIP", 0.05), ("newsletter", 0.2), ("gift", 0.05)) if chance.random() < p]
    second = now // 1000 * 1000
    return SimOrder(
        id=order_id,
        number=1000 + n,
        created_at=second,
        updated_at=second,
        lines=lines,
        customer=customer,
        address={**address, "zip": "00" if story.bad_address else address["zip"]},
        right_zip=str(address["zip"]),
        express=express,
        shipping=995 if express else (0 if goods >= 7500 else 495),
        story=story,
        test=chance.random() < 0.01,
        tags=", ".join(tags),
        financial_status="paid" if story.paid_after == 0.0 else "pending",
    )


def _story(seed: int, n: int) -> Story:
    chance = roll(seed, "story", n)
    paid: float | None = 0.0
    fixed = cancelled = part = None
    if chance.random() < 0.08:
        paid = chance.uniform(5, 120)
    bad = chance.random() < 0.04
    if bad and chance.random() < 0.75:
        fixed = chance.uniform(10, 120)
    kind = chance.random()
    if kind < 0.04:
        cancelled = chance.uniform(0.5, 60)
    elif kind < 0.06:
        part = chance.uniform(0.5, 40)
    late = cancelled is not None and chance.random() < 0.3
    return Story(bad, paid, fixed, cancelled, part, late)


def _customer(random: Any, choice: Any, choices: Any, n: int) -> tuple[dict[str, str], dict[str, str | None]]:
    place = choices(_PLACES, [p[2] for p in _PLACES])[0]
    zip_code, city = choice(place[3:])
    first, last = choice(_FIRST), choice(_LAST)
    # Some customers order again within the hour: what bundling is for.
    who = n if random() < 0.9 else max(1, n - 3)
    phone = _DIAL.get(place[0], "+44 7700 90{:04d}").format(who % 10_000)
    customer = {"first": first, "last": last, "email": f"customer-{who}@example.com", "language": place[0].lower()}
    address: dict[str, str | None] = {
        "first_name": first,
        "last_name": last,
        "name": f"{first} {last}",
        "company": "Example BV" if random() < 0.08 else None,
        "address1": f"{choice(_STREETS)} {1 + who % 240}",
        "address2": "2nd floor" if random() < 0.1 else None,
        "zip": zip_code,
        "city": city,
        "province": None,
        "province_code": None,
        "country": place[1],
        "country_code": place[0],
        "phone": "call the neighbours" if random() < 0.03 else phone,
        "latitude": None,
        "longitude": None,
    }
    return customer, address


def _money(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _set(cents: int) -> dict[str, Any]:
    side = {"amount": _money(cents), "currency_code": "EUR"}
    return {"shop_money": side, "presentment_money": side}


def _both(name: str, cents: int) -> dict[str, Any]:
    return {name: _money(cents), f"{name}_set": _set(cents)}


def _vat(cents: int) -> int:
    return (cents * VAT + (100 + VAT) // 2) // (100 + VAT)


def _tax_lines(cents: int) -> list[dict[str, Any]]:
    return [{"title": "VAT", "rate": VAT / 100, "channel_liable": False, **_both("price", _vat(cents))}]


def line_body(order: SimOrder, x: SimLine) -> dict[str, Any]:
    """A line item."""
    done = "fulfilled" if x.fulfilled == x.qty else ("partial" if x.fulfilled else None)
    paid = x.product.price_minor * x.qty - x.discount
    allocations = [{"amount": _money(x.discount), "amount_set": _set(x.discount), "discount_application_index": 0}]
    return {
        "id": x.id,
        "admin_graphql_api_id": f"gid://shopify/LineItem/{x.id}",
        "attributed_staffs": [],
        "current_quantity": x.qty - x.cancelled,
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


def refund_body(order: SimOrder, r: SimRefund) -> dict[str, Any]:
    """A refund, as in ``refunds/create`` and in the order."""
    lines: list[dict[str, Any]] = []
    total = 0
    for number, qty in r.lines:
        x = order.line(number)
        if x is None:
            continue
        share = (x.product.price_minor * x.qty - x.discount) * qty // x.qty
        total += share
        lines.append(
            {
                "id": r.id * 10 + len(lines),
                "quantity": qty,
                "line_item_id": number,
                "location_id": 1,
                "restock_type": "cancel",
                "subtotal": share / 100,
                "total_tax": _vat(share) / 100,
                "subtotal_set": _set(share),
                "total_tax_set": _set(_vat(share)),
                "line_item": line_body(order, x),
            }
        )
    payment = {
        "id": r.id * 10 + 9,
        "admin_graphql_api_id": f"gid://shopify/OrderTransaction/{r.id * 10 + 9}",
        "order_id": order.id,
        "kind": "refund",
        "status": "success",
        "gateway": "shopify_payments",
        "amount": _money(total),
        "currency": "EUR",
        "created_at": iso(r.at),
    }
    return {
        "id": r.id,
        "admin_graphql_api_id": f"gid://shopify/Refund/{r.id}",
        "order_id": order.id,
        "created_at": iso(r.at),
        "processed_at": iso(r.at),
        "note": "cancelled by the customer",
        "restock": True,
        "refund_line_items": lines,
        "transactions": [payment],
        "order_adjustments": [],
        "duties": [],
        "return": None,
        "refund_shipping_lines": [],
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


def _order(o: SimOrder) -> dict[str, Any]:
    goods = sum(x.product.price_minor * x.qty for x in o.lines)
    discount = sum(x.discount for x in o.lines)
    current = o.total - sum(
        (x.product.price_minor * x.qty - x.discount) * x.cancelled // x.qty for x in o.lines if x.cancelled
    )
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
        "discount_codes": [{"code": "TEN", "amount": _money(discount), "type": "percentage"}] if discount else [],
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
        "total_outstanding": _money(outstanding),
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
