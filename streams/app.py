"""A worker by role: which agents it runs, on which topics, with which ticks."""

from __future__ import annotations

from dataclasses import replace

from domain.records.commands import Tick
from domain.records.record import uuid5
from schemas.codec import encode
from schemas.topics import DLQ, ORDERS_IN, ORDERS_TABLE, POOLS_IN, POOLS_TABLE

from .orders import orders
from .pools import pools
from .runtime import Runtime, RuntimeConfig

__all__ = ["GROUPS", "ROLES", "core", "encode_tick"]

ROLES = ("core", "effects")
GROUPS = {"core": "wharf-core", "effects": "wharf-effects"}
"""The consumer group of each role."""

TICKS = {POOLS_IN.name: 30_000, ORDERS_IN.name: 60_000}
"""How often they are told the time (ms): cut-offs and waves are in minutes, and so is what a customer's message waits for."""

LEAST_TICK_MS = 1_000
"""Of real time: a demonstration's clock may run a thousand times as fast, and each tick is a transaction."""


def core(config: RuntimeConfig, speed: float = 1.0) -> Runtime:
    """Orders and pools: all that decides. ``speed``: of the clock, 1 for the machine's own."""
    ticks = {topic: max(every, int(LEAST_TICK_MS * speed)) for topic, every in TICKS.items()}
    runtime = Runtime(replace(config, dlq=DLQ.name, ticks=ticks, tick=encode_tick))
    runtime.agent(ORDERS_IN.name, table=ORDERS_TABLE.name)(orders)
    runtime.agent(POOLS_IN.name, table=POOLS_TABLE.name)(pools)
    return runtime


def encode_tick(topic: str, partition: int, now: int) -> bytes:
    """The time, as a record for one partition."""
    event_id = uuid5(f"{topic}/{partition}", now, "Tick")
    return encode(Tick(event_id=event_id, type="Tick", time=now, source="worker", trace=""))
