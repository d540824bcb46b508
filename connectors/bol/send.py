"""Effects for Bol: shipments, cancellations, re-fetches, returns (``returns.py``). Bol works asynchronously and knows no idempotency keys.

So nothing is posted before looking whether it was posted already: a shipment carries our own ``shipmentReference``, an item says
how many of its units are cancelled, and a request still in Bol's queue shows as a PENDING process status. Only then a request
goes out; then its process status is followed to SUCCESS. FAILURE did nothing and may be tried again; TIMEOUT and silence
may have done it, and the next attempt looks first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from connectors.protocols import TranslationError
from domain.records.effects import ChannelCancel, ChannelRefetch, ChannelReturn, ChannelShipment, Credit, Effect, Sent
from domain.records.values import LineQty

from . import payload
from .client import BolClient, TooManyRequests
from .process import SLOWEST_LOOK_SECONDS, Never, NotYet, Processes, checked, problem
from .returns import ReturnHandling
from .translate import shipment_reference, translate

__all__ = ["BolSender", "reason_code", "transporter_code"]

_CARRIERS = {
    "postnl": "TNT",
    "postnl extra": "TNT-EXTRA",
    "tnt": "TNT",
    "dhl": "DHL",
    "dhl parcel": "DHL",
    "dhl ecommerce": "DHL",
    "dhl for you": "DHLFORYOU",
    "dhlforyou": "DHLFORYOU",
    "dpd": "DPD-NL",
    "dpd nl": "DPD-NL",
    "dpd be": "DPD-BE",
    "bpost": "BPOST_BE",
    "gls": "GLS",
    "ups": "UPS",
    "fedex": "FEDEX_NL",
    "transmission": "TRANSMISSION",
    "dynalogic": "DYL",
    "red je pakketje": "RJP",
}
_REASONS = (
    ("OUT_OF_STOCK", ("stock", "unfillable", "backorder", "short")),
    ("REQUESTED_BY_CUSTOMER", ("customer", "requested")),
    ("BAD_CONDITION", ("damage", "condition")),
    ("NOT_AVAIL_IN_TIME", ("late", "in_time", "in time")),
    ("INCORRECT_PRICE", ("price",)),
    ("UNFINDABLE_ITEM", ("missing", "not_found", "unfindable")),
)
_RESOURCES = {
    "order": ("orders", "/retailer/orders"),
    "return": ("returns", "/retailer/returns"),
    "shipment": ("shipments", "/retailer/shipments"),
    "process-status": ("process-status", "/shared/process-status"),
}


def transporter_code(carrier: str) -> str:
    """Bol's code of a carrier; ``OTHER`` where Bol has none that we know. A code of Bol's stays as it is."""
    plain = carrier.strip()
    known = set(_CARRIERS.values())
    return plain if plain in known else _CARRIERS.get(plain.lower().replace("_", " ").replace("-", " "), "OTHER")


def reason_code(reason: str) -> str:
    """Bol's reason of a cancellation, from our own words; ``OTHER`` where none fits."""
    low = reason.lower()
    return next((code for code, words in _REASONS if any(word in low for word in words)), "OTHER")


