"""What becomes of a return, told to Shopify: ``returnCreate``, approve, decline, cancel, close.

Before anything is written we look at the return as it is: one with our RMA in its lines' notes exists already, one that is open is
approved. A repeat changes nothing.

A customer may ask twice for the same units, on the shop's page and on the merchant's own: whoever is heard first has them, and the other
request is refused as soon as it is heard (``already_returned``). Where Shopify holds units of a return to be made in a request that
nobody has approved, that one is declined first: its refusal would wait behind this very effect.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from domain.records.effects import ChannelReturn

from . import queries
from .answers import Never, check
from .client import ShopifyClient
from .fields import gid

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
    return next(
        (code for code, words in _REASONS if any(word in low for word in words)), "OTHER" if reason else "UNKNOWN"
    )


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
        order = await self._order(effect)
        for known in order["returns"]["nodes"]:
            notes = [str(x.get("returnReasonNote") or "") for x in known["returnLineItems"]["nodes"]]
            if any(note.endswith(effect.rma_id) for note in notes):
                return _number(known)
        try:
            lines = _lines(effect, order["returnable"])
        except Never:
            if not await self._make_room(effect, order):
                raise
            lines = _lines(effect, (await self._order(effect))["returnable"])
        given = {"orderId": gid("Order", effect.channel_order_id), "returnLineItems": lines}
        result = (await self.client.graphql(queries.RETURN_CREATE, {"input": given}))["returnCreate"]
        check(result["userErrors"])
        return _number(result["return"])

    async def _order(self, effect: ChannelReturn) -> Json:
        """The order's returns, and under ``returnable`` what of it could be returned. Raises Never where Shopify does not know it."""
        data = await self.client.graphql(queries.RETURNABLE, {"id": gid("Order", effect.channel_order_id)})
        if not data.get("order"):
            raise Never(f"Shopify knows no order {effect.channel_order_id}")
        return {**data["order"], "returnable": data["returnableFulfillments"]["nodes"]}

    async def _make_room(self, effect: ChannelReturn, order: Json) -> bool:
        """Decline requests for the same lines that nobody has approved, if that is enough; whether it was done."""
        wanted, free = Counter[str](), _returnable(order["returnable"])
        for line in effect.lines:
            wanted[line.line_id] += line.qty
        rivals = [r for r in order["returns"]["nodes"] if r["status"] == "REQUESTED" and _units(r).keys() & wanted]
        if any(free[k] + sum(_units(r)[k] for r in rivals) < n for k, n in wanted.items()):
            return False
        why = msgspec.structs.replace(effect, action="decline", reason="these units come back already")
        for rival in rivals:
            await self._do(why, rival["id"])
        return True


def _number(known: Json) -> str:
    return str(known["id"]).rpartition("/")[2]


def _units(known: Json) -> Counter[str]:
    """Units of a return by line; of what was never ordered here there is no line."""
    units = Counter[str]()
    for x in known["returnLineItems"]["nodes"]:
        if item := (x.get("fulfillmentLineItem") or {}).get("lineItem"):
            units[_number(item)] += int(x["quantity"])
    return units


def _returnable(nodes: list[Json]) -> Counter[str]:
    """Units by line that could be returned."""
    units = Counter[str]()
    for x in (node for n in nodes for node in n["returnableFulfillmentLineItems"]["nodes"]):
        units[_number(x["fulfillmentLineItem"]["lineItem"])] += int(x["quantity"])
    return units


def _lines(effect: ChannelReturn, nodes: list[Json]) -> list[Json]:
    """The fulfilled units that come back. Raises Never where Shopify has fewer to return."""
    items = [node for n in nodes for node in n["returnableFulfillmentLineItems"]["nodes"]]
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
