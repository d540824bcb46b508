"""One command being worked on: the pool's records, the rules in force, and what comes out of it.

Ids of what comes out are made of the pool, a counter and the type, so a replay makes the same bytes.
"""

from __future__ import annotations

import msgspec

from domain.allocation.decide import Compiled, compiled
from domain.errors import Rejected
from domain.records.commands import (
    AllocationDecided,
    AllocationProgressed,
    OrderCommand,
    UnallocationAsked,
    WaveReleased,
)
from domain.records.events import PoolEvent
from domain.records.record import uuid5
from domain.records.values import AllocationPlan, LineQty, RuleHit, StockMove, WmsLine
from domain.rules.conditions import UNCOMPILED, Conditions
from domain.rules.layers import of_order
from domain.rules.ruleset import RuleSet

from .ordered_index import OrderedIndex
from .state import B_GRADE, NEW, Capacity, Meta, PoolAllocation, PoolOrder, SkuStock
from .view import PoolView, Work

__all__ = ["FREED_BUDGET", "PoolSession", "find"]

FREED_BUDGET = 200
"""Backorders one command looks at when stock comes free; the rest waits in ``todo`` for the ticks."""

SOURCE = "pools"


class PoolSession:
    """The state of one ``handle`` call."""

    unit_of_work: type[Work] = Work

    def __init__(
        self,
        view: PoolView,
        pool: str,
        now: int,
        trace: str,
        rules: RuleSet,
        *,
        conditions: Conditions = UNCOMPILED,
    ) -> None:
        self.work = self.unit_of_work(view)
        self.now = now
        self.trace = trace
        self.rules = rules
        self.conditions = conditions
        self.events: list[PoolEvent] = []
        self.sent: list[OrderCommand] = []
        self.freed: dict[str, None] = {}
        self._meta = self.work.get_or("", Meta(pool, rules=rules.version))

    @property
    def pool(self) -> str:
        """Name of the pool that the command is for."""
        return self._meta.pool

    @property
    def meta(self) -> Meta:
        """The pool's own record; whoever changes it calls ``save_meta``."""
        return self._meta

    @property
    def compiled(self) -> Compiled:
        """The rules with their calendars."""
        return compiled(self.rules)

    def rules_for(self, order_key: str) -> RuleSet:
        """The rules for an order: those of its channel laid over those of the pool."""
        if not self.rules.channels:
            return self.rules
        channel, _, rest = order_key.partition(":")
        return of_order(self.rules, channel, rest.partition(":")[0])

    @property
    def rebuilding(self) -> bool:
        """The rules changed and not every queue has been rebuilt: who may use which depot is not certain."""
        return self._meta.rules != self.rules.version or self._meta.sweep is not None

    def save_meta(self) -> None:
        """Keep the pool's own record."""
        self.work.put("", self._meta)

    def index(self, name: str) -> OrderedIndex:
        """An ordered index of the pool."""
        return OrderedIndex(self.work, name)

    def quality(self, sku: str) -> str:
        """The quality that orders for this SKU are served from: as new, or B-grade under a SKU of its own (``returns.b_grade``)."""
        rule = self.rules.returns.b_grade
        return B_GRADE if rule.sellable and sku.endswith(rule.sku_suffix) else NEW

    def stock(self, sku: str) -> SkuStock:
        """A SKU's record; empty where the pool never heard of it."""
        return self.work.get_or(sku, SkuStock(sku))

    def save_stock(self, stock: SkuStock) -> None:
        """Keep a SKU's record."""
        self.work.put(stock.sku, stock)

    def order(self, key: str) -> PoolOrder | None:
        """What the pool knows of an order."""
        return self.work.get(PoolOrder, key)

    def save_order(self, order: PoolOrder) -> None:
        """Keep an order's record."""
        self.work.put(order.key, order)

    def capacity(self, depot: str) -> Capacity:
        """A depot's promised parcels by ship day."""
        return self.work.get_or(depot, Capacity())

    def save_capacity(self, depot: str, capacity: Capacity) -> None:
        """Keep a depot's promised parcels."""
        self.work.put(depot, capacity)

    def event(
        self,
        type: str,
        *,
        order_key: str = "",
        allocation_id: str = "",
        depot: str = "",
        moves: list[StockMove] | None = None,
        reason: str = "",
        reference: str = "",
        decision: str = "",
        trace: str = "",
    ) -> str:
        """Something happened to the pool; its id."""
        self._meta.seq += 1
        self.save_meta()
        event_id = uuid5(self.pool, self._meta.seq, type)
        self.events.append(
            PoolEvent(
                event_id,
                type,
                self.now,
                SOURCE,
                trace or self.trace,
                self.pool,
                self._meta.seq,
                order_key,
                allocation_id,
                depot,
                moves or [],
                self.rules.version,
                reason,
                reference,
                decision,
            )
        )
        return event_id

    def _command_id(self, type: str) -> str:
        self._meta.sent += 1
        self.save_meta()
        return uuid5(self.pool, self._meta.sent, type)

    def decided(
        self,
        order_key: str,
        request_no: int,
        trace: str,
        *,
        allocations: list[AllocationPlan] | None = None,
        backordered: list[LineQty] | None = None,
        unfillable: list[LineQty] | None = None,
        reason: str = "",
        decision: str = "",
        held: list[LineQty] | None = None,
        hits: list[RuleHit] | None = None,
    ) -> None:
        """Answer a request (or a part of it that had to wait) to its order."""
        self.sent.append(
            AllocationDecided(
                self._command_id("AllocationDecided"),
                "AllocationDecided",
                self.now,
                SOURCE,
                trace,
                order_key,
                self.pool,
                request_no,
                self.rules_for(order_key).version,
                allocations or [],
                backordered or [],
                unfillable or [],
                reason,
                decision,
                held or [],
                hits or [],
            )
        )

    def released(self, release: WaveReleased) -> None:
        """Tell an order that an allocation may go to its warehouse."""
        self.sent.append(msgspec.structs.replace(release, event_id=self._command_id("WaveReleased")))

    def unallocate(self, order_key: str, allocation: PoolAllocation, lines: list[LineQty], reason: str) -> None:
        """Ask an order for units of an allocation back."""
        self.sent.append(
            UnallocationAsked(
                self._command_id("UnallocationAsked"),
                "UnallocationAsked",
                self.now,
                SOURCE,
                self.trace or allocation.trace,
                order_key,
                self.pool,
                allocation.id,
                allocation.depot,
                lines,
                reason,
            )
        )

    def progressed(self, progress: AllocationProgressed, status: str, lines: list[WmsLine], reason: str) -> None:
        """Tell an order of what a WMS did (``progress`` holds what all parts of one report share)."""
        self.sent.append(
            msgspec.structs.replace(
                progress,
                event_id=self._command_id("AllocationProgressed"),
                status=status,
                lines=lines,
                reason=reason,
            )
        )


def find(session: PoolSession, order_key: str, allocation_id: str) -> tuple[PoolOrder, PoolAllocation]:
    """An allocation of ours. Raises Rejected where the pool does not know it (never made, or forgotten)."""
    order = session.order(order_key)
    for allocation in order.allocations if order else ():
        if order and allocation.id == allocation_id:
            return order, allocation
    raise Rejected("allocation.unknown", "allocation_id", f"pool {session.pool} has no allocation {allocation_id!r}")
