"""The simulated warehouse packs a group as one parcel, and waits for nobody for ever."""

from __future__ import annotations

from typing import Any

import pytest

from lab.simulators.ledger import EventLog
from lab.simulators.threepl.pick_order import PickOrder, Rates
from lab.simulators.threepl.warehouse import Warehouse
from lab.simulators.timeline import Timeline

MINUTE = 60_000


class Depot:
    """A warehouse in which nothing goes wrong by chance, on a clock of its own."""

    def __init__(self) -> None:
        self.now = 0
        self.timeline = Timeline(lambda: self.now)
        self.ledger = EventLog(None, lambda: self.now)
        self.told: list[tuple[str, dict[str, Any]]] = []
        rates = Rates(short=0, refuse_now=0, reject_later=0, late=0)
        self.warehouse = Warehouse("a", {"X": 50}, self.ledger, self.timeline, self._notify, rates=rates)

    def _notify(self, topic: str, order: PickOrder, body: dict[str, Any]) -> None:
        self.told.append((order.reference, body))

    def pick(self, name: str, qty: int = 1, group: str = "g", size: int = 2) -> PickOrder:
        line = {"line_id": f"l{name}", "sku": "X", "qty": qty}
        body = {"reference": name, "lines": [line], "ship_to": {"country": "NL"}, "group_id": group, "group_size": size}
        return self.warehouse.accept(body)

    def run(self, minutes: int) -> None:
        for _ in range(minutes):
            self.now += MINUTE
            self.timeline.step()

    def parcels(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for e in self.ledger.entries("shipped"):
            found.setdefault(e["shipment_id"], set()).add(e["reference"])
        return found


@pytest.fixture
def depot() -> Depot:
    return Depot()


def test_a_group_leaves_as_one_parcel_with_one_cost_and_each_is_told(depot):
    depot.pick("1", qty=2)
    depot.pick("2", qty=1)
    depot.run(600)
    assert list(depot.parcels().values()) == [{"1", "2"}]
    shipped = {name: body["shipment"] for name, body in depot.told if body["status"] == "SHIPPED"}
    assert shipped["1"] == shipped["2"]
    assert [(x["reference"], x["qty"]) for x in shipped["1"]["lines"]] == [("1", 2), ("2", 1)]
    assert [(e["references"], e["cost"]) for e in depot.ledger.entries("bundled")] == [
        (["1", "2"], shipped["1"]["cost"])
    ]


def test_one_that_is_cancelled_before_the_pick_stays_behind(depot):
    depot.pick("1")
    depot.pick("2")
    assert depot.warehouse.cancel("1", []) == "CANCELLED"
    depot.run(600)
    assert list(depot.parcels().values()) == [{"2"}]
    assert not list(depot.ledger.entries("bundled"))


def test_one_that_never_comes_is_not_waited_for_for_ever_and_a_late_one_leaves_alone(depot):
    depot.pick("1")
    depot.run(600)
    assert list(depot.parcels().values()) == [{"1"}]
    depot.pick("2")
    depot.run(600)
    assert list(depot.parcels().values()) == [{"1"}, {"2"}]


def test_those_without_a_group_leave_alone(depot):
    depot.pick("1", group="", size=0)
    depot.pick("2", group="", size=0)
    depot.run(600)
    assert sorted(depot.parcels().values(), key=sorted) == [{"1"}, {"2"}]
