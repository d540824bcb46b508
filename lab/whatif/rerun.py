"""One world: the past requests, and the stock as it was, through one set of rules. Pure.

Before ``start`` it is what happened: the rules published then. From there on ``rules`` (None: still those published) decide. Who wants
what is taken from the log: each request adds to what an order wants, each release takes away, and the world asks its own pool for
the difference, so an order that went elsewhere here is not asked for twice. Nothing is shipped here: what is on hand and not
reserved is the same, and counts are raised by what really left. A depot's failure counts here only where the units are at that depot here too.
"""

from __future__ import annotations

from collections import deque

import msgspec

from domain.errors import Rejected
from domain.pool import aggregate as pool
from domain.pool.releases import stock_after
from domain.pool.session import PoolSession
from domain.pool.state import NEW, SkuStock
from domain.pool.stock import row_of
from domain.records import commands as c
from domain.records.values import LineQty, WmsLine
from domain.rules.layers import of_pool
from domain.rules.ruleset import RuleSet
from domain.rules.versions import RuleBook
from lab.whatif.live_pool import LivePool, QuietSession
from lab.whatif.order_result import OrderResult, Row, _read, _Seen, result_row
from streams.cel import conditions

from .outcomes import Happened, Real

__all__ = ["Rerun"]


TICK_MS = 600_000
"""A tick counts at most so often: enough for backorders, days and time-outs, and a log has one every few seconds."""


_Less = c.AllocationReleased | c.BackorderCancelled | c.WmsReported


