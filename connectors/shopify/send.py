"""Effects for Shopify: fulfilments, cancellations, re-fetches, returns and credits (``returns.py``, ``credit.py``).

``fulfillmentCreate`` knows no idempotency keys, so before anything is written we look whether it is there already: a fulfilment with our
tracking number, a cancelled order, a hold with our handle. A repeat after any outcome writes nothing twice.
"""

from __future__ import annotations

from typing import Any

import httpx

from connectors.base import TranslationError
from domain.effects import ChannelCancel, ChannelRefetch, ChannelReturn, ChannelShipment, Credit, Effect, Sent

from . import queries
from .answers import Never, NotYet, check
from .client import GraphqlError, ShopifyClient, Throttled
from .credit import Refunds
from .fetch import Fetcher
from .plan import CannotFulfil, FulfilmentPlan, plan, units
from .read import gid
from .returns import Returns

__all__ = ["ShopifySender"]

_REASONS = (
    ("INVENTORY", ("stock", "unfillable", "backorder", "short", "inventory")),
    ("FRAUD", ("fraud", "risk")),
    ("DECLINED", ("payment", "declined")),
    ("CUSTOMER", ("customer", "requested")),
)
_HANDLE_TAKEN = "DUPLICATE_FULFILLMENT_HOLD_HANDLE"
_GONE = frozenset({400, 404, 406, 422})


def cancel_reason(reason: str) -> str:
    """Shopify's OrderCancelReason from our own words."""
    low = reason.lower()
    return next((code for code, words in _REASONS if any(w in low for w in words)), "OTHER")


