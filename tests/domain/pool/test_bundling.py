"""Bundling and waves: what waits for what, what leaves together, and what it costs."""

from __future__ import annotations

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from domain.allocation.bundling import bundle_cost, next_wave, share_of
from domain.allocation.cutoff import Calendar
from domain.pool.state import WaveGroup
from domain.records.commands import AllocationDecided, WaveReleased
from domain.records.values import DemandLine, ParcelPart
from domain.rules.ruleset import Bundling, Depot, Rate, Routing, RuleSet, Wave

HOUR = 3_600_000
DEPOT = Depot("A", "NL", rates=[Rate(495, carrier="postnl")])


def rules(*waves: Wave, depot: Depot = DEPOT, **bundling) -> RuleSet:
    rows = list(waves) or [Wave(every_minutes=60)]
    return RuleSet("v1", depots=[depot], routing=Routing(), bundling=Bundling(enabled=True, waves=rows, **bundling))


@pytest.fixture
def waves(bench):
    """A pool with a wave every full hour (it is 10:00 in Amsterdam) and plenty of stock."""
    pool = bench(rules())
    for sku in ("X", "Y"):
        pool.stock("A", sku, 100)
    return pool


def releases(pool) -> list[WaveReleased]:
    return [c for c in pool.sent if isinstance(c, WaveReleased)]


def ask(pool, name: str, sku: str = "X", **fields) -> AllocationDecided:
    return pool.order(name, {sku: 1}, **fields)


def groups(pool) -> list[WaveGroup]:
    return [pool.view.load(WaveGroup, id) for kind, id in pool.view.data if kind == "w"]


def test_orders_of_a_customer_to_one_address_leave_together_at_the_next_wave(waves):
    first, second, other = ask(waves, "1"), ask(waves, "2"), ask(waves, "3", customer_key="d")
    assert {a.wave for d in (first, second, other) for a in d.allocations} == {"A/*/2026-11-23T11:00+01:00"}
    waves.tick(HOUR - 1)
    assert releases(waves) == []
    waves.tick(1)
    told = {c.allocation_id[-3:]: (c.group_size, bool(c.group_id), c.cost, c.alone) for c in releases(waves)}
    assert told == {"1/1": (2, True, 248, 495), "2/1": (2, True, 247, 495), "3/1": (1, False, 495, 495)}
    assert len({c.group_id for c in releases(waves)}) == 2
    assert groups(waves) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("customer_key", "other", id="customer"),
        pytest.param("address_hash", "other", id="address"),
        pytest.param("service_level", "express", id="service"),
        pytest.param("customer_key", "", id="customer-not-known"),
        pytest.param("address_hash", "", id="address-not-known"),
    ],
)
def test_what_differs_in_one_of_these_leaves_alone(waves, field, value):
    ask(waves, "1")
    ask(waves, "2", **{field: value})
    waves.tick(HOUR)
    assert {c.group_id for c in releases(waves)} == {""}


def test_without_the_rule_nothing_waits(bench):
    pool = bench(msgspec.structs.replace(rules(), bundling=Bundling(waves=[Wave(every_minutes=60)])))
    pool.stock("A", "X", 1)
    assert [a.wave for a in ask(pool, "1").allocations] == [""]


@pytest.mark.parametrize(
    ("bundling", "order", "waits"),
    [
        pytest.param({"never_tags": ["VIP"]}, {"tags": ["VIP"]}, False, id="a-tag-that-never-waits"),
        pytest.param({"channels": ["bol"]}, {}, False, id="another-channel"),
        pytest.param({"channels": ["shopify"]}, {}, True, id="its-channel"),
    ],
)
def test_who_is_bundled_at_all(bench, bundling, order, waits):
    pool = bench(rules(**bundling))
    pool.stock("A", "X", 1)
    assert [bool(a.wave) for a in ask(pool, "1", **order).allocations] == [waits]


