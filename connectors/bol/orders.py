"""A Bol order as a canonical snapshot, and the customer's wish to cancel an item of it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from connectors.checks import address as address_check
from connectors.checks.customer import content_hash, customer_key
from connectors.checks.money import minor
from connectors.checks.phone import e164
from connectors.protocols import TranslationError
from domain.errors import Rejected
from domain.keys import order_key
from domain.records.commands import OrderCancelled, OrderUpserted
from domain.records.record import uuid5
from domain.records.values import Address, Client, Delivery, LineQty, Order, OrderLine, Payment, Problem

from . import payload

__all__ = ["Origin", "millis", "order_facts", "sku_of"]

CURRENCY = "EUR"
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
"""Bol's dates without a time are Dutch dates."""

_SERVICES = {"REGULAR": "standard", "SAMEDAY": "same_day"}


class Origin:
    """Who asks, and when: what every fact of one delivery shares."""

    def __init__(self, account: str, now: int, trace: str) -> None:
        self.account, self.now, self.trace = account, now, trace
        self.source = f"bol:{account}/poll"

    def key(self, order_id: str, field: str) -> str:
        """The key of an order. Raises TranslationError where Bol's id can't be one."""
        try:
            return order_key("bol", self.account, order_id)
        except Rejected as e:
            raise TranslationError(field, e.message) from e

    @staticmethod
    def event_id(key: str, fact: str, digest: str) -> str:
        """The same fact with the same content has the same id, however often it is fetched."""
        return uuid5(key, 0, f"{fact}\x1f{digest}")

    def begin(self, kind: str, key: str, fact: str, digest: str) -> tuple[str, str, int, str, str, str, str, str, str]:
        """What every fact of the channel begins with (``domain.records.commands.ChannelFact``, in its order)."""
        return self.event_id(key, fact, digest), kind, self.now, self.source, self.trace, key, fact, "", digest


def millis(text: str, field: str) -> int:
    """ISO 8601 to UTC ms; without an offset it is Dutch time. Raises TranslationError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as e:
        raise TranslationError(field, f"{text!r} is not a date and time in ISO 8601") from e
    _this_century(at, text, field)
    return int((at if at.tzinfo else at.replace(tzinfo=AMSTERDAM)).timestamp() * 1000)


def _this_century(day: date, text: str, field: str) -> None:
    if not 2000 <= day.year < 2100:
        raise TranslationError(field, f"{text!r} is not of the years 2000 to 2099")


def _end_of_day(text: str, field: str) -> int:
    """The last millisecond of a Dutch date."""
    try:
        day = date.fromisoformat(text)
    except ValueError as e:
        raise TranslationError(field, f"{text!r} is not a date as 2026-03-29") from e
    _this_century(day, text, field)
    return int(datetime.combine(day + timedelta(days=1), time(), AMSTERDAM).timestamp() * 1000) - 1


def _money(value: Decimal, field: str) -> int:
    return minor(format(value, "f"), CURRENCY, field)


def sku_of(offer: payload.Offer, product: payload.Product, ean: str, field: str) -> str:
    """The merchant's own reference of the offer; without one, the EAN. Raises TranslationError where there is neither."""
    sku = offer.reference.strip() or product.ean.strip() or ean.strip()
    if not sku:
        raise TranslationError(field, "neither offer.reference nor an EAN names the article")
    return sku


def _address(details: payload.Details) -> Address:
    street = " ".join(
        text.strip() for text in (details.streetName, details.houseNumber, details.houseNumberExtension) if text.strip()
    )
    return Address(
        name=f"{details.firstName} {details.surname}".strip(),
        company=(details.pickupPointName or details.company).strip(),
        street1=street,
        street2=details.extraAddressInformation.strip(),
        postcode=details.zipCode.strip(),
        city=details.city.strip(),
        country=details.countryCode.strip().upper(),
        phone=details.deliveryPhoneNumber.strip(),
    )


def _line(item: payload.OrderItem, at: str, mixed: bool) -> tuple[OrderLine, Problem | None]:
    price = _money(item.unitPrice, f"{at}.unitPrice")
    discount = sum(_money(x.amount, f"{at}.discounts.{i}.amount") for i, x in enumerate(item.discounts))
    problem = None
    if item.totalPrice is not None:
        total = _money(item.totalPrice, f"{at}.totalPrice")
        if total != price * item.quantity - discount:
            problem = Problem(
                "money.total", f"{at}.totalPrice", f"{total} is not {item.quantity} × {price} - {discount}"
            )
    line = OrderLine(
        line_id=item.orderItemId,
        sku=sku_of(item.offer, item.product, "", f"{at}.product.ean"),
        qty=item.quantity,
        unit_price=price,
        discount=discount,
        variant_id=item.product.ean,
        title=item.product.title,
        requires_shipping=not (mixed and item.fulfilment.method == "FBB"),
        cancelled=min(item.quantityCancelled, item.quantity),
        shipped=min(item.quantityShipped, item.quantity),
    )
    return line, problem


