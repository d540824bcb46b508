"""``wharf rules simulate``: the old rules give what happened, others move what they should, and nothing is written."""

from __future__ import annotations

import json

import msgspec
import pytest
from typer.testing import CliRunner

from bench.simulate import DEPOTS, RULES, Maker
from domain.rules.ruleset import Rate, RuleSet, Wave
from lab.whatif.history import entries, save
from lab.whatif.report import compare
from lab.whatif.run import fold
from ops.errors import UserError
from wharf.cli import app

EVER = (0, 2**62)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """150 orders on scarce stock, over three days."""
    maker = Maker(150, days=3, skus=30)
    maker.make()
    path = tmp_path_factory.mktemp("past") / "pools.log"
    save(path, maker.events, maker.inputs)
    return path


def worlds(log, new, span=EVER):
    old = fold(log, None, span, RuleSet())
    return compare(old.rows(), fold(log, new, span, RuleSet()).rows(), old.real.first)


def cheap(depot: int) -> RuleSet:
    """The rules with one depot cheap for everybody, and cost before all."""
    depots = [msgspec.structs.replace(d, rates=[Rate(100)]) if i == depot else d for i, d in enumerate(DEPOTS)]
    return msgspec.structs.replace(
        RULES, version="new", depots=depots, routing=msgspec.structs.replace(RULES.routing, preferences=["cost"])
    )


def test_the_rules_of_their_time_send_every_order_where_it_went(log):
    found = worlds(log, RULES)
    assert found["old_rules_agree_with_the_log"] == 1.0
    assert found["old"] == found["new"]
    assert found["old"]["orders"] == 150
    assert found["old"]["backordered_orders"] > 0
    assert found["moves"] == []


def test_other_rules_move_orders_and_say_why(log):
    found = worlds(log, cheap(1))
    assert found["moved_orders"] == sum(found["reasons"].values()) > 20
    assert found["new"]["cost"]["EUR"] < found["old"]["cost"]["EUR"]
    assert found["old"]["orders"] == found["new"]["orders"] == 150
    assert found["reasons"]["preference: cost"] > 0
    assert all(m["from"] != m["to"] or m["waited"][0] != m["waited"][1] for m in found["moves"])


def test_a_depot_that_no_longer_serves_a_country_is_the_reason(log):
    here = msgspec.structs.replace(DEPOTS[0], ships_to=["NL"], rates=[])
    found = worlds(log, msgspec.structs.replace(RULES, version="new", depots=[here, *DEPOTS[1:]]))
    assert any("nl-1 refuses now: country" in why for why in found["reasons"])


def test_only_orders_of_the_span_count_and_earlier_ones_took_the_stock(log):
    times = [r.time for _, r in entries(log) if r.type == "AllocationRequested" and r.request_no == 1]
    middle = sorted(times)[75]
    found = worlds(log, cheap(1), (middle, EVER[1]))
    assert found["old"]["orders"] == 75
    assert found["old_rules_agree_with_the_log"] == 1.0


def test_the_command_compares_in_two_processes_and_prints_json(log, tmp_path):
    file = tmp_path / "new.json"
    file.write_bytes(msgspec.json.encode(cheap(2)))
    result = CliRunner().invoke(
        app, ["rules", "simulate", "--rules", str(file), "--log", str(log), "--json"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["rules"], found["old"]["orders"], found["old_rules_agree_with_the_log"]) == ("new", 150, 1.0)
    assert found["moved_orders"] > 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        pytest.param(["--from", "yesterday"], "--from yesterday: no time", id="no-time"),
        pytest.param(["--from", "2026-12-02", "--to", "2026-12-01"], "is not before --to", id="backwards"),
        pytest.param(["--log", "nowhere.log"], "--log nowhere.log: no such file", id="no-file"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_way_out(tmp_path, options, error):
    file = tmp_path / "new.json"
    file.write_bytes(msgspec.json.encode(RULES))
    with pytest.raises(UserError, match=error):
        CliRunner().invoke(app, ["rules", "simulate", "--rules", str(file), *options], catch_exceptions=False)


def test_a_file_that_is_no_log_is_refused_with_its_place(tmp_path):
    file = tmp_path / "x.log"
    file.write_bytes(b"not a log at all")
    with pytest.raises(UserError, match="byte 0"):
        list(entries(file))


def test_bundling_is_seen_in_parcels_and_cost(log):
    """All bench orders are one customer's at one address: what leaves in one wave is one parcel."""
    old = worlds(log, RULES)["old"]
    bundling = msgspec.structs.replace(RULES.bundling, enabled=True, waves=[Wave(times=["15:00"])])
    new = worlds(log, msgspec.structs.replace(RULES, version="new", bundling=bundling))["new"]
    assert new["parcels"] < old["parcels"]
    assert new["cost"]["EUR"] < old["cost"]["EUR"]
