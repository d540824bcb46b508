"""The simulated WMS: strict about keys, physical about stock, and honest in its ledger."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lab.simulators.ledger import EventLog
from lab.simulators.threepl.pick_order import Pace, Rates
from lab.simulators.threepl.server import ThreePlConfig, ThreePlSimulator, read_stock
from lab.simulators.threepl.warehouse import Warehouse
from lab.simulators.threepl.webhooks import Faults
from lab.simulators.timeline import Timeline

START = 1_774_000_000_000


class Day:
    """A warehouse on a clock of our own, with everything it reported."""

    def __init__(self, stock: dict[str, int], rates: Rates | None = None, seed: int = 1) -> None:
        self.ms = START
        self.ledger = EventLog(now=lambda: self.ms)
        self.timeline = Timeline(lambda: self.ms)
        self.told: list[dict[str, Any]] = []
        self.warehouse = Warehouse(
            "depot-a",
            stock,
            self.ledger,
            self.timeline,
            lambda _topic, _order, body: self.told.append(body),
            seed=seed,
            rates=rates or Rates(short=0, refuse_now=0, reject_later=0, late=0),
            pace=Pace(),
        )

    def order(self, n: int, *lines: tuple[str, int]) -> str:
        reference = f"main/bol:acme:{n}/1"
        rows = [{"line_id": f"l{i}", "sku": sku, "qty": qty} for i, (sku, qty) in enumerate(lines)]
        self.warehouse.accept({"reference": reference, "lines": rows, "ship_to": {"country": "NL"}})
        return reference

    def pass_hours(self, hours: float) -> None:
        end = self.ms + int(hours * 3_600_000)
        while self.ms < end:
            self.ms += 60_000
            self.timeline.step()

    def statuses(self) -> list[str]:
        return [x["status"] for x in self.told]


def test_a_pick_order_goes_from_accepted_to_delivered_with_cumulative_figures() -> None:
    day = Day({"A": 10})
    day.order(1, ("A", 3))
    day.pass_hours(30)
    assert day.statuses() == ["ACCEPTED", "PICKED", "SHIPPED", "IN_TRANSIT", "DELIVERED"]
    assert day.told[1]["lines"][0]["picked"] == 3
    assert day.told[2]["lines"][0]["shipped"] == 3
    assert day.told[2]["shipment"]["cost"] > 0
    assert day.warehouse.stock == {"A": 7}
    assert day.warehouse.conserved() == []


def test_short_picks_take_the_lost_units_off_the_shelf_and_the_rest_ships() -> None:
    day = Day({"A": 1000}, Rates(short=1.0, refuse_now=0, reject_later=0, late=0))
    for n in range(50):
        day.order(n, ("A", 3))
    day.pass_hours(30)
    picked = day.ledger.entries("picked")
    assert all(e["qty"] + e["written_off"] == 3 and e["written_off"] >= 1 for e in picked)
    shipped = sum(e["qty"] for e in day.ledger.entries("shipped"))
    assert shipped == sum(e["qty"] for e in picked)
    reports = [x for x in day.told if x["status"] == "SHORT_PICKED"]
    assert len(reports) == 50
    assert {x["lines"][0]["reason"] for x in reports} == {"damaged", "missing"}
    assert day.warehouse.conserved() == []
    assert day.ledger.violations() == []


def test_a_promise_beyond_the_shelf_is_seen_as_oversold_and_never_shipped() -> None:
    day = Day({"A": 3})
    day.order(1, ("A", 2))
    day.order(2, ("A", 2))
    day.pass_hours(30)
    assert sum(e["qty"] for e in day.ledger.entries("shipped")) == 3
    assert [v["reason"] for v in day.ledger.violations()] == ["oversold"]
    assert day.warehouse.stock == {"A": 0}


def test_a_part_cancelled_before_the_pick_stays_on_the_shelf() -> None:
    day = Day({"A": 10})
    reference = day.order(1, ("A", 3))
    assert day.warehouse.cancel(reference, [{"line_id": "l0", "qty": 1}]) == "CANCELLED"
    day.pass_hours(30)
    assert [e["qty"] for e in day.ledger.entries("shipped")] == [2]
    assert day.warehouse.stock == {"A": 8}


def test_a_cancellation_of_nothing_is_refused_so_that_it_is_not_read_as_everything() -> None:
    day = Day({"A": 10})
    reference = day.order(1, ("A", 3))
    assert day.warehouse.cancel(reference, [{"line_id": "none", "qty": 1}]) == "CANCEL_REJECTED"
    day.pass_hours(30)
    assert [e["qty"] for e in day.ledger.entries("shipped")] == [3]


def test_the_rates_of_a_default_day_are_about_what_they_say() -> None:
    day = Day({f"S{i}": 10_000 for i in range(20)}, Rates())
    refused = 0
    for n in range(2000):
        try:
            day.order(n, (f"S{n % 20}", 2))
        except Exception:
            refused += 1
    day.pass_hours(72)
    counts = Counter(day.statuses())
    assert 0 < refused + counts["REJECTED"] < 50
    assert 30 < counts["SHORT_PICKED"] < 100
    assert day.ledger.violations() == []
    assert day.warehouse.conserved() == []
    references = Counter((e["reference"], e["line_id"]) for e in day.ledger.entries("shipped"))
    assert max(references.values()) == 1


def test_the_seed_decides_the_fate_of_an_order_and_not_when_it_comes() -> None:
    def fates(order: list[int]) -> dict[str, int]:
        day = Day({"A": 1000}, Rates(short=0.5, refuse_now=0, reject_later=0, late=0))
        for n in order:
            day.order(n, ("A", 2))
        day.pass_hours(72)
        return {e["reference"]: e["qty"] for e in day.ledger.entries("picked")}

    assert fates([1, 2, 3, 4, 5, 6]) == fates([6, 3, 1, 2, 5, 4])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[]", "a JSON object"),
        ('{"a": 3}', "a JSON object"),
        ('{"a": {"S": -1}}', "a.S"),
        ('{"a": {"S": true}}', "a.S"),
    ],
)
def test_a_wrong_stock_file_is_refused_with_the_place(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "stock.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"stock\.json") as e:
        read_stock(path)
    assert named in str(e.value)


def test_progress_is_idle_before_anything_came() -> None:
    sim = ThreePlSimulator(ThreePlConfig(stock={"depot-a": {"A": 1}}, faults=Faults()))
    assert sim.progress()["idle"]
    assert json.loads(json.dumps(sim.progress()))["pick_orders"] == 0