class ShopifySender:
    """The sender of one account (``shopify:acme``)."""

    def __init__(self, account: str, client: ShopifyClient) -> None:
        self.account, self.client = account, client
        self._fetcher = Fetcher(account, client)
        self._refunds, self._returns = Refunds(client), Returns(client)

    async def send(self, effect: Effect, now: int) -> Sent:
        """One attempt. Never raises for what Shopify did."""
        try:
            return await self._attempt(effect, now)
        except Throttled as e:
            return Sent(ok=False, error=str(e), retry_after=e.retry_after)
        except (Never, TranslationError) as e:
            return Sent(ok=False, error=str(e), permanent=True)
        except (CannotFulfil, GraphqlError) as e:
            return Sent(ok=False, error=str(e), permanent=e.permanent)
        except httpx.HTTPStatusError as e:
            code = e.response.status_code
            return Sent(ok=False, error=f"Shopify answered {code}", permanent=code in _GONE)
        except (httpx.HTTPError, NotYet, ValueError, KeyError, TypeError, AttributeError) as e:
            return Sent(ok=False, error=f"{type(e).__name__}: {e}")

    async def close(self) -> None:
        """Close connections."""
        await self.client.close()

    async def _attempt(self, effect: Effect, now: int) -> Sent:
        if isinstance(effect, ChannelShipment):
            return await self._ship(effect)
        if isinstance(effect, ChannelCancel):
            return await self._cancel(effect)
        if isinstance(effect, ChannelRefetch):
            facts = await self._fetcher.fetch(effect, now)
            return Sent(ok=True, reference=effect.resource_id, orders=facts)
        if isinstance(effect, Credit):
            return Sent(ok=True, reference=await self._refunds.credit(effect))
        if isinstance(effect, ChannelReturn):
            return Sent(ok=True, reference=await self._returns.tell(effect))
        raise Never(f"{type(effect).__name__} is nothing that Shopify could do")

    async def _order(self, order_id: str) -> dict[str, Any]:
        data = await self.client.graphql(queries.ORDER, {"id": gid("Order", order_id)})
        if not data.get("order"):
            raise Never(f"Shopify knows no order {order_id}")
        order: dict[str, Any] = data["order"]
        return order

    async def _ship(self, effect: ChannelShipment) -> Sent:
        """One call a location; after a crash between two calls only the missing one is made."""
        order = await self._order(effect.channel_order_id)
        to_do = plan(order, effect)
        made = [to_do.reference] if to_do.reference else []
        for group in to_do.groups:
            made.append(await self._fulfil(effect, group))
        if to_do.refused:
            raise CannotFulfil(to_do.refused, permanent=True)
        return Sent(ok=True, reference=" ".join(made))

    async def _fulfil(self, effect: ChannelShipment, group: FulfilmentPlan) -> str:
        tracking = {
            "company": effect.carrier or None,
            "number": effect.tracking_number or None,
            "url": effect.tracking_url or None,
        }
        fulfillment = {
            "lineItemsByFulfillmentOrder": [
                {
                    "fulfillmentOrderId": order_id,
                    "fulfillmentOrderLineItems": [{"id": i, "quantity": n} for i, n in items],
                }
                for order_id, items in group.items()
            ],
            "trackingInfo": {k: v for k, v in tracking.items() if v},
            "notifyCustomer": self.client.account.notify_customer,
        }
        data = await self.client.graphql(queries.FULFILLMENT_CREATE, {"fulfillment": fulfillment})
        result = data["fulfillmentCreate"]
        check(result["userErrors"])
        return str(result["fulfillment"]["id"])

    async def _cancel(self, effect: ChannelCancel) -> Sent:
        """The whole order by ``orderCancel``; a part by a hold with a note, for staff to edit the order: an edit reprices it."""
        order = await self._order(effect.channel_order_id)
        if order.get("cancelledAt"):
            return Sent(ok=True, reference=str(order["id"]))
        left = units(order)
        wanted = {x.line_id: x.qty for x in effect.lines}
        if wanted and any(wanted.get(line, 0) < n for line, n in left.items()):
            return await self._hold(effect, order)
        reason = cancel_reason(effect.reason)
        data = await self.client.graphql(
            queries.ORDER_CANCEL,
            {
                "orderId": order["id"],
                "reason": reason,
                "refundMethod": {"originalPaymentMethodsRefund": self.client.account.cancel_refunds},
                "restock": reason != "INVENTORY",
                "notifyCustomer": self.client.account.notify_customer,
                "staffNote": f"Wharfinger: {effect.reason}"[:250],
            },
        )
        result = data["orderCancel"]
        check(result["orderCancelUserErrors"])
        return Sent(ok=True, reference=str((result.get("job") or {}).get("id", "")))

    async def _hold(self, effect: ChannelCancel, order: dict[str, Any]) -> Sent:
        wanted = {x.line_id: x.qty for x in effect.lines}
        notes = ", ".join(f"{x.qty} × {x.sku}" for x in effect.lines)
        references = []
        for number, fulfilment_order in enumerate(order["fulfillmentOrders"]["nodes"]):
            items = []
            for item in fulfilment_order["lineItems"]["nodes"]:
                line = str(item["lineItem"]["id"]).rpartition("/")[2]
                take = min(wanted.get(line, 0), item["remainingQuantity"])
                if take > 0:
                    wanted[line] -= take
                    items.append({"id": item["id"], "quantity": take})
            if items:
                hold = {
                    "reason": "INVENTORY_OUT_OF_STOCK" if cancel_reason(effect.reason) == "INVENTORY" else "OTHER",
                    "reasonNotes": f"Wharfinger will not deliver {notes}: {effect.reason}"[:250],
                    "handle": f"wharf-{effect.event_id}-{number}"[:64],
                    "notifyMerchant": True,
                    "fulfillmentOrderLineItems": items,
                }
                data = await self.client.graphql(queries.HOLD, {"id": fulfilment_order["id"], "hold": hold})
                result = data["fulfillmentOrderHold"]
                errors = [e for e in result["userErrors"] if e.get("code") != _HANDLE_TAKEN]
                check(errors)
                references.append(str((result.get("fulfillmentHold") or {}).get("id", "")))
        return Sent(ok=True, reference=" ".join(r for r in references if r))
