"""What becomes of a return, told to Shopify: ``returnCreate``, approve, decline, cancel, close.

Before anything is written we look at the return as it is: one with our RMA in its lines' notes exists already, one that is open is
approved. A repeat changes nothing.
"""

from __future__ import annotations

from typing import Any

from domain.effects import ChannelReturn

from . import queries
from .answers import Never, check
from .client import ShopifyClient
from .read import gid

__all__ = ["Returns", "reason_code"]

_REASONS = (
    ("DEFECTIVE", ("defect", "broken", "damage", "werkt niet")),
    ("WRONG_ITEM", ("wrong",)),
    ("SIZE_TOO_SMALL", ("small", "klein")),
    ("SIZE_TOO_LARGE", ("large", "groot")),
    ("NOT_AS_DESCRIBED", ("described", "verwachting")),
    ("COLOR", ("colour", "color", "kleur")),
    ("STYLE", ("style",)),
    ("UNWANTED", ("unwanted", "mind", "regret")),
)
_DONE = {"approve": {"OPEN", "CLOSED"}, "decline": {"DECLINED"}, "cancel": {"CANCELED"}, "close": {"CLOSED"}}
"""Statuses in which an action is done already."""

Json = dict[str, Any]


def reason_code(reason: str) -> str:
    """Shopify's ReturnReason from a code or our own words."""
    known, low = {code for code, _ in _REASONS}, reason.lower().replace("_", " ")
    if reason.upper() in known:
        return reason.upper()
    return next((code for code, words in _REASONS if any(w in low for w in words)), "OTHER" if reason else "UNKNOWN")


class Returns:
    """Returns of one account."""

    def __init__(self, client: ShopifyClient) -> None:
        self.client = client

    async def tell(self, effect: ChannelReturn) -> str:
        """Do it; the return's number. Raises Never, NotYet, and what the client raises."""
        if effect.action == "create":
            return await self._create(effect)
        if not effect.return_id or effect.action not in _DONE:
            return effect.return_id  # Shopify has no word for it: units that are not credited stay unprocessed
        number = gid("Return", effect.return_id)
        found = (await self.client.graphql(queries.RETURN_UNITS, {"id": number})).get("return")
        if not found:
            raise Never(f"Shopify knows no return {effect.return_id}")
        if found["status"] not in _DONE[effect.action]:
            await self._do(effect, number)
        return effect.return_id

    async def _do(self, effect: ChannelReturn, number: str) -> None:
        notify = self.client.account.notify_customer
        note = f"{effect.reason} ({effect.rma_id})"[:250]
        calls: dict[str, tuple[str, str, Json]] = {
            "approve": (
                queries.RETURN_APPROVE,
                "returnApproveRequest",
                {"input": {"id": number, "notifyCustomer": notify}},
            ),
            "decline": (
                queries.RETURN_DECLINE,
                "returnDeclineRequest",
                {"input": {"id": number, "declineReason": "OTHER", "declineNote": note, "notifyCustomer": notify}},
            ),
            "cancel": (queries.RETURN_CANCEL, "returnCancel", {"id": number}),
            "close": (queries.RETURN_CLOSE, "returnClose", {"id": number}),
        }
        query, field, variables = calls[effect.action]
        data = await self.client.graphql(query, variables)
        check(data[field]["userErrors"])

    async def _create(self, effect: ChannelReturn) -> str:
        if not effect.lines:
            return ""
        order = gid("Order", effect.channel_order_id)
        data = await self.client.graphql(queries.RETURNABLE, {"id": order})
        if not data.get("order"):
            raise Never(f"Shopify knows no order {effect.channel_order_id}")
        for known in data["order"]["returns"]["nodes"]:
            notes = [str(x.get("returnReasonNote") or "") for x in known["returnLineItems"]["nodes"]]
            if any(note.endswith(effect.rma_id) for note in notes):
                return str(known["id"]).rpartition("/")[2]
        lines = _lines(effect, data["returnableFulfillments"]["nodes"])
        given = {"orderId": order, "returnLineItems": lines}
        result = (await self.client.graphql(queries.RETURN_CREATE, {"input": given}))["returnCreate"]
        check(result["userErrors"])
        return str(result["return"]["id"]).rpartition("/")[2]


def _lines(effect: ChannelReturn, nodes: list[Json]) -> list[Json]:
    """The fulfilled units that come back. Raises Never where Shopify has fewer to return."""
    items = [x for n in nodes for x in n["returnableFulfillmentLineItems"]["nodes"]]
    left = {x["fulfillmentLineItem"]["id"]: int(x["quantity"]) for x in items}
    out: list[Json] = []
    for line in effect.lines:
        rest = line.qty
        for x in items:
            item = x["fulfillmentLineItem"]
            here = str(item["lineItem"]["id"]).rpartition("/")[2] == line.line_id
            take = min(rest, left[item["id"]]) if here else 0
            if take > 0:
                left[item["id"]] -= take
                rest -= take
                note = f"{line.reason} {effect.rma_id}".strip()
                out.append(
                    {
                        "fulfillmentLineItemId": item["id"],
                        "quantity": take,
                        "returnReason": reason_code(line.reason),
                        "returnReasonNote": note[-255:],
                    }
                )
        if rest > 0:
            raise Never(f"line {line.line_id}: Shopify has {line.qty - rest} of {line.qty} units to return")
    return out
