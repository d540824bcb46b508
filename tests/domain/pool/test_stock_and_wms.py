"""Stock reports and WMS reports: once, cumulative, in any order; backorders; time."""

from __future__ import annotations

import msgspec
import pytest

from domain.errors import Rejected
from domain.pool.aggregate import MemoryPool
from domain.pool.ordered_index import OrderedIndex
from domain.pool.state import Fact, PoolOrder
from domain.pool.view import Work
from domain.records.values import DemandLine
from domain.rules.ruleset import Depot, Routing, RuleSet, SplitPolicy

DAY = 86_400_000


def test_a_stock_report_told_twice_counts_once_and_with_another_content_is_a_conflict(pool):
    pool.stock("A", "X", 5, key="k")
    pool.stock("A", "X", 5, key="k")
    assert (pool.level("A", "X"), pool.types()) == ((5, 0), ["STOCK_RECEIVED", "DUPLICATE"])
    with pytest.raises(Rejected, match=r"conflict.stock"):
        pool.stock("A", "X", 6, key="k")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param(("A", "X", -1, "RECEIPT"), "stock.qty", id="negative-receipt"),
        pytest.param(("A", "X", -1, "COUNT"), "stock.qty", id="negative-count"),
        pytest.param(("A", "X", 1, "GUESS"), "stock.kind", id="unknown-kind"),
        pytest.param(("", "X", 1, "COUNT"), "stock.key", id="no-depot"),
        pytest.param(("A", "", 1, "COUNT"), "stock.key", id="no-sku"),
    ],
)
def test_a_stock_report_that_makes_no_sense_is_rejected_and_nothing_is_kept(pool, fields, code):
    with pytest.raises(Rejected, match=code):
        pool.stock(*fields)
    assert pool.view.data == {}


def test_a_count_below_what_is_reserved_is_remembered_until_the_reservations_end(pool):
    pool.stock("A", "X", 5)
    ids = [pool.order(str(i), {"X": 1}).allocations[0].allocation_id for i in range(5)]
    event = pool.stock("A", "X", 3, "COUNT")[0]
    assert (pool.level("A", "X"), event.reason) == ((5, 5), "3 there, 5 reserved: 2 short")
    pool.release(ids[0])
    assert pool.level("A", "X") == (4, 4), "the freed unit is one of the missing two, so nobody gets it"
    pool.wms(ids[1], "SHORT_PICKED", {"X": {"short": 1, "reason": "missing"}})
    assert pool.level("A", "X") == (3, 3)
    pool.release(ids[2])
    assert pool.level("A", "X") == (3, 2), "all missing ones are accounted for: this unit is free"


def test_a_receipt_after_a_short_count_makes_up_for_it_first(pool):
    pool.stock("A", "X", 5)
    pool.order("1", {"X": 5})
    pool.stock("A", "X", 3, "COUNT")
    pool.stock("A", "X", 4)
    assert pool.level("A", "X") == (7, 5)


def test_b_grade_stock_is_counted_and_never_promised(pool):
    pool.stock("A", "X", 5, "RESTOCK", quality="b_grade")
    assert pool.order("1", {"X": 1}).allocations == []
    assert (pool.level("A", "X", "b_grade"), pool.level("A", "X")) == ((5, 0), (0, 0))


def test_a_request_told_twice_is_answered_once(pool):
    pool.stock("A", "X", 5)
    pool.order("1", {"X": 1})
    assert pool.order("1", {"X": 1}) is None
    assert (pool.level("A", "X"), pool.types()[-1]) == ((5, 1), "DUPLICATE")


@pytest.fixture
def allocated(pool):
    """A pool with 10 X at A, of which order 1 has 3; the allocation's id."""
    pool.stock("A", "X", 10)
    return pool, pool.order("1", {"X": 3}).allocations[0].allocation_id


def test_a_pick_order_from_accepted_to_shipped_moves_stock_once(allocated):
    pool, id = allocated
    for status in ("ACCEPTED", "PICKING", "PICKED", "PACKED", "SHIPPED", "SHIPPED", "PICKED", "ACCEPTED"):
        pool.wms(id, status)
    assert [p.status for p in pool.progress()] == ["ACCEPTED", "PICKING", "PICKED", "PACKED", "SHIPPED"]
    assert pool.level("A", "X") == (7, 0)
    assert pool.types().count("DUPLICATE") == 3


