"""Data that commands, events and states share: addresses, lines, quantities.

All money is an integer in the minor units of the order's currency (EUR cents, whole JPY, KWD fils); all times are UTC
milliseconds since 1970. Text that a channel did not give is ``""``, never ``None``; ``None`` is kept for times and
amounts, where 0 would be a value.
"""

from __future__ import annotations

import msgspec

__all__ = [
    "Address",
    "AllocationPlan",
    "Client",
    "CreditLine",
    "Delivery",
    "DemandLine",
    "EventLine",
    "ExchangeLine",
    "Fee",
    "InspectedLine",
    "LineQty",
    "MessageCause",
    "MessageLine",
    "MessageParcel",
    "Order",
    "OrderLine",
    "ParcelPart",
    "Payment",
    "PaymentPart",
    "PickLine",
    "Problem",
    "RefundLine",
    "RefundTransaction",
    "ReturnLine",
    "ReturnedLine",
    "RuleHit",
    "StockMove",
    "WmsLine",
]


class Address(msgspec.Struct, frozen=True):
    """A postal address as the channel gave it, trimmed; ``country`` is ISO 3166-1 alpha-2 in capitals."""

    name: str = ""
    company: str = ""
    street1: str = ""
    street2: str = ""
    postcode: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    phone: str = ""


class OrderLine(msgspec.Struct, frozen=True):
    """One line of an order.

    ``unit_price`` is before discounts; ``tax`` and ``discount`` are for the whole line (all units). ``bundle_id``
    joins the lines of a set that is sold as one. ``cancelled`` and ``shipped`` are the units the channel itself reports
    so, cumulative.
    """

    line_id: str
    sku: str
    qty: int
    unit_price: int = 0
    tax: int = 0
    discount: int = 0
    variant_id: str = ""
    title: str = ""
    bundle_id: str = ""
    requires_shipping: bool = True
    cancelled: int = 0
    shipped: int = 0


class Client(msgspec.Struct, frozen=True):
    """Who ordered. ``customer_key`` is a stable hash (never the e-mail itself); ``phone`` is E.164 or ``""``."""

    customer_key: str
    email: str = ""
    phone: str = ""
    language: str = ""
    shipping_address: Address = Address()
    billing_address: Address | None = None


class Delivery(msgspec.Struct, frozen=True):
    """How it is to be delivered. ``latest_delivery`` is the channel's own promise to the customer, if it made one."""

    ship_method: str = ""
    service_level: str = "standard"
    carrier: str = ""
    latest_delivery: int | None = None


class Payment(msgspec.Struct, frozen=True):
    """One payment of the order; refunds go back to it, never above ``captured``."""

    payment_id: str
    gateway: str = ""
    captured: int = 0


class Problem(msgspec.Struct, frozen=True):
    """What a check at the edge found wrong: ``code`` (``address.postcode``, ``phone.invalid`` …), field and detail."""

    code: str
    field: str
    detail: str = ""


class Order(msgspec.Struct, frozen=True):
    """A channel's order as one canonical snapshot.

    ``version`` orders the snapshots of one order (the channel's ``updated_at`` in ms); an older one has no effect.
    ``payment_state``: pending, authorized, paid, partially_refunded, refunded, voided, failed.
    ``fulfilled_by``: ``merchant``, or ``channel`` where the channel ships from its own warehouse (Bol FBB, Amazon AFN).
    ``problems`` is what the connector's address, phone and total checks found; rules decide what follows from it.
    ``discount``: an order's discount that is on none of its lines, with tax. ``exchange_for``: the RMA id it is sent out for; such an
    order is our own, its channel knows nothing of it: ``root`` is the key of the order that the channel does know, ``stands_for`` the
    units of that order's lines (with what was paid for them) that the exchanged goods stand for.
    """

    order_key: str
    channel: str
    account: str
    order_id: str
    name: str
    created_at: int
    version: int
    currency: str
    payment_state: str
    lines: list[OrderLine]
    client: Client
    delivery: Delivery
    total: int = 0
    shipping_total: int = 0
    shipping_tax: int = 0
    tax_included: bool = True
    tags: list[str] = []
    payments: list[Payment] = []
    problems: list[Problem] = []
    risk: str = ""
    test: bool = False
    fulfilled_by: str = "merchant"
    cancelled_at: int | None = None
    cancel_reason: str = ""
    discount: int = 0
    exchange_for: str = ""
    root: str = ""
    stands_for: list[CreditLine] = []


class LineQty(msgspec.Struct, frozen=True):
    """Units of one order line."""

    line_id: str
    sku: str
    qty: int


class DemandLine(msgspec.Struct, frozen=True):
    """Units of one order line that want stock."""

    line_id: str
    sku: str
    qty: int
    bundle_id: str = ""


class RefundLine(msgspec.Struct, frozen=True):
    """A refunded line as the channel reports it; ``restock``: no_restock, cancel, return, legacy_restock or ``""``."""

    line_id: str
    sku: str
    qty: int
    amount: int = 0
    tax: int = 0
    restock: str = ""


class RefundTransaction(msgspec.Struct, frozen=True):
    """One movement of a refund: back to ``payment_id`` (the transaction that took the money). ``status``: pending, success, failure.

    ``amount``: minor units of the refund's currency.
    """

    transaction_id: str
    payment_id: str = ""
    status: str = "success"
    amount: int = 0


