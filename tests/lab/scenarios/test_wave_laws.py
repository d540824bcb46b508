"""Laws of waves over orders and pool together, with the records between the two delayed and interleaved as they like."""

from __future__ import annotations

from collections import Counter, deque
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from domain.records.commands import RulesPublished, StockReported, Tick, WaveReleased
from domain.records.effects import PickOrder, PickOrderCancel
from domain.rules.ruleset import Bundling, Depot, Rate, RuleSet, Wave
from lab.scenarios.aggregates import Fold
from lab.scenarios.commands import Facts
from lab.scenarios.form import AddressForm, Cancel, Change, Hold, LineForm, OrderForm
from lab.scenarios.laws import broken

START, MINUTE = 1_795_424_400_000, 60_000  # Monday 2026-11-23 10:00 in Amsterdam
RULES = RuleSet(
    "v1",
    depots=[Depot("A", "NL", rates=[Rate(495)]), Depot("B", "NL", sequence=2, rates=[Rate(495)])],
    bundling=Bundling(enabled=True, waves=[Wave(every_minutes=30)], max_orders=3),
)
STREETS, CUSTOMERS, ORDERS = ["Prinsengracht 1", "Damrak 9"], ["anna@example.org", "bob@example.org"], list("123456")


class Machine(RuleBasedStateMachine):
    """``between``: records from one aggregate to the other that have not arrived yet, in order for each receiver."""

    def __init__(self) -> None:
        super().__init__()
        self.fold, self.facts, self.now = Fold(), Facts("shopify", "shop", ZoneInfo("Europe/Amsterdam")), START
        self.between = {"orders": deque(), "pools": deque()}
        self.placed: dict[str, OrderForm] = {}
        self.picked: list[PickOrder] = []
        self.held_then: list[str] = []
        body = msgspec.json.encode(RULES).decode()
        for topic in ("orders", "pools"):
            self.send(
                topic,
                RulesPublished(**self.facts.head("RulesPublished", START, "t"), name="d", version="v1", body=body),
            )
        for depot, qty in (("A", 6), ("B", 30)):
            head = self.facts.head("StockReported", START, "t")
            self.send("pools", StockReported(**head, pool="main", idempotency_key=depot, kind="COUNT", depot=depot, sku="X", quality="new", qty=qty, reference=""))  # fmt: skip

    def send(self, topic, command) -> None:
        """Fold a record; what follows for the other aggregate is under way."""
        seen = len(self.fold.made.effects)
        for to, follows in self.fold.fold(topic, command):
            self.between[to].append(follows)
        for effect in self.fold.made.effects[seen:]:
            if isinstance(effect, PickOrder):
                state = self.fold.state(effect.order_key)
                assert state is not None
                assert not state.holds, "a pick order of a held order"
                assert all(x.cancelled < x.ordered for x in state.lines), "a pick order of a cancelled order"
                self.picked.append(effect)

    @rule(order=st.sampled_from(ORDERS), customer=st.sampled_from(CUSTOMERS), street=st.sampled_from(STREETS), qty=st.integers(1, 3))  # fmt: skip
    def place(self, order, customer, street, qty):
        if order not in self.placed:
            form = OrderForm(order=order, lines=[LineForm("X", qty)], customer=customer, address=AddressForm(street=street))  # fmt: skip
            self.placed[order] = form
            self.send("orders", self.facts.command(form, self.now))

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), action=st.sampled_from(["cancel", "move", "place", "release"]))
    def meddle(self, data, action):
        order = data.draw(st.sampled_from(sorted(self.placed)))
        self.now += 1
        if action == "cancel":
            self.send("orders", self.facts.command(Cancel(order=order), self.now))
        elif action == "move":
            to = AddressForm(street=data.draw(st.sampled_from(STREETS)))
            self.send("orders", self.facts.command(Change(order=order, address=to), self.now))
        else:
            self.send("orders", self.facts.hold(Hold(order=order), action, self.now))

    @rule(topic=st.sampled_from(["orders", "pools"]), n=st.integers(1, 3))
    def arrive(self, topic, n):
        for _ in range(min(n, len(self.between[topic]))):
            self.send(topic, self.between[topic].popleft())

    @rule(minutes=st.integers(1, 40))
    def tick(self, minutes):
        self.now += minutes * MINUTE
        self.send("pools", Tick(**self.facts.head("Tick", self.now, "t")))

    def teardown(self):
        self._quiet()
        self.now += 40 * 24 * 60 * MINUTE  # every wave, whatever the calendar
        self.send("pools", Tick(**self.facts.head("Tick", self.now, "t")))
        self._quiet()
        assert list(broken(self.fold)) == []
        self._released_once()
        self._bundles()
        assert self.fold.differs(self.fold.again()) == []

    def _quiet(self):
        while any(self.between.values()):
            for topic in ("pools", "orders"):
                if self.between[topic]:
                    self.send(topic, self.between[topic].popleft())

    def _released_once(self):
        told = Counter(c.allocation_id for _, c in self.fold.log if isinstance(c, WaveReleased))
        sent = Counter(e.allocation_id for e in self.picked)
        assert all(n == 1 for n in (*told.values(), *sent.values()))
        for key in self.fold.states:
            state = self.fold.state(key)
            for a in state.allocations:
                if a.wave and any(x.live for x in a.lines):
                    assert told[a.id] == sent[a.id] == 1, "it waited, it is wanted, and no wave took it"
                assert not (a.waits and any(x.live for x in a.lines))

    def _bundles(self):
        """One customer, one door, one depot; no more than they may be; and nobody left with the parcel who was cancelled or held."""
        bundles: dict[str, list[PickOrder]] = {}
        for e in self.picked:
            if e.group_id:
                bundles.setdefault(e.group_id, []).append(e)
        for group_id, picks in bundles.items():
            assert len({(p.email, p.ship_to.street1, p.target, p.service, p.eta) for p in picks}) == 1
            assert len(picks) <= picks[0].group_size <= 3
            shares = [c for _, c in self.fold.log if isinstance(c, WaveReleased) and c.group_id == group_id]
            assert sum(c.cost for c in shares) == 495
            assert len(shares) == picks[0].group_size
        recalled = {e.allocation_id for e in self.fold.made.effects if isinstance(e, PickOrderCancel)}
        for key in self.fold.states:
            state = self.fold.state(key)
            stopped = state.holds or all(x.cancelled == x.ordered for x in state.lines)
            for a in state.allocations if stopped else ():
                assert a.id not in {p.allocation_id for p in self.picked} or a.id in recalled


@pytest.mark.fuzz
def test_whatever_happens_each_allocation_is_released_once_and_no_bundle_has_a_held_or_cancelled_order():
    run_state_machine_as_test(Machine, settings=settings(max_examples=40, stateful_step_count=30, deadline=None))
