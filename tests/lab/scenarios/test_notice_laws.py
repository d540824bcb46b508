"""What customers are told, over arbitrary histories: each event at most once over a medium, never a day that did not hold when it was decided,
never at night, never the same twice running. ``WHARF_EXAMPLES`` makes it larger (default 25 histories of 30 steps).
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.records.effects import CustomerMessage
from lab.scenarios.aggregates import Fold
from lab.scenarios.form import (
    AddressForm,
    Cancel,
    Carrier,
    Change,
    Hold,
    LineForm,
    OrderForm,
    Reroute,
    Step,
    Stock,
    WarehouseSays,
    WmsUnits,
)
from lab.scenarios.load import read
from lab.scenarios.world import NotPossible, World

SKUS = st.sampled_from(["X", "Y"])
AMSTERDAM, HELSINKI = ZoneInfo("Europe/Amsterdam"), ZoneInfo("Europe/Helsinki")
OF_ORDERS = {"PLACED", "ALLOCATED", "DELAYED", "BACKORDERED", "UNFILLABLE"}
FILE = """\
scenario: a machine
starts: "2026-11-23 10:00"
rules:
  depots:
    - {{id: A, country: NL, rates: [{{cost: 1, transit_days: 1}}]}}
    - {{id: B, country: DE, sequence: 2, rates: [{{cost: 2, transit_days: 4}}]}}
  routing: {{unfillable_after_days: 3}}
  notifications:
    collapse_minutes: {wait}
    messages:
      - {{events: [PLACED, ALLOCATED, DELAYED, BACKORDERED, UNFILLABLE, CANCELLED], media: [mail, sms]}}
      - {{events: [OVERDUE, PICKED, SHIPPED, OUT_FOR_DELIVERY, DELIVERED, EXCEPTION], media: [sms, mail], wait_minutes: {parcels}}}
stock: {{A: {{X: 3}}, B: {{X: 2, Y: 2}}}}
warehouses: {{A: {{takes: {takes}, cancels: accept}}}}
steps: [{{at: "+1m", expect: {{rejected: []}}}}]
"""


@cache
def case(wait, parcels, takes):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "machine.yaml"
        file.write_text(FILE.format(wait=wait, parcels=parcels, takes=takes))
        return read(file)


def promised(state, *, unshipped):
    """The days that live allocations promise, by line: looked up apart from the product's own way."""
    days: dict[str, set[str]] = {}
    for a in state.allocations:
        if a.recall or (unshipped and a.status == "FAILED"):
            continue
        day = datetime.fromtimestamp(a.eta / 1000, AMSTERDAM).date().isoformat()  # both depots' clock is Amsterdam's
        for x in a.lines:
            if not unshipped or x.qty - x.released - x.short - x.cancelled - x.shipped > 0:
                days.setdefault(x.line_id, set()).add(day)
    return days


class Watched(Fold):
    """Looks at each message in the moment it is decided."""

    def _order(self, key, command):
        before = len(self.made.effects)
        out = super()._order(key, command)
        for m in self.made.effects[before:]:
            if isinstance(m, CustomerMessage):
                self._holds(m, self.state(key), command.time)
        return out

    def _holds(self, m, state, now):
        zone = HELSINKI if m.country == "FI" else AMSTERDAM
        local = datetime.fromtimestamp(now / 1000, zone)
        assert m.medium == "mail" or 8 <= local.hour < 21, f"{m.medium} at {local}"
        assert not m.eta or m.eta >= local.date().isoformat(), f"{m.kind} names {m.eta}, a day that is over"
        days = promised(state, unshipped=m.kind in OF_ORDERS)
        for x in m.lines:
            assert not x.eta or x.eta in days.get(x.line_id, ()), (
                f"{m.kind} names {x.eta} of {x.line_id}, promised {days}"
            )
        assert m.eta == max((x.eta for x in m.lines), default=""), m