def _delivery(items: list[payload.OrderItem], pickup: bool) -> Delivery:
    latest = []
    for i, item in enumerate(items):
        for name in ("exactDeliveryDate", "latestDeliveryDate"):
            if text := getattr(item.fulfilment, name):
                latest.append(_end_of_day(text, f"orderItems.{i}.fulfilment.{name}"))
                break
    frame = next(
        (
            order_item.fulfilment.timeFrameType
            for order_item in items
            if order_item.fulfilment.timeFrameType != "REGULAR"
        ),
        "REGULAR",
    )
    return Delivery(
        ship_method="PICKUP_POINT" if pickup else frame,
        service_level=_SERVICES.get(frame, frame.lower()),
        latest_delivery=min(latest, default=None),
    )


def _client(order: payload.Order, shipping: Address, billing: Address | None) -> tuple[Client, Problem | None]:
    phone, problem = e164(shipping.phone, shipping.country, "shipmentDetails.deliveryPhoneNumber")
    email = order.shipmentDetails.email.strip() or (order.billingDetails.email.strip() if order.billingDetails else "")
    client = Client(
        customer_key=customer_key(email, phone, shipping),
        email=email,
        phone=phone,
        language=order.shipmentDetails.language,
        shipping_address=shipping,
        billing_address=billing,
    )
    return client, problem


def _times(order: payload.Order) -> tuple[int, int]:
    """When it was placed, and its version: the last change plus the units handled, since Bol's times are whole seconds.

    Units shipped or cancelled only grow, so two changes within one second still come in their order.
    """
    changed = [
        millis(item.latestChangedDateTime, f"orderItems.{i}.latestChangedDateTime")
        for i, item in enumerate(order.orderItems)
        if item.latestChangedDateTime
    ]
    if not changed and not order.orderPlacedDateTime:
        raise TranslationError("orderPlacedDateTime", "neither it nor latestChangedDateTime says how old this order is")
    placed = millis(order.orderPlacedDateTime, "orderPlacedDateTime") if order.orderPlacedDateTime else min(changed)
    handled = sum(item.quantityShipped + item.quantityCancelled for item in order.orderItems)
    return placed, max(changed, default=placed) + min(handled, 999)


def order_facts(body: payload.Order, origin: Origin) -> list[OrderUpserted | OrderCancelled]:
    """The snapshot; and for each item that the customer wants cancelled and that is not handled yet, that wish."""
    key = origin.key(body.orderId, "orderId")
    placed, version = _times(body)
    snapshot = _order(body, key, origin.account, placed, version)
    fact, digest = f"order@{version}", content_hash(snapshot)
    facts: list[OrderUpserted | OrderCancelled] = [
        OrderUpserted(
            *origin.begin("OrderUpserted", key, fact, digest),
            order=snapshot,
        )
    ]
    wishes = [item for item in body.orderItems if item.cancellationRequest]
    return facts + [
        _wish(item, key, version, origin)
        for item in wishes
        if item.quantityShipped + item.quantityCancelled < item.quantity
    ]


def _order(body: payload.Order, key: str, account: str, placed: int, version: int) -> Order:
    methods = {item.fulfilment.method for item in body.orderItems}
    by_channel = methods == {"FBB"}
    pairs = [_line(item, f"orderItems.{i}", len(methods) > 1) for i, item in enumerate(body.orderItems)]
    lines = [line for line, _ in pairs]
    shipping = _address(body.shipmentDetails)
    billing = _address(body.billingDetails) if body.billingDetails else None
    client, phone_problem = _client(body, shipping, billing)
    problems = [] if by_channel else address_check.check(shipping)
    problems += [problem for problem in (phone_problem, *(problem for _, problem in pairs)) if problem is not None]
    total = sum(order_line.qty * order_line.unit_price - order_line.discount for order_line in lines)
    ours = [item for item in body.orderItems if item.fulfilment.method != "FBB"] or body.orderItems
    gone = all(order_line.cancelled == order_line.qty for order_line in lines)
    return Order(
        order_key=key,
        channel="bol",
        account=account,
        order_id=body.orderId,
        name=body.orderId,
        created_at=placed,
        version=version,
        currency=CURRENCY,
        payment_state="paid",  # Bol takes the customer's money and pays the retailer out: an order is a paid order
        lines=lines,
        client=client,
        delivery=_delivery(ours, body.pickupPoint),
        total=total,
        tags=_tags(body),
        payments=[Payment(payment_id=f"bol-{body.orderId}", gateway="bol", captured=total)],
        problems=problems,
        fulfilled_by="channel" if by_channel else "merchant",
        cancelled_at=version if gone else None,
        cancel_reason="cancelled at Bol" if gone else "",
    )


def _tags(body: payload.Order) -> list[str]:
    tags = ["pickup_point"] if body.pickupPoint else []
    if body.billingDetails and body.billingDetails.vatNumber:
        tags.append("business")
    if any(item.fulfilment.distributionParty == "BOL" for item in body.orderItems):
        tags.append("vvb")
    return tags


def _wish(item: payload.OrderItem, key: str, version: int, origin: Origin) -> OrderCancelled:
    """All units of the item: Bol knows no part of an item here. What has left already can't be cancelled any more."""
    sku = sku_of(item.offer, item.product, "", "product.ean")
    lines = [LineQty(item.orderItemId, sku, item.quantity)]
    fact, digest = f"cancel-request/{item.orderItemId}", content_hash(lines)
    return OrderCancelled(
        *origin.begin("OrderCancelled", key, fact, digest),
        version=version,
        reason="REQUESTED_BY_CUSTOMER",
        lines=lines,
    )
