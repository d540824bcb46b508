"""Laws of the pool under anything that may come in: a Hypothesis state machine over a pool and simple orders."""

from __future__ import annotations

from collections import Counter

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from domain.pool.aggregate import MemoryPool, handle
from domain.pool.state import PoolOrder, SkuStock
from domain.records.commands import AllocationDecided
from domain.records.values import DemandLine, WmsLine
from domain.rules.ruleset import Depot, Routing, RuleSet, SplitPolicy

SKUS, DEPOTS = ["X", "Y", "Z"], ["A", "B", "C"]
STATUSES = [
    "ACCEPTED",
    "PICKING",
    "PICKED",
    "PACKED",
    "SHIPPED",
    "SHORT_PICKED",
    "REJECTED",
    "CANCELLED",
    "CANCEL_REJECTED",
]
REASONS = ["out_of_stock", "damaged", "missing", "other"]
SETS = [
    SplitPolicy(),
    SplitPolicy(allowed=False),
    SplitPolicy(max_parcels=2),
]


def _rules(n: int, split: SplitPolicy, safety: int, capacity: int) -> RuleSet:
    depots = [
        Depot("A", "NL", safety_stock=safety, capacity_per_day=capacity),
        Depot("B", "DE", sequence=2),
        Depot("C", "BE", sequence=3, ships_to=["BE"]),
    ]
    return RuleSet(f"v{n}", depots=depots, routing=Routing(split=split, unfillable_after_days=2))


