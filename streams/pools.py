"""The pools agent: decode, look up, decide (`domain.pool.aggregate`), write, publish."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, TypeVar, cast, get_args

import msgspec

from domain.pool import aggregate as pool
from domain.pool.state import KINDS
from domain.records.commands import PoolCommand, RulesPublished, Tick
from schemas.topics import ORDERS_IN, POOLS_EVENTS
from streams.cel import conditions

from .common import check_key, keep_rules, read, rules_in_force, send
from .runtime import Batch, Record, Staged

__all__ = ["POOLS_KEY", "TableView", "known_pools", "pools", "record_key"]

POOLS_KEY = b"\x00pools"
"""Where a partition keeps the names of its pools, for ticks."""

T = TypeVar("T", bound=msgspec.Struct)

_COMMANDS = get_args(PoolCommand)
_decoders: dict[type[Any], msgspec.msgpack.Decoder[Any]] = {kind: msgspec.msgpack.Decoder(kind) for kind in KINDS}
_encode = msgspec.msgpack.Encoder().encode


async def pools(batch: Batch) -> None:
    """Fold the commands of `wharf.pools.in`."""
    batch.each(partial(_work, batch))


def _work(batch: Batch, record: Record) -> None:
    command = cast("PoolCommand", read(record, _COMMANDS))
    if not isinstance(command, Tick):
        _fold(record, command)
        return
    for name in known_pools(record.table.get(POOLS_KEY)):
        # A pool that can't take the tick is no reason to keep it from the others.
        with batch.record(record.message) as own:
            own.decoded()
            _decide(own, name, command)


def _fold(record: Record, command: PoolCommand) -> None:
    if isinstance(command, RulesPublished):
        keep_rules(record.table, command)
    elif not isinstance(command, Tick):
        check_key(record, command.pool)
        _know(record.table, command.pool)
        _decide(record, command.pool, command)


def _decide(record: Record, name: str, command: PoolCommand) -> None:
    result = pool.handle(TableView(record.table, name), command, rules_in_force(record.table, command.time), conditions)
    key = name.encode()
    for event in result.events:
        send(record, POOLS_EVENTS.name, key, event)
    for answer in result.order_commands:
        if not isinstance(answer, RulesPublished | Tick):  # those have no order
            send(record, ORDERS_IN.name, answer.order_key.encode(), answer)


def _know(table: Staged, name: str) -> None:
    kept = table.get(POOLS_KEY)
    if name not in known_pools(kept):
        table.put(POOLS_KEY, _encode(sorted([*known_pools(kept), name])))


@lru_cache(maxsize=64)
def known_pools(kept: bytes | None) -> tuple[str, ...]:
    """The names under ``POOLS_KEY``."""
    return tuple(msgspec.msgpack.decode(kept, type=list[str])) if kept else ()


def record_key(name: str, kind: type[msgspec.Struct], id: str) -> bytes:
    """The table key of one of a pool's records: ``pool/kind/id``."""
    return f"{name}/{KINDS[kind]}/{id}".encode()


class TableView:
    """A pool's records (`domain.pool.view.PoolView`), each under a key of its own in the partition's table."""

    __slots__ = ("_name", "_table")

    def __init__(self, table: Staged, name: str) -> None:
        self._table = table
        self._name = name

    def load(self, kind: type[T], id: str) -> T | None:
        """The record, decoded anew."""
        kept = self._table.get(record_key(self._name, kind, id))
        return None if kept is None else cast("T", _decoders[kind].decode(kept))

    def save(self, id: str, value: msgspec.Struct) -> None:
        """Keep a record until the commit."""
        self._table.put(record_key(self._name, type(value), id), _encode(value))

    def delete(self, kind: type[msgspec.Struct], id: str) -> None:
        """Drop a record at the commit."""
        self._table.delete(record_key(self._name, kind, id))
