"""Why an order went where it went, from the events of orders that really were decided (the scenarios' runner)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.scenarios.load import read
from lab.scenarios.world import World
from ops.operator.decisions import decisions, text

SCENARIOS = Path(__file__).parents[2] / "lab" / "scenarios"


@pytest.fixture
def rows():
    """``rows(scenario, order)``: the rows that ClickHouse has of its deciding events."""

    def found(name: str, order: str):
        case = read(SCENARIOS / f"{name}.yaml")
        world = World(case)
        for i, step in enumerate(case.scenario.steps):
            world.go_to(case.at[i])
            world.do(i, step)
        return [
            {
                "type": e.type,
                "time": datetime.fromtimestamp(e.time / 1000, UTC),
                "rule_version": e.rule_version,
                "depot": e.depot,
                "reason": e.reason,
                "lines.sku": [x.sku for x in e.lines],
                "lines.qty": [x.qty for x in e.lines],
                "decision": e.decision,
            }
            for e in world.fold.made.events
            if e.order_key == world.facts.key(order) and e.decision
        ]

    return found


def test_each_decision_tells_candidates_refusals_and_what_came_of_it(rows):
    found = decisions(rows("10-short-pick", "1001"))
    assert [[(o["event"], o["depot"]) for o in d["outcome"]] for d in found] == [
        [("ALLOCATED", "A")],
        [("ALLOCATED", "B")],
        [("UNFILLABLE", "")],
    ]
    said = text("shopify:shop:1001", found)
    assert "shopify:shop:1001: 3 decision(s)" in said
    assert "asked for 3 × MUG, may be split" in said
    assert "✗ A: refused these units before" in said
    assert "→ UNFILLABLE 1 × MUG (no_depot:excluded)" in said


def test_a_decision_that_split_an_order_is_told_once_with_both_parcels(rows):
    found = decisions(rows("08a-one-here-one-there-split", "1001"))
    assert len(found) == 1
    assert [(o["depot"], o["units"]) for o in found[0]["outcome"]] == [
        ("A", [{"sku": "MUG", "qty": 1}]),
        ("B", [{"sku": "MUG", "qty": 1}]),
    ]
    assert "A + B" in text("k", found)


def test_the_preference_that_decided_is_marked_beside_the_options_it_told_apart():
    decision = (
        '{"demand":{"X":1},"split":true,"class":"vip","candidates":[],"preferences":["fewest_parcels","cost"],'
        '"options":[{"depots":["a"],"units":1,"values":[1,495]},{"depots":["b"],"units":1,"values":[1,595]}],'
        '"chosen":["a"],"decided_by":"cost"}'
    )
    row = {
        "type": "ALLOCATED",
        "time": datetime(2026, 11, 23, tzinfo=UTC),
        "rule_version": "v1",
        "depot": "a",
        "reason": "",
    }
    said = text("k", decisions([{**row, "lines.sku": ["X"], "lines.qty": [1], "decision": decision}]))
    lines = {line.split()[0]: line.split() for line in said.splitlines() if line.strip()}
    assert lines["fewest_parcels"] == ["fewest_parcels", "1", "1"]
    assert lines["cost"] == ["cost", "495", "595", "←", "decides"]
    assert "settled: by preference: cost" in said


def test_an_order_that_no_pool_decided_on_says_where_to_look():
    assert "wharf orders show shopify:acme:1" in text("shopify:acme:1", decisions([]))
