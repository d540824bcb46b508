"""What Bol's API shows of a market: bodies exactly as its OpenAPI document (v10) describes them, and the list's filters."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from .market import AMSTERDAM, MINUTE, Market, Rma, Shipment, dutch
from .orders import Item, MarketOrder

__all__ = [
    "PAGE",
    "cancellation_errors",
    "create_return_errors",
    "listed",
    "order_body",
    "order_row",
    "query_errors",
    "return_body",
    "return_request_errors",
    "returns",
    "shipment_body",
    "shipment_errors",
    "shipment_row",
]

PAGE = 50
GONE_AFTER = 48 * 60 * MINUTE
"""Handled items leave the list after 48 hours; by id an order stays to be seen."""
REASONS = frozenset(
    [
        "OUT_OF_STOCK",
        "REQUESTED_BY_CUSTOMER",
        "BAD_CONDITION",
        "HIGHER_SHIPCOST",
        "INCORRECT_PRICE",
        "NOT_AVAIL_IN_TIME",
        "NO_BOL_GUARANTEE",
        "ORDERED_TWICE",
        "RETAIN_ITEM",
        "TECH_ISSUE",
        "UNFINDABLE_ITEM",
        "OTHER",
    ]
)
HANDLING = frozenset(
    [
        "RETURN_RECEIVED",
        "EXCHANGE_PRODUCT",
        "RETURN_DOES_NOT_MEET_CONDITIONS",
        "REPAIR_PRODUCT",
        "CUSTOMER_KEEPS_PRODUCT_PAID",
        "STILL_APPROVED",
    ]
)

Errors = list[dict[str, str]]
"""Violations of a 400: name and reason."""


def _euros(cents: int) -> float:
    return cents / 100  # two decimals print exactly: Bol sends plain JSON numbers


def _item_matches(item: Item, query: dict[str, str], now: int) -> bool:
    method, status = query.get("fulfilment-method", "FBR"), query.get("status", "OPEN")
    if method != "ALL" and item.fbb != (method == "FBB"):
        return False
    if status != "ALL" and (status == "OPEN") != bool(item.open):
        return False
    if status == "SHIPPED" and not item.shipped:
        return False
    if "change-interval-minute" in query:
        return item.changed_at >= now - int(query["change-interval-minute"]) * MINUTE
    if "latest-change-date" in query:
        day = datetime.fromtimestamp(item.changed_at / 1000, AMSTERDAM).date()
        return day.isoformat() == query["latest-change-date"]
    return not item.handled_at or item.handled_at >= now - GONE_AFTER


def listed(orders: Iterable[MarketOrder], query: dict[str, str], now: int) -> list[dict[str, Any]]:
    """The rows of ``GET /retailer/orders``: orders with the items that match, newest first, one page."""
    page = int(query.get("page", "1"))
    rows = []
    for order in orders:
        items = [item for item in order.items if _item_matches(item, query, now)]
        if items:
            rows.append((order.placed_at, order, items))
    rows.sort(key=lambda found: (found[0], found[1].id), reverse=True)
    return [order_row(order, items) for _, order, items in rows[(page - 1) * PAGE : page * PAGE]]


def query_errors(query: dict[str, str]) -> Errors:
    """What is wrong with the query of ``GET /retailer/orders``."""
    errors: Errors = []
    for name, low, high in (("page", 1, 100_000), ("change-interval-minute", 1, 60)):
        text = query.get(name, "1")
        if not (text.isdigit() and low <= int(text) <= high):
            errors.append({"name": name, "reason": f"must be between {low} and {high}"})
    try:
        date.fromisoformat(query.get("latest-change-date", "2026-01-01"))
    except ValueError:
        errors.append({"name": "latest-change-date", "reason": "must be a date as 2026-01-31"})
    return errors


def order_row(order: MarketOrder, items: list[Item]) -> dict[str, Any]:
    """Build Bol's ``ReducedOrder`` of an order."""
    return {
        "orderId": order.id,
        "orderPlacedDateTime": dutch(order.placed_at),
        "orderItems": [
            {
                "orderItemId": item.id,
                "ean": item.ean,
                "fulfilmentMethod": "FBB" if item.fbb else "FBR",
                "fulfilmentStatus": "OPEN" if item.open else "HANDLED",
                "quantity": item.qty,
                "quantityShipped": item.shipped,
                "quantityCancelled": item.cancelled,
                "cancellationRequest": item.cancel_requested,
                "latestChangedDateTime": dutch(item.changed_at),
            }
            for item in items
        ],
    }


