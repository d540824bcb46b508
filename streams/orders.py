"""The orders agent: decode, look up, decide (`domain.order.aggregate`), write, publish."""

from __future__ import annotations

from functools import partial
from typing import cast, get_args

import msgspec

from domain.order import aggregate as order
from domain.order.room import check_room
from domain.order.state.order import OrderState
from domain.records.commands import OrderCommand, RulesPublished, Tick
from schemas.topics import EFFECTS, ORDERS_EVENTS, ORDERS_IN, POOLS_IN
from streams.cel import conditions

from .common import check_key, keep_rules, read, rules_in_force, send
from .order_timers import remind, take_due
from .runtime import Batch, Record

__all__ = ["orders"]

_COMMANDS = get_args(OrderCommand)
_read_state = msgspec.msgpack.Decoder(OrderState).decode
_write_state = msgspec.msgpack.Encoder().encode


async def orders(batch: Batch) -> None:
    """Fold the commands of `wharf.orders.in`."""
    batch.each(partial(_work, batch))


def _work(batch: Batch, record: Record) -> None:
    command = cast("OrderCommand", read(record, _COMMANDS))
    if not isinstance(command, Tick):
        _fold(record, command)
        return
    rules_in_force(record.table, command.time)  # a version whose day has come
    for key in take_due(record.table, command.time):
        # An order that can't take the tick is no reason to keep it from the others.
        with batch.record(record.message) as own:
            own.decoded()
            _decide(own, key, command)


def _fold(record: Record, command: OrderCommand) -> None:
    if isinstance(command, RulesPublished):
        keep_rules(record.table, command)
    elif not isinstance(command, Tick):
        _decide(record, check_key(record, command.order_key), command)


def _decide(record: Record, key: bytes, command: OrderCommand) -> None:
    kept = record.table.get(key)
    state = _read_state(kept) if kept else None
    result = order.handle(state, command, rules_in_force(record.table, command.time), conditions)
    written = _write_state(result.state)
    check_room(command, len(kept) if kept else 0, len(written))
    record.table.put(key, written)
    if result.state.wake and (state is None or state.wake != result.state.wake):
        remind(record.table, key, result.state.wake, command.time)
    _publish(record, key, result)


def _publish(record: Record, key: bytes, result: order.OrderResult) -> None:
    for event in result.events:
        send(record, ORDERS_EVENTS.name, key, event)
    for request in result.pool_commands:
        if not isinstance(request, RulesPublished | Tick):  # those have no pool
            send(record, POOLS_IN.name, request.pool.encode(), request)
    for command in result.order_commands:
        if not isinstance(command, RulesPublished | Tick):
            send(record, ORDERS_IN.name, command.order_key.encode(), command)
    for effect in result.effects:
        send(record, EFFECTS.name, effect.order_key.encode(), effect)