def test_orders_of_two_channels_leave_together_only_where_the_rules_let_them(bench):
    for across, sizes in ((True, {2}), (False, {1})):
        pool = bench(rules(across_channels=across))
        pool.stock("A", "X", 2)
        ask(pool, "1")
        ask(pool, "2", channel="bol")
        pool.tick(HOUR)
        assert {c.group_size for c in releases(pool)} == sizes


def test_nothing_waits_beyond_the_hand_over_less_the_lead_nor_beyond_the_longest_wait(bench):
    for fields, minutes in (({"lead_minutes": 7 * 60 + 45}, 15), ({"max_wait_minutes": 20}, 20)):
        pool = bench(rules(Wave(times=["17:00"]), **fields))  # hand-over at 18:00, it is 10:00
        pool.stock("A", "X", 1)
        ask(pool, "1")
        pool.tick(minutes * 60_000 - 1)
        assert releases(pool) == []
        pool.tick(1)
        assert len(releases(pool)) == 1


def test_where_the_hand_over_leaves_no_time_it_goes_at_once(bench):
    pool = bench(rules(lead_minutes=8 * 60))
    pool.stock("A", "X", 1)
    assert [a.wave for a in ask(pool, "1").allocations] == [""]


def test_one_that_cannot_wait_takes_those_it_leaves_with_along(bench):
    pool = bench(rules(Wave(times=["14:00"]), max_wait_minutes=60))
    pool.stock("A", "X", 3)
    ask(pool, "1")
    pool.now += 30 * 60_000
    ask(pool, "2")
    pool.tick(30 * 60_000)
    assert [c.group_size for c in releases(pool)] == [2, 2]


def test_a_full_parcel_is_followed_by_another(bench):
    pool = bench(rules(max_orders=2))
    pool.stock("A", "X", 9)
    for n in range(5):
        ask(pool, str(n))
    pool.tick(HOUR)
    assert sorted(c.group_size for c in releases(pool)) == [1, 2, 2, 2, 2]


def test_a_cancelled_member_leaves_its_group_and_the_last_one_ends_it(waves):
    first = ask(waves, "1").allocations[0].allocation_id
    second = ask(waves, "2").allocations[0].allocation_id
    waves.release(first)
    assert [[m.allocation_id for m in g.members] for g in groups(waves)] == [[second]]
    waves.release(second)
    waves.tick(HOUR)
    assert (groups(waves), releases(waves)) == ([], [])


def test_a_part_given_back_leaves_the_rest_waiting(waves):
    plan = waves.order("1", {"X": 2}).allocations[0]
    waves.release(plan.allocation_id, {"X": 1})
    waves.tick(HOUR)
    assert [c.allocation_id for c in releases(waves)] == [plan.allocation_id]


def test_a_backorder_that_is_served_joins_the_wave_too(waves):
    waves.order("1", {"Z": 1})
    ask(waves, "2")
    waves.stock("A", "Z", 1)
    waves.tick(HOUR)
    assert [c.group_size for c in releases(waves)] == [2, 2]


def test_two_parts_of_one_order_leave_together(waves):
    waves.order("1", [DemandLine("a", "X", 1)])
    waves.order("1", [DemandLine("b", "Y", 1)], no=2)
    waves.tick(HOUR)
    assert [c.group_size for c in releases(waves)] == [2, 2]


def test_a_wave_is_one_event_and_each_bundle_says_what_it_saves(waves):
    for n in range(3):
        ask(waves, str(n))
    ask(waves, "3", customer_key="d")
    events = waves.tick(HOUR)
    assert [e.type for e in events] == ["BUNDLED", "WAVE_RELEASED"]
    record = msgspec.json.decode(events[0].decision)
    assert (record["alone"], record["together"], record["saving"], record["shares"]) == (1485, 495, 990, [165] * 3)
    assert events[0].event_id == releases(waves)[0].group_id
    assert events[1].reason == "4 allocations, 1 bundles, 990 saved"