def test_shipped_before_accepted_ships_and_the_late_news_is_none(allocated):
    pool, id = allocated
    pool.wms(id, "SHIPPED", {"X": {"shipped": 3}})
    pool.wms(id, "ACCEPTED")
    assert [p.status for p in pool.progress()] == ["SHIPPED"]
    assert pool.progress()[0].lines[0].picked == 3


def test_two_parcels_of_one_allocation_are_cumulative(allocated):
    pool, id = allocated
    pool.wms(id, "SHIPPED", {"X": {"shipped": 1}}, shipment_id="s1")
    pool.wms(id, "SHIPPED", {"X": {"shipped": 3}}, shipment_id="s2")
    pool.wms(id, "SHIPPED", {"X": {"shipped": 1}}, shipment_id="s1", occurred_at=0)
    assert [(p.shipment_id, p.lines[0].shipped) for p in pool.progress()] == [("s1", 1), ("s2", 3)]
    assert pool.level("A", "X") == (7, 0)


def test_shipped_and_short_in_one_report_tells_both_the_short_one_first(allocated):
    pool, id = allocated
    pool.wms(id, "SHIPPED", {"X": {"shipped": 2, "short": 1, "reason": "damaged"}})
    assert [p.status for p in pool.progress()] == ["SHORT_PICKED", "SHIPPED"]
    assert pool.level("A", "X") == (7, 0)


def test_units_that_leave_after_they_were_cancelled_still_go_off_the_stock(allocated):
    pool, id = allocated
    pool.wms(id, "CANCELLED")
    assert pool.level("A", "X") == (10, 0)
    pool.wms(id, "SHIPPED", {"X": {"shipped": 3, "cancelled": 3}})
    assert pool.level("A", "X") == (7, 0)
    assert pool.progress()[-1].lines[0].shipped == 3


def test_units_that_leave_late_and_are_promised_to_others_never_make_stock_negative(allocated):
    pool, id = allocated
    pool.wms(id, "CANCELLED")
    other = pool.order("2", {"X": 10}).allocations[0].allocation_id
    pool.wms(id, "SHIPPED", {"X": {"shipped": 3}})
    assert pool.level("A", "X") == (10, 10)
    pool.wms(other, "SHORT_PICKED", {"X": {"picked": 7, "short": 3, "reason": "missing"}})
    pool.wms(other, "SHIPPED", {"X": {"shipped": 7, "short": 3}})
    assert pool.level("A", "X") == (0, 0)


def test_a_refused_cancellation_is_told_once_for_each_time_it_was_asked(allocated):
    pool, id = allocated
    pool.wms(id, "CANCEL_REJECTED", occurred_at=5)
    pool.wms(id, "CANCEL_REJECTED", occurred_at=5)
    pool.wms(id, "CANCEL_REJECTED", occurred_at=6)
    assert [p.status for p in pool.progress()] == ["CANCEL_REJECTED"] * 2
    assert pool.level("A", "X") == (10, 3)


@pytest.mark.parametrize(
    ("status", "lines", "code"),
    [
        pytest.param("SHIPPED", {"X": {"shipped": 4}}, "wms.quantity", id="more-than-allocated"),
        pytest.param("SHIPPED", {"X": {"shipped": -1}}, "wms.quantity", id="negative"),
        pytest.param("SHIPPED", {"Y": {"shipped": 1}}, "wms.line", id="unknown-line"),
        pytest.param("SHORT_PICKED", {}, "wms.lines", id="short-of-what"),
        pytest.param("LOST", {}, "wms.status", id="unknown-status"),
    ],
)
def test_a_wms_report_that_can_not_be_is_rejected_and_nothing_moves(allocated, status, lines, code):
    pool, id = allocated
    before = dict(pool.view.data)
    with pytest.raises(Rejected, match=code):
        pool.wms(id, status, lines)
    assert pool.view.data == before


