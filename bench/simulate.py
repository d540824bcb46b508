"""``python -m bench.simulate [--orders 100000]``: a month of past orders made on the pure domain, then ``wharf rules simulate`` over it.

The log is what Kafka would hold: requests, cancellations, three reports a parcel, short picks, counts, receipts, ticks. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from bench import results
from domain.pool import aggregate as pool
from domain.pool.view import MemoryPool
from domain.records import commands as c
from domain.records.events import PoolEvent
from domain.records.record import Record
from domain.records.values import AllocationPlan, DemandLine, WmsLine
from domain.rules.ruleset import Depot, Rate, RuleSet, SplitPolicy
from lab.whatif.history import entries, save
from lab.whatif.run import simulate

__all__ = ["Maker", "main"]

START = 1_795_392_000_000
DAY = 86_400_000
DEPOTS = [
    Depot("nl-1", "NL", rates=[Rate(495, country="NL"), Rate(895, 2)]),
    Depot("de-1", "DE", sequence=2, rates=[Rate(450, country="DE"), Rate(950, 2)]),
    Depot("be-1", "BE", sequence=3, rates=[Rate(475, country="BE"), Rate(920, 2)]),
]
RULES = RuleSet("old", depots=DEPOTS)


class Maker:
    """A month of a merchant's orders; seeded."""

    def __init__(self, orders: int, seed: int = 1, days: int = 30, skus: int = 2000) -> None:
        self.r, self.n, self.orders, self.span = random.Random(seed), 0, orders, days * DAY
        self.skus = [f"SKU-{index:04d}" for index in range(skus)]
        self.view = MemoryPool()
        self.inputs: list[c.PoolCommand] = []
        self.events: list[PoolEvent] = []
        self._later: list[tuple[int, int, c.PoolCommand]] = []
        self.now = START

    def head(self, kind: str) -> dict[str, object]:
        self.n += 1
        return {
            "event_id": f"{self.n:032x}",
            "type": kind,
            "time": self.now,
            "source": "bench",
            "trace": f"{self.n:032x}",
        }

    def put(self, command: c.PoolCommand) -> None:
        """Into the log, and through the pool; what follows is told in its time."""
        self.inputs.append(command)
        result = pool.handle(self.view, command, RULES)
        self.events += [
            event for event in result.events if event.type in ("RESERVED", "REPLENISHED", "HELD", "UNFILLABLE")
        ]
        for sent in result.order_commands:
            if isinstance(sent, c.AllocationDecided):
                for plan in sent.allocations:
                    self.goes(sent.order_key, plan)

    def goes(self, key: str, plan: AllocationPlan) -> None:
        """What becomes of a parcel: cancelled before its pick order, short picked, or shipped."""
        chance = self.r.random()
        if chance < 0.03:
            return self.later(
                1000,
                c.AllocationReleased(
                    **self.head("AllocationReleased"),
                    pool="main",
                    order_key=key,
                    allocation_id=plan.allocation_id,
                    lines=plan.lines,
                    reason="cancelled",
                ),
            )  # type: ignore[arg-type]
        self.later(2000, self.report(key, plan, "ACCEPTED", 0, 0))
        if chance < 0.04:
            short = plan.lines[0]
            self.later(2 * 3_600_000, self.report(key, plan, "SHORT_PICKED", 0, short.qty))
            again = [DemandLine(short.line_id, short.sku, short.qty)]
            return self.later(2 * 3_600_000 + 50, self.request(key, again, 2, "NL", [plan.depot]))
        self.later(3 * 3_600_000, self.report(key, plan, "PICKED", 1, 0))
        self.later(5 * 3_600_000, self.report(key, plan, "SHIPPED", 2, 0))
        return None

    def later(self, after: int, command: c.PoolCommand) -> None:
        self.n += 1
        heapq.heappush(self._later, (self.now + after, self.n, command))

    def report(self, key: str, plan: AllocationPlan, status: str, done: int, short: int) -> c.WmsReported:
        lines = [
            WmsLine(
                line.line_id,
                line.sku,
                line.qty if done else 0,
                line.qty if done > 1 else 0,
                short if index == 0 else 0,
                0,
                "damaged" if short else "",
            )
            for index, line in enumerate(plan.lines)
        ]
        return c.WmsReported(
            **self.head("WmsReported"),
            pool="main",
            order_key=key,
            idempotency_key=f"{plan.allocation_id}/{status}",
            allocation_id=plan.allocation_id,
            status=status,
            lines=lines,
            shipment_id="",
            carrier="",
            tracking_number="",
            tracking_url="",
            cost=0,
            cost_currency="EUR",
            reason="",
            occurred_at=self.now,
        )  # type: ignore[arg-type]

    def request(
        self, key: str, lines: list[DemandLine], no: int, country: str, excluded: list[str]
    ) -> c.AllocationRequested:
        return c.AllocationRequested(
            **self.head("AllocationRequested"),
            pool="main",
            order_key=key,
            request_no=no,
            placed_at=self.now,
            channel="shopify",
            lines=lines,
            country=country,
            postcode="1012",
            service_level="standard",
            customer_key="c",
            address_hash="a",
            tags=["VIP"] if self.r.random() < 0.05 else [],
            value=5000,
            currency="EUR",
            latest_delivery=self.now + 3 * DAY,
            excluded_depots=excluded,
            replaces_id="",
        )  # type: ignore[arg-type]

    def stock(self, kind: str, depot: str, sku: str, qty: int) -> c.StockReported:
        head = self.head("StockReported")
        return c.StockReported(
            **head,
            pool="main",
            idempotency_key=str(head["event_id"]),
            kind=kind,
            depot=depot,
            sku=sku,
            quality="new",
            qty=qty,
            reference="",
        )  # type: ignore[arg-type]

    def make(self) -> None:
        """All of it."""
        chance, skus = self.r, self.skus
        each = max(self.orders * 2 // (len(skus) * 3), 3)
        body = msgspec.json.encode(RULES).decode()
        self.put(c.RulesPublished(**self.head("RulesPublished"), name="default", version="old", body=body))  # type: ignore[arg-type]
        for sku in skus:
            for depot in DEPOTS:
                if chance.random() < 0.7:
                    self.put(self.stock("RECEIPT", depot.id, sku, chance.randint(each // 2, each * 2)))
        step, ticked = self.span // self.orders, self.now
        for number in range(self.orders):
            self.now += step
            while self._later and self._later[0][0] <= self.now:
                at, _, command = heapq.heappop(self._later)
                self.put(msgspec.structs.replace(command, time=at))
            if self.now >= ticked + 60_000:
                ticked = self.now
                self.put(c.Tick(**self.head("Tick")))  # type: ignore[arg-type]
            if number % 200 == 0:
                self.put(self.stock("RECEIPT", chance.choice(DEPOTS).id, chance.choice(skus), chance.randint(1, each)))
            lines = [
                DemandLine(f"L{position}", s, 1 + (chance.random() < 0.1))
                for position, s in enumerate(chance.sample(skus, 1 + (chance.random() < 0.4)))
            ]
            self.put(self.request(f"shopify:bench:{number}", lines, 1, chance.choice(["NL", "NL", "DE", "BE"]), []))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="keep the log in this file")
    parser.add_argument("--log", type=Path, help="the log of an earlier --keep, instead of making one")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        path = args.log or args.keep or Path(temporary) / "pools.log"
        if not args.log:
            make(path, args.orders)
        size = path.stat().st_size
        records = sum(isinstance(record, Record) and not isinstance(record, PoolEvent) for _, record in entries(path))
        routing = msgspec.structs.replace(
            RULES.routing, preferences=["cost", "sequence"], split=SplitPolicy(max_parcels=2)
        )
        depots = [DEPOTS[0], msgspec.structs.replace(DEPOTS[1], rates=[Rate(300)]), DEPOTS[2]]
        new = msgspec.structs.replace(RULES, version="new", routing=routing, depots=depots)
        started = time.perf_counter()
        found = simulate(path, new, (0, 2**62), RuleSet(), lambda _: None)
        seconds = round(time.perf_counter() - started, 1)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = round((used.ru_utime + used.ru_stime) / 2, 1)
    row = {"orders": found["old"]["orders"], "records": records, "MB": size // 1_000_000, "seconds": seconds}
    row |= {"cpu_seconds_each": cpu, "peak_MB_each": used.ru_maxrss // 1024}
    shown = {k: found[k] for k in ("old", "new", "moved_orders", "reasons", "old_rules_agree_with_the_log")}
    print(json.dumps({**row, **shown}, indent=1))
    if args.save:
        results.write("simulate", "past orders through two rule sets, a process each", "seconds", [row], seed=1)


def make(path: Path, orders: int) -> None:
    """A month of past orders as a log."""
    started, maker = time.perf_counter(), Maker(orders)
    maker.make()
    save(path, maker.events, maker.inputs)
    made = time.perf_counter() - started
    print(f"{len(maker.inputs)} records, {path.stat().st_size / 1e6:.0f} MB, made in {made:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