def test_a_warehouse_that_has_it_already_ends_the_waiting(waves):
    id = ask(waves, "1").allocations[0].allocation_id
    waves.wms(id, "SHIPPED", shipment_id="p")
    waves.tick(HOUR)
    assert (groups(waves), releases(waves)) == ([], [])


def test_the_parcels_cost_is_shared_by_what_the_wms_says_is_in_it(waves):
    ids = [waves.order(n, {"X": qty}).allocations[0].allocation_id for n, qty in (("1", 1), ("2", 3))]
    waves.tick(HOUR)
    parts = [ParcelPart(ids[0], 1), ParcelPart(ids[1], 3)]
    for id in ids:
        waves.wms(id, "SHIPPED", shipment_id="p", cost=455, parcel=parts)
    assert [c.cost for c in waves.progress()] == [114, 341]


def test_where_the_wms_does_not_say_it_is_shared_by_the_members_that_are_left(waves):
    ids = [ask(waves, n).allocations[0].allocation_id for n in ("1", "2", "3")]
    waves.tick(HOUR)
    waves.wms(ids[2], "CANCELLED")
    for id in ids[:2]:
        waves.wms(id, "SHIPPED", shipment_id="p", cost=455)
    assert [c.cost for c in waves.progress() if c.status == "SHIPPED"] == [228, 227]


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=8))
def test_the_shares_of_a_bundle_add_up_to_its_parcel_and_nobody_pays_more_than_alone(costs):
    cost = bundle_cost(costs)
    assert sum(cost.shares) == cost.together == max(costs)
    assert all(0 <= share <= alone for share, alone in zip(cost.shares, costs, strict=True))
    assert cost.saving == sum(costs) - max(costs)


@given(st.integers(0, 10_000), st.lists(st.tuples(st.sampled_from("abcde"), st.integers(1, 9)), max_size=8))
def test_the_shares_of_a_parcel_add_up_to_its_cost_whoever_asks(cost, parts):
    told = [ParcelPart(*p) for p in parts]
    names = {p.allocation_id for p in told}
    assert sum(share_of(cost, told, n) for n in names) == (cost if told else 0)
    assert share_of(cost, told, "z") == (0 if told else cost)


AMSTERDAM = Depot("A", "NL", holidays=["2026-12-25"])


@pytest.mark.parametrize(
    ("wave", "now", "then"),
    [
        pytest.param(Wave(times=["10:00", "15:00"]), "2026-11-23T09:59", "2026-11-23T10:00", id="the-next-time"),
        pytest.param(Wave(times=["15:00", "10:00"]), "2026-11-23T09:59", "2026-11-23T10:00", id="whatever-their-order"),
        pytest.param(Wave(times=["10:00"]), "2026-11-23T10:00", "2026-11-24T10:00", id="at-the-time-it-has-gone"),
        pytest.param(Wave(times=["10:00"]), "2026-11-27T11:00", "2026-11-30T10:00", id="not-on-a-day-off"),
        pytest.param(Wave(times=["10:00"]), "2026-12-24T11:00", "2026-12-28T10:00", id="nor-on-a-holiday"),
        pytest.param(Wave(every_minutes=90), "2026-11-23T09:01", "2026-11-23T10:30", id="every-so-often-from-midnight"),
        pytest.param(Wave(every_minutes=90), "2026-11-23T23:00", "2026-11-24T00:00", id="over-midnight"),
        pytest.param(Wave(every_minutes=600), "2026-11-27T20:00", "2026-11-30T00:00", id="from-friday-night-to-monday"),
    ],
)
def test_when_the_next_wave_is(wave, now, then):
    calendar = Calendar(AMSTERDAM)
    at = calendar.instant(*_local(now))
    assert next_wave(wave, calendar, at) == calendar.instant(*_local(then))


def _local(text: str):
    from datetime import date

    day, clock = text.split("T")
    return date.fromisoformat(day), clock