def order_body(order: MarketOrder) -> dict[str, Any]:
    """Build Bol's ``Order`` of an order."""
    return {
        "orderId": order.id,
        "pickupPoint": order.pickup,
        "orderPlacedDateTime": dutch(order.placed_at),
        "shipmentDetails": order.details,
        "billingDetails": {k: v for k, v in order.details.items() if k not in {"pickupPointName", "language"}},
        "orderItems": [_item(item) for item in order.items],
    }


def _item(item: Item) -> dict[str, Any]:
    discounts = [{"title": "Actie", "amount": _euros(item.discount)}] if item.discount else []
    return {
        "orderItemId": item.id,
        "cancellationRequest": item.cancel_requested,
        "fulfilment": _fulfilment(item),
        "offer": {"offerId": f"offer-{item.sku}", "reference": item.sku},
        "product": {"ean": item.ean, "title": item.title},
        "quantity": item.qty,
        "quantityShipped": item.shipped,
        "quantityCancelled": item.cancelled,
        "unitPrice": _euros(item.price),
        "totalPrice": _euros(item.price * item.qty - item.discount),
        "discounts": discounts,
        "commission": _euros(item.price * item.qty * 12 // 100),
        "latestChangedDateTime": dutch(item.changed_at),
    }


def _fulfilment(item: Item) -> dict[str, str]:
    return {
        "method": "FBB" if item.fbb else "FBR",
        "distributionParty": "BOL" if item.fbb else "RETAILER",
        "latestDeliveryDate": item.latest,
        "timeFrameType": item.frame,
    }


def shipment_row(shipment: Shipment) -> dict[str, Any]:
    """Build Bol's ``ReducedShipment`` of a shipment."""
    return {
        "shipmentId": shipment.id,
        "shipmentDateTime": dutch(shipment.at),
        "shipmentReference": shipment.reference,
        "order": {"orderId": shipment.order.id, "orderPlacedDateTime": dutch(shipment.order.placed_at)},
        "shipmentItems": [{"orderItemId": item.id, "ean": item.ean} for item, _ in shipment.lines],
        "transport": {"transportId": f"3{shipment.id}"},
    }


def shipment_body(shipment: Shipment) -> dict[str, Any]:
    """Build Bol's ``Shipment`` of a shipment."""
    return {
        **shipment_row(shipment),
        "pickupPoint": shipment.order.pickup,
        "shipmentDetails": shipment.order.details,
        "shipmentItems": [
            {
                "orderItemId": item.id,
                "fulfilment": {k: v for k, v in _fulfilment(item).items() if k != "timeFrameType"},
                "offer": {"offerId": f"offer-{item.sku}", "reference": item.sku},
                "product": {"ean": item.ean, "title": item.title},
                "quantity": qty,
                "quantityShipped": item.shipped,
                "unitPrice": _euros(item.price),
            }
            for item, qty in shipment.lines
        ],
        "transport": {
            "transportId": f"3{shipment.id}",
            "transporterCode": shipment.transporter,
            "trackAndTrace": shipment.tracking,
        },
    }


def returns(market: Market, handled: bool, page: int) -> list[dict[str, Any]]:
    """The rows of ``GET /retailer/returns``: handled newest first, the others oldest first."""
    chosen: dict[str, list[Rma]] = {}
    for rma in market.rmas.values():
        if bool(rma.handled_at) == handled:
            chosen.setdefault(rma.return_id, []).append(rma)
    rows = sorted(chosen.items(), key=lambda found: found[1][0].registered_at, reverse=handled)
    return [_return(i, rmas, whole=False) for i, rmas in rows[(page - 1) * PAGE : page * PAGE]]


def return_body(market: Market, return_id: str) -> dict[str, Any] | None:
    """``Return``, or None where there is none."""
    rmas = [rma for rma in market.rmas.values() if rma.return_id == return_id]
    return _return(return_id, rmas, whole=True) if rmas else None


def _return(return_id: str, rmas: list[Rma], whole: bool) -> dict[str, Any]:
    return {
        "returnId": return_id,
        "registrationDateTime": dutch(rmas[0].registered_at),
        "fulfilmentMethod": "FBR",
        "returnItems": [_rma(rma, whole) for rma in rmas],
    }


def _rma(rma: Rma, whole: bool) -> dict[str, Any]:
    results = [
        {
            "quantity": qty,
            "processingResult": "REJECTED" if result == "RETURN_DOES_NOT_MEET_CONDITIONS" else "ACCEPTED",
            "handlingResult": result,
            "processingDateTime": dutch(at),
        }
        for result, qty, at in rma.results
    ]
    body: dict[str, Any] = {
        "rmaId": rma.id,
        "orderId": rma.order.id,
        "ean": rma.item.ean,
        "expectedQuantity": rma.qty,
        "returnReason": {"mainReason": rma.reason, "customerComments": ""},
        "handled": bool(rma.handled_at),
        "processingResults": results,
    }
    if not whole:
        return body
    customer = {k: v for k, v in rma.order.details.items() if k not in {"pickupPointName", "language"}}
    more = {"trackAndTrace": f"3SRET{rma.id}", "transporterName": "PostNL", "customerDetails": customer}
    return {**body, "title": rma.item.title, **more}


def _items(body: Any, at_most: int) -> tuple[list[dict[str, Any]], Errors]:
    rows = body.get("orderItems") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not 1 <= len(rows) <= at_most:
        return [], [{"name": "orderItems", "reason": f"size must be between 1 and {at_most}"}]
    bad = [i for i, x in enumerate(rows) if not isinstance(x, dict) or not isinstance(x.get("orderItemId"), str)]
    return rows, [{"name": f"orderItems[{i}].orderItemId", "reason": "must not be blank"} for i in bad]


def shipment_errors(body: Any) -> Errors:
    """What is wrong with a ``ShipmentRequest``."""
    rows, errors = _items(body, 100)
    if errors:
        return errors
    for i, row in enumerate(rows):
        qty = row.get("quantity", 1)
        if not isinstance(qty, int) or qty < 1:
            errors.append({"name": f"orderItems[{i}].quantity", "reason": "must be a whole number from 1"})
    reference = body.get("shipmentReference")
    if reference is not None and not (isinstance(reference, str) and 0 < len(reference) <= 90):
        errors.append({"name": "shipmentReference", "reason": "size must be between 1 and 90"})
    transport = body.get("transport")
    if transport is not None and not (isinstance(transport, dict) and transport.get("transporterCode")):
        errors.append({"name": "transport.transporterCode", "reason": "must not be blank"})
    if transport is None and not body.get("shippingLabelId"):
        errors.append({"name": "transport", "reason": "either transport or shippingLabelId is needed"})
    return errors


def cancellation_errors(body: Any) -> Errors:
    """What is wrong with a ``CancellationRequest``."""
    rows, errors = _items(body, 1)
    if not errors and rows[0].get("reasonCode") not in REASONS:
        errors.append({"name": "orderItems[0].reasonCode", "reason": f"allowed values: {', '.join(sorted(REASONS))}"})
    return errors


def return_request_errors(body: Any) -> Errors:
    """What is wrong with a ``ReturnRequest``."""
    if not isinstance(body, dict) or body.get("handlingResult") not in HANDLING:
        return [{"name": "handlingResult", "reason": f"allowed values: {', '.join(sorted(HANDLING))}"}]
    qty = body.get("quantityReturned")
    if not isinstance(qty, int) or not 1 <= qty <= 9999:
        return [{"name": "quantityReturned", "reason": "must be between 1 and 9999"}]
    return []


def create_return_errors(body: Any) -> Errors:
    """What is wrong with a ``CreateReturnRequest``."""
    if not isinstance(body, dict) or not isinstance(body.get("orderItemId"), str) or not body["orderItemId"]:
        return [{"name": "orderItemId", "reason": "must not be blank"}]
    if body.get("handlingResult") == "STILL_APPROVED":
        return [{"name": "handlingResult", "reason": "STILL_APPROVED is for returns that exist"}]
    return return_request_errors(body)
