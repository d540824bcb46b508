"""Bol's answers and push messages to canonical facts: orders, shipments, returns, process statuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connectors.checks.customer import content_hash
from connectors.protocols import Translation, TranslationError
from domain.errors import Rejected
from domain.keys import split_allocation_id
from domain.records.commands import FulfilmentReported, OrderCommand, ReturnReported, ShipmentTracked
from domain.records.effects import ChannelRefetch
from domain.records.values import LineQty, ReturnLine

from . import payload
from .orders import Origin, millis, order_facts, sku_of

__all__ = ["TOPICS", "shipment_reference", "split_reference", "translate"]

_SCANS = {
    "AT_TRANSPORTER": "IN_TRANSIT",
    "IN_TRANSIT": "IN_TRANSIT",
    "AT_PICK_UP_POINT": "OUT_FOR_DELIVERY",
    "DELIVERED_AT_NEIGHBOURS": "DELIVERED",
    "DELIVERED_AT_CUSTOMER": "DELIVERED",
    "PICKED_UP_AT_PICK_UP_POINT": "DELIVERED",
    "RETURNED_TO_SENDER": "RETURN_TO_SENDER",
}
_PUSHED = {"ORDER": "order", "SHIPMENT": "shipment", "PROCESS_STATUS": "process-status"}


def translate(topic: str, body: bytes, account: str, now: int, trace: str) -> Translation:
    """Translate an answer of Bol's: a list or one thing, v10 or older names. ``topic``: one of ``TOPICS``.

    What a row does not hold (list rows have no address, no quantity) comes back in ``refetch``. Pure. Raises TranslationError.
    """
    if topic not in TOPICS:
        raise TranslationError("topic", f"{topic!r} is not one of {', '.join(TOPICS)}")
    value, origin = payload.read_body(body), Origin(account, now, trace)
    if "event" in value:
        return _push(payload.parse(payload.Push, value), origin)
    rows, one, handle = TOPICS[topic]
    if rows in value:
        items = value[rows]
        if not isinstance(items, list):
            raise TranslationError(rows, "a list is needed")
        parts = [handle(x, f"{rows}.{i}", origin) for i, x in enumerate(items)]
    elif any(name in value for name in one):
        parts = [handle(value, "", origin)]
    else:
        raise TranslationError("$", f"a body of {topic} has {rows} or {' or '.join(one)}; this one has {_keys(value)}")
    return Translation(
        orders=[command for translation in parts for command in translation.orders],
        pools=[],
        refetch=[refetch for translation in parts for refetch in translation.refetch],
    )


def _keys(value: dict[str, Any]) -> str:
    return ", ".join(sorted(value)[:8]) or "nothing"


def _refetch(resource: str, resource_id: str, key: str, origin: Origin, seen: str = "") -> ChannelRefetch:
    return ChannelRefetch(
        event_id=origin.event_id(key, f"refetch/{resource}/{resource_id}", seen or str(origin.now)),
        type="ChannelRefetch",
        time=origin.now,
        source=origin.source,
        trace=origin.trace,
        order_key=key,
        target=f"bol:{origin.account}",
        resource=resource,
        resource_id=resource_id,
    )


def _order(value: Any, at: str, origin: Origin) -> Translation:
    if isinstance(value, dict) and "shipmentDetails" in value:
        return Translation(orders=list(order_facts(payload.parse(payload.Order, value, at), origin)))
    row = payload.parse(payload.ReducedOrder, value, at)
    key = origin.key(row.orderId, f"{at}.orderId".strip("."))
    return Translation(refetch=[_refetch("order", row.orderId, key, origin, content_hash(str(value)))])


def shipment_reference(allocation_id: str, shipment_id: str, event_id: str) -> str:
    """What we call a shipment at Bol (at most 90 characters): it names allocation and shipment, so a repeat is recognised."""
    name = f"{allocation_id}#{shipment_id}"
    return name if len(name) <= 90 else event_id


def split_reference(text: str) -> tuple[str, str]:
    """Allocation and shipment of a reference of ours; two empty texts for any other."""
    allocation, _, shipment = text.partition("#")
    try:
        split_allocation_id(allocation)
    except Rejected:
        return "", ""
    return allocation, shipment


def _shipment(value: Any, at: str, origin: Origin) -> Translation:
    shipment = payload.parse(payload.Shipment, value, at)
    key = origin.key(shipment.order.orderId, f"{at}.order.orderId".strip("."))
    if any(item.quantity is None for item in shipment.shipmentItems):
        return Translation(refetch=[_refetch("shipment", shipment.shipmentId, key, origin, content_hash(str(value)))])
    lines = [
        LineQty(
            item.orderItemId,
            sku_of(item.offer, item.product, item.ean, f"{at}.shipmentItems.{i}.product.ean"),
            item.quantity or 0,
        )
        for i, item in enumerate(shipment.shipmentItems)
    ]
    digest = content_hash(lines, shipment.transport.transporterCode, shipment.transport.trackAndTrace)
    fact = f"fulfilment/{shipment.shipmentId}@{digest}"
    reported = FulfilmentReported(
        *origin.begin("FulfilmentReported", key, fact, digest),
        fulfilment_id=shipment.shipmentId,
        status="success",
        lines=lines,
        carrier=shipment.transport.transporterCode,
        tracking_number=shipment.transport.trackAndTrace,
        tracking_url="",
    )
    return Translation(orders=[reported, *_scans(shipment, at, key, origin)])


def _scans(s: payload.Shipment, at: str, key: str, origin: Origin) -> list[OrderCommand]:
    """The carrier's scans that Bol knows of, for shipments that we told it of."""
    allocation, shipment = split_reference(s.shipmentReference)
    facts: list[OrderCommand] = []
    for i, event in enumerate(s.transport.transportEvents):
        status = _SCANS.get(event.eventCode)
        if status is None or not allocation:
            continue
        when = millis(event.eventDateTime, f"{at}.transport.transportEvents.{i}.eventDateTime".strip("."))
        fact = f"scan/{s.shipmentId}/{event.eventCode}@{when}"
        facts.append(
            ShipmentTracked(
                event_id=origin.event_id(key, fact, ""),
                type="ShipmentTracked",
                time=origin.now,
                source=origin.source,
                trace=origin.trace,
                order_key=key,
                idempotency_key=fact,
                allocation_id=allocation,
                shipment_id=shipment,
                status=status,
                carrier=s.transport.transporterCode,
                tracking_number=s.transport.trackAndTrace,
                detail=event.eventCode,
                occurred_at=when,
            )
        )
    return facts


