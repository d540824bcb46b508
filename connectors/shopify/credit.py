"""Credits at Shopify: ``returnProcess`` for units of a return that Shopify has, ``refundCreate`` for everything else.

``refundCreate`` carries ``@idempotent(key:)`` with the effect's id (mandatory from API version 2026-04); Shopify keeps keys for a limited time
only. So before either is called we look for a refund with our mark in its note. ``returnProcess`` knows no keys, and its ``note`` is "the
note for the return": that the refund bears it is not documented. So units that are processed are not processed again, and where more
units are processed than our earlier credits account for, and a refund of just this amount bears no mark, it may be ours: a person looks.
No repeat pays twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from connectors.checks.money import minor, plain
from domain.records.effects import ChannelCancel, Credit
from domain.records.values import CreditLine

from . import queries
from .answers import Never, check
from .client import ShopifyClient
from .fields import gid

__all__ = ["Refunds", "mark", "our_refund", "transfers"]

_PAID = frozenset({"SALE", "CAPTURE"})

Json = dict[str, Any]


def mark(effect_id: str) -> str:
    """What a refund of ours has in its note."""
    return f"wharf:{effect_id}"


def _tail(global_id: Any) -> str:
    return str(global_id or "").rpartition("/")[2]


def our_refund(refunds: Iterable[Json], effect: Credit | ChannelCancel) -> str:
    """The number of the refund that carries our mark, or an empty text."""
    return next(
        (_tail(refund["id"]) for refund in refunds if mark(effect.event_id) in str(refund.get("note") or "")), ""
    )


class Refunds:
    """Credits of one account."""

    def __init__(self, client: ShopifyClient) -> None:
        self.client = client

    async def credit(self, effect: Credit) -> str:
        """Pay; the refund's number. Raises Never, NotYet, and what the client raises."""
        data = await self.client.graphql(
            queries.CREDIT, {"id": gid("Order", effect.channel_order_id.partition("~x")[0])}
        )
        order = data.get("order")
        if not order:
            raise Never(f"Shopify knows no order {effect.channel_order_id}")
        if known := our_refund(order["refunds"], effect):
            return known
        currency = order.get("presentmentCurrencyCode") or order["currencyCode"]
        if currency != effect.currency:
            raise Never(f"currency: the order is in {currency}, the credit in {effect.currency}")
        parts = transfers(effect, order["transactions"])
        if effect.return_id and any(line.qty for line in _known_lines(effect.lines)):
            return await self._process(effect, parts)
        return await self._refund(effect, order["id"], parts)

    async def _refund(self, effect: Credit, order_id: str, parts: list[tuple[Json, int]]) -> str:
        pay = [
            {
                "orderId": order_id,
                "parentId": transaction["id"],
                "gateway": transaction["gateway"],
                "kind": "REFUND",
                "amount": plain(amount, effect.currency),
            }
            for transaction, amount in parts
        ]
        given: Json = {
            "orderId": order_id,
            "currency": effect.currency,
            "note": _note(effect),
            "notify": self.client.account.notify_customer,
            # The goods are in the WMS's and Wharfinger's books; Shopify's own inventory is set by whoever keeps it.
            "refundLineItems": [
                {"lineItemId": gid("LineItem", line.line_id), "quantity": line.qty, "restockType": "NO_RESTOCK"}
                for line in _known_lines(effect.lines)
                if line.qty
            ],
            "transactions": pay,
        }
        if effect.shipping:
            given["shipping"] = {"amount": plain(effect.shipping, effect.currency)}
        if effect.fees:
            given["discrepancyReason"] = "RESTOCK"
        data = await self.client.graphql(queries.REFUND_CREATE, {"input": given, "key": effect.event_id})
        result = data["refundCreate"]
        check(result["userErrors"])
        return _tail(result["refund"]["id"])

    async def _reopen(self, found: Json) -> Json:
        """Shopify processes units of an open return only; the credit's end is told to it by another close."""
        data = await self.client.graphql(queries.RETURN_REOPEN, {"id": found["id"]})
        check(data["returnReopen"]["userErrors"])
        again = await self.client.graphql(queries.RETURN_UNITS, {"id": found["id"]})
        return dict(again["return"])

    async def _process(self, effect: Credit, parts: list[tuple[Json, int]]) -> str:
        data = await self.client.graphql(queries.RETURN_UNITS, {"id": gid("Return", effect.return_id)})
        found = data.get("return")
        if not found:
            raise Never(f"Shopify knows no return {effect.return_id}")
        if known := our_refund(found["refunds"]["nodes"], effect):
            return known
        _never_twice(found, effect)
        if found["status"] == "CLOSED":
            found = await self._reopen(found)
        given: Json = {
            "returnId": found["id"],
            "returnLineItems": _return_lines(effect.lines, found["returnLineItems"]["nodes"]),
            "note": _note(effect),
            "notifyCustomer": self.client.account.notify_customer,
            "financialTransfer": {
                "issueRefund": {
                    "orderTransactions": [
                        {"parentId": transaction["id"], "transactionAmount": _money(amount, effect.currency)}
                        for transaction, amount in parts
                    ]
                }
            },
        }
        if effect.shipping:
            given["refundShipping"] = {"shippingRefundAmount": _money(effect.shipping, effect.currency)}
        before = {r["id"] for r in found["refunds"]["nodes"]}
        answer = await self.client.graphql(queries.RETURN_PROCESS, {"input": given})
        result = answer["returnProcess"]
        check(result["userErrors"])
        made = result["return"]["refunds"]["nodes"]
        fresh = [r for r in made if r["id"] not in before]
        return our_refund(made, effect) or next((_tail(r["id"]) for r in fresh), "")