class Told(RuleBasedStateMachine):
    """Channels, people, warehouses, carriers and the clock, in any order."""

    @initialize(
        wait=st.sampled_from([0, 5, 45]),
        parcels=st.sampled_from([0, 20]),
        takes=st.sampled_from(["accept", "accept", "unreachable", "reject"]),
    )
    def start(self, wait, parcels, takes):
        self.world = World(case(wait, parcels, takes))
        self.world.fold.__class__ = Watched
        self.orders: list[str] = []
        self.shipped: list[tuple[str, int]] = []
        self.n = 0

    def do(self, **step):
        self.world.do(0, Step(**step))

    @rule(
        x=st.integers(0, 3),
        y=st.integers(0, 2),
        country=st.sampled_from(["NL", "FI"]),
        due=st.sampled_from(["", "+1d"]),
    )
    def order(self, x, y, country, due):
        self.n += 1
        lines = [LineForm(sku, n) for sku, n in (("X", x), ("Y", y)) if n] or [LineForm("X")]
        address = AddressForm(country=country)
        told = OrderForm(order=f"{self.n}", lines=lines, address=address, phone="+31612345678", deliver_by=due)
        self.do(order=told)
        self.orders.append(f"{self.n}")

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), x=st.integers(0, 4))
    def change(self, data, x):
        self.later()
        self.do(change=Change(order=self.one(data), lines=[LineForm("X", x)] if x else [LineForm("Y", 1)]))

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), sku=SKUS, n=st.integers(0, 2))
    def cancel(self, data, sku, n):
        self.later()
        self.do(cancel=Cancel(order=self.one(data), lines={sku: n} if n else {}, confirm=True))

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), what=st.sampled_from(["hold", "release", "reroute"]))
    def by_hand(self, data, what):
        self.later()
        order = self.one(data)
        self.do(**{what: Reroute(order=order) if what == "reroute" else Hold(order=order)})

    @rule(depot=st.sampled_from(["A", "B"]), sku=SKUS, n=st.integers(0, 3), kind=st.sampled_from(["receipt", "count"]))
    def stock(self, depot, sku, n, kind):
        self.do(stock=Stock(depot, sku, n, kind))

    @precondition(lambda self: self.at_a_warehouse())
    @rule(data=st.data(), status=st.sampled_from(["PICKED", "SHIPPED", "SHIPPED", "SHORT_PICKED", "REJECTED"]))
    def warehouse(self, data, status):
        key, a = data.draw(st.sampled_from(self.at_a_warehouse()))
        lines = {}
        for x in a.lines:
            left = x.qty - x.released - x.short - x.cancelled - x.shipped
            sent, short = (left if status == "SHIPPED" else 0), (left if status in ("SHORT_PICKED", "REJECTED") else 0)
            picked = x.picked + left if status == "PICKED" else max(x.picked, x.shipped + sent)
            lines[x.line_id] = WmsUnits(min(picked, x.qty), x.shipped + sent, x.short + short, x.cancelled, "other")
        number = int(a.id.rpartition("/")[2])
        self.n += 1
        parcel = f"p{self.n}" if status == "SHIPPED" else ""
        self.do(warehouse=WarehouseSays(order=key, allocation=number, status=status, lines=lines, parcel=parcel))
        if status == "SHIPPED":
            self.shipped.append((key, number))

    @precondition(lambda self: self.shipped)
    @rule(data=st.data(), status=st.sampled_from(["OUT_FOR_DELIVERY", "DELIVERED", "DELIVERED", "EXCEPTION"]))
    def carrier(self, data, status):
        self.later()
        key, number = data.draw(st.sampled_from(self.shipped))
        try:
            self.do(carrier=Carrier(order=key, allocation=number, status=status))
        except NotPossible:
            return

    @rule(wait=st.sampled_from([600_000, 3_600_000, 11 * 3_600_000, 86_400_000]))
    def time_passes(self, wait):
        self.world.go_to(self.world.now + wait)

    @precondition(lambda self: self.n % 5 == 4)
    @rule()
    def everything_is_lost_and_folded_again(self):
        before = len(self.messages())
        self.do(replay=True)
        assert self.world.replays == []
        assert len(self.messages()) == before
        self.world.fold.__class__ = Watched
        self.n += 1

    # -- helpers -------------------------------------------------------------------------------------------------------
    def one(self, data):
        return data.draw(st.sampled_from(self.orders))

    def later(self):
        """A second goes by, so that two facts of one kind are two."""
        self.world.go_to(self.world.now + 1000)

    def at_a_warehouse(self):
        states = [(k, self.world.fold.state(self.world.facts.key(k))) for k in self.orders]
        return [(k, a) for k, s in states for a in s.allocations if a.at_wms and any(x.unshipped > 0 for x in a.lines)]

    def messages(self):
        return [e for e in self.world.fold.made.effects if isinstance(e, CustomerMessage)]

    # -- laws ----------------------------------------------------------------------------------------------------------
    @invariant()
    def each_event_is_told_at_most_once_over_a_medium(self):
        if not hasattr(self, "world"):
            return
        told = Counter((m.order_key, m.medium, c.seq) for m in self.messages() for c in m.causes)
        assert [k for k, n in told.items() if n > 1] == []
        assert len({m.event_id for m in self.messages()}) == len(self.messages())
        known = {(e.order_key, e.seq): e.type for e in self.world.fold.made.events}
        assert all(known[m.order_key, c.seq] == c.type for m in self.messages() for c in m.causes)

    @invariant()
    def nobody_is_told_the_same_twice_running(self):
        last: dict[tuple[str, str], tuple[object, ...]] = {}
        for m in self.messages() if hasattr(self, "world") else ():
            if m.kind in OF_ORDERS:
                said = (m.kind, m.eta, tuple((x.line_id, x.qty, x.state, x.eta) for x in m.lines))
                assert last.get((m.order_key, m.medium)) != said, m
                last[m.order_key, m.medium] = said

    @invariant()
    def a_delay_names_a_later_day_than_was_told_or_promised(self):
        for m in self.messages() if hasattr(self, "world") else ():
            if m.kind == "DELAYED":
                assert m.eta_before < m.eta, m

    def teardown(self):
        if hasattr(self, "world"):
            assert self.world.fold.differs(self.world.fold.again()) == []
            late = self.world.now + 7 * 86_400_000
            self.world.go_to(late)
            for key in self.orders:
                notices = self.world.fold.state(self.world.facts.key(key)).notices
                assert notices is None or notices.due == 0, "something waits for ever"


TestTold = Told.TestCase
TestTold.settings = settings(
    max_examples=int(os.environ.get("WHARF_EXAMPLES", "25")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
