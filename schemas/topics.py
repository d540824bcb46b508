"""Every topic, in one typed list: its name, key, values and how long it is kept. `wharf up` creates them from here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from domain.records import commands, effects, events
from domain.records import raw_delivery as raw

__all__ = [
    "BY_NAME",
    "CONTROL",
    "CURSORS",
    "DLQ",
    "EFFECTS",
    "EFFECTS_RETRY",
    "EFFECTS_TABLE",
    "ORDERS_EVENTS",
    "ORDERS_IN",
    "ORDERS_TABLE",
    "POOLS_EVENTS",
    "POOLS_IN",
    "POOLS_TABLE",
    "RAW",
    "RULES",
    "TOPICS",
    "Topic",
]

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic. ``partitions`` 0 means the deployment's count (``WHARF_PARTITIONS``); ``values`` are the types it carries."""

    name: str
    key: str
    values: Any
    config: dict[str, str] = field(default_factory=dict)
    partitions: int = 0


def _kept(days: int | None) -> dict[str, str]:
    return {"retention.ms": str(-1 if days is None else days * DAY_MS)}


_LARGE = {"max.message.bytes": str(4 * 1024 * 1024)}
"""Raw deliveries are up to 2 MB, more than Kafka's default of 1 MB a record."""

_COMPACTED = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.2", "segment.ms": "3600000"}

RAW = Topic("wharf.raw", "channel:account:delivery", raw.RawDelivery, {**_kept(90), **_LARGE})
ORDERS_IN = Topic("wharf.orders.in", "order key", commands.OrderCommand, _kept(90))
POOLS_IN = Topic("wharf.pools.in", "pool", commands.PoolCommand, _kept(90))
ORDERS_EVENTS = Topic("wharf.orders.events", "order key", events.OrderEvent, _kept(None))
POOLS_EVENTS = Topic("wharf.pools.events", "pool", events.PoolEvent, _kept(None))
EFFECTS = Topic("wharf.effects", "order key", effects.Effect, _kept(90))
EFFECTS_RETRY = Topic("wharf.effects.retry", "order key", effects.Effect | commands.Tick, _kept(90))
DLQ = Topic("wharf.dlq", "as its source", bytes, {**_kept(90), **_LARGE})
RULES = Topic("wharf.rules", "name", commands.RulesPublished, _COMPACTED, partitions=1)
CONTROL = Topic("wharf.control", "name", bytes, _COMPACTED, partitions=1)
CURSORS = Topic("wharf.cursors", "connector:account:feed", bytes, _COMPACTED, partitions=1)
ORDERS_TABLE = Topic("wharf.orders.table", "as in the table", bytes, _COMPACTED)
POOLS_TABLE = Topic("wharf.pools.table", "as in the table", bytes, _COMPACTED)
EFFECTS_TABLE = Topic("wharf.effects.table", "effect id", bytes, _COMPACTED)

TOPICS = (
    RAW,
    ORDERS_IN,
    POOLS_IN,
    ORDERS_EVENTS,
    POOLS_EVENTS,
    EFFECTS,
    EFFECTS_RETRY,
    DLQ,
    RULES,
    CONTROL,
    CURSORS,
    ORDERS_TABLE,
    POOLS_TABLE,
    EFFECTS_TABLE,
)
BY_NAME = {t.name: t for t in TOPICS}
