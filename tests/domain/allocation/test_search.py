"""The search over sets of depots, against all answers there are, tried one by one."""

from __future__ import annotations

from itertools import combinations, product

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from domain.allocation.search import demand_of, search
from domain.records.values import DemandLine

SKUS = ["X", "Y"]

lines = st.lists(
    st.tuples(st.sampled_from(SKUS), st.integers(1, 3), st.sampled_from(["", "", "set", "other"])),
    min_size=1,
    max_size=4,
).map(lambda rows: [DemandLine(str(i), sku, qty, bundle) for i, (sku, qty, bundle) in enumerate(rows)])


def stocks(depots: str):
    level = st.dictionaries(st.sampled_from(depots), st.integers(0, 4))
    return st.fixed_dictionaries(dict.fromkeys(SKUS, level))


def most_units(wanted: list[DemandLine], chosen: tuple[str, ...], available: dict[str, dict[str, int]]) -> int:
    """The most units these depots can send: every way to give each set to one of them or to none."""
    sets = sorted({x.bundle_id for x in wanted if x.bundle_id})
    best = 0
    for places in product([*chosen, None], repeat=len(sets)):
        left, units = {(s, d): available[s].get(d, 0) for s in SKUS for d in chosen}, 0
        for name, depot in zip(sets, places, strict=True):
            for x in wanted:
                if depot and x.bundle_id == name:
                    left[x.sku, depot] -= x.qty
                    units += x.qty
        if min(left.values(), default=0) < 0:
            continue
        for sku in SKUS:
            loose = sum(x.qty for x in wanted if x.sku == sku and not x.bundle_id)
            units += min(loose, sum(left[sku, d] for d in chosen))
        best = max(best, units)
    return best


@given(lines, stocks("ABC"), st.integers(1, 3))
@example(
    wanted=[
        DemandLine("0", "X", 1, "set"),
        DemandLine("1", "Y", 1, "set"),
        DemandLine("2", "X", 3, "other"),
        DemandLine("3", "X", 2),
    ],
    available={"X": {"A": 3}, "Y": {"A": 1}},
    parcels=1,
)  # the set that goes first leaves a unit unused: 3 units; {X 1, Y 1} and the loose 2 are 4
@settings(max_examples=150, deadline=None)
def test_as_many_units_as_any_answer_has_and_no_smaller_set_of_depots_sends_as_many(wanted, available, parcels):
    found = search(demand_of(wanted, True, parcels), list("ABC"), available, stop_early=True)
    sets = [c for size in range(1, parcels + 1) for c in combinations("ABC", size)]
    most = max(most_units(wanted, c, available) for c in sets)
    assert max((o.units for o in found), default=0) == most
    if most:
        smallest = min(len(c) for c in sets if most_units(wanted, c, available) == most)
        assert min(len(o.depots) for o in found) == smallest


@given(lines, stocks("ABCDEF"), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_single_parcel_answer_is_found_whenever_there_is_one(wanted, available, early):
    whole = sum(x.qty for x in wanted)
    single = [d for d in "ABCDEF" if most_units(wanted, (d,), available) == whole]
    found = search(demand_of(wanted, True, 3), list("ABCDEF"), available, stop_early=early)
    assert sorted(o.depots[0] for o in found if len(o.depots) == 1 and o.units == whole) == single


def test_a_single_parcel_answer_is_found_among_very_many_depots():
    depots = [f"d{i:03d}" for i in range(700)]
    available = {"X": dict.fromkeys(depots, 1) | {"d699": 3}}
    found = search(demand_of([DemandLine("1", "X", 3)], True, 3), depots, available, stop_early=True)
    assert [o.depots for o in found] == [("d699",)]


@given(lines, stocks("ABC"))
@settings(max_examples=100, deadline=None)
def test_nothing_is_sent_that_is_not_there_and_no_set_is_torn_apart(wanted, available):
    for option in search(demand_of(wanted, True, 3), list("ABC"), available, stop_early=False):
        for sku, depot in product(SKUS, option.depots):
            sent = sum(x.qty for x in option.lines[depot] if x.sku == sku)
            assert sent <= available[sku].get(depot, 0)
        for name in {x.bundle_id for x in wanted if x.bundle_id}:
            ids = {x.line_id: x.qty for x in wanted if x.bundle_id == name}
            parts = [{x.line_id: x.qty for x in part if x.line_id in ids} for part in option.lines.values()]
            assert [p for p in parts if p] in ([], [ids])


@pytest.mark.parametrize(
    ("keep", "depots"), [pytest.param(True, [], id="kept"), pytest.param(False, ["A", "B"], id="not-kept")]
)
def test_a_set_is_torn_apart_only_where_the_rules_say_so(keep, depots):
    wanted = [DemandLine("1", "X", 1, "set"), DemandLine("2", "Y", 1, "set")]
    found = search(
        demand_of(wanted, True, 2, keep_sets=keep), ["A", "B"], {"X": {"A": 1}, "Y": {"B": 1}}, stop_early=True
    )
    assert [list(o.depots) for o in found if o.units == 2] == ([depots] if depots else [])
