"""Events → columns of their table. Pure. The types are in ``migrations/0001_events.sql``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from domain.records.events import OrderEvent, PoolEvent
from domain.records.record import Record
from domain.records.values import EventLine, ReturnedLine, StockMove
from schemas.topics import ORDERS_EVENTS, POOLS_EVENTS

__all__ = ["TABLES", "Table", "columns"]

Column = list[Any]


@dataclass(frozen=True, slots=True)
class Table:
    """A target: the table, the type of its rows, plain fields by name, and lists of structs that become ``name.field`` arrays."""

    name: str
    record: type[Record]
    nested: tuple[tuple[str, type[msgspec.Struct]], ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The plain fields, in the record's order."""
        lists = {name for name, _ in self.nested}
        return tuple(field for field in self.record.__struct_fields__ if field not in lists)


TABLES = {
    ORDERS_EVENTS.name: Table("order_events", OrderEvent, (("lines", EventLine), ("returned", ReturnedLine))),
    POOLS_EVENTS.name: Table("pool_events", PoolEvent, (("moves", StockMove),)),
}
"""The table of each topic that is kept in ClickHouse."""


def columns(table: Table, events: Sequence[Record], offsets: Sequence[int], partition: int) -> dict[str, Column]:
    """The columns of a batch of one partition; times stay UTC milliseconds (DateTime64(3)).

    One event of an order with two lines is one row: ``type`` ``["PLACED"]``, ``lines.sku`` ``[["A", "B"]]``, ``lines.qty``
    ``[[1, 2]]``, ``kafka_offset`` ``[17]``.
    """
    out: dict[str, Column] = {f: _each(events, attrgetter(f)) for f in table.fields}
    for name, struct in table.nested:
        lists = _each(events, attrgetter(name))
        for field in struct.__struct_fields__:
            get = attrgetter(field)
            out[f"{name}.{field}"] = [[get(item) for item in items] for items in lists]
    out["kafka_partition"] = [partition] * len(events)
    out["kafka_offset"] = list(offsets)
    return out


def _each(events: Sequence[Record], get: Callable[[Any], Any]) -> Column:
    return [get(event) for event in events]
