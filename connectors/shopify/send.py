"""Effects for Shopify: fulfilments, re-fetches; cancellations, returns and credits (``cancel.py``, ``returns.py``, ``credit.py``).

``fulfillmentCreate`` knows no idempotency keys, so before anything is written we look whether it is there already: a fulfilment with our
tracking number, a cancelled order, a refund with our mark. A repeat after any outcome writes nothing twice.
"""

from __future__ import annotations

from typing import Any

import httpx

from connectors.protocols import TranslationError
from domain.records.effects import ChannelCancel, ChannelRefetch, ChannelReturn, ChannelShipment, Credit, Effect, Sent

from . import queries
from .answers import Never, NotYet, check
from .cancel import Cancels
from .client import GraphqlError, ShopifyClient, Throttled
from .credit import Refunds
from .fetch import Fetcher
from .fields import gid
from .plan import CannotFulfil, FulfilmentPlan, plan
from .returns import Returns

__all__ = ["ShopifySender"]

_GONE = frozenset({400, 404, 406, 422})


class ShopifySender:
    """The sender of one account (``shopify:acme``)."""

    def __init__(self, account: str, client: ShopifyClient) -> None:
        self.account, self.client = account, client
        self._fetcher = Fetcher(account, client)
        self._refunds, self._returns, self._cancels = Refunds(client), Returns(client), Cancels(client)

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
        """Close the connections that are open."""
        await self.client.close()

    async def _attempt(self, effect: Effect, now: int) -> Sent:
        if isinstance(effect, ChannelShipment):
            return await self._ship(effect)
        if isinstance(effect, ChannelCancel):
            return await self._cancels.cancel(effect, await self._order(effect.channel_order_id))
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
