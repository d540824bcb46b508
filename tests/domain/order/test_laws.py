"""Laws over arbitrary histories. The bench checks after every command: units conserved and equal to what allocations and requests hold,
no gap in seq, no id twice, the given state untouched, never a pick order while held.
"""

from __future__ import annotations

import itertools
import os

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.order.aggregate import handle
from domain.pool import aggregate as pool
from domain.pool.state import SkuStock
from domain.records.commands import AllocationRequested, StockReported, WmsReported
from domain.records.effects import ChannelShipment, PickOrder
from domain.records.values import RefundLine, WmsLine

UNITS = st.integers(0, 4)
RARELY = st.sampled_from([False] * 30 + [True])
PART = st.integers(1, 2)
LINE = st.sampled_from(["L1", "L2"])
HOLD = st.sampled_from(["MANUAL", "FRAUD_RISK", "AWAITING_PAYMENT"])
STATUS = st.sampled_from(
    ["ACCEPTED", "PICKING", "PICKED", "PACKED", "SHIPPED", "SHORT_PICKED", "REJECTED", "CANCELLED", "CANCEL_REJECTED"]
)


@pytest.fixture(scope="module", autouse=True)
def machine(request):
    """The bench, for machines that are built without fixtures."""
    kit = request.getfixturevalue("bench_kit")
    History.kit = kit
    return kit


