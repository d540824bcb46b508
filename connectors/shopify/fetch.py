"""Fetching what a webhook only signalled, and what it says."""

from __future__ import annotations

from typing import Any

from connectors.protocols import TranslationError
from domain.records.commands import HoldChanged, OrderCommand
from domain.records.effects import ChannelRefetch
from domain.records.values import ReturnLine

from . import facts, queries
from .client import ShopifyClient
from .context import Context
from .fields import gid, millis, order_key
from .translate import translate

__all__ = ["Fetcher"]

_KINDS = {
    "refund": "Refund",
    "transaction": "OrderTransaction",
    "fulfilment": "Fulfillment",
    "fulfillment_order": "FulfillmentOrder",
}
_HOLDS = {
    "AWAITING_PAYMENT": "AWAITING_PAYMENT",
    "AWAITING_RETURN_ITEMS": "AWAITING_RETURN_ITEMS",
    "HIGH_RISK_OF_FRAUD": "FRAUD_RISK",
    "INCORRECT_ADDRESS": "INCORRECT_ADDRESS",
}
_BRIEF = frozenset({"ONLINE_STORE_POST_PURCHASE_CROSS_SELL"})
"""Shopify lifts it by itself within the hour, and tells the order anew."""


def _tail(text: str) -> str:
    return text.rpartition("/")[2]


class Fetcher:
    """Fetches for one account."""

    def __init__(self, account: str, client: ShopifyClient) -> None:
        self.account, self.client = account, client

    async def fetch(self, effect: ChannelRefetch, now: int) -> list[OrderCommand]:
        """The facts. Raises TranslationError (no such thing), httpx errors, Throttled, GraphqlError."""
        context = Context("refetch", self.account, now, effect.trace, "", "poll", self.client.account.services)
        if effect.resource == "order":
            return await self._order(effect.resource_id, context)
        if effect.resource == "return":
            return await self._return(effect.resource_id, context)
        kind = _KINDS.get(effect.resource)
        if kind is None:
            raise TranslationError("resource", f"{effect.resource!r} is nothing that Shopify has")
        data = await self.client.graphql(queries.NODE, {"id": gid(kind, effect.resource_id)})
        order = (data.get("node") or {}).get("order")
        if not order:
            raise TranslationError("resource_id", f"Shopify knows no {kind} {effect.resource_id}")
        order_id = _tail(order["id"])
        holds = await self._holds(order_id, context) if effect.resource == "fulfillment_order" else []
        return [*await self._order(order_id, context), *holds]

    async def _order(self, order_id: str, context: Context) -> list[OrderCommand]:
        answer = await self.client.get(f"orders/{order_id}.json")
        answer.raise_for_status()
        found = translate(
            "orders/updated",
            answer.content,
            self.account,
            context.now,
            context.trace,
            transport="poll",
            services=context.services,
        )
        return found.orders

    async def _holds(self, order_id: str, context: Context) -> list[OrderCommand]:
        """Holds that others placed at Shopify become ours. They are released here by an operator: ours might have other grounds."""
        data = await self.client.graphql(queries.ORDER, {"id": gid("Order", order_id)})
        key = order_key(self.account, order_id, "order.id")
        found: list[OrderCommand] = []
        for fulfilment_order in ((data.get("order") or {}).get("fulfillmentOrders") or {}).get("nodes", []):
            if fulfilment_order["status"] != "ON_HOLD":
                continue
            version = millis(fulfilment_order["updatedAt"], "fulfillmentOrder.updatedAt")
            number = _tail(fulfilment_order["id"])
            found += [
                _hold(context, key, f"hold/{number}.{i}@{version}", hold)
                for i, hold in enumerate(fulfilment_order.get("fulfillmentHolds") or [])
                if not hold.get("heldByRequestingApp") and hold["reason"] not in _BRIEF
            ]
        return found

    async def _return(self, number: str, context: Context) -> list[OrderCommand]:
        data = await self.client.graphql(queries.RETURN, {"id": gid("Return", number)})
        body = data.get("return")
        if not body:
            raise TranslationError("resource_id", f"Shopify knows no return {number}")
        lines = [_return_line(x, i) for i, x in enumerate(body["returnLineItems"]["nodes"])]
        status = facts.return_status(body["status"])
        order_id = _tail(body["order"]["id"])
        return [facts.reported(context, order_id, number, status, lines, rma=body.get("name") or "")]


def _hold(context: Context, key: str, name: str, hold: dict[str, Any]) -> HoldChanged:
    code, reason = _HOLDS.get(hold["reason"], "MANUAL"), hold.get("reasonNotes") or hold["reason"]
    actor = f"shopify:{context.account}"
    return HoldChanged(
        **context.head("HoldChanged", key, name, code, "place", reason, actor),
        hold=code,
        action="place",
        reason=reason,
        actor=actor,
    )


def _return_line(fields: dict[str, Any], i: int) -> ReturnLine:
    item = (fields.get("fulfillmentLineItem") or {}).get("lineItem") or {}
    if not isinstance(fields.get("quantity"), int):
        raise TranslationError(f"returnLineItems[{i}].quantity", "missing")
    return ReturnLine(
        line_id=_tail(str(item.get("id") or "")),
        sku=str(item.get("sku") or ""),
        qty=fields["quantity"],
        reason=str(fields.get("returnReason") or ""),
        comment=str(fields.get("customerNote") or fields.get("returnReasonNote") or ""),
    )