def test_an_allocation_the_pool_never_made_is_rejected(pool):
    with pytest.raises(Rejected, match=r"allocation.unknown"):
        pool.wms("main/shopify:acme:1/1", "SHIPPED")


def test_a_cancelled_unit_serves_the_oldest_backorder(allocated):
    pool, id = allocated
    pool.order("2", {"X": 9})
    assert pool.waiting("2") == 2
    pool.wms(id, "CANCELLED", {"X": {"cancelled": 2}})
    assert (pool.waiting("2"), pool.level("A", "X")) == (0, (10, 10))


def test_a_new_order_of_the_class_never_overtakes_but_one_of_a_higher_class_may(bench):
    pool = bench(split=SplitPolicy(allowed=False))
    pool.stock("A", "X", 1)
    pool.order("whole", {"X": 1, "Y": 1})
    assert pool.order("late", {"X": 1}).allocations == []
    assert [p.depot for p in pool.order("vip", {"X": 1}, tags=["VIP"]).allocations] == ["A"]
    pool.stock("A", "X", 1)
    assert (pool.served("whole"), pool.served("late")) == ({}, {})
    pool.stock("A", "Y", 1)
    assert (pool.served("whole"), pool.waiting("late")) == ({"A": 2}, 1)


def test_stock_that_no_backorder_may_use_is_free_for_others(bench):
    depots = [Depot("A", "NL", ships_to=["NL"]), Depot("B", "BE", ships_to=["BE"])]
    pool = bench(RuleSet("v1", depots=depots))
    pool.order("belgian", {"X": 1}, country="BE")
    pool.stock("A", "X", 1)
    assert [p.depot for p in pool.order("dutch", {"X": 1}).allocations] == ["A"]


def test_dropping_the_part_that_is_missing_lets_the_rest_go(bench):
    pool = bench(split=SplitPolicy(allowed=False))
    pool.stock("A", "X", 1)
    pool.order("1", {"X": 1, "Y": 1})
    pool.drop("1", {"Y": 1})
    assert (pool.served("1"), pool.waiting("1")) == ({"A": 1}, 0)


def test_dropping_a_backorder_frees_what_was_kept_for_it(bench):
    pool = bench(split=SplitPolicy(allowed=False))
    pool.stock("A", "X", 1)
    pool.order("1", {"X": 1, "Y": 1})
    pool.order("2", {"X": 1})
    pool.drop("1")
    assert pool.served("2") == {"A": 1}
    pool.drop("1")
    assert pool.types()[-1] == "DUPLICATE"


def test_without_backorders_in_the_rules_what_is_missing_is_unfillable_at_once(bench):
    pool = bench(backorder=False)
    pool.stock("A", "X", 1)
    answer = pool.order("1", {"X": 3})
    assert ([x.qty for x in answer.unfillable], answer.reason, answer.backordered) == ([2], "no_stock", [])


def test_orders_that_came_before_any_rules_are_served_when_rules_come(bench):
    pool = bench(RuleSet())
    pool.stock("A", "X", 5)
    assert pool.order("1", {"X": 1}).backordered != []
    pool.rules = RuleSet("v1", depots=[Depot("A", "NL")])
    assert pool.order("2", {"X": 5}).allocations[0].lines[0].qty == 4, (
        "one unit is kept before the queues are built anew"
    )
    pool.tick()
    assert (pool.served("1"), pool.served("2"), pool.waiting("2")) == ({"A": 1}, {"A": 4}, 1)


def test_a_new_depot_in_the_rules_serves_those_who_waited(bench):
    pool = bench(RuleSet("v1", depots=[Depot("A", "NL")]))
    pool.stock("B", "X", 5)
    pool.order("1", {"X": 2})
    pool.rules = RuleSet("v2", depots=[Depot("A", "NL"), Depot("B", "DE")])
    pool.tick()
    assert pool.served("1") == {"B": 2}
    assert pool.sent[-1].rule_version == "v2"


