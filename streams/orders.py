"""The orders agent: decode, look up, decide (`domain.order`), write, publish."""

from __future__ import annotations

from typing import cast, get_args

import msgspec

from domain import order
from domain.commands import OrderCommand, RulesPublished, Tick
from domain.order_state import OrderState
from schemas.topics import EFFECTS, ORDERS_EVENTS, POOLS_IN

from .common import check_key, keep_rules, read, rules_in_force, send
from .runtime import Batch, Record

__all__ = ["orders"]

_COMMANDS = get_args(OrderCommand)
_read_state = msgspec.msgpack.Decoder(OrderState).decode
_write_state = msgspec.msgpack.Encoder().encode


async def orders(batch: Batch) -> None:
    """Fold the commands of `wharf.orders.in`."""
    for message in batch:
        with batch.record(message) as record:
            _fold(record)


def _fold(record: Record) -> None:
    command = cast("OrderCommand", read(record, _COMMANDS))
    if isinstance(command, RulesPublished):
        keep_rules(record.table, command)
    elif not isinstance(command, Tick):  # orders have no timers of their own: pools do
        key = check_key(record, command.order_key)
        kept = record.table.get(key)
        state = _read_state(kept) if kept else None
        _publish(record, key, order.handle(state, command, rules_in_force(record.table)))


def _publish(record: Record, key: bytes, result: order.OrderResult) -> None:
    if result.state is not None:
        record.table.put(key, _write_state(result.state))
    for event in result.events:
        send(record, ORDERS_EVENTS.name, key, event)
    for request in result.pool_commands:
        send(record, POOLS_IN.name, request.pool.encode(), request)
    for effect in result.effects:
        send(record, EFFECTS.name, effect.order_key.encode(), effect)
