"""Order and pool together, through whatever happens: the laws of the issue, after every step of arbitrary histories.

The world is that of the scenarios. ``WHARF_EXAMPLES`` makes it larger (default 25 histories of 30 steps; 2,000 take some minutes).
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.allocation.priority import rank
from domain.order.ledger import ledger
from domain.order.state.status import status
from domain.pool.session import PoolSession
from domain.pool.state import NEW, SkuStock
from domain.pool.view import MemoryPool
from domain.records.commands import AllocationRequested
from domain.records.effects import PickOrder
from lab.scenarios.aggregates import Fold
from lab.scenarios.form import (
    AddressForm,
    Cancel,
    Change,
    Fulfilment,
    Hold,
    LineForm,
    OrderForm,
    Reroute,
    Step,
    Stock,
    WarehouseSays,
    WmsUnits,
)
from lab.scenarios.laws import broken
from lab.scenarios.load import read
from lab.scenarios.world import World

SKUS = st.sampled_from(["X", "Y"])
DEPOTS = st.sampled_from(["A", "B", "C"])
FEW = st.integers(1, 3)
STATUS = st.sampled_from(
    ["ACCEPTED", "PICKED", "SHIPPED", "SHIPPED", "SHORT_PICKED", "REJECTED", "CANCELLED", "CANCEL_REJECTED"]
)
FILE = """\
scenario: a machine
starts: "2026-11-23 10:00"
rules:
  depots:
    - {{id: A, country: NL, safety_stock: {safety}}}
    - {{id: B, country: DE, sequence: 2, capacity_per_day: 2}}
    - {{id: C, country: NL, sequence: 3, ships_to: [NL]}}
  routing: {{split: {{allowed: {split}}}, unfillable_after_days: 3}}
