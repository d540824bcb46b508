"""Shopify's webhook topics to canonical facts. Pure: the same body gives the same facts, whether it was pushed or polled."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from connectors.protocols import Translation, TranslationError
from domain.records.commands import OrderCancelled, OrderCommand, OrderUpserted
from domain.records.effects import ChannelRefetch

from . import facts
from . import payload as p
from .context import Context
from .fields import MAX_EXACT, decode, gid_tail, order_key
from .order import snapshot

__all__ = ["TOPICS", "translate"]

_ORDER: msgspec.json.Decoder[p.Order] = msgspec.json.Decoder(p.Order)
_WRAPPED: msgspec.json.Decoder[p.Wrapped] = msgspec.json.Decoder(p.Wrapped)
_IS_WRAPPED = re.compile(rb'\s*\{\s*"order"\s*:')
_EDITED: msgspec.json.Decoder[p.OrderEdited] = msgspec.json.Decoder(p.OrderEdited)
_REFUND: msgspec.json.Decoder[p.Refund] = msgspec.json.Decoder(p.Refund)
_TRANSACTION: msgspec.json.Decoder[p.Transaction] = msgspec.json.Decoder(p.Transaction)
_FULFILLMENT: msgspec.json.Decoder[p.Fulfillment] = msgspec.json.Decoder(p.Fulfillment)
_FULFILLMENT_ORDER: msgspec.json.Decoder[p.FulfillmentOrderEvent] = msgspec.json.Decoder(p.FulfillmentOrderEvent)
_RETURN: msgspec.json.Decoder[p.Return] = msgspec.json.Decoder(p.Return)


def _order(body: bytes, context: Context) -> Translation:
    """The whole order, its cancellation and its refunds: each a fact of its own name, whichever topic brought it."""
    inner = decode(_WRAPPED, body).order if _IS_WRAPPED.match(body) else body
    read: p.Order = decode(_ORDER, inner)
    order = snapshot(read, context)
    head = context.head("OrderUpserted", order.order_key, f"order@{order.version}", order)
    orders: list[OrderCommand] = [OrderUpserted(**head, order=order)]
    if order.cancelled_at is not None:
        at, reason = order.cancelled_at, order.cancel_reason
        head = context.head("OrderCancelled", order.order_key, f"cancel@{at}", at, reason)
        orders.append(OrderCancelled(**head, version=at, reason=reason, lines=[]))
    orders += (facts.refund(refund, context, order.order_key, order.currency) for refund in read.refunds or ())
    return Translation(orders=orders)


def _edited(body: bytes, context: Context) -> Translation:
    return Translation(orders=[facts.edit(decode(_EDITED, body).order_edit, context)])


def _refund(body: bytes, context: Context) -> Translation:
    read: p.Refund = decode(_REFUND, body)
    fact = facts.refund(read, context)
    return Translation(orders=[fact], refetch=_unsure(read.order_id, context, "refund", fact.refund_id))


def _unsure(order_id: int | None, context: Context, resource: str, number: str) -> list[ChannelRefetch]:
    """A number beyond 2^53 may have lost digits on its way here; the resource's gid has not, so fetch the truth by it."""
    return [context.refetch(resource, number)] if (order_id or 0) > MAX_EXACT else []


def _transaction(body: bytes, context: Context) -> Translation:
    read: p.Transaction = decode(_TRANSACTION, body)
    fact = facts.payment(read, context)
    return Translation(orders=[fact], refetch=_unsure(read.order_id, context, "transaction", fact.transaction_id))


def _fulfillment(body: bytes, context: Context) -> Translation:
    read: p.Fulfillment = decode(_FULFILLMENT, body)
    fact = facts.fulfilment(read, context)
    return Translation(orders=[fact], refetch=_unsure(read.order_id, context, "fulfilment", fact.fulfilment_id))


def _fulfillment_order(body: bytes, context: Context) -> Translation:
    read: p.FulfillmentOrderEvent = decode(_FULFILLMENT_ORDER, body)
    for thing in (read.fulfillment_order, read.moved_fulfillment_order, read.original_fulfillment_order):
        number = thing and (gid_tail(str(thing.id), "FulfillmentOrder") or str(thing.id or ""))
        if number:
            return Translation(refetch=[context.refetch("fulfillment_order", number)])
    raise TranslationError("fulfillment_order.id", "the body names no fulfillment order")


def _return(body: bytes, context: Context) -> Translation:
    read: p.Return = decode(_RETURN, body)
    fact = facts.return_(read, context)
    number = gid_tail(read.admin_graphql_api_id, "Return") or str(read.id)
    if fact is None:
        return Translation(refetch=[context.refetch("return", number)])
    whole = len(fact.lines) > 0 and all(line.line_id for line in fact.lines)
    refetch = [] if whole else [context.refetch("return", number, fact.order_key)]
    return Translation(orders=[fact], refetch=refetch)


_HANDLERS: dict[str, Callable[[bytes, Context], Translation]] = {
    **dict.fromkeys(
        (
            "orders/create",
            "orders/updated",
            "orders/paid",
            "orders/cancelled",
            "orders/fulfilled",
            "orders/partially_fulfilled",
        ),
        _order,
    ),
    "orders/edited": _edited,
    "refunds/create": _refund,
    "order_transactions/create": _transaction,
    **dict.fromkeys(("fulfillments/create", "fulfillments/update"), _fulfillment),
    **dict.fromkeys(
        (
            "fulfillment_orders/placed_on_hold",
            "fulfillment_orders/hold_released",
            "fulfillment_orders/moved",
            "fulfillment_orders/cancelled",
            "fulfillment_orders/rescheduled",
        ),
        _fulfillment_order,
    ),
    **dict.fromkeys(
        (f"returns/{x}" for x in ("request", "approve", "decline", "cancel", "close", "reopen", "update", "process")),
        _return,
    ),
}
TOPICS = tuple(_HANDLERS)
"""The webhook topics to subscribe to."""


def translate(
    topic: str,
    body: bytes,
    account: str,
    now: int,
    trace: str,
    *,
    delivery_id: str = "",
    transport: str = "webhook",
    services: Mapping[str, str] | None = None,
) -> Translation:
    """The canonical records of one delivery. ``now``: ms; ``services``: shipping code or title → service level.

    Raises TranslationError naming the field, or for a topic that is none of ``TOPICS``; nothing else, whatever the body.
    """
    handler = _HANDLERS.get(topic)
    if handler is None:
        raise TranslationError("topic", f"{topic!r} is none of {', '.join(TOPICS)}")
    order_key(account, "0", "account")
    return handler(body, Context(topic, account, now, trace, delivery_id, transport, dict(services or {})))
