"""Every scenario file passes, every kind of wrong expectation is reported, and a file that makes no sense is an error with its place."""

from __future__ import annotations

import copy
import json
import re
from functools import reduce
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from lab.scenarios.form import Scenario
from lab.scenarios.load import ScenarioError, read, schema
from lab.scenarios.run import Failure, run, run_file
from wharf.cli import app

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.yaml"))
RETURNS = sorted((HERE / "returns").glob("*.yaml"))
NOTIFICATIONS = sorted((HERE / "notifications").glob("*.yaml"))

MUGS = """\
scenario: two orders and the last mug
starts: "2026-11-23 10:00"
rules:
  depots: [{id: A, country: NL}, {id: B, country: DE, sequence: 2}]
stock: {A: {MUG: 1}}
steps:
  - order: {order: "1001", lines: [{sku: MUG}]}
  - at: "+5m"
    order: {order: "1002", lines: [{sku: MUG}]}
    expect:
      orders:
        "1001": {status: ALLOCATED, holds: [], intervention: false, allocations: [{depot: A, ship_by: "2026-11-23 18:00"}]}
        "1002": {status: BACKORDERED, lines: {MUG: {backordered: 1}}}
      stock: {A: {MUG: {on_hand: 1, reserved: 1, available: 0}}}
      events: {"1002": [PLACED, ALLOCATION_REQUESTED, {event: BACKORDERED, units: {MUG: 1}}]}
      effects: {"1002": []}
      stock_events: [BACKORDERED]
      rejected: []
expect:
  effects: {"1001": [{effect: PickOrder, to: A, units: {MUG: 1}}]}
"""


@pytest.fixture
def mugs(tmp_path):
    """``mugs(old, new)``: the scenario above with one text replaced, run."""

    def run_with(old: str = "", new: str = ""):
        assert MUGS.count(old) == 1 or not old
        file = tmp_path / "mugs.yaml"
        file.write_text(MUGS.replace(old, new) if old else MUGS, encoding="utf-8")
        return run_file(file)

    return run_with


@pytest.mark.parametrize("file", [pytest.param(f, id=f.stem) for f in (*FILES, *RETURNS, *NOTIFICATIONS)])
def test_a_hard_case_comes_out_as_its_file_says(file):
    result = run_file(file)
    assert (result.result, result.failures, result.error) == ("passed", [], "")


def test_every_number_that_a_scenario_expects_is_looked_at():
    """Change any one of them, and it fails."""
    case = read(HERE / "10-short-pick.yaml")
    numbers = [p for p, v in _leaves(case.source.data) if "expect" in p and type(v) is int]
    assert len(numbers) > 20
    for path in numbers:
        data = copy.deepcopy(case.source.data)
        part = reduce(lambda node, step: node[step], path[:-1], data)
        part[path[-1]] += 1
        wrong = msgspec.structs.replace(case, scenario=msgspec.convert(data, Scenario))
        assert run(wrong), path