class BolSender:
    """The sender of one account (``bol:acme``). ``patience``: seconds that one attempt follows a process status."""

    def __init__(self, account: str, client: BolClient, patience: float = 20.0) -> None:
        self.account, self.client, self.patience = account, client, patience
        self._processes = Processes(client, patience)
        self._returns = ReturnHandling(client, self._processes)

    async def send(self, effect: Effect, now: int) -> Sent:
        """One attempt; a repeat after any outcome, a crash included, ships and cancels nothing twice."""
        try:
            return await self._attempt(effect, now)
        except Never as e:
            return Sent(ok=False, error=str(e), permanent=True)
        except (NotYet, TooManyRequests) as e:
            return Sent(ok=False, error=str(e), retry_after=e.retry_after)
        except httpx.HTTPError as e:
            return Sent(ok=False, error=f"{type(e).__name__}: {e}")
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            return Sent(ok=False, error=f"Bol's answer can't be read: {type(e).__name__}: {e}")

    async def _attempt(self, effect: Effect, now: int) -> Sent:
        if isinstance(effect, ChannelShipment):
            return await self._ship(effect)
        if isinstance(effect, ChannelCancel):
            return await self._cancel(effect)
        if isinstance(effect, ChannelRefetch):
            return await self._refetch(effect, now)
        if isinstance(effect, Credit):
            return Sent(ok=True, reference=await self._returns.credit(effect))
        if isinstance(effect, ChannelReturn):
            return Sent(ok=True, reference=await self._returns.tell(effect))
        raise Never(f"{type(effect).__name__} is nothing that Bol could do")

    async def close(self) -> None:
        """Close the connections that are open."""
        await self.client.close()

    async def _ship(self, effect: ChannelShipment) -> Sent:
        reference = shipment_reference(effect.allocation_id, effect.shipment_id, effect.event_id)
        items = {line_qty.line_id for line_qty in effect.lines}
        await asyncio.gather(*(self._processes.wait_for_pending(text, "CREATE_SHIPMENT") for text in sorted(items)))
        known = await self._shipped_as(effect.channel_order_id, reference)
        if known:
            return Sent(ok=True, reference=known)
        body = {
            "orderItems": [{"orderItemId": line_qty.line_id, "quantity": line_qty.qty} for line_qty in effect.lines],
            "shipmentReference": reference,
            "transport": _transport(effect),
        }
        answer = await self.client.call("POST", "/retailer/shipments", "/retailer/shipments", body=body)
        status = await self._processes.follow(payload.parse(payload.ProcessStatus, checked(answer)))
        if status.status == "FAILURE":
            await self._explain(effect.channel_order_id, effect.lines, status)
        return Sent(ok=True, reference=status.processStatusId)

    async def _shipped_as(self, order_id: str, reference: str) -> str:
        """Bol's id of the shipment that already has our reference, or an empty text."""
        answer = await self.client.get("/retailer/shipments", "/retailer/shipments", {"order-id": order_id})
        rows: list[Mapping[str, Any]] = checked(answer).get("shipments", [])
        return next((str(row["shipmentId"]) for row in rows if row.get("shipmentReference") == reference), "")

    async def _cancel(self, effect: ChannelCancel) -> Sent:
        """Bol cancels what is still open of an item, one item a request; it can't cancel a part of what is open."""
        references = [await self._cancel_item(effect, line) for line in effect.lines]
        return Sent(ok=True, reference=" ".join(reference for reference in references if reference))

    async def _cancel_item(self, effect: ChannelCancel, line: LineQty) -> str:
        await self._processes.wait_for_pending(line.line_id, "CANCEL_ORDER")
        item = await self._item(effect.channel_order_id, line.line_id)
        rest = item.quantity - item.quantityShipped - item.quantityCancelled
        if rest <= 0:
            return ""
        if rest > line.qty:
            raise NotYet(
                f"item {line.line_id}: {rest} units are open at Bol and only {line.qty} are to be cancelled; "
                f"Bol cancels all that is open, so the others must be shipped first"
            )
        body = {"orderItems": [{"orderItemId": line.line_id, "reasonCode": reason_code(effect.reason)}]}
        answer = await self.client.call(
            "PUT", "/retailer/orders/cancellation", "/retailer/orders/cancellation", body=body
        )
        status = await self._processes.follow(payload.parse(payload.ProcessStatus, checked(answer)))
        if status.status == "FAILURE":
            await self._explain(effect.channel_order_id, [line], status)
        return status.processStatusId

    async def _item(self, order_id: str, item_id: str) -> payload.OrderItem:
        order = await self._order(order_id)
        item = next((order_item for order_item in order.orderItems if order_item.orderItemId == item_id), None)
        if item is None:
            raise Never(f"order {order_id} has no item {item_id}")
        return item

    async def _order(self, order_id: str) -> payload.Order:
        answer = await self.client.get("/retailer/orders/{id}", f"/retailer/orders/{order_id}")
        return payload.parse(payload.Order, checked(answer))

    async def _explain(self, order_id: str, lines: list[LineQty], status: payload.ProcessStatus) -> None:
        """A FAILURE did nothing. It is for ever where Bol has fewer open units than we speak of; else worth another try."""
        order = await self._order(order_id)
        left = {
            item.orderItemId: item.quantity - item.quantityShipped - item.quantityCancelled for item in order.orderItems
        }
        why = f"process {status.processStatusId} FAILURE: {status.errorMessage}"
        for line in lines:
            if left.get(line.line_id, 0) < line.qty:
                raise Never(f"{why} (item {line.line_id}: {left.get(line.line_id, 0)} open, {line.qty} wanted)")
        raise NotYet(why)

    async def _refetch(self, effect: ChannelRefetch, now: int) -> Sent:
        if effect.resource not in _RESOURCES:
            raise Never(f"resource: {effect.resource!r} is not one of {', '.join(_RESOURCES)}")
        topic, path = _RESOURCES[effect.resource]
        answer = await self.client.get(f"{path}/{{id}}", f"{path}/{effect.resource_id}")
        if answer.status_code == 404:
            raise Never(problem(answer))
        checked(answer)
        try:
            found = translate(topic, answer.content, self.account, now, effect.trace)
        except TranslationError as e:
            raise Never(f"{effect.resource} {effect.resource_id}: {e}") from e
        if found.refetch:  # a process status that is still PENDING
            raise NotYet(f"{effect.resource} {effect.resource_id} is still PENDING", SLOWEST_LOOK_SECONDS)
        return Sent(ok=True, reference=effect.resource_id, orders=found.orders, pools=found.pools)


def _transport(effect: ChannelShipment) -> dict[str, str]:
    transport = {"transporterCode": transporter_code(effect.carrier)}
    return {**transport, "trackAndTrace": effect.tracking_number} if effect.tracking_number else transport