def _return(value: Any, at: str, origin: Origin) -> Translation:
    returned = payload.parse(payload.Return, value, at)
    return Translation(
        orders=[_rma(item, returned, f"{at}.returnItems.{i}", origin) for i, item in enumerate(returned.returnItems)]
    )


def _status(item: payload.ReturnItem) -> str:
    """Bol approves a return itself when the customer announces it; the retailer can only handle it."""
    results = {processing_result.processingResult for processing_result in item.processingResults}
    if results and results <= {"CANCELLED"}:
        return "cancelled"
    if item.handled:
        return "handled"
    return "received" if results else "approved"


def _rma(item: payload.ReturnItem, returned: payload.Return, at: str, origin: Origin) -> ReturnReported:
    """One RMA as a fact of its own order. Bol names the article by EAN only: ``sku`` is the EAN (the order line's ``variant_id``)."""
    key = origin.key(item.orderId, f"{at}.orderId".strip("."))
    reason, comment = item.returnReason.mainReason, item.returnReason.customerComments
    lines = [
        ReturnLine(
            "",
            item.ean,
            processing_result.quantity,
            reason,
            comment,
            processing_result.handlingResult or processing_result.processingResult,
        )
        for processing_result in item.processingResults
        if processing_result.quantity
    ]
    rest = item.expectedQuantity - sum(line.qty for line in lines)
    if rest > 0:
        lines.append(ReturnLine("", item.ean, rest, reason, comment))
    status = _status(item)
    digest = content_hash(returned.returnId, item.rmaId, status, lines)
    fact = f"return/{item.rmaId}@{digest}"
    return ReturnReported(
        *origin.begin("ReturnReported", key, fact, digest),
        return_id=returned.returnId,
        rma_id=item.rmaId,
        status=status,
        lines=lines,
        carrier=item.transporterName,
        tracking_number=item.trackAndTrace,
    )


def _process(value: Any, at: str, origin: Origin) -> Translation:
    """A status of a request of ours: no fact of an order (its sender waits for it); one that is PENDING is worth another look."""
    process_status = payload.parse(payload.ProcessStatus, value, at)
    if process_status.status not in {"PENDING", "SUCCESS", "FAILURE", "TIMEOUT"}:
        raise TranslationError(
            f"{at}.status".strip("."), f"{process_status.status!r} is not PENDING, SUCCESS, FAILURE or TIMEOUT"
        )
    if process_status.status != "PENDING":
        return Translation()
    key = origin.key(f"process-status-{process_status.processStatusId}", "processStatusId")
    return Translation(refetch=[_refetch("process-status", process_status.processStatusId, key, origin)])


def _push(push: payload.Push, origin: Origin) -> Translation:
    """A push message says only that something changed (and has no event id): the thing itself is fetched."""
    resource = _PUSHED.get(push.event.resource)
    if resource is None:
        raise TranslationError("event.resource", f"{push.event.resource!r} is not one of {', '.join(_PUSHED)}")
    name = push.event.resourceId if resource == "order" else f"{resource}-{push.event.resourceId}"
    return Translation(
        refetch=[_refetch(resource, push.event.resourceId, origin.key(name, "event.resourceId"), origin)]
    )


Handler = Callable[[Any, str, Origin], Translation]

TOPICS: dict[str, tuple[str, tuple[str, ...], Handler]] = {
    "orders": ("orders", ("orderId",), _order),
    "shipments": ("shipments", ("shipmentId",), _shipment),
    "returns": ("returns", ("returnId",), _return),
    "process-status": ("processStatuses", ("processStatusId", "id"), _process),
}
"""Topic → the list's field, the fields that show one thing by id, what translates a row. Push messages come under any of them."""