def _leaves(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        yield from _leaves(item, (*path, step))
    if not isinstance(value, dict | list):
        yield path, value


def test_hard_cases_1_to_17_and_23_to_25_have_a_file_named_by_number_and_sentence():
    named = {f.name.partition("-")[0]: read(f).scenario.scenario for f in FILES if f.name[0].isdigit()}
    assert {number[:2] for number in named} == {f"{n:02}" for n in (*range(1, 18), 23, 24, 25)}
    assert all(sentence.startswith(number) for number, sentence in named.items())


def test_the_schema_that_editors_use_is_the_one_of_the_types():
    kept = json.loads((HERE.parents[2] / "lab/scenarios/scenario.schema.json").read_text(encoding="utf-8"))
    assert kept == schema()


def test_the_schema_that_editors_use_finds_the_one_of_rule_files_and_shows_no_indentation_of_code():
    folder = HERE.parents[2] / "lab/scenarios"
    text = (folder / "scenario.schema.json").read_text(encoding="utf-8")
    files = set(re.findall(r'"\$ref": "([^"#]+)', text))
    assert files
    assert [ref for ref in files if not (folder / ref).is_file()] == []
    assert "\\n    " not in text


def test_the_example_passes_as_it_is(mugs):
    assert mugs().result == "passed"


@pytest.mark.parametrize(
    ("old", "new", "field", "sides"),
    [
        pytest.param(
            "{status: BACKORDERED",
            "{status: ALLOCATED",
            "orders.1002.status",
            ("ALLOCATED", "BACKORDERED"),
            id="status",
        ),
        pytest.param(
            "{MUG: {backordered: 1}}",
            "{MUG: {open: 1}}",
            "orders.1002.lines.MUG",
            ({"open": 1}, {"backordered": 1}),
            id="units",
        ),
        pytest.param("{MUG: {backordered: 1}}", "{CUP: {}}", "orders.1002.lines", (["CUP"], ["MUG"]), id="lines"),
        pytest.param("holds: []", "holds: [MANUAL]", "orders.1001.holds", (["MANUAL"], []), id="holds"),
        pytest.param(
            "intervention: false", "intervention: true", "orders.1001.intervention", (True, False), id="intervention"
        ),
        pytest.param("[{depot: A, ", "[{depot: B, ", "orders.1001.allocations[0].depot", ("B", "A"), id="depot"),
        pytest.param(
            "-23 18:00",
            "-23 18:01",
            "orders.1001.allocations[0].ship_by",
            ("2026-11-23 18:01:00 CET", "2026-11-23 18:00:00 CET"),
            id="ship-by",
        ),
        pytest.param("reserved: 1", "reserved: 2", "stock.A.MUG.reserved", (2, 1), id="stock"),
        pytest.param(
            "[PLACED, ",
            "[",
            "events.1002",
            (["ALLOCATION_REQUESTED", "BACKORDERED"], ["PLACED", "ALLOCATION_REQUESTED", "BACKORDERED"]),
            id="events",
        ),
        pytest.param(
            "BACKORDERED, units: {MUG: 1}",
            "BACKORDERED, units: {MUG: 2}",
            "events.1002[2]",
            ({"units": {"MUG": 2}}, {"units": {"MUG": 1}}),
            id="units-of-an-event",
        ),
        pytest.param('{"1002": []}', '{"1002": [PickOrder]}', "effects.1002", (["PickOrder"], []), id="effects"),
        pytest.param(
            "stock_events: [BACKORDERED]", "stock_events: []", "stock_events", ([], ["BACKORDERED"]), id="stock-events"
        ),
        pytest.param("rejected: []", "rejected: [order.key]", "rejected", (["order.key"], []), id="rejected"),
    ],
)
def test_a_wrong_expectation_is_reported_with_its_place_and_both_sides(mugs, old, new, field, sides):
    result = mugs(old, new)
    lines = zip(MUGS.splitlines(), MUGS.replace(old, new).splitlines(), strict=True)
    line = next(n for n, (before, after) in enumerate(lines, 1) if before != after)
    assert result.result == "failed"
    assert result.failures == [Failure(line, 2, f"steps[1].expect.{field}", *sides)]


def test_a_wrong_expectation_at_the_end_is_reported_too(mugs):
    result = mugs("{effect: PickOrder, to: A", "{effect: PickOrder, to: B")
    assert [(f.step, f.field) for f in result.failures] == [(0, "expect.effects.1001[0]")]


def test_a_record_in_the_dlq_that_nobody_expects_fails_the_scenario(mugs):
    steps = 'steps:\n  - order: {order: "1", event_id: e, lines: [{sku: MUG}]}\n  - order: {order: "1", event_id: e, lines: [{sku: CUP}]}'
    result = mugs(
        'steps:\n  - order: {order: "1001", lines: [{sku: MUG}]}', steps + '\n  - order: {order: "1001", lines: []}'
    )
    assert ([], ["conflict.delivery"]) in [(f.expected, f.actual) for f in result.failures]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        pytest.param(
            '    order: {order: "1002"',
            '    ordr: {order: "1002"',
            "9:11: steps[1].ordr: no such field; did you mean order?",
            id="field",
        ),
        pytest.param(
            'at: "+5m"', 'at: "09:00"', "8:9: steps[1].at: 09:00 is before the step before it", id="time-goes-back"
        ),
        pytest.param('at: "+5m"', 'at: "25:00"', "8:9: steps[1].at:", id="no-such-time"),
        pytest.param('at: "+5m"', 'at: "soon"', "8:9: steps[1].at: 'soon' is no time; write \"10:30\"", id="no-time"),
        pytest.param(
            '"2026-11-23 10:00"',
            '"2026-03-29 02:30"',
            "2:9: starts: 2026-03-29 02:30 does not exist in Europe/Amsterdam",
            id="skipped-time",
        ),
        pytest.param("status: BACKORDERED", "status: BACKORDER", "did you mean BACKORDERED?", id="status"),
        pytest.param(
            "[BACKORDERED]\n      rej",
            "[]\n      rejectd: []\n      rej",
            "no such field; did you mean rejected?",
            id="expectation",
        ),
        pytest.param("stock: {A: {MUG: {", "stock: {Q: {MUG: {", "no depot Q in the rules; one of A, B", id="depot"),
        pytest.param('"1002": {status', '"1003": {status', "no step speaks of an order 1003", id="order"),
        pytest.param('{"1002": []}', "{}", "looks at nothing", id="vacuous"),
        pytest.param(
            "{on_hand: 1, reserved: 1, available: 0}", "{}", "looks at nothing; one of on_hand", id="vacuous-stock"
        ),
        pytest.param(
            "country: NL}",
            "country: UK}",
            "4:29: rules.depots[0].country: UK is no country; did you mean GB?",
            id="rules",
        ),
        pytest.param(
            "{sku: MUG}]}\n  - at",
            "{sku: MUG, price: 9.99}]}\n  - at",
            "money is in minor units: 999 for 9.99",
            id="money",
        ),
        pytest.param(
            "lines: [{sku: MUG}]}\n  - at",
            'lines: [{sku: MUG, line: m}]}\n  - cancel: {order: "1001", lines: {MUG: 1}}\n  - at',
            "steps[1].cancel.lines.MUG: order 1001 has no line MUG; its lines are m",
            id="line",
        ),
    ],
)
def test_a_file_that_makes_no_sense_is_an_error_with_its_place_and_a_way_out(mugs, old, new, error):
    result = mugs(old, new)
    assert result.result == "error"
    assert error in result.error