def test_more_backorders_than_one_command_serves_are_served_by_the_ticks_in_order(pool):
    for i in range(450):
        pool.now += 1
        pool.order(f"{i:03d}", {"X": 1})
    pool.stock("A", "X", 500)
    assert len([t for t in pool.types() if t == "REPLENISHED"]) == 200
    assert pool.order("new", {"X": 51}).backordered[0].qty == 1, "the units of those who still wait are kept"
    pool.tick()
    served = [e.order_key for e in pool.events if e.type == "REPLENISHED"]
    assert served[:450] == [f"shopify:acme:{i:03d}" for i in range(450)]


def test_closed_orders_and_old_reports_are_forgotten_and_a_later_request_gets_new_numbers(pool):
    pool.stock("A", "X", 5, key="k")
    pool.wms(pool.order("1", {"X": 1}).allocations[0].allocation_id, "SHIPPED")
    pool.tick(15 * DAY)
    assert pool.view.load(Fact, "k") is None
    pool.tick(106 * DAY)
    assert pool.view.load(PoolOrder, "shopify:acme:1") is None
    assert pool.order("1", {"X": 1}, no=2).allocations[0].allocation_id == "main/shopify:acme:1/101"
    assert [k for k in pool.view.data if k[0] == "i"] == [("i", "a\x1fX\x1fA")]  # the new one, which no WMS has yet


def test_a_tick_for_a_pool_that_never_was_does_nothing(bench):
    pool = bench()
    assert pool.tick() == []
    assert pool.view.data == {}


def test_a_set_with_capacity_full_today_is_tried_again_tomorrow(bench):
    closed = [f"2026-{m:02d}-{d:02d}" for m in (11, 12) for d in range(1, 32)] + [
        f"2027-01-{d:02d}" for d in range(1, 31)
    ]
    pool = bench(RuleSet("v1", depots=[Depot("A", "NL", holidays=closed)], routing=Routing(unfillable_after_days=0)))
    pool.stock("A", "X", 1)
    assert pool.order("1", {"X": 1}).backordered != []
    for _ in range(15):
        pool.tick(DAY)
    assert pool.served("1") == {"A": 1}


def test_a_tie_in_age_goes_to_the_one_that_came_first(pool):
    for name in ("z", "a"):
        pool.order(name, {"X": 1})
    pool.stock("A", "X", 1)
    assert (pool.served("z"), pool.served("a")) == ({"A": 1}, {})


def test_an_ordered_index_is_a_sorted_map_and_leaves_nothing_behind():
    view, model = MemoryPool(), {}
    import random

    r = random.Random(4)
    for _ in range(4000):
        work = Work(view)
        index = OrderedIndex(work, "t")
        key = f"{r.randint(0, 700):04d}"
        if r.random() < 0.55:
            index.set(key, n := r.randint(0, 9))
            model[key] = n
        else:
            index.remove(key)
            model.pop(key, None)
        work.flush()
        assert index.after(key) == min(((k, v) for k, v in model.items() if k > key), default=None)
    for key in list(model):
        work = Work(view)
        OrderedIndex(work, "t").remove(key)
        work.flush()
    assert view.data == {}


def test_the_work_of_a_command_does_not_grow_with_open_orders(bench):
    """Records loaded and saved by one request and one receipt: the same with 100 backorders as with 3,000, but for the log."""

    class Counting(MemoryPool):
        touched = 0

        def load(self, kind, id):
            self.touched += 1
            return super().load(kind, id)

        def save(self, id, value):
            self.touched += len(msgspec.msgpack.encode(value)) / 1000
            super().save(id, value)

    counts = []
    for size in (100, 3000):
        pool = bench()
        pool.view = view = Counting()
        for i in range(size):
            pool.order(f"w{i}", {"X": 1})
        view.touched = 0
        pool.order("last", {"X": 1})
        pool.stock("A", "X", 1)
        counts.append(view.touched)
    assert counts[1] < counts[0] * 2


def test_lines_of_a_request_are_checked(pool):
    for lines in ([], [DemandLine("a", "X", 0)], [DemandLine("a", "X", 1), DemandLine("a", "X", 1)]):
        with pytest.raises(Rejected, match=r"request.line"):
            pool.order("1", lines)
    assert pool.view.data == {}
