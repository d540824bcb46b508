"""Finding and reading returns in ClickHouse, and what an operator may say about one through ``wharf.orders.in``."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import msgspec

from domain import keys
from domain.errors import Rejected
from domain.records.commands import ReturnDecided, ReturnInspected, ReturnReceived, ReturnRequested, ReturnResolved
from domain.records.values import ExchangeLine, InspectedLine, LineQty, ReturnLine
from ops.errors import UserError
from ops.reading import named
from schemas.headers import new_trace

from .return_view import view

__all__ = ["decide", "find", "inspect", "listed", "receive", "request", "resolve", "show"]


def _events(client: Any, where: str, **parameters: Any) -> list[dict[str, Any]]:
    sql = f"SELECT * FROM order_events FINAL WHERE {where} ORDER BY order_key, seq"  # noqa: S608 -- our own words
    return named(client, sql, parameters)


def find(client: Any, text: str) -> list[dict[str, Any]]:
    """The returns that ``text`` means: an RMA id, a parcel's key, an order's key, id or name, a tracking number.

    Raises UserError with what to try.
    """
    known = "(rma_id != '' OR rma_kind = 'parcel')"
    names = (
        "rma_id = {text:String}",
        "order_key = {text:String}",
        "order_id = {text:String}",
        "name = {text:String} OR name = concat('#', {text:String})",
        "tracking_number = {text:String} AND tracking_number != ''",
    )
    for condition in names:
        keys_sql = f"SELECT DISTINCT order_key FROM order_events WHERE {known} AND ({condition}) LIMIT 20"  # noqa: S608 -- our own words
        found = [rma[0] for rma in client.query(keys_sql, parameters={"text": text}).result_rows]
        if found:
            returns = [rma for key in found for rma in show(client, key)]
            one = [rma for rma in returns if text in (rma["rma_id"], rma["tracking_number"])]
            return one or returns
    raise UserError(
        f"no return {text!r}: give an RMA id (channel:account:order/r1), an order, or a tracking number; "
        "`wharf returns list` shows the latest. One that came in just now takes a moment."
    )


def show(client: Any, key: str) -> list[dict[str, Any]]:
    """The returns of an order, or the parcel of this key; see ``ops.operator.return_view``."""
    condition = "order_key = {key:String} AND (rma_id != '' OR rma_kind = 'parcel')"
    return view(_events(client, condition, key=key))


def listed(client: Any, *, status: str = "", exceptions: bool = False, limit: int = 50) -> list[dict[str, Any]]:
    """The latest returns, those that changed last first. ``exceptions``: only what waits for a person."""
    recent = named(
        client,
        "SELECT order_key, max(time) AS changed FROM order_events "
        "WHERE rma_id != '' OR rma_kind = 'parcel' GROUP BY order_key ORDER BY changed DESC",
    )
    found: list[dict[str, Any]] = []
    step = 200
    for start in range(0, len(recent), step):
        chosen = [str(rma["order_key"]) for rma in recent[start : start + step]]
        returns = view(_events(client, "order_key IN {keys:Array(String)}", keys=chosen))
        found += [rma for rma in returns if _wanted(rma, status, exceptions)]
        if len(found) >= limit:
            break
    return sorted(found, key=lambda rma: str(rma["changed_at"]), reverse=True)[:limit]


def _wanted(rma: dict[str, Any], status: str, exceptions: bool) -> bool:
    if status and rma["status"] != status.upper():
        return False
    return not exceptions or bool(rma["manual_refund"]) or any(exception["open"] for exception in rma["exceptions"])


def _head(kind: str, key: str, said: dict[str, Any], *, actor: str, now: int) -> dict[str, Any]:
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
        "idempotency_key": f"{kind}/{event_id}",
        "delivery_id": "",
        "content_hash": hashlib.sha256(msgspec.msgpack.encode(said)).hexdigest()[:16],
    }


def request(
    key: str,
    lines: list[ReturnLine],
    *,
    kind: str = "return",
    exchange: list[ExchangeLine] | None = None,
    payer: str = "",
    amount: int | None = None,
    actor: str,
    now: int,
) -> ReturnRequested:
    """Ask for a return in the customer's name. The policy decides at once. Raises UserError for a key that is none."""
    said: dict[str, Any] = {
        "kind": kind,
        "via": "operator",
        "return_id": "",
        "lines": lines,
        "exchange": exchange or [],
        "label_payer": payer,
        "actor": actor,
        "amount": amount,
    }
    return ReturnRequested(**_head("ReturnRequested", key, said, actor=actor, now=now), **said)


def decide(
    key: str, rma_id: str, decision: str, reason: str, lines: list[LineQty], *, amount: int | None, actor: str, now: int
) -> ReturnDecided:
    """Approve, decline or cancel an RMA by hand; it overrules the policy."""
    said: dict[str, Any] = {
        "rma_id": rma_id,
        "decision": decision,
        "reason": reason,
        "actor": actor,
        "lines": lines,
        "amount": amount,
    }
    return ReturnDecided(**_head("ReturnDecided", key, said, actor=actor, now=now), **said)


def _dock(key: str, rma_id: str, receipt: str, depot: str, kind: str, *, actor: str, now: int) -> dict[str, Any]:
    head = _head(kind, key, {}, actor=actor, now=now)
    del head["delivery_id"], head["content_hash"]
    return {
        **head,
        "wms": f"operator:{actor}",
        "depot": depot,
        "receipt_id": receipt,
        "rma_id": rma_id,
        "tracking_number": "",
        "occurred_at": now,
    }


def receive(
    key: str, rma_id: str, depot: str, receipt: str, lines: list[LineQty], *, actor: str, now: int
) -> ReturnReceived:
    """Goods came in and no WMS says so. ``lines``: all units of this ``receipt`` so far."""
    return ReturnReceived(**_dock(key, rma_id, receipt, depot, "ReturnReceived", actor=actor, now=now), lines=lines)


def inspect(
    key: str, rma_id: str, depot: str, receipt: str, lines: list[InspectedLine], *, actor: str, now: int
) -> ReturnInspected:
    """What a person found of the units of a receipt, all of them so far. Credit and stock follow from it."""
    dock = _dock(key, rma_id, receipt, depot, "ReturnInspected", actor=actor, now=now)
    return ReturnInspected(**dock, lines=lines, actor=actor)


def resolve(
    key: str,
    rma_id: str,
    action: str,
    reason: str,
    *,
    exception_id: str = "",
    to_order: str = "",
    lines: list[InspectedLine] | None = None,
    reference: str = "",
    amount: int = 0,
    actor: str,
    now: int,
) -> ReturnResolved:
    """What becomes of an exception; see ``domain.records.return_commands.ReturnResolved``."""
    said: dict[str, Any] = {
        "rma_id": rma_id,
        "exception_id": exception_id,
        "action": action,
        "to_order": to_order,
        "lines": lines or [],
        "reference": reference,
        "reason": reason,
        "actor": actor,
        "amount": amount,
    }
    return ReturnResolved(**_head("ReturnResolved", key, said, actor=actor, now=now), **said)
