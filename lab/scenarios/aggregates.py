"""Both aggregates with their tables in memory, wired as the agents do: states kept as bytes, commands in order, rules in the log.

A replay is a second ``Fold`` of the same log: what it makes anew goes nowhere, and must be what was made before.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import cast

import msgspec

from domain.errors import Rejected
from domain.order import aggregate as order
from domain.order.state.order import OrderState
from domain.pool import aggregate as pool
from domain.pool.view import MemoryPool
from domain.records.commands import OrderCommand, PoolCommand, RulesPublished, Tick
from domain.records.effects import Effect
from domain.records.events import OrderEvent, PoolEvent
from domain.rules.ruleset import RuleSet
from domain.rules.versions import RuleBook
from streams.cel import conditions

__all__ = ["Entry", "Fold", "Made"]

Entry = tuple[str, OrderCommand | PoolCommand]
"""A record of the input: ``orders`` or ``pools``, and the command."""

_read = msgspec.msgpack.Decoder(OrderState).decode
_NONE = RuleSet()
_write = msgspec.msgpack.Encoder().encode


@lru_cache(maxsize=64)
def _parse(body: str) -> RuleSet:
    return msgspec.json.decode(body, type=RuleSet)


class Made(msgspec.Struct):
    """All that came out so far: events, effects, and what was refused with its cause."""

    events: list[OrderEvent] = []
    stock_events: list[PoolEvent] = []
    effects: list[Effect] = []
    rejected: list[Rejected] = []


class Fold:
    """Tables and outputs. ``log``: every command folded, in order."""

    def __init__(self) -> None:
        self.states: dict[str, bytes] = {}
        self.due: dict[str, int] = {}
        self.pools: dict[str, MemoryPool] = {}
        self.books = {"orders": RuleBook(), "pools": RuleBook()}
        self.made = Made()
        self.log: list[Entry] = []

    def rules(self, topic: str) -> RuleSet:
        """Return the rules that are in force."""
        current = self.books[topic].current
        return _parse(current.body) if current else _NONE

    def state(self, key: str) -> OrderState | None:
        """An order's state; None where nothing was told of it."""
        kept = self.states.get(key)
        return None if kept is None else _read(kept)

    def deliver(self, first: list[Entry]) -> list[Effect]:
        """Fold commands, and those that follow from them, until none is left. Gives the effects they led to."""
        queue, before = deque(first), len(self.made.effects)
        while queue:
            queue.extend(self.fold(*queue.popleft()))
        return self.made.effects[before:]

    def fold(self, topic: str, command: OrderCommand | PoolCommand) -> list[Entry]:
        """Fold one command; gives the commands to the other aggregate."""
        self.log.append((topic, command))
        if isinstance(command, RulesPublished):
            self.books[topic] = self.books[topic].at(command.time).publish(command)
            return []
        self.books[topic] = self.books[topic].at(command.time)
        out: list[Entry] = []
        for key in self._keys(topic, command):
            try:
                if topic == "orders":
                    out += self._order(key, cast("OrderCommand", command))
                else:
                    out += self._pool(key, cast("PoolCommand", command))
            except Rejected as e:
                self.made.rejected.append(e)
        return out

    def _keys(self, topic: str, command: OrderCommand | PoolCommand) -> list[str]:
        """Whom a command is for: its aggregate, or with a tick every pool and the orders that are due."""
        if isinstance(command, Tick):
            return [k for k, due in self.due.items() if 0 < due <= command.time] if topic == "orders" else [*self.pools]
        return [str(getattr(command, "order_key" if topic == "orders" else "pool"))]

    def _order(self, key: str, command: OrderCommand) -> list[Entry]:
        result = order.handle(self.state(key), command, self.rules("orders"), conditions)
        self.states[key], self.due[key] = _write(result.state), result.state.wake
        self.made.events += result.events
        self.made.effects += result.effects
        return [
            *(("pools", order_command) for order_command in result.pool_commands),
            *(("orders", order_command) for order_command in result.order_commands),
        ]

    def _pool(self, name: str, command: PoolCommand) -> list[Entry]:
        if (view := self.pools.get(name)) is None:
            view = self.pools[name] = MemoryPool()
        result = pool.handle(view, command, self.rules("pools"), conditions)
        self.made.stock_events += result.events
        return [("orders", order_command) for order_command in result.order_commands]

    def again(self) -> Fold:
        """The log folded anew from nothing. What follows from each command is in the log itself, so nothing is delivered."""
        fresh = Fold()
        for topic, command in self.log:
            fresh.fold(topic, command)
        return fresh

    def differs(self, other: Fold) -> list[str]:
        """Which parts of two folds are not the same, to the byte."""
        parts = {
            "order states": (self.states, other.states),
            "pool states": (
                {k: item.data for k, item in self.pools.items()},
                {k: item.data for k, item in other.pools.items()},
            ),
            "order events": (self.made.events, other.made.events),
            "stock events": (self.made.stock_events, other.made.stock_events),
            "effects": (self.made.effects, other.made.effects),
            "rejected": (
                [str(rejected) for rejected in self.made.rejected],
                [str(rejected) for rejected in other.made.rejected],
            ),
        }
        return [name for name, (item, b) in parts.items() if item != b]