class History(RuleBasedStateMachine):
    """Whatever channels, people, pool, warehouses and carriers say, in any order."""

    kit = None

    @initialize(stock=st.tuples(UNITS, UNITS, UNITS), known=st.sampled_from([True, True, True, False]))
    def start(self, stock, known):
        a1, b1, a2 = stock
        self.desk = self.kit.Desk(stock={("A", "SKU-L1"): a1, ("B", "SKU-L1"): b1, ("A", "SKU-L2"): a2})
        self.desk.auto = False
        self.told: dict[tuple[str, str], WmsLine] = {}
        self.n = 0
        if known:
            self.desk.upsert(self.kit.snapshot(self.kit.line("L1", 4), self.kit.line("L2", 2), total=1000))
            self.pump(2)

    def pump(self, n):
        while self.desk.todo and n:
            self.desk.pump()
            n -= 1

    def lines(self, units):
        return self.kit.qty(**{k: v for k, v in units.items() if v})

    @rule(
        units=st.tuples(UNITS, UNITS),
        gone=st.sampled_from([(0, 0)] * 4 + [(1, 0), (2, 1)]),
        later=st.sampled_from([0, 1, 1, 1, 2, -1]),
        paid=st.sampled_from([True] * 4 + [False]),
        street=st.sampled_from(["Kade 1"] * 4 + ["Gracht 2"]),
        whole=RARELY,
    )
    def snapshot(self, units, gone, later, paid, street, whole):  # noqa: PLR0917  # Hypothesis names them
        k = self.kit
        h = self.desk.state.header if self.desk.state else None
        version = (h.version if h else 5) + later
        lines = [k.line(i, q, cancelled=min(g, q)) for i, q, g in zip(("L1", "L2"), units, gone, strict=True) if q]
        order = k.snapshot(
            *(lines or [k.line("L1", 0)]),
            version=version,
            payment_state="paid" if paid else "pending",
            address=msgspec.structs.replace(k.HOME, street1=street),
            cancelled_at=k.NOW if whole else None,
            total=1000,
        )
        self.desk.upsert(order)

    @rule(line=LINE, n=PART, whole=RARELY, confirm=st.booleans())
    def cancel(self, line, n, whole, confirm):
        self.n += 1
        lines = [] if whole else self.lines({line: n})
        self.desk.cancel(*lines, key=f"cancel/{self.n}@5", confirm=confirm)

    @rule(line=LINE, n=PART, really=RARELY)
    def refund(self, line, n, really):
        if not really:
            return
        self.n += 1
        self.desk.refund([RefundLine(line, f"SKU-{line}", n, 1, restock="cancel")], rid=f"r{self.n}")

    @rule(hold=HOLD, action=st.sampled_from(["place", "release", "release", "release"]))
    def hold(self, hold, action):
        self.desk.hold(hold, action)

    @rule(amount=st.sampled_from([400, 1000]), status=st.sampled_from(["success", "pending"]), tid=LINE)
    def pay(self, amount, status, tid):
        self.desk.pay("sale", status, amount, tid)

    @rule(line=LINE, n=PART, fid=LINE, status=st.sampled_from(["success", "cancelled"]), really=st.booleans())
    def fulfilled_elsewhere(self, line, n, fid, status, really):
        if not really:
            return
        self.n += 1
        self.desk.fulfilled(self.lines({line: n}), fid, status, tracking=f"T{fid}", at=self.n)

    @precondition(lambda self: self.desk.todo)
    @rule(n=st.integers(1, 5))
    def pool_answers(self, n):
        self.pump(n)

    @rule(line=LINE, depot=st.sampled_from(["A", "B"]), n=PART)
    def stock_comes_in(self, line, depot, n):
        for answer in self.desk.pool.receive(depot, f"SKU-{line}", n, self.desk.now):
            self.desk.send(answer)

    @precondition(lambda self: self.desk.state and any(a.sent for a in self.desk.state.allocations))
    @rule(data=st.data(), status=STATUS, add=st.tuples(UNITS, UNITS, UNITS))
    def warehouse_reports(self, data, status, add):
        self._report(data, status, add)

    @precondition(lambda self: self.desk.state and any(a.sent for a in self.desk.state.allocations))
    @rule(data=st.data(), status=st.sampled_from(["SHIPPED", "CANCELLED", "PICKED"]))
    def warehouse_goes_on(self, data, status):
        self._report(data, status, (1, 1, 1))

    def _report(self, data, status, add):
        a = data.draw(st.sampled_from([a for a in self.desk.state.allocations if a.sent]))
        lines = [self.figures(a.id, x, status, add) for x in a.lines]
        self.n += 1
        number = int(a.id.rpartition("/")[2])
        self.desk.wms(status, number, *lines, shipment=f"s{self.n}", tracking=f"OUR{self.n}")

    def figures(self, aid, x, status, add):
        was = self.told.get((aid, x.line_id)) or WmsLine(x.line_id, x.sku)
        picked, short, cancelled = add
        now = WmsLine(
            x.line_id,
            x.sku,
            min(was.picked + picked, x.qty),
            min(was.shipped + (picked if status == "SHIPPED" else 0), x.qty),
            was.short + (short if status == "SHORT_PICKED" else 0),
            was.cancelled + (cancelled if status == "CANCELLED" else 0),
        )
        self.told[aid, x.line_id] = now
        return now

    @precondition(lambda self: self.desk.effects)
    @rule(data=st.data(), ok=st.booleans(), attempts=st.integers(1, 2))
    def effect_ends(self, data, ok, attempts):
        self.desk.outcome(data.draw(st.sampled_from(self.desk.effects)), ok, f"ref{self.n}", attempts)

    @precondition(lambda self: self.desk.state and self.desk.state.shipments)
    @rule(data=st.data(), status=st.sampled_from(["IN_TRANSIT", "DELIVERED", "LOST"]), at=st.integers(0, 9))
    def carrier_scans(self, data, status, at):
        x = data.draw(st.sampled_from(self.desk.state.shipments))
        n = int(x.allocation_id.rpartition("/")[2])
        self.desk.scan(status, n, x.id, at=self.desk.now + at)

    @rule(really=RARELY)
    def time_passes(self, really):
        if self.desk.state and really:
            self.desk.tick(self.desk.now + 31 * self.kit.DAY)

    @precondition(lambda self: self.desk.log)
    @rule(data=st.data())
    def a_channels_fact_comes_again(self, data):
        facts = [x for x in self.desk.log if hasattr(x, "content_hash")]
        if not facts:
            return
        fact, s = data.draw(st.sampled_from(facts)), self.desk.state
        n = len(self.desk.effects), len(self.desk.asked)
        self.desk.send(fact)
        assert (len(self.desk.effects), len(self.desk.asked)) == n
        assert self.desk.events[-1].type in ("DUPLICATE", "STALE")
        blank = {"duplicates": 0, "stale": 0, "seq": 0}
        assert msgspec.structs.replace(self.desk.state, **blank) == msgspec.structs.replace(s, **blank)

    @invariant()
    def cancelled_orders_ask_for_nothing(self):
        d = getattr(self, "desk", None)
        if d and d.state and d.state.header and d.state.header.cancelled_at is not None:
            assert not any(x.open or x.requested or x.backordered for x in d.state.lines)

    def teardown(self):
        d = getattr(self, "desk", None)
        if d is None:
            return
        state, events = None, []
        for command in d.log:
            result = handle(state, command, d.rules)
            state, events = result.state, [*events, *result.events]
        assert msgspec.msgpack.encode(state) == msgspec.msgpack.encode(d.state)
        assert msgspec.msgpack.encode(events) == msgspec.msgpack.encode(d.events)


TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=int(os.environ.get("WHARF_EXAMPLES", "50")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def _facts(kit, desk):
    """Facts that a channel may deliver in any order, with what makes them."""
    k = kit
    return [
        lambda: desk.upsert(k.snapshot(k.line("L1", 3), version=1, payment_state="pending", total=100)),
        lambda: desk.upsert(
            k.snapshot(k.line("L1", 2), k.line("L2", 2), version=2, payment_state="pending", total=100)
        ),
        lambda: desk.cancel(*k.qty(L1=1), key="cancel/1@3"),
        lambda: desk.refund([RefundLine("L1", "SKU-L1", 1, 1, restock="cancel")]),
        lambda: desk.pay(amount=100),
        lambda: desk.fulfilled(k.qty(L2=1), tracking="ELSEWHERE"),
    ]


@pytest.mark.parametrize("seed", range(24))
def test_a_channels_facts_reach_the_same_units_in_any_order(kit, seed):
    orders = list(itertools.permutations(range(6)))
    reached = set()
    for order in orders[seed::24]:
        desk = kit.Desk(stock={})
        facts = _facts(kit, desk)
        for i in order:
            facts[i]()
        reached.add(tuple(sorted((x.line_id, *desk.units(x.line_id).items()) for x in desk.state.lines)))
    assert reached == {(("L1", ("backordered", 1), ("cancelled", 1)), ("L2", ("backordered", 1), ("shipped", 1)))}


@given(order=st.permutations(range(5)))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_warehouses_reports_reach_the_same_units_in_any_order(bench_kit, order):
    kit = bench_kit
    desk = kit.Desk()
    desk.upsert(kit.snapshot(kit.line(qty=3)))
    reports = [
        ("ACCEPTED", WmsLine("L1", "SKU-L1")),
        ("PICKED", WmsLine("L1", "SKU-L1", 2)),
        ("SHORT_PICKED", WmsLine("L1", "SKU-L1", 2, 0, 1)),
        ("PACKED", WmsLine("L1", "SKU-L1", 2, 0, 1)),
        ("SHIPPED", WmsLine("L1", "SKU-L1", 2, 2, 1)),
    ]
    for i in order:
        status, figures = reports[i]
        desk.wms(status, 1, figures, shipment="s1" if status == "SHIPPED" else "", tracking="T")
    assert desk.units() == {"shipped": 2, "backordered": 1}
    assert desk.types().count("PICKED") == desk.types().count("SHIPPED") == desk.types().count("SHORT_PICKED") == 1
    assert len(desk.of(ChannelShipment)) == 1


@given(steps=st.lists(st.tuples(st.sampled_from(["ship", "short", "refuse", "cancel", "stock"]), PART), max_size=12))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_with_the_real_pool_no_unit_is_reserved_that_the_order_does_not_hold(bench_kit, steps):
    desk, real = bench_kit.Desk(), _RealPool(bench_kit)
    real.stock("A", 2)
    desk.pool = real
    desk.upsert(bench_kit.snapshot(bench_kit.line(qty=4)))
    for n, (what, units) in enumerate(steps):
        real.step(desk, what, units, n)
        assert real.reserved() == sum(x.allocated + x.picked for x in desk.state.lines)
    assert len({p.allocation_id for p in desk.of(PickOrder)}) == len(desk.of(PickOrder))


class _RealPool:
    """The pool aggregate in the fake one's place."""

    def __init__(self, kit):
        self.kit, self.view, self.n, self.allocations = kit, pool.MemoryPool(), 0, {}

    def fold(self, command, now):
        out = pool.handle(self.view, command, self.kit.RULES).order_commands
        for x in out:
            for plan in getattr(x, "allocations", []):
                self.allocations[plan.allocation_id] = {"depot": plan.depot}
        return out

    def head(self, kind):
        self.n += 1
        return {
            "event_id": f"p{self.n}",
            "type": kind,
            "time": self.kit.NOW,
            "source": "wms",
            "trace": "t",
            "pool": "main",
        }

    def stock(self, depot, n):
        f = {"kind": "RECEIPT", "depot": depot, "sku": "SKU-L1", "quality": "new", "qty": n, "reference": ""}
        return self.fold(StockReported(**self.head("StockReported"), idempotency_key=f"s{self.n}", **f), self.kit.NOW)

    def step(self, desk, what, units, n):
        if what == "cancel":
            desk.cancel(*self.kit.qty(L1=1), key=f"cancel/{n}@1")
        elif what == "stock":
            self._deliver(desk, self.stock("AB"[units - 1], units))
        else:
            self._report(desk, what, units)

    def _report(self, desk, what, units):
        live = [a for a in desk.state.allocations if a.at_wms and any(x.unshipped for x in a.lines)]
        if not live:
            return
        a, x = live[0], live[0].lines[0]
        status = {"ship": "SHIPPED", "short": "SHORT_PICKED", "refuse": "CANCEL_REJECTED"}[what]
        if x.asked and what == "short":
            line = WmsLine("L1", x.sku, x.picked, x.shipped, x.short, x.cancelled + x.asked)
            status = "CANCELLED"
        else:
            n = min(units, x.unshipped)
            short = n if what == "short" else 0
            shipped = n if what == "ship" else 0
            line = WmsLine(
                "L1", x.sku, x.shipped + shipped, x.shipped + shipped, x.short + short, x.cancelled, "missing"
            )
        told = WmsReported(
            **self.head("WmsReported"),
            order_key=self.kit.KEY,
            idempotency_key=f"w{self.n}",
            allocation_id=a.id,
            status=status,
            lines=[line],
            shipment_id=f"s{self.n}" if status == "SHIPPED" else "",
            carrier="",
            tracking_number=f"T{self.n}",
            tracking_url="",
            cost=0,
            cost_currency="",
            reason="",
            occurred_at=self.kit.NOW + self.n,
        )
        self._deliver(desk, self.fold(told, self.kit.NOW))

    def _deliver(self, desk, commands):
        for command in commands:
            desk.send(command)

    def reserved(self):
        stock = self.view.load(SkuStock, "SKU-L1")
        return sum(r.reserved for r in stock.rows) if stock else 0


def test_a_request_number_is_never_used_twice(kit):
    desk = kit.Desk(stock={})
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    for i in range(3):
        desk.hold("MANUAL", why=str(i))
        desk.release("MANUAL")
    numbers = [r.request_no for r in desk.of(AllocationRequested)]
    assert numbers == [1, 2, 3, 4]
