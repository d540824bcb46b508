"""The hard cases of docs that a pool decides (6–11), each named."""

from __future__ import annotations

import msgspec
import pytest

from domain.records.values import DemandLine
from domain.rules.ruleset import SplitPolicy

DAY = 86_400_000


def test_06_two_orders_and_the_last_unit_one_is_allocated_one_backordered(pool):
    pool.stock("A", "X", 1)
    first, second = pool.order("1", {"X": 1}), pool.order("2", {"X": 1})
    assert [x.depot for x in first.allocations] == ["A"]
    assert second.allocations == []
    assert [x.qty for x in second.backordered] == [1]
    assert pool.level("A", "X") == (1, 1)


def test_07_two_lines_that_share_a_sku_are_summed_before_a_depot_is_chosen(pool):
    pool.stock("A", "X", 2)
    pool.stock("B", "X", 3)
    answer = pool.order("1", [DemandLine("l1", "X", 1), DemandLine("l2", "X", 2)])
    assert [(p.depot, sum(x.qty for x in p.lines)) for p in answer.allocations] == [("B", 3)]


def test_07_the_parts_of_a_set_that_share_a_sku_are_summed_and_stay_together(bench):
    pool = bench()
    pool.stock("A", "X", 2)
    pool.stock("B", "X", 2)
    answer = pool.order("1", [DemandLine("l1", "X", 1, "set"), DemandLine("l2", "X", 2, "set")])
    assert answer.allocations == []
    assert sum(x.qty for x in answer.backordered) == 3
    pool.stock("B", "X", 1)
    assert pool.served("1") == {"B": 3}


@pytest.mark.parametrize(
    ("split", "depots", "waits"),
    [
        pytest.param(SplitPolicy(), ["A", "B"], 0, id="split-allowed"),
        pytest.param(SplitPolicy(allowed=False), [], 2, id="split-not-allowed"),
        pytest.param(SplitPolicy(min_value=5001), [], 2, id="value-below-the-threshold"),
        pytest.param(SplitPolicy(min_value=5000), ["A", "B"], 0, id="value-at-the-threshold"),
        pytest.param(SplitPolicy(max_parcels=1), [], 2, id="one-parcel-at-most"),
    ],
)
def test_08_two_units_one_here_one_there(bench, split, depots, waits):
    pool = bench(split=split)
    pool.stock("A", "X", 1)
    pool.stock("B", "X", 1)
    answer = pool.order("1", {"X": 2})
    assert [p.depot for p in answer.allocations] == depots
    assert sum(x.qty for x in answer.backordered) == waits


def test_09_five_units_arrive_vip_3_before_the_older_normal_4(pool):
    pool.order("normal", {"X": 4})
    pool.now += DAY
    pool.order("vip", {"X": 3}, tags=["VIP"])
    pool.stock("A", "X", 5)
    assert pool.served("vip") == {"A": 3}
    assert pool.served("normal") == {"A": 2}
    assert (pool.waiting("vip"), pool.waiting("normal")) == (0, 2)
    later = pool.sent[2:]
    assert [(c.order_key[-3:], c.request_no, c.backordered) for c in later] == [("vip", 1, []), ("mal", 1, [])]


@pytest.mark.parametrize(
    ("reason", "on_hand"),
    [
        pytest.param("out_of_stock", 2, id="out-of-stock-to-zero"),
        pytest.param("damaged", 9, id="damaged-minus-the-short-units"),
        pytest.param("missing", 9, id="missing-minus-the-short-units"),
        pytest.param("other", 10, id="other-unchanged"),
    ],
)
def test_10_short_pick_two_of_three_the_third_is_routed_without_that_depot(pool, reason, on_hand):
    pool.stock("A", "X", 10)
    pool.stock("B", "X", 1)
    first = pool.order("1", {"X": 3}).allocations[0].allocation_id
    pool.wms(first, "SHORT_PICKED", {"X": {"picked": 2, "short": 1, "reason": reason}})
    assert pool.level("A", "X") == (on_hand, 2)
    told = pool.progress()[0]
    assert (told.status, told.reason, told.lines[0].short) == ("SHORT_PICKED", reason, 1)
    again = pool.order("1", {"X": 1}, no=2, excluded_depots=["A"], replaces_id=first)
    assert [(p.depot, p.replaces_id) for p in again.allocations] == [("B", first)]
    pool.wms(first, "SHIPPED", {"X": {"picked": 2, "shipped": 2, "short": 1}})
    assert pool.level("A", "X") == (on_hand - 2, 0)
    assert pool.served("1") == {"B": 1}


def test_10_what_waits_of_a_line_is_not_offered_to_the_depot_that_failed_on_it(pool):
    pool.stock("A", "X", 1)
    first = pool.order("1", {"X": 2}).allocations[0].allocation_id
    pool.wms(first, "REJECTED", reason="other")
    pool.stock("A", "X", 5)
    assert (pool.served("1"), pool.waiting("1")) == ({}, 1)
    pool.stock("B", "X", 5)
    assert pool.served("1") == {"B": 1}


def test_11_when_all_depots_refuse_the_units_are_unfillable(pool):
    pool.stock("A", "X", 5)
    pool.stock("B", "X", 5)
    for no in (1, 2):
        answer = pool.order("1", {"X": 1}, no=no, excluded_depots=["A"][: no - 1])
        pool.wms(answer.allocations[0].allocation_id, "REJECTED", reason="other")
    last = pool.order("1", {"X": 1}, no=3, excluded_depots=["A", "B"])
    assert [x.qty for x in last.unfillable] == [1]
    assert last.reason == "no_depot:excluded"
    assert pool.types()[-1] == "UNFILLABLE"


def test_11_a_backorder_is_given_up_after_the_days_of_the_rules(bench):
    pool = bench(unfillable_after_days=3)
    pool.order("1", {"X": 1})
    pool.tick(3 * DAY - 1)
    assert pool.waiting("1") == 1
    pool.tick(1)
    assert pool.waiting("1") == 0
    assert [x.qty for x in pool.sent[-1].unfillable] == [1]
    assert pool.sent[-1].reason == "backorder_over_3_days"


def test_16_the_cut_off_of_16_00_in_amsterdam_is_right_when_the_clocks_change(pool):
    """Through the whole pool; the table of days is in test_cutoff."""
    depot = msgspec.structs.replace(
        pool.rules.depots[0], working_days=["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    )
    pool.rules = msgspec.structs.replace(pool.rules, depots=[depot], version="v2")
    pool.now = 1_774_792_799_999  # 2026-03-29T13:59:59.999Z
    pool.stock("A", "X", 2)
    in_time = pool.order("1", {"X": 1}).allocations[0]
    pool.now += 1
    late = pool.order("2", {"X": 1}).allocations[0]
    assert late.ship_by - in_time.ship_by == DAY