def test_a_scenario_that_expects_nothing_is_an_error(tmp_path):
    file = tmp_path / "empty.yaml"
    file.write_text(
        'scenario: x\nstarts: "2026-11-23 10:00"\nrules: {depots: [{id: A, country: NL}]}\nsteps:\n  - stock: {depot: A, sku: MUG, qty: 1}\n'
    )
    with pytest.raises(ScenarioError, match="expects nothing, so it could never fail"):
        read(file)


def test_a_step_that_cant_happen_is_an_error_with_its_place(mugs):
    result = mugs(
        "steps:\n",
        'steps:\n  - order: {order: "1", lines: [{sku: CUP}]}\n  - warehouse: {order: "1", status: PICKED}\n',
    )
    assert result.result == "error"
    assert "8:24: steps[1].warehouse.order: 1 has no such allocation here; it has none" in result.error


def test_the_guides_first_scenario_passes_and_fails_as_the_guide_shows(tmp_path):
    guide = (HERE.parents[2] / "docs/scenarios.md").read_text(encoding="utf-8")
    example = guide.partition("```yaml\n")[2].partition("```")[0]
    file = tmp_path / "mugs.yaml"
    file.write_text(example, encoding="utf-8")
    assert run_file(file).result == "passed"
    file.write_text(example.replace("status: BACKORDERED", "status: ALLOCATED"), encoding="utf-8")
    failure = run_file(file).failures[0]
    assert f"mugs.yaml:{failure.line}: step {failure.step}: {failure.field}\n    expected  ALLOCATED" in guide


def test_the_same_scenario_gives_the_same_result_again(mugs):
    wrong = ("reserved: 1", "reserved: 2")
    assert mugs(*wrong).failures == mugs(*wrong).failures


class TestCommand:
    """``wharf scenario run``."""

    def run(self, *args: str):
        return CliRunner().invoke(app, ["scenario", "run", *args])

    def test_it_prints_a_table_and_ends_with_0_where_all_is_as_expected(self):
        result = self.run(str(HERE / "06-the-last-unit.yaml"))
        assert result.exit_code == 0
        assert "passed" in result.stdout
        assert "1 scenario(s): 1 passed" in result.stdout

    def test_it_shows_the_difference_and_ends_with_1_where_something_is_not(self, tmp_path):
        file = tmp_path / "mugs.yaml"
        file.write_text(MUGS.replace("reserved: 1", "reserved: 2"), encoding="utf-8")
        result = self.run(str(file))
        assert result.exit_code == 1
        assert "mugs.yaml:14: step 2: steps[1].expect.stock.A.MUG.reserved" in result.stdout
        assert "expected  2" in result.stdout
        assert "actual    1" in result.stdout

    def test_a_folder_is_all_its_files_and_an_error_in_one_keeps_none_from_running(self, tmp_path):
        (tmp_path / "a.yaml").write_text("scenario: [", encoding="utf-8")
        (tmp_path / "b.yaml").write_text(MUGS, encoding="utf-8")
        result = self.run(str(tmp_path), "--json")
        told = json.loads(result.stdout)
        assert result.exit_code == 1
        assert (told["ok"], [r["result"] for r in told["scenarios"]]) == (False, ["error", "passed"])

    def test_other_rules_can_take_the_place_of_the_files_own(self, tmp_path):
        (tmp_path / "mugs.yaml").write_text(MUGS, encoding="utf-8")
        (tmp_path / "rules.yaml").write_text(
            "depots: [{id: A, country: NL, safety_stock: 1}, {id: B, country: DE}]", encoding="utf-8"
        )
        result = self.run(str(tmp_path / "mugs.yaml"), "--rules", str(tmp_path / "rules.yaml"))
        assert result.exit_code == 1
        assert "actual    BACKORDERED" in result.stdout