def _known_lines(lines: list[CreditLine]) -> list[CreditLine]:
    """Lines that Shopify has. Those of an exchange's own order, in effects of older versions, are amounts to it."""
    return [line for line in lines if line.line_id.isdigit()]


def _never_twice(found: Json, effect: Credit) -> None:
    """Raises Never where an earlier try of this credit may have been carried out without leaving our mark."""
    done = sum(int(x["processedQuantity"]) for x in found["returnLineItems"]["nodes"])
    if done <= effect.credited_before:
        return
    for r in found["refunds"]["nodes"]:
        paid = minor(str(r["totalRefundedSet"]["presentmentMoney"]["amount"]), effect.currency, "totalRefundedSet")
        if paid == effect.amount and "wharf:" not in str(r.get("note") or ""):
            raise Never(
                f"{done} units are processed in Shopify's return, {effect.credited_before} by our credits before this one, "
                f"and its refund {_tail(r['id'])} is of this amount: if it is this credit, resolve it as refunded, else pay it in Shopify"
            )


def _note(effect: Credit) -> str:
    return f"{effect.reason or 'return'} {effect.rma_id} {mark(effect.event_id)}"[-250:]


def _money(amount: int, currency: str) -> Json:
    return {"amount": plain(amount, currency), "currencyCode": currency}


def _return_lines(wanted: list[CreditLine], nodes: list[Json]) -> list[Json]:
    """The return's lines that hold the units. Raises Never where they are processed already or were never in it: a person looks."""
    out = []
    for line in wanted:
        rest = line.qty
        for node in nodes:
            item = _tail(((node.get("fulfillmentLineItem") or {}).get("lineItem") or {}).get("id"))
            take = min(rest, int(node["processableQuantity"])) if item == line.line_id else 0
            if take > 0:
                out.append({"id": node["id"], "quantity": take})
                rest -= take
        if rest > 0:
            raise Never(
                f"line {line.line_id}: {rest} of {line.qty} units can't be processed in Shopify's return any more"
            )
    return out


def transfers(effect: Credit | ChannelCancel, transactions: list[Json]) -> list[tuple[Json, int]]:
    """Which transactions the money goes back to: the payments that the credit names, never above what each has left.

    A payment that the order knew only as a whole (``order``) is spread over the order's transactions, oldest first.
    """
    left: dict[str, int] = {}
    paid = [
        transaction
        for transaction in transactions
        if transaction["kind"] in _PAID and transaction["status"] == "SUCCESS"
    ]
    for fields in paid:
        left[fields["id"]] = _amount(fields, effect.currency)
    for fields in transactions:
        parent = (fields.get("parentTransaction") or {}).get("id")
        if fields["kind"] == "REFUND" and fields["status"] in {"SUCCESS", "PENDING"} and parent in left:
            left[parent] -= _amount(fields, effect.currency)
    given: dict[str, int] = {}
    for part in effect.payments:
        named = [mapping for mapping in paid if part.payment_id in (mapping["id"], _tail(mapping["id"]))] or paid
        rest = part.amount
        for fields in named:
            take = min(rest, left[fields["id"]])
            if take > 0:
                given[fields["id"]] = given.get(fields["id"], 0) + take
                left[fields["id"]] -= take
                rest -= take
        if rest > 0:
            amount = plain(rest, effect.currency)
            raise Never(f"payments: {amount} {effect.currency} more than is left of what was captured")
    return [(mapping, given[mapping["id"]]) for mapping in paid if mapping["id"] in given]


def _amount(transaction: Json, currency: str) -> int:
    money = transaction["amountSet"]["presentmentMoney"]
    return minor(str(money["amount"]), currency, "transactions.amountSet")