class ReturnLine(msgspec.Struct, frozen=True):
    """A line of a return as the channel reports it; ``reason`` is the channel's code or text, unchanged."""

    line_id: str
    sku: str
    qty: int
    reason: str = ""
    comment: str = ""
    result: str = ""


class InspectedLine(msgspec.Struct, frozen=True):
    """Units of a return that an inspection put under one ``disposition`` (``return_commands.DISPOSITIONS``)."""

    line_id: str
    sku: str
    qty: int
    disposition: str
    note: str = ""


class ReturnedLine(msgspec.Struct, frozen=True):
    """Units of a return, with all that is known of them; for events, notices and credits.

    ``amount``: credited for them, with tax and before fees, of which ``tax``; ``fee``: taken off it; ``value``: what the goods are worth
    to the merchant again (0: nothing). All minor units of the order's currency. ``stock_sku``: under which SKU they went to stock.
    """

    line_id: str
    sku: str
    qty: int
    reason: str = ""
    disposition: str = ""
    depot: str = ""
    note: str = ""
    amount: int = 0
    tax: int = 0
    fee: int = 0
    value: int = 0
    stock_sku: str = ""


class ExchangeLine(msgspec.Struct, frozen=True):
    """What goes out in an exchange; ``unit_price`` with tax where the order's prices are, ``tax`` for all its units, minor units."""

    sku: str
    qty: int
    unit_price: int = 0
    tax: int = 0
    title: str = ""
    variant_id: str = ""


class CreditLine(msgspec.Struct, frozen=True):
    """Credited units of an order line: ``amount`` with tax, of which ``tax``. ``qty`` 0: an amount without units."""

    line_id: str
    sku: str
    qty: int
    amount: int = 0
    tax: int = 0


class Fee(msgspec.Struct, frozen=True):
    """Taken off a credit: ``kind`` restocking, label; ``amount`` with tax, of which ``tax``."""

    kind: str
    amount: int = 0
    tax: int = 0


class PaymentPart(msgspec.Struct, frozen=True):
    """The part of a credit that goes back to one payment."""

    payment_id: str
    gateway: str = ""
    amount: int = 0


class AllocationPlan(msgspec.Struct, frozen=True):
    """One depot's part of an order, as the pool decided it.

    ``ship_by``: promised hand-over to the carrier; ``eta``: promised delivery; ``cost``: expected, minor units of
    ``cost_currency``. ``group_id`` joins the allocations of several orders that ship as one parcel (bundling).
    """

    allocation_id: str
    depot: str
    lines: list[LineQty]
    service: str
    carrier: str
    ship_by: int
    eta: int
    cost: int = 0
    cost_currency: str = "EUR"
    wave: str = ""
    group_id: str = ""
    replaces_id: str = ""


class WmsLine(msgspec.Struct, frozen=True):
    """What a WMS says of one line of a pick order, cumulative since its start: told twice, it changes nothing."""

    line_id: str
    sku: str
    picked: int = 0
    shipped: int = 0
    short: int = 0
    cancelled: int = 0
    reason: str = ""


class ParcelPart(msgspec.Struct, frozen=True):
    """What one allocation has in a parcel that carries several."""

    allocation_id: str
    units: int


class PickLine(msgspec.Struct, frozen=True):
    """A line of a pick order."""

    line_id: str
    sku: str
    qty: int
    title: str = ""


class EventLine(msgspec.Struct, frozen=True):
    """Units an order event is about; ``amount`` in minor units of the order's currency (price of these units)."""

    line_id: str
    sku: str
    qty: int
    amount: int = 0


class MessageCause(msgspec.Struct, frozen=True):
    """An event that a message tells of: its type, its number in the order, when it happened (UTC ms)."""

    type: str
    seq: int
    at: int


class MessageLine(msgspec.Struct, frozen=True):
    """Units that a message speaks of. ``amount``: their price, minor units; ``eta``: the day they arrive, ISO, ``""``: not known.

    ``state``: coming, backordered, unfillable, open (nothing is decided yet), shipped, delivered, cancelled, returned.
    """

    line_id: str
    sku: str
    title: str
    qty: int
    amount: int = 0
    state: str = ""
    eta: str = ""


class MessageParcel(msgspec.Struct, frozen=True):
    """A parcel that a message speaks of; ``tracking_url`` is as the carrier or WMS gave it."""

    shipment_id: str
    carrier: str = ""
    tracking_number: str = ""
    tracking_url: str = ""
    units: int = 0


class RuleHit(msgspec.Struct, frozen=True):
    """A rule that keeps an order from going on: ``hold`` is what it places, ``""`` where it refuses the order.

    ``why`` is the same each time the rule finds the same; ``failed``: its condition could not be judged.
    """

    rule: str
    hold: str
    why: str
    failed: bool = False


class StockMove(msgspec.Struct, frozen=True):
    """A change of stock and what it left behind; ``on_hand`` and ``reserved`` are the values after it."""

    sku: str
    depot: str
    quality: str
    on_hand_delta: int
    reserved_delta: int
    on_hand: int
    reserved: int
