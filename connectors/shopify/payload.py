"""The parts of Shopify's bodies that Wharfinger reads, as typed structs; everything else is skipped unread.

These are msgspec structs and not pydantic models, though the house rule is "pydantic at the edges": an order of 25 KB is checked and read
in some 60 µs this way, against milliseconds, and this is the hottest path there is. A wrong type is refused with its JSON path just the same.

Names are Shopify's (REST Admin API and webhooks, 2024-01 to 2026-04). Prices without ``_set`` are in the shop's ``currency``, which is the
currency an order is kept in; amounts of transactions are in the transaction's own. ``None`` is common anywhere but in ids.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Raw, Struct

__all__ = [
    "Address",
    "Customer",
    "Fulfillment",
    "FulfillmentLine",
    "FulfillmentOrderEvent",
    "LineItem",
    "MoneySet",
    "Order",
    "OrderEdit",
    "OrderEdited",
    "Refund",
    "RefundLineItem",
    "Return",
    "ReturnLineItem",
    "ShippingLine",
    "Transaction",
    "Wrapped",
]


class Money(Struct, frozen=True):
    amount: str | None = None
    currency_code: str | None = None


class MoneySet(Struct, frozen=True):
    shop_money: Money | None = None
    presentment_money: Money | None = None


class Amount(Struct, frozen=True):
    """Amount of one discount allocation."""

    amount: str | None = None


class TaxLine(Struct, frozen=True):
    price: str | None = None


class Address(Struct, frozen=True):
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    zip: str | None = None
    city: str | None = None
    province: str | None = None
    province_code: str | None = None
    country_code: str | None = None
    phone: str | None = None


class Customer(Struct, frozen=True):
    email: str | None = None
    phone: str | None = None


class Duty(Struct, frozen=True):
    tax_lines: list[TaxLine] | None = None


class LineItem(Struct, frozen=True):
    id: int
    quantity: int
    price: str | None = None
    admin_graphql_api_id: str | None = None
    sku: str | None = None
    variant_id: int | None = None
    title: str | None = None
    current_quantity: int | None = None
    fulfillable_quantity: int | None = None
    requires_shipping: bool | None = None
    gift_card: bool | None = None
    sales_line_item_group_id: int | str | None = None
    total_discount: str | None = None
    discount_allocations: list[Amount] | None = None
    tax_lines: list[TaxLine] | None = None
    duties: list[Duty] | None = None
    tip_payment_gateway: str | None = None


class ShippingLine(Struct, frozen=True):
    title: str | None = None
    code: str | None = None
    price: str | None = None
    discounted_price: str | None = None
    is_removed: bool | None = None
    tax_lines: list[TaxLine] | None = None
    discount_allocations: list[Amount] | None = None


class FulfillmentLine(Struct, frozen=True):
    id: int
    quantity: int
    admin_graphql_api_id: str | None = None
    sku: str | None = None


class Fulfillment(Struct, frozen=True):
    id: int
    order_id: int | None = None
    admin_graphql_api_id: str | None = None
    status: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    tracking_company: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    line_items: list[FulfillmentLine] | None = None


class RefundedItem(Struct, frozen=True):
    admin_graphql_api_id: str | None = None
    sku: str | None = None


class RefundLineItem(Struct, frozen=True):
    """``subtotal`` and ``total_tax`` are JSON numbers here, strings elsewhere."""

    line_item_id: int
    quantity: int
    restock_type: str | None = None
    subtotal: Decimal | None = None
    total_tax: Decimal | None = None
    subtotal_set: MoneySet | None = None
    total_tax_set: MoneySet | None = None
    line_item: RefundedItem | None = None


class Transaction(Struct, frozen=True):
    id: int
    order_id: int | None = None
    admin_graphql_api_id: str | None = None
    kind: str | None = None
    status: str | None = None
    amount: str | None = None
    currency: str | None = None
    gateway: str | None = None
    parent_id: int | None = None


class Refund(Struct, frozen=True):
    id: int
    order_id: int | None = None
    admin_graphql_api_id: str | None = None
    created_at: str | None = None
    refund_line_items: list[RefundLineItem] | None = None
    transactions: list[Transaction] | None = None


class Order(Struct, frozen=True):
    id: int
    currency: str
    created_at: str
    updated_at: str
    line_items: list[LineItem]
    total_price: str
    admin_graphql_api_id: str | None = None
    name: str | None = None
    email: str | None = None
    contact_email: str | None = None
    phone: str | None = None
    customer: Customer | None = None
    customer_locale: str | None = None
    financial_status: str | None = None
    cancelled_at: str | None = None
    cancel_reason: str | None = None
    test: bool | None = None
    tags: str | None = None
    taxes_included: bool | None = None
    total_discounts: str | None = None
    total_tip_received: str | None = None
    total_outstanding: str | None = None
    current_total_price: str | None = None
    original_total_duties_set: MoneySet | None = None
    original_total_additional_fees_set: MoneySet | None = None
    total_cash_rounding_payment_adjustment_set: MoneySet | None = None
    payment_gateway_names: list[str] | None = None
    risk_level: str | None = None
    shipping_address: Address | None = None
    billing_address: Address | None = None
    shipping_lines: list[ShippingLine] | None = None
    fulfillments: list[Fulfillment] | None = None
    refunds: list[Refund] | None = None


class Delta(Struct, frozen=True):
    id: int
    delta: int


class Deltas(Struct, frozen=True):
    additions: list[Delta] | None = None
    removals: list[Delta] | None = None


class OrderEdit(Struct, frozen=True):
    id: int
    order_id: int
    created_at: str | None = None
    committed_at: str | None = None
    line_items: Deltas = Deltas()


class OrderEdited(Struct, frozen=True):
    order_edit: OrderEdit


class Resource(Struct, frozen=True):
    """Something named by id alone."""

    id: int | str | None = None
    admin_graphql_api_id: str | None = None


class FulfillmentOrderEvent(Struct, frozen=True):
    """Any ``fulfillment_orders/*`` body; none of them names the order."""

    fulfillment_order: Resource | None = None
    original_fulfillment_order: Resource | None = None
    moved_fulfillment_order: Resource | None = None


class ReturnedItem(Struct, frozen=True):
    line_item: Resource | None = None


class ReturnLineItem(Struct, frozen=True):
    quantity: int | None = None
    return_reason: str | None = None
    return_reason_note: str | None = None
    customer_note: str | None = None
    fulfillment_line_item: ReturnedItem | None = None


class Return(Struct, frozen=True):
    """``return_line_items`` is a list or, in ``returns/update``, an object of differences: read where it is a list."""

    id: int | None = None
    admin_graphql_api_id: str | None = None
    status: str | None = None
    order: Resource | None = None
    name: str | None = None
    total_return_line_items: int | None = None
    return_line_items: Raw = Raw(b"null")


class Wrapped(Struct, frozen=True):
    """A REST answer: ``{"order": {…}}``."""

    order: Raw