class Machine(RuleBasedStateMachine):
    """Random commands; after each, every law is checked from the pool's records and from its events alone."""

    bench: type

    def __init__(self) -> None:
        super().__init__()
        self.pool = self.bench(_rules(1, SplitPolicy(), 0, 0))
        self.wanted: Counter[tuple[str, str]] = Counter()
        self.booked: Counter[tuple[str, str, str, str]] = Counter()
        self.answered: Counter[tuple[str, str]] = Counter()
        self.seen = self.heard = self.n = 0
        self.allocations: list = []
        self.places: dict[tuple[str, int], tuple] = {}
        self.checked = 0

    @rule(depot=st.sampled_from(DEPOTS), sku=st.sampled_from(SKUS), qty=st.integers(1, 6))
    def receive(self, depot, sku, qty):
        self.pool.stock(depot, sku, qty)

    @rule(depot=st.sampled_from(DEPOTS), sku=st.sampled_from(SKUS), qty=st.integers(0, 6))
    def count(self, depot, sku, qty):
        self.pool.stock(depot, sku, qty, "COUNT")

    @rule(depot=st.sampled_from(DEPOTS), sku=st.sampled_from(SKUS), qty=st.integers(-5, 5))
    def correct(self, depot, sku, qty):
        self.pool.stock(depot, sku, qty, "CORRECTION")

    @rule(
        lines=st.lists(
            st.tuples(st.sampled_from(SKUS), st.integers(1, 4), st.sampled_from(["", "", "set"])),
            min_size=1,
            max_size=4,
        ),
        vip=st.booleans(),
        country=st.sampled_from(["NL", "BE"]),
        again=st.booleans(),
    )
    def ask(self, lines, vip, country, again):
        self.n += 1
        name = str(self.n - 1 if again and self.n > 1 else self.n)
        demand = [DemandLine(f"{self.n}-{i}", sku, qty, bundle) for i, (sku, qty, bundle) in enumerate(lines)]
        for x in demand:
            self.wanted[f"shopify:acme:{name}", x.line_id] += x.qty
        self.places[f"shopify:acme:{name}", self.n] = (0 if vip else 2, self.pool.now, self.n)
        before = self._takeable()
        answer = self.pool.order(name, demand, no=self.n, tags=["VIP"] if vip else [], country=country)
        self._no_overtaking(answer, 0 if vip else 2, before)

    def _takeable(self):
        """By rank and SKU: units there less units that backorders of the rank or a higher one wait for, at each depot."""
        found = {}
        for sku in SKUS:
            stock = self.pool.view.load(SkuStock, sku) or SkuStock(sku)
            for r in stock.rows:
                for rank in (0, 2):
                    waits = sum(
                        n for q in stock.queues if q.may_use(r.depot) for k, n in q.waiting.items() if k <= rank
                    )
                    found[rank, sku, r.depot] = max(r.on_hand - r.reserved - waits, 0)
        return found

    def _no_overtaking(self, answer, rank, before):
        taken: Counter = Counter()
        for plan in answer.allocations:
            for x in plan.lines:
                taken[rank, x.sku, plan.depot] += x.qty
        assert all(n <= before.get(k, 0) for k, n in taken.items()), "a new order took what a backorder waits for"

    @precondition(lambda self: self.allocations)
    @rule(data=st.data())
    def report(self, data):
        id, lines = data.draw(st.sampled_from(self.allocations))
        status = data.draw(st.sampled_from(STATUSES))
        told = []
        for x in lines:
            part = st.integers(0, x.qty)
            told.append(
                WmsLine(
                    x.line_id,
                    x.sku,
                    data.draw(part),
                    data.draw(part),
                    data.draw(part),
                    data.draw(part),
                    data.draw(st.sampled_from(REASONS)),
                )
            )
        if status != "SHORT_PICKED" and data.draw(st.booleans()):
            told = []
        reason = data.draw(st.sampled_from(REASONS))
        for again in range(data.draw(st.integers(1, 2))):
            sent, seq = len(self.pool.sent), len(self.pool.events)
            self.pool.wms(id, status, told, reason=reason)
            if again:
                assert len(self.pool.sent) == sent, "a report told twice moved something"
                assert [e.type for e in self.pool.events[seq:]] == ["DUPLICATE"]

    @precondition(lambda self: self.allocations)
    @rule(data=st.data())
    def release(self, data):
        id, _ = data.draw(st.sampled_from(self.allocations))
        self.pool.release(id)

    @precondition(lambda self: self.n)
    @rule(data=st.data())
    def drop(self, data):
        no = data.draw(st.integers(1, self.n))
        for name in (str(no), str(no - 1)):
            self.pool.drop(name, no=no)

    @rule(ms=st.sampled_from([1000, 3_600_000, 100_000_000]))
    def tick(self, ms):
        self.pool.tick(ms)

    @rule(split=st.sampled_from(SETS), safety=st.integers(0, 2), capacity=st.sampled_from([0, 0, 2]))
    def publish(self, split, safety, capacity):
        version = int(self.pool.rules.version[1:]) + 1
        self.pool.rules = _rules(version, split, safety, capacity)
        self.pool.tick()

    @invariant()
    def stock_is_never_negative_and_never_oversold(self):
        for sku in SKUS:
            for r in (self.pool.view.load(SkuStock, sku) or SkuStock(sku)).rows:
                assert 0 <= r.reserved <= r.on_hand
                assert 0 <= r.deficit <= r.reserved

    @invariant()
    def events_alone_give_the_stock_and_each_prefix_is_sound(self):
        for e in self.pool.events[self.seen :]:
            assert e.seq == self.seen + 1
            self.seen += 1
            for m in e.moves:
                self.booked[m.depot, m.sku, m.quality, "on_hand"] += m.on_hand_delta
                self.booked[m.depot, m.sku, m.quality, "reserved"] += m.reserved_delta
                now = [self.booked[m.depot, m.sku, m.quality, k] for k in ("on_hand", "reserved")]
                assert now == [m.on_hand, m.reserved]
                assert 0 <= m.reserved <= m.on_hand
        for sku in SKUS:
            for r in (self.pool.view.load(SkuStock, sku) or SkuStock(sku)).rows:
                assert r.on_hand == self.booked[r.depot, sku, r.quality, "on_hand"]

    @invariant()
    def a_backorder_takes_only_what_those_before_it_leave(self):
        waiting = self._waiting()
        for c in self.pool.sent[self.checked :]:
            for plan in c.allocations if getattr(c, "reason", "") == "replenished" else ():
                for x in plan.lines:
                    mine = self.places[c.order_key, c.request_no]
                    ahead = sum(n for k, sku, may, n in waiting if sku == x.sku and plan.depot in may and k < mine)
                    rows = self.pool.view.load(SkuStock, x.sku).rows
                    assert ahead <= next(r.on_hand - r.reserved for r in rows if r.depot == plan.depot)
        self.checked = len(self.pool.sent)

    def _waiting(self):
        """Who waits: (class and age), SKU, depots that may serve it, units."""
        found = []
        for (kind, _), raw in self.pool.view.data.items():
            order = msgspec.msgpack.decode(raw, type=PoolOrder) if kind == "o" else None
            for r in order.requests if order else ():
                found += [((r.rank, r.placed_at, r.no), x.sku, (r.queue or "").split(","), x.qty) for x in r.lines]
        return found

    @invariant()
    def reservations_are_what_the_live_allocations_hold(self):
        live: Counter[tuple[str, str]] = Counter()
        waits: Counter[str] = Counter()
        for (kind, _), raw in self.pool.view.data.items():
            if kind == "o":
                order = msgspec.msgpack.decode(raw, type=PoolOrder)
                self._each_unit_once(order)
                for a in order.allocations:
                    for x in a.lines:
                        assert x.live >= 0
                        live[a.depot, x.sku] += x.live
                for r in order.requests:
                    for w in r.lines:
                        waits[w.sku] += w.qty
        for sku in SKUS:
            stock = self.pool.view.load(SkuStock, sku) or SkuStock(sku)
            assert sum(sum(q.waiting.values()) for q in stock.queues) == waits[sku]
            for r in stock.rows:
                assert r.reserved == live[r.depot, sku]

    def _each_unit_once(self, order):
        """At most one live allocation a unit: what is live, gone or waiting of a line is not more than was asked for."""
        units: Counter[str] = Counter()
        for a in order.allocations:
            for x in a.lines:
                units[x.line_id] += x.qty
        for r in order.requests:
            for w in r.lines:
                units[w.line_id] += w.qty
        assert all(n <= self.wanted[order.key, line] for line, n in units.items())

    @invariant()
    def every_unit_asked_for_is_answered_once(self):
        for c in self.pool.sent[self.heard :]:
            if isinstance(c, AllocationDecided):
                for p in c.allocations:
                    self.allocations.append((p.allocation_id, p.lines))
                    for x in p.lines:
                        self.answered[c.order_key, x.line_id] += x.qty
        self.heard = len(self.pool.sent)
        assert all(n <= self.wanted[k] for k, n in self.answered.items())

    def teardown(self):
        """A replay of the same commands gives the same bytes, in the records and in what came out."""
        view, events, sent = MemoryPool(), [], []
        for command, rules in self.pool.log:
            result = handle(view, command, rules)
            events += result.events
            sent += result.order_commands
        assert view.data == self.pool.view.data
        assert msgspec.msgpack.encode(events) == msgspec.msgpack.encode(self.pool.events)
        assert msgspec.msgpack.encode(sent) == msgspec.msgpack.encode(self.pool.sent)
        ids = [x.event_id for x in [*events, *sent]]
        assert len(set(ids)) == len(ids)


@pytest.mark.fuzz
def test_the_pool_keeps_its_laws_whatever_comes_in(bench):
    machine = type("PoolMachine", (Machine,), {"bench": bench})
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))