class Rerun:
    """``start``: from when ``rules`` decide and orders count, UTC ms."""

    def __init__(self, rules: RuleSet | None, start: int, before: RuleSet) -> None:
        self._new, self._start, self._before = rules, start, before
        self._orders: dict[str, OrderResult] = {}
        self.real = Real()
        self.begin_partition()

    def begin_partition(self) -> None:
        """What follows is another partition's: other pools, with a clock and a place for each version of the rules of their own."""
        self._rules, self._book = self._before, RuleBook()
        self._views: dict[str, LivePool] = {}
        self._ticked, self._began = 0, False

    # -- the log -------------------------------------------------------------------------------------------------------
    def take(self, command: c.PoolCommand) -> None:
        """The next record of the log."""
        if not self._began and command.time >= self._start:
            self._begin(command)
        if (book := self._book.at(command.time)) is not self._book:
            self._in_force(book, command)
        if isinstance(command, c.WmsReported):  # the most frequent first
            self._wms(command)
        elif isinstance(command, c.AllocationRequested):
            self._wanted(command)
        elif isinstance(command, c.Tick):
            if command.time >= self._ticked + TICK_MS:
                self._tick(command)
        elif isinstance(command, c.AllocationReleased):
            for line_qty in command.lines:
                self.real.released(command.allocation_id, line_qty.sku, line_qty.qty)
            self._less(command, command.lines)
        elif isinstance(command, c.BackorderCancelled):
            self._less(command, command.lines)
        elif isinstance(command, c.StockReported):
            self._stock(command)
        elif isinstance(command, c.RulesPublished):
            self._published(command)

    def _begin(self, command: c.PoolCommand) -> None:
        self._began = True
        if self._new is not None:
            self._rules = self._new
            self._settle(command)

    def _published(self, command: c.RulesPublished) -> None:
        self._in_force(self._book.at(command.time).publish(command), command)

    def _in_force(self, book: RuleBook, command: c.PoolCommand) -> None:
        """What was published counts until the rules to be tried do."""
        changed, self._book = book.current is not self._book.current, book
        if changed and book.current and (self._new is None or not self._began):
            self._rules = msgspec.json.decode(book.current.body, type=RuleSet)
            self._settle(command)

    def _settle(self, command: c.PoolCommand) -> None:
        """Tick until every queue is built by the rules in force: in reality that takes some seconds."""
        for name, view in self._views.items():
            for _ in range(10_000):
                self._do(view, c.Tick(command.event_id, "Tick", command.time, "simulation", ""))
                if not PoolSession(view, name, command.time, "", of_pool(self._rules, name)).rebuilding:
                    break

    def _tick(self, command: c.Tick) -> None:
        self._ticked = command.time
        for view in self._views.values():
            self._do(view, command)

    # -- wants ---------------------------------------------------------------------------------------------------------
    def _wanted(self, command: c.AllocationRequested) -> None:
        result = self._orders.get(command.order_key)
        if result is None:
            result = self._orders[command.order_key] = OrderResult(command.time, command.latest_delivery)
        asked_at = result.asked_at.get(command.pool, -1)
        again = asked_at >= 0 and self.real.asks_again(command.order_key, asked_at, command.time)
        result.asked_at[command.pool] = command.time
        for line in command.lines:
            before = result.want.get(line.line_id, 0)
            result.want[line.line_id] = max(before, line.qty) if again else before + line.qty
            result.skus[line.line_id] = line.sku
        lines = [
            msgspec.structs.replace(demand_line, qty=n)
            for demand_line in command.lines
            if (n := min(result.want[demand_line.line_id] - result.has(demand_line.line_id), demand_line.qty)) > 0
        ]
        if lines:
            result.asked += 1
            self._do(self._view(command.pool), msgspec.structs.replace(command, lines=lines, request_no=result.asked))

    def _less(self, command: _Less, lines: list[LineQty]) -> None:
        """The order wants so many units less: what waits here goes first."""
        result = self._orders.get(command.order_key)
        if result is None:
            return
        for line_qty in lines:
            result.want[line_qty.line_id] = max(result.want.get(line_qty.line_id, 0) - line_qty.qty, 0)
            self._shed(command, result, line_qty.line_id)

    def _shed(self, command: _Less, result: OrderResult, line_id: str) -> None:
        key, pool_name = command.order_key, command.pool
        too_many = result.has(line_id) - result.want.get(line_id, 0)
        head = (command.event_id, "", command.time, "simulation", command.trace, pool_name, key)
        for (no, waits), n in list(result.waiting.items()):
            if waits == line_id and (k := min(n, too_many)) > 0:
                too_many -= k
                result.waiting[no, waits] = n - k
                self._do(
                    self._view(pool_name), c.BackorderCancelled(*head, no, [LineQty(line_id, result.skus[line_id], k)])
                )
        for (allocation_id, text), n in reversed(list(result.live.items())):
            if text == line_id and (k := min(n, too_many)) > 0:
                too_many -= k
                result.live[allocation_id, text] = n - k
                units = [LineQty(line_id, result.skus[line_id], k)]
                self._do(self._view(pool_name), c.AllocationReleased(*head, allocation_id, units, "simulation"))

    # -- stock and depots ----------------------------------------------------------------------------------------------
    def _stock(self, command: c.StockReported) -> None:
        if command.kind == "COUNT":
            more = self.real.shipped[command.sku, command.depot] if command.quality in ("", NEW) else 0
            command = msgspec.structs.replace(command, qty=command.qty + more)
        self._do(self._view(command.pool), command)

    def _wms(self, command: c.WmsReported) -> None:
        result = self._orders.get(command.order_key)
        happened = self.real.reported(command, result.skus) if result else None
        if result is None or happened is None:
            return
        for line_id, sku, n, reason in happened.failed:
            result.want[line_id] = max(result.want.get(line_id, 0) - n, 0)
            self._failed(command, result, (line_id, sku, n, reason), happened)
        self._less(command, [LineQty(*found) for found in happened.given_up])

    def _failed(
        self, command: c.WmsReported, result: OrderResult, failed: tuple[str, str, int, str], happened: Happened
    ) -> None:
        """The depot could not give the units: here neither, where they are there; else only its stock is what it is."""
        line_id, sku, n, reason = failed
        view = self._view(command.pool)
        for (allocation_id, text), live in list(result.live.items()):
            if text != line_id or result.plans[allocation_id].depot != happened.depot or not (k := min(live, n)):
                continue
            n -= k
            result.live[allocation_id, text] = live - k
            kept = next(
                line_qty.qty for line_qty in result.plans[allocation_id].lines if line_qty.line_id == line_id
            ) - (live - k)
            lines = [
                msgspec.structs.replace(line, short=kept, shipped=0, cancelled=0, picked=0, reason=reason)
                for line in command.lines
                if line.line_id == line_id
            ]
            lines = lines or [WmsLine(line_id, sku, short=kept, reason=reason)]
            told = msgspec.structs.replace(command, allocation_id=allocation_id, status="SHORT_PICKED", lines=lines)
            self._do(view, told)
        then = stock_after(reason, self._rules)
        if n and then != "unchanged":
            row = row_of(view.load(SkuStock, sku) or SkuStock(sku), happened.depot)
            gone = row.on_hand - row.reserved if then == "zero" else min(n, row.on_hand - row.reserved)
            head = (command.event_id, "StockReported", command.time, "simulation", command.trace, command.pool)
            self._do(view, c.StockReported(*head, "", "CORRECTION", happened.depot, sku, NEW, -gone, ""))

    # -- the pool ------------------------------------------------------------------------------------------------------
    def _view(self, name: str) -> LivePool:
        if name not in self._views:
            self._views[name] = LivePool()
        return self._views[name]

    def _do(self, view: LivePool, first: c.PoolCommand) -> None:
        todo = deque([first])
        while todo:
            try:
                result = pool.handle(view, todo.popleft(), self._rules, conditions, QuietSession)
            except Rejected:
                continue  # in reality it is in the DLQ too, or it is a repeat whose count reads differently here
            for answer in result.order_commands:
                if isinstance(answer, c.AllocationDecided):
                    self._decided(answer)
                elif isinstance(answer, c.UnallocationAsked):
                    todo.append(_kept(answer))
                elif isinstance(answer, c.WaveReleased):
                    self._bundled(answer)

    def _bundled(self, wave: c.WaveReleased) -> None:
        """Its parcel is known now, and its share of what that costs."""
        plans = self._orders[wave.order_key].plans
        if wave.group_id:
            plan = plans[wave.allocation_id]
            plans[wave.allocation_id] = msgspec.structs.replace(plan, group_id=wave.group_id, cost=wave.cost)

    def _decided(self, decision: c.AllocationDecided) -> None:
        result = self._orders[decision.order_key]
        if result.first is None:
            result.first = _read(decision.decision) if decision.decision else _Seen()
            result.waited = bool(decision.backordered)
        for line_qty in decision.backordered:
            result.waiting[decision.request_no, line_qty.line_id] = (
                result.waiting.get((decision.request_no, line_qty.line_id), 0) + line_qty.qty
            )
        replenished = decision.reason == "replenished"
        if not result.plans:
            result.began = {allocation_plan.depot for allocation_plan in decision.allocations}
        for plan in decision.allocations:
            result.plans[plan.allocation_id] = plan
            for line_qty in plan.lines:
                result.live[plan.allocation_id, line_qty.line_id] = (
                    result.live.get((plan.allocation_id, line_qty.line_id), 0) + line_qty.qty
                )
                if replenished:
                    result.waiting[decision.request_no, line_qty.line_id] = max(
                        result.waiting.get((decision.request_no, line_qty.line_id), 0) - line_qty.qty, 0
                    )
        for line_qty in decision.unfillable:
            result.unfillable += line_qty.qty
            result.waiting.pop((decision.request_no, line_qty.line_id), None)
        result.held = bool(decision.held)
        for line_qty in decision.held:
            result.waiting.pop((decision.request_no, line_qty.line_id), None)
        if decision.allocations and not any(result.waiting.values()):
            result.served_at = decision.time

    # -- how it came out -----------------------------------------------------------------------------------------------
    def rows(self) -> list[Row]:
        """Every order first asked for since ``start``."""
        return [result_row(key, result) for key, result in self._orders.items() if result.at >= self._start]


def _kept(asked: c.UnallocationAsked) -> c.AllocationKept:
    head = (asked.event_id, "AllocationKept", asked.time, "simulation", asked.trace)
    return c.AllocationKept(*head, asked.pool, asked.order_key, asked.allocation_id, asked.lines)
