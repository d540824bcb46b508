"""A scenario's world: the two aggregates, the outside, and a clock that ticks as it goes forward."""

from __future__ import annotations

import heapq
from typing import Any

import msgspec

from domain.order.state.order import Allocation, OrderState
from domain.records import commands as c
from domain.records.values import WmsLine
from domain.rules.ruleset import RuleSet
from ops.rules.effective_date import effective_ms

from .aggregates import Entry, Fold
from .commands import Facts
from .form import Carrier, Step, Stock, WarehouseSays
from .load import Case
from .outside import Later, Outside
from .return_commands import RETURN_VERBS, ReturnFacts

__all__ = ["NotPossible", "World"]

TICK_MS, DAY_MS, HOUR_MS = 600_000, 86_400_000, 3_600_000


class NotPossible(Exception):
    """A step that can't happen; ``field``: which part of it."""

    def __init__(self, field: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.hint = hint


class World:
    """Where a scenario happens. ``replays``: what differed when the log was folded anew."""

    def __init__(self, case: Case) -> None:
        self.case, self.now = case, case.starts
        self.fold, self.replays = Fold(), list[str]()
        self.facts = Facts(case.scenario.channel, case.scenario.account, case.zone)
        by_target = {d.id: d.wms or d.id for d in case.rules.depots}
        warehouses = {by_target.get(k, k): warehouse for k, warehouse in case.scenario.warehouses.items()}
        self._returns = ReturnFacts(self.facts, self.state)
        self._outside = Outside(
            warehouses, case.scenario.refunds == "paid", lambda kind, now: self.facts.head(kind, now, "outside")
        )
        self._later: list[tuple[int, int, Any]] = []
        self._n = 0
        self.publish(case.rules)
        self.send([("pools", self._tick())])
        for depot, skus in case.scenario.stock.items():
            for sku, qty in skus.items():
                self.send([("pools", self._stock(Stock(depot, sku, qty)))])

    def state(self, key: str) -> OrderState | None:
        """An order as it stands now (a replay makes another fold)."""
        return self.fold.state(key)

    # -- time ----------------------------------------------------------------------------------------------------------
    def go_to(self, at: int) -> None:
        """Let time pass: ticks (every full 10 minutes; every full hour of a wait of over a day), and what was due meanwhile."""
        every = TICK_MS if at - self.now <= DAY_MS else HOUR_MS
        tick = (self.now // every + 1) * every
        while (self._later and self._later[0][0] <= at) or tick <= at:
            if self._later and self._later[0][0] <= tick:
                due, _, action = heapq.heappop(self._later)
                self.now = max(self.now, due)
                self.send(action(self.now))
            else:
                self.now, tick = tick, tick + every
                self._ticks()
        if at > self.now:
            self.now = at
            self._ticks()

    def _ticks(self) -> None:
        self.send([("orders", self._tick()), ("pools", self._tick())])

    def _tick(self) -> c.Tick:
        return c.Tick(**self.facts.head("Tick", self.now, "clock"))

    # -- what happens --------------------------------------------------------------------------------------------------
    def do(self, i: int, step: Step) -> None:
        """Have the step happen, so often as it says. Raises NotPossible."""
        if step.replay:
            self._replay()
        elif step.rules is not None:
            self.publish(self.case.published[i])
        elif entry := self._entry(step):
            for _ in range(step.times):
                self.send([entry])

    def _entry(self, step: Step) -> Entry | None:
        for told in (step.order, step.change, step.edit, step.cancel, step.payment, step.refund, step.fulfilment):
            if told is not None:
                return "orders", self.facts.command(told, self.now)
        if (act := self._by_hand(step)) is not None:
            return "orders", act
        if step.warehouse is not None:
            return "pools", self._wms(step.warehouse)
        if step.carrier is not None:
            return "orders", self._scan(step.carrier)
        for verb in RETURN_VERBS:
            if (told := getattr(step, verb)) is not None:
                return "orders", self._returns.command(told, self.now)
        return ("pools", self._stock(step.stock)) if step.stock is not None else None

    def _by_hand(self, step: Step) -> c.OrderCommand | None:
        for hold, action in ((step.hold, "place"), (step.release, "release")):
            if hold is not None:
                return self.facts.hold(hold, action, self.now)
        return self.facts.reroute(step.reroute, self.now) if step.reroute is not None else None

    def send(self, entries: list[Entry]) -> None:
        """Deliver commands, have the outside answer what follows, and deliver that, until all is quiet."""
        while entries:
            effects = self.fold.deliver(entries)
            entries = []
            for effect in effects:
                at_once, later = self._outside.answer(effect, self.now)
                entries += at_once
                self._schedule(later)

    def _schedule(self, later: list[Later]) -> None:
        for after, action in later:
            self._n += 1
            heapq.heappush(self._later, (self.now + after, self._n, action))

    def publish(self, rules: RuleSet) -> None:
        """Publish rules to both aggregates: in force at once, or from their `effective_from` on."""
        body = msgspec.json.encode(rules).decode()
        head = self.facts.head("RulesPublished", self.now, "rules")
        record = c.RulesPublished(
            **head, name="default", version=rules.version, body=body, effective_from=effective_ms(rules)
        )
        self.send([("orders", record), ("pools", record)])

    def _replay(self) -> None:
        """Lose all state and fold the log anew; the run goes on with what that gave."""
        fresh = self.fold.again()
        self.replays += self.fold.differs(fresh)
        self.fold = fresh

    # -- what is told --------------------------------------------------------------------------------------------------
    def _stock(self, told: Stock) -> c.StockReported:
        head = self.facts.head("StockReported", self.now, "wms")
        return c.StockReported(
            **head,
            pool=self.fold.rules("pools").default_pool,
            idempotency_key=told.id or head["event_id"],
            kind=told.kind.upper(),
            depot=told.depot,
            sku=told.sku,
            quality=told.quality,
            qty=told.qty,
            reference=told.id,
        )

    def _wms(self, told: WarehouseSays) -> c.WmsReported:
        allocation = self._allocation("warehouse", told)
        skus = {line.line_id: line.sku for line in allocation.lines}
        lines = [
            WmsLine(k, skus.get(k, k), units.picked, units.shipped, units.short, units.cancelled, units.reason)
            for k, units in told.lines.items()
        ]
        head = self.facts.head("WmsReported", self.now, "wms")
        return c.WmsReported(
            **head,
            pool=allocation.pool,
            order_key=self.facts.key(told.order),
            idempotency_key=head["event_id"],
            allocation_id=allocation.id,
            status=told.status,
            lines=lines,
            shipment_id=told.parcel or told.tracking,
            carrier="",
            tracking_number=told.tracking,
            tracking_url="",
            cost=told.cost,
            cost_currency="EUR",
            reason=told.reason,
            occurred_at=self.facts.at(told.happened_at, self.now),
        )

    def _scan(self, told: Carrier) -> c.ShipmentTracked:
        allocation = self._allocation("carrier", told)
        head = self.facts.head("ShipmentTracked", self.now, "carrier")
        return c.ShipmentTracked(
            **head,
            order_key=self.facts.key(told.order),
            idempotency_key=head["event_id"],
            allocation_id=allocation.id,
            shipment_id=told.parcel,
            status=told.status,
            carrier="",
            tracking_number="",
            detail=told.detail,
            occurred_at=self.facts.at(told.happened_at, self.now),
        )

    def _allocation(self, field: str, told: WarehouseSays | Carrier) -> Allocation:
        """The allocation a step means: by number, by depot, or the newest open one (else the newest)."""
        state = self.fold.state(self.facts.key(told.order))
        known = state.allocations if state else []
        fit = (
            [allocation for allocation in known if _number(allocation) == told.allocation] if told.allocation else known
        )
        fit = [allocation for allocation in fit if allocation.depot == told.depot] if told.depot else fit
        if not fit:
            has = ", ".join(f"{_number(allocation)} at {allocation.depot}" for allocation in known) or "none"
            raise NotPossible(f"{field}.order", f"{told.order} has no such allocation here", f"it has {has}")
        return next((allocation for allocation in reversed(fit) if allocation.status != "CLOSED"), fit[-1])


def _number(allocation: Allocation) -> int:
    return int(allocation.id.rpartition("/")[2])
