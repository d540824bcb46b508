"""Cancellations at Shopify: a whole order by ``orderCancel``, a part by ``refundCreate`` with ``restockType: CANCEL``.

The second takes exactly these units off the fulfillment orders, still unshipped, and pays back exactly what was paid for them. (NO_RESTOCK would
count shipped units first; an order edit would reprice the order; ``orderCancel`` refuses an order of which something was fulfilled, and pays back all of it.)
"""

from __future__ import annotations

from typing import Any

import msgspec

from connectors.checks.money import plain
from domain.records.effects import ChannelCancel, Sent
from domain.records.values import PaymentPart

from . import queries
from .answers import Never, check
from .client import ShopifyClient
from .credit import mark, our_refund, transfers
from .plan import fulfilled, open_units

__all__ = ["Cancels", "cancel_reason"]

Json = dict[str, Any]

_REASONS = (
    ("INVENTORY", ("stock", "unfillable", "backorder", "short", "inventory")),
    ("FRAUD", ("fraud", "risk")),
    ("DECLINED", ("payment", "declined")),
    ("CUSTOMER", ("customer", "requested")),
)


def cancel_reason(reason: str) -> str:
    """Shopify's OrderCancelReason from our own words."""
    low = reason.lower()
    return next((code for code, words in _REASONS if any(word in low for word in words)), "OTHER")


class Cancels:
    """Cancellations of one account."""

    def __init__(self, client: ShopifyClient) -> None:
        self.client = client

    async def cancel(self, effect: ChannelCancel, order: Json) -> Sent:
        """``order``: ``queries.ORDER``'s answer. A repeat after any outcome cancels and pays nothing twice. Raises Never, and what the client raises."""
        if order.get("cancelledAt"):
            return Sent(ok=True, reference=str(order["id"]))
        # Not by what Shopify has left: once a part is cancelled, the rest looks as if it were all that is to be cancelled.
        if effect.lines and (not effect.complete or fulfilled(order)):
            return Sent(ok=True, reference=await self._part(effect, order))
        reason = cancel_reason(effect.reason)
        given = {
            "orderId": order["id"],
            "reason": reason,
            "refundMethod": {"originalPaymentMethodsRefund": self.client.account.cancel_refunds},
            "restock": reason != "INVENTORY",
            "notifyCustomer": self.client.account.notify_customer,
            "staffNote": f"Wharfinger: {effect.reason}"[:250],
        }
        result = (await self.client.graphql(queries.ORDER_CANCEL, given))["orderCancel"]
        check(result["orderCancelUserErrors"])
        return Sent(ok=True, reference=str((result.get("job") or {}).get("id", "")))

    async def _part(self, effect: ChannelCancel, order: Json) -> str:
        """The refund's number; ``""`` where Shopify has none of the units to fulfil any more (staff, or the customer, was quicker)."""
        found = (await self.client.graphql(queries.CREDIT, {"id": order["id"]}))["order"]
        if known := our_refund(found["refunds"], effect):
            return known
        lines, missing = _lines(effect, order)
        if not lines:
            return ""
        if missing:
            raise Never(f"Shopify has fewer units to cancel: {missing} are cancelled or fulfilled there already")
        currency = found.get("presentmentCurrencyCode") or found["currencyCode"]
        pays = effect.amount > 0 and self.client.account.cancel_refunds
        if pays and currency != effect.currency:
            raise Never(f"currency: the order is in {currency}, what was cancelled in {effect.currency}")
        given: Json = {
            "orderId": order["id"],
            "note": f"{effect.reason or 'cancelled'} {mark(effect.event_id)}"[-250:],
            "notify": self.client.account.notify_customer,
            "refundLineItems": lines,
            "transactions": _transactions(effect, order["id"], found["transactions"]) if pays else [],
        }
        if effect.currency:
            given["currency"] = effect.currency
        if effect.shipping and pays:
            given["shipping"] = {"amount": plain(effect.shipping, effect.currency)}
        answer = await self.client.graphql(queries.REFUND_CREATE, {"input": given, "key": effect.event_id})
        result = answer["refundCreate"]
        check(result["userErrors"])
        return str(result["refund"]["id"]).rpartition("/")[2]


def _transactions(effect: ChannelCancel, order_id: str, told: list[Json]) -> list[Json]:
    """The payments that the effect names; an order that showed none is paid back over its transactions, oldest first."""
    if not effect.payments:
        effect = msgspec.structs.replace(effect, payments=[PaymentPart("", "", effect.amount)])
    return [
        {
            "orderId": order_id,
            "parentId": transaction["id"],
            "gateway": transaction["gateway"],
            "kind": "REFUND",
            "amount": plain(amount, effect.currency),
        }
        for transaction, amount in transfers(effect, told)
    ]


def _lines(effect: ChannelCancel, order: Json) -> tuple[list[Json], int]:
    """The units as Shopify has them to fulfil, by line and location (where it restocks them); and how many it has not."""
    wanted = {line_qty.line_id: line_qty.qty for line_qty in effect.lines}
    lines: list[Json] = []
    for line, location, n in open_units(order):
        take = min(wanted.get(line, 0), n)
        if take > 0:
            wanted[line] -= take
            given: Json = {"lineItemId": f"gid://shopify/LineItem/{line}", "quantity": take, "restockType": "CANCEL"}
            lines.append({**given, "locationId": location} if location else given)
    return lines, sum(wanted.values())
