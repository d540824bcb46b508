"""Finding and reading orders in ClickHouse, and telling them something by hand through ``wharf.orders.in``."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import msgspec

from domain import keys
from domain.errors import Rejected
from domain.records.commands import HoldChanged, OrderCancelled, OrderCommand, RerouteRequested
from domain.records.values import LineQty
from ops.errors import UserError
from ops.reading import named
from schemas.codec import encode
from schemas.headers import headers, new_trace
from schemas.topics import ORDERS_IN

from .order_view import view

__all__ = ["cancel", "deciding", "find", "hold", "listed", "problems", "reroute", "send", "show"]

_LIMIT = 10
_MEANS = {
    "key": "order_key = {text:String}",
    "id": "order_id = {text:String}",
    "name": "name = {text:String} OR name = concat('#', {text:String})",
}
"""What a word may mean, the most exact first."""


def find(client: Any, text: str) -> str:
    """The key of the one order that ``text`` means: its key, the channel's id of it, or its name (``#1001``, also without
    the ``#``). Raises UserError with what to try.
    """
    for what, condition in _MEANS.items():
        found = _keys(client, condition, text)
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError(f"{text!r} is the {what} of {len(found)} orders: say which, {', '.join(found)}")
    near = _keys(client, "positionCaseInsensitive(order_key, {text:String}) > 0", text)
    hint = f"did you mean {', '.join(near)}?" if near else "`wharf orders list` shows the latest."
    raise UserError(
        f"no order {text!r}: give its key (channel:account:order id), the channel's id, or its name; {hint} "
        "One that came in just now takes a moment, and a delivery that could not be translated is in `wharf dlq list`."
    )


def _keys(client: Any, condition: str, text: str) -> list[str]:
    sql = f"SELECT DISTINCT order_key FROM order_events WHERE {condition} ORDER BY order_key LIMIT {_LIMIT}"  # noqa: S608 -- our own words
    return [str(row[0]) for row in client.query(sql, parameters={"text": text}).result_rows]


def show(client: Any, key: str) -> dict[str, Any]:
    """Everything about the order of this key; see ``ops.operator.order_view``."""
    events = named(client, "SELECT * FROM order_events FINAL WHERE order_key = {key:String} ORDER BY seq", {"key": key})
    pools = named(
        client,
        "SELECT time, type, allocation_id, `moves.sku`, `moves.reserved_delta` FROM pool_events FINAL "
        "WHERE order_key = {key:String} AND type IN ('UNRESERVED', 'SHORT_PICKED') ORDER BY pool, seq",
        {"key": key},
    )
    return view([*events], pools)


def deciding(client: Any, key: str) -> list[dict[str, Any]]:
    """The events of an order that a pool's decision led to; see ``ops.operator.decisions``."""
    return named(
        client,
        "SELECT type, time, rule_version, depot, reason, `lines.sku`, `lines.qty`, decision FROM order_events FINAL "
        "WHERE order_key = {key:String} AND decision != '' ORDER BY seq",
        {"key": key},
    )


_PROBLEMS = ("EXCEPTION", "EFFECT_FAILED", "CANCEL_REJECTED")


def problems(client: Any, channel: str, limit: int) -> list[dict[str, Any]]:
    """What went otherwise than somebody wanted, the latest first: goods that went out although they were given up or to be changed, messages
    that could not be delivered, cancellations that came too late; ``""`` for every channel."""
    return named(
        client,
        "SELECT order_key, name, status, time, type AS problem, reason, depot FROM order_events FINAL "
        "WHERE type IN {types:Array(String)} AND ({channel:String} = '' OR channel = {channel:String}) "
        "ORDER BY time DESC, order_key, seq DESC LIMIT {limit:UInt32}",
        {"types": list(_PROBLEMS), "channel": channel, "limit": limit},
    )


def listed(client: Any, status: str, channel: str, limit: int) -> list[dict[str, Any]]:
    """Where orders stand, the latest first; ``""`` for every status or channel."""
    return named(
        client,
        "SELECT order_key, name, status, placed_at, changed_at, events, intervention FROM orders "
        "WHERE ({status:String} = '' OR status = {status:String}) AND ({channel:String} = '' OR channel = {channel:String}) "
        "ORDER BY placed_at DESC, order_key LIMIT {limit:UInt32}",
        {"status": status.upper(), "channel": channel, "limit": limit},
    )


def hold(key: str, name: str, action: str, reason: str, *, actor: str, now: int) -> HoldChanged:
    """Place or release a hold by hand. Raises UserError for a key that is none."""
    said: dict[str, Any] = {"hold": name, "action": action, "reason": reason, "actor": actor}
    return HoldChanged(**_head("HoldChanged", "hold", key, said, actor=actor, now=now), **said)


def cancel(key: str, reason: str, lines: list[LineQty], *, actor: str, now: int) -> OrderCancelled:
    """Cancel units (no lines: all) for the merchant; the channel is told of those that end cancelled. Raises UserError."""
    said: dict[str, Any] = {"version": now, "reason": reason, "lines": lines, "confirm": True}
    return OrderCancelled(**_head("OrderCancelled", "cancel", key, said, actor=actor, now=now), **said)


def reroute(key: str, reason: str, depot: str, *, anew: bool, actor: str, now: int) -> RerouteRequested:
    """Have what has not left sent from elsewhere; see the command. Raises UserError."""
    said: dict[str, Any] = {"depot": depot, "anew": anew, "reason": reason, "actor": actor}
    return RerouteRequested(**_head("RerouteRequested", "reroute", key, said, actor=actor, now=now), **said)


def _head(kind: str, subject: str, key: str, said: dict[str, Any], *, actor: str, now: int) -> dict[str, Any]:
    try:
        keys.order_key(*key.split(":", 2))
    except (Rejected, TypeError) as e:
        raise UserError(f"{key!r} is no order key: channel:account:order id") from e
    event_id = str(uuid.uuid4())
    return {
        "event_id": event_id,
        "type": kind,
        "time": now,
        "source": f"operator:{actor}",
        "trace": new_trace(),
        "order_key": key,
        # Each time somebody says so is a fact of its own.
        "idempotency_key": f"{subject}/{event_id}",
        "delivery_id": "",
        "content_hash": hashlib.sha256(msgspec.msgpack.encode(said)).hexdigest()[:16],
    }


def send(command: OrderCommand, kafka: dict[str, str]) -> None:
    """Write a command to its order's input topic and wait until all replicas have it. Raises UserError where they don't."""
    from confluent_kafka import Producer

    key = getattr(command, "order_key", "")
    errors: list[Any] = []
    client = Producer(
        {
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "delivery.timeout.ms": 15_000,
            "log_level": 2,
            **kafka,
        }
    )
    client.produce(
        ORDERS_IN.name,
        encode(command),
        key.encode(),
        headers=headers(command),
        on_delivery=lambda error, _: errors.append(error),
    )
    client.flush(20.0)
    # `is`, for a KafkaError that is compared with None by == leaves an exception behind (confluent-kafka 2.16).
    if not errors or errors[0] is not None:
        why = errors[0].str() if errors else "no answer in time"
        raise UserError(f"not written to {ORDERS_IN.name} at {kafka['bootstrap.servers']}: {why}; try again")