stock: {{A: {{X: 4}}, B: {{X: 2, Y: 2}}, C: {{Y: 3}}}}
warehouses: {{A: {{takes: {takes}, cancels: {cancels}}}, B: {{cancels: accept}}}}
steps: [{{at: "+1m", expect: {{rejected: []}}}}]
"""


@cache
def case(split, safety, takes, cancels):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "machine.yaml"
        file.write_text(FILE.format(split=str(split).lower(), safety=safety, takes=takes, cancels=cancels))
        return read(file)


class Watched(Fold):
    """A fold that looks at each single command, not only at what a step ends with."""

    def _order(self, key, command):
        before = len(self.made.effects)
        out = super()._order(key, command)
        picks = [e for e in self.made.effects[before:] if isinstance(e, PickOrder)]
        assert not (picks and self.state(key).holds), f"a pick order of {key} while held"
        return out

    def _pool(self, name, command):
        view = self.pools.get(name)
        asks = isinstance(command, AllocationRequested) and view is not None
        left = self._left(view, command) if asks else {}
        before = len(self.made.stock_events)
        out = super()._pool(name, command)
        for e in self.made.stock_events[before:] if asks else ():
            for m in e.moves if e.type == "RESERVED" else ():
                assert m.reserved_delta <= left[m.sku, m.depot], f"{command.order_key} overtakes a backorder of {m.sku}"
        return out

    def _left(self, view: MemoryPool, c: AllocationRequested) -> dict[tuple[str, str], int]:
        """What the backorders of its own and higher classes leave to a new request, depot by depot."""
        rules = self.rules("pools")
        own, _ = rank(
            rules.priorities,
            tags=c.tags,
            service=c.service_level,
            channel=c.channel,
            latest_delivery=c.latest_delivery,
            now=c.time,
        )
        left = {}
        unsure = PoolSession(view, "main", c.time, "", rules).rebuilding
        for sku in {x.sku for x in c.lines}:
            stock = view.load(SkuStock, sku) or SkuStock(sku)
            for d in rules.depots:
                free = sum(r.on_hand - r.reserved for r in stock.rows if (r.depot, r.quality) == (d.id, NEW))
                kept = sum(n for q in stock.queues if q.may_use(d.id) for r, n in q.waiting.items() if r <= own)
                left[sku, d.id] = max(free - d.safety_stock - (0 if unsure else kept), 0)
        return left


class Pair(RuleBasedStateMachine):
    """Channels, people, warehouses and the clock, in any order."""

    @initialize(
        split=st.booleans(),
        safety=st.integers(0, 1),
        takes=st.sampled_from(["accept", "accept", "unreachable", "reject"]),
        cancels=st.sampled_from(["wait", "accept", "refuse"]),
    )
    def start(self, split, safety, takes, cancels):
        self.world = World(case(split, safety, takes, cancels))
        self.world.fold.__class__ = Watched
        self.orders: list[str] = []
        self.told: dict[tuple[str, str], list[int]] = {}
        self.n = 0

    def do(self, **step):
        self.world.do(0, Step(**step))

    # -- channels ------------------------------------------------------------------------------------------------------
    @rule(
        x=st.integers(0, 3),
        y=st.integers(0, 3),
        vip=st.booleans(),
        together=st.booleans(),
        country=st.sampled_from(["NL", "DE"]),
    )
    def order(self, x, y, vip, together, country):
        self.n += 1
        key = f"{self.n}"
        lines = [LineForm(sku, n, set="set" if together else "") for sku, n in (("X", x), ("Y", y)) if n]
        self.do(
            order=OrderForm(
                order=key,
                lines=lines or [LineForm("X")],
                tags=["VIP"] if vip else [],
                address=AddressForm(country=country),
            )
        )
        self.orders.append(key)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), x=st.integers(1, 4), y=st.integers(0, 2), country=st.sampled_from([None, None, "NL", "DE"]))
    def change(self, data, x, y, country):
        lines = [LineForm("X", x), *([LineForm("Y", y)] if y else [])]
        self.later()
        self.do(
            change=Change(order=self.one(data), lines=lines, address=AddressForm(country=country) if country else None)
        )

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), sku=SKUS, n=st.integers(0, 2))
    def cancel(self, data, sku, n):
        self.later()
        self.do(cancel=Cancel(order=self.one(data), lines={sku: n} if n else {}, confirm=True))

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), sku=SKUS)
    def fulfilled_elsewhere(self, data, sku):
        self.later()
        self.n += 1
        self.do(fulfilment=Fulfilment(order=self.one(data), lines={sku: 1}, id=f"f{self.n}", tracking=f"other{self.n}"))

    # -- people --------------------------------------------------------------------------------------------------------
    @precondition(lambda self: self.orders)
    @rule(data=st.data(), place=st.booleans(), hold=st.sampled_from(["MANUAL", "FRAUD_RISK"]))
    def hold(self, data, place, hold):
        self.later()
        self.do(**{"hold" if place else "release": Hold(order=self.one(data), hold=hold, reason="odd")})

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), anew=st.booleans())
    def reroute(self, data, anew):
        self.later()
        self.do(reroute=Reroute(order=self.one(data), anew=anew, reason="flood"))

    # -- depots --------------------------------------------------------------------------------------------------------
    @rule(depot=DEPOTS, sku=SKUS, n=st.integers(0, 5), kind=st.sampled_from(["receipt", "count", "count"]))
    def stock(self, depot, sku, n, kind):
        self.do(stock=Stock(depot, sku, n, kind))

    @precondition(lambda self: self.with_a_warehouse())
    @rule(
        data=st.data(),
        status=STATUS,
        all_of_it=st.booleans(),
        reason=st.sampled_from(["out_of_stock", "damaged", "busy"]),
    )
    def warehouse(self, data, status, all_of_it, reason):
        key, a = data.draw(st.sampled_from(self.with_a_warehouse()))
        lines = {}
        for x in a.lines:
            told = self.told.setdefault((a.id, x.line_id), [0, 0, 0, 0])
            left = x.qty - sum(told[1:])
            n = left if all_of_it else min(left, 1)
            at = {"SHIPPED": 1, "SHORT_PICKED": 2, "REJECTED": 2, "CANCELLED": 3}.get(status)
            if at:
                told[at] += n
            told[0] = max(told[0], told[1], n if status == "PICKED" else 0)
            lines[x.line_id] = WmsUnits(*told, reason=reason)
        number = int(a.id.rpartition("/")[2])
        self.n += 1
        parcel = f"p{self.n}" if status == "SHIPPED" else ""
        self.do(
            warehouse=WarehouseSays(
                order=key, allocation=number, status=status, lines=lines, parcel=parcel, tracking=parcel, reason=reason
            )
        )

    @rule(wait=st.sampled_from([600_000, 3_600_000, 86_400_000]))
    def time_passes(self, wait):
        self.world.go_to(self.world.now + wait)

    @precondition(lambda self: self.n % 5 == 4)
    @rule()
    def everything_is_lost_and_folded_again(self):
        self.do(replay=True)
        assert self.world.replays == []
        self.world.fold.__class__ = Watched
        self.n += 1

    # -- helpers -------------------------------------------------------------------------------------------------------
    def one(self, data):
        return data.draw(st.sampled_from(self.orders))

    def later(self):
        """A second goes by, so that two facts of one kind are two."""
        self.world.go_to(self.world.now + 1000)

    def states(self):
        return [(k, self.world.fold.state(self.world.facts.key(k))) for k in self.orders]

    def with_a_warehouse(self):
        return [
            (k, a) for k, s in self.states() for a in s.allocations if a.at_wms and any(x.unshipped for x in a.lines)
        ]

    # -- laws ----------------------------------------------------------------------------------------------------------
    @invariant()
    def every_unit_is_in_one_place_and_order_and_pool_agree(self):
        if hasattr(self, "world"):
            assert list(broken(self.world.fold)) == []
            assert [str(e) for e in self.world.fold.made.rejected] == []

    @invariant()
    def stock_is_what_its_moves_add_up_to(self):
        if not hasattr(self, "world"):
            return
        on_hand, reserved = Counter(), Counter()
        for m in [m for e in self.world.fold.made.stock_events for m in e.moves]:
            on_hand[m.depot, m.sku] += m.on_hand_delta
            reserved[m.depot, m.sku] += m.reserved_delta
            assert on_hand[m.depot, m.sku] == m.on_hand >= m.reserved == reserved[m.depot, m.sku] >= 0

    @invariant()
    def a_unit_has_at_most_one_live_allocation(self):
        for key, s in self.states() if hasattr(self, "world") else ():
            for line in s.lines:
                live = sum(x.live for a in s.allocations for x in a.lines if x.line_id == line.line_id)
                assert live + line.cancelled + line.outside <= line.ordered + line.surplus, key

    @invariant()
    def the_status_is_what_the_quantities_say(self):
        for _, s in self.states() if hasattr(self, "world") else ():
            units = Counter()
            for line in s.lines:
                for f in ("ordered", "open", "backordered", "allocated", "picked", "shipped", "cancelled"):
                    units[f] += getattr(line, f)
            left, now = units["ordered"] - units["cancelled"], status(s)
            placed = units["allocated"] + units["picked"]
            if left == 0:
                assert now in {"CANCELLED", "COMPLETED"}
            elif now in {"SHIPPED", "DELIVERED", "COMPLETED"}:
                assert units["shipped"] == left
            elif now == "PARTIALLY_SHIPPED":
                assert 0 < units["shipped"] < left
            elif now == "PICKED":
                assert units["picked"] == left
            elif now == "ALLOCATED":
                assert (placed, units["shipped"]) == (left, 0)
            elif now == "PARTIALLY_ALLOCATED":
                assert 0 < placed < left
            elif now in {"BACKORDERED", "UNFILLABLE", "PLACED"}:
                assert (placed, units["shipped"]) == (0, 0)
                assert (now == "BACKORDERED") <= (units["backordered"] > 0)
            elif now == "HELD":
                assert s.holds
            else:
                assert (now, any(x.asked for a in s.allocations for x in a.lines)) == ("CANCEL_REQUESTED", True)

    def teardown(self):
        if hasattr(self, "world"):
            assert self.world.fold.differs(self.world.fold.again()) == []


TestPair = Pair.TestCase
TestPair.settings = settings(
    max_examples=int(os.environ.get("WHARF_EXAMPLES", "25")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("y", [0, 1])
@pytest.mark.parametrize("together", [False, True])
def test_units_paid_back_and_then_taken_off_the_order_were_paid_for_all_the_same(together, y):
    """Found by this machine: Y 2 is cancelled and paid back, then the shop shows an order without it (or with less of it)."""
    state = Pair()
    state.start(split=True, safety=0, takes="accept", cancels="wait")
    state.order(country="NL", together=together, vip=False, x=1, y=2)
    state.later()
    state.do(fulfilment=Fulfilment(order="1", lines={"X": 1}, id="f1", tracking="other1"))
    state.time_passes(wait=600_000)
    state.later()
    state.do(cancel=Cancel(order="1", lines={}, confirm=True))
    state.later()
    state.do(change=Change(order="1", lines=[LineForm("X", 1), *([LineForm("Y", y)] if y else [])]))
    state.every_unit_is_in_one_place_and_order_and_pool_agree()
    assert ledger(state.world.fold.state(state.world.facts.key("1"))).left == 1000, "what X cost may still go back"
    state.teardown()
