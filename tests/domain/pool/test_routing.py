"""Routing through the pool: filters, preferences in turn, splits, sets, and a decision that explains itself."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from itertools import combinations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from domain.allocation.search import demand_of, search
from domain.records.values import DemandLine
from domain.rules.ruleset import Cutoff, Depot, Rate, Routing, RuleSet, SplitPolicy

HOUR = 3_600_000


def decide(bench, depots, want=None, stock=None, *, preferences=None, at=None, **fields):
    """The answer of a pool with these depots, each with 9 units of X unless told otherwise."""
    routing = Routing(preferences=preferences) if preferences else Routing()
    pool = bench(RuleSet("v1", depots=depots, routing=routing))
    if at:
        pool.now = int(datetime.fromisoformat(at + "+00:00").timestamp() * 1000)
    for d in depots:
        for sku, n in (stock or {}).get(d.id, {"X": 9}).items():
            pool.stock(d.id, sku, n)
    return pool.order("1", want or {"X": 1}, **fields)


def depots_of(answer):
    return [p.depot for p in answer.allocations]


A = Depot("A", "NL", sequence=1, cutoffs=[Cutoff("16:00")])
B = Depot("B", "DE", sequence=2, cutoffs=[Cutoff("20:00")], handover="21:00")


@pytest.mark.parametrize(
    ("at", "depot", "day"),
    [
        pytest.param("2026-11-23T14:59:59", "A", "2026-11-23", id="before-16-00-depot-A"),
        pytest.param("2026-11-23T15:00:00", "B", "2026-11-23", id="at-16-00-depot-B-picks-late"),
        pytest.param("2026-11-23T19:00:00", "A", "2026-11-24", id="at-20-00-depot-A-the-next-working-day"),
        pytest.param("2026-11-20T19:00:00", "A", "2026-11-23", id="friday-night-is-monday"),
    ],
)
def test_the_cut_off_rule_a_then_b_then_the_next_working_day(bench, at, depot, day):
    answer = decide(bench, [A, B], at=at, preferences=["earliest_ship", "sequence"])
    assert depots_of(answer) == [depot]
    assert datetime.fromtimestamp(answer.allocations[0].ship_by / 1000, UTC).date().isoformat() == day


@pytest.mark.parametrize(
    ("depot", "refused"),
    [
        pytest.param(Depot("B", "DE", ships_to=["DE"]), "country", id="does-not-ship-there"),
        pytest.param(Depot("B", "DE", services=["express"]), "service", id="does-not-offer-the-service"),
        pytest.param(Depot("B", "DE", rates=[Rate(1, country="DE")]), "rate", id="has-no-rate-for-it"),
        pytest.param(Depot("B", "DE", safety_stock=9), "stock", id="has-only-its-safety-stock"),
        pytest.param(Depot("B", "DE", cutoffs=[Cutoff(weekdays=["sun"])]), "calendar", id="never-ships"),
    ],
)
def test_a_filter_refuses_a_depot_and_the_decision_says_which(bench, depot, refused):
    answer = decide(bench, [depot])
    assert answer.allocations == []
    assert json.loads(answer.decision)["candidates"][0]["refused"] == refused


@pytest.mark.parametrize(
    ("preference", "a", "b"),
    [
        pytest.param("cost", {"rates": [Rate(500)]}, {"rates": [Rate(499)]}, id="cost"),
        pytest.param("same_country", {"country": "DE"}, {"country": "NL"}, id="same-country"),
        pytest.param("earliest_ship", {"cutoffs": [Cutoff("08:00")]}, {}, id="earliest-ship"),
        pytest.param("earliest_eta", {"rates": [Rate(1, 3)]}, {"rates": [Rate(1, 2)]}, id="earliest-eta"),
        pytest.param("sequence", {"sequence": 2}, {"sequence": 1}, id="sequence"),
    ],
)
def test_a_preference_decides_between_two_depots(bench, preference, a, b):
    depots = [Depot(**({"id": "A", "country": "NL"} | a)), Depot(**({"id": "B", "country": "NL"} | b))]
    answer = decide(bench, depots, preferences=[preference])
    assert depots_of(answer) == ["B"]
    assert json.loads(answer.decision)["decided_by"] == preference


def test_the_first_preference_that_is_not_a_tie_wins_and_a_full_tie_goes_by_name(bench):
    rated = [Depot("B", "NL", rates=[Rate(5)]), Depot("A", "NL", rates=[Rate(6)])]
    assert depots_of(decide(bench, rated, preferences=["same_country", "cost"])) == ["B"]
    tie = decide(bench, rated, preferences=["same_country"])
    assert (depots_of(tie), json.loads(tie.decision)["decided_by"]) == (["A"], "depot_id")


def test_meets_promise_prefers_the_depot_that_arrives_in_time(bench):
    slow, quick = Depot("A", "NL", rates=[Rate(1, 5)]), Depot("B", "NL", rates=[Rate(9, 1)])
    due = int(datetime.fromisoformat("2026-11-25T22:59:59+00:00").timestamp() * 1000)
    assert depots_of(decide(bench, [slow, quick], preferences=["meets_promise", "cost"], latest_delivery=due)) == ["B"]
    assert depots_of(decide(bench, [slow, quick], preferences=["meets_promise", "cost"])) == ["A"]


def test_stock_balance_takes_from_the_fuller_depot(bench):
    answer = decide(bench, [A, B], stock={"A": {"X": 3}, "B": {"X": 4}}, preferences=["stock_balance"])
    assert depots_of(answer) == ["B"]


def test_the_most_exact_rate_gives_cost_carrier_and_days(bench):
    rates = [
        Rate(900, 3, carrier="any"),
        Rate(700, 2, country="NL", carrier="nl"),
        Rate(800, 1, service="standard", carrier="s"),
    ]
    plan = decide(bench, [Depot("A", "NL", rates=rates)]).allocations[0]
    assert (plan.cost, plan.carrier, plan.cost_currency) == (700, "nl", "EUR")


def test_one_parcel_is_found_even_where_the_nearer_depots_could_split(bench):
    stock = {"A": {"X": 1}, "B": {"Y": 1}, "C": {"X": 1, "Y": 1}}
    depots = [A, B, Depot("C", "DE", sequence=9, rates=[Rate(9999)])]
    assert depots_of(decide(bench, depots, {"X": 1, "Y": 1}, stock)) == ["C"]


def test_a_set_stays_together_while_the_rest_of_the_order_is_split(bench):
    lines = [DemandLine("1", "X", 1, "set"), DemandLine("2", "Y", 1, "set"), DemandLine("3", "Z", 1)]
    stock = {"A": {"X": 5, "Z": 5}, "B": {"X": 5, "Y": 5}}
    answer = decide(bench, [A, B], lines, stock)
    assert {p.depot: [x.line_id for x in p.lines] for p in answer.allocations} == {"A": ["3"], "B": ["1", "2"]}


def test_a_set_that_no_depot_has_whole_waits_and_the_rest_ships(bench):
    lines = [DemandLine("1", "X", 1, "set"), DemandLine("2", "Y", 1, "set"), DemandLine("3", "Z", 1)]
    answer = decide(bench, [A, B], lines, {"A": {"X": 5, "Z": 5}, "B": {"Y": 5}})
    assert [(p.depot, [x.line_id for x in p.lines]) for p in answer.allocations] == [("A", ["3"])]
    assert [x.line_id for x in answer.backordered] == ["1", "2"]


def test_no_more_depots_than_parcels_allowed_and_as_much_as_they_can_send(bench):
    depots = [Depot(n, "NL", sequence=i) for i, n in enumerate("ABCD")]
    pool = bench(RuleSet("v1", depots=depots, routing=Routing(split=SplitPolicy(max_parcels=2))))
    for d, n in zip("ABCD", (1, 4, 2, 3), strict=True):
        pool.stock(d, "X", n)
    answer = pool.order("1", {"X": 10})
    assert depots_of(answer) == ["B", "D"]
    assert [x.qty for x in answer.backordered] == [3]


def test_a_full_day_moves_the_next_order_to_another_depot_or_day(bench):
    small = Depot("A", "NL", capacity_per_day=2)
    pool = bench(RuleSet("v1", depots=[small, Depot("B", "DE", sequence=2)], routing=Routing()))
    for d in "AB":
        pool.stock(d, "X", 9)
    assert [depots_of(pool.order(str(i), {"X": 1})) for i in range(4)] == [["A"], ["A"], ["B"], ["B"]]
    pool.rules = RuleSet("v1", depots=[small])
    third = pool.order("9", {"X": 1}).allocations[0]
    assert json.loads(pool.sent[-1].decision)["candidates"][0]["day"] == "2026-11-24"
    first = pool.sent[0].allocations[0]
    assert third.ship_by - first.ship_by == 24 * HOUR
    pool.release(first.allocation_id)
    assert pool.order("10", {"X": 1}).allocations[0].ship_by == first.ship_by


def test_the_decision_names_rules_class_time_and_every_depot(bench):
    record = json.loads(decide(bench, [A, Depot("B", "DE", ships_to=["DE"])], tags=["VIP"]).decision)
    assert (record["rules"], record["class"], record["chosen"], record["decided_by"]) == ("v1", "vip", ["A"], "only")
    assert [c["depot"] for c in record["candidates"]] == ["A", "B"]
    assert record["demand"] == {"X": 1}


def _least(demand, depots, available, units):
    """By trying everything: the fewest depots that send this many units (loose lines only)."""
    for size in range(1, len(depots) + 1):
        for chosen in combinations(depots, size):
            sent = sum(min(x.qty, sum(available[x.sku].get(d, 0) for d in chosen)) for x in demand)
            if sent >= units:
                return size
    return 0


@given(st.integers(0, 10_000))
@settings(max_examples=150, deadline=None)
def test_the_smallest_set_of_depots_is_found_up_to_eight(seed):
    r = random.Random(seed)
    depots = [f"d{i}" for i in range(r.randint(1, 8))]
    lines = [DemandLine(s, s, r.randint(1, 5)) for s in "XYZ"[: r.randint(1, 3)]]
    available = {x.sku: {d: n for d in depots if (n := r.randint(-3, 4)) > 0} for x in lines}
    found = search(demand_of(lines, True, 8), depots, available, stop_early=True)
    most = sum(min(x.qty, sum(available[x.sku].values())) for x in lines)
    assert (found[0].units if found else 0) == most
    if most == sum(x.qty for x in lines):
        assert min(len(o.depots) for o in found) == _least(lines, depots, available, most)


def test_with_forty_depots_one_parcel_is_still_found_and_a_cover_still_served():
    depots = [f"d{i:02d}" for i in range(40)]
    lines = [DemandLine("X", "X", 1), DemandLine("Y", "Y", 1)]
    single = {"X": dict.fromkeys(depots, 1), "Y": {"d39": 1}}
    assert search(demand_of(lines, True, 4), depots, single, stop_early=True)[0].depots == ("d39",)
    many = [DemandLine(s, s, 1) for s in "VWXYZ"]
    spread = {s: {f"d{i * 8:02d}": 1} for i, s in enumerate("VWXYZ")}
    assert search(demand_of(many, True, 5), depots, spread, stop_early=True)[0].units == 5
