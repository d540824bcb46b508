"""What warehouses do: short picks, refusals (hard cases 10 and 11), reports late, twice or out of order."""

from __future__ import annotations

import pytest

from domain.records.commands import AllocationRequested
from domain.records.effects import ChannelCancel, ChannelShipment, PickOrder
from domain.records.values import WmsLine


def _line(**figures):
    return WmsLine("L1", "SKU-L1", **figures)


def test_short_picked_two_of_three_ship_and_one_is_routed_elsewhere(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 3, ("B", "SKU-L1"): 5}
    desk.upsert(kit.snapshot(kit.line(qty=3)))
    desk.wms("SHORT_PICKED", 1, _line(picked=2, short=1, reason="damaged"))
    again = desk.of(AllocationRequested)[-1]
    assert [(x.line_id, x.qty) for x in again.lines] == [("L1", 1)]
    assert (again.excluded_depots, again.replaces_id) == (["A"], f"main/{kit.KEY}/1")
    assert desk.units() == {"allocated": 1, "picked": 2}
    desk.ship(1, "s1")
    desk.ship(2, "s2")
    assert [e.lines[0].qty for e in desk.events if e.type == "SHIPPED"] == [2, 1]
    assert [e.depot for e in desk.events if e.type == "SHIPPED"] == ["A", "B"]
    short = next(e for e in desk.events if e.type == "SHORT_PICKED")
    assert (short.intervention, short.reason, short.lines[0].qty) == (True, "damaged", 1)


def test_depots_that_fail_add_up_and_the_last_refusal_is_unfillable_not_a_loop(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 5, ("B", "SKU-L1"): 5}
    desk.upsert()
    desk.wms("REJECTED", 1, why="capacity")
    desk.wms("REJECTED", 2, why="carrier")
    assert [x.excluded_depots for x in desk.of(AllocationRequested)] == [[], ["A"], ["A", "B"]]
    assert (desk.status, desk.units()) == ("UNFILLABLE", {"open": 1})
    assert desk.events[-1].type == "UNFILLABLE"
    assert len(desk.of(PickOrder)) == 2


def test_unfillable_units_are_given_up_after_the_days_the_rules_say_and_the_channel_told(desk, kit):
    desk.pool.depots = []
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    due = desk.now + 30 * kit.DAY
    assert desk.state.due == due
    assert desk.tick(due - 1) == []
    (cancelled,) = desk.tick(due)
    assert (cancelled.type, cancelled.status, cancelled.reason) == ("CANCELLED", "CANCELLED", "unfillable")
    assert desk.of(ChannelCancel)[0].lines == kit.qty(L1=2)


def test_a_backorder_the_pool_gives_up_is_cancelled_and_the_channel_told(desk, kit):
    desk.pool.stock = {}
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    from msgspec.structs import replace

    desk.send(replace(desk.pool.answer(1, {}, [], desk.now), unfillable=kit.qty(L1=2), reason="backorder_over_30_days"))
    assert desk.types()[-2:] == ["UNFILLABLE", "CANCELLED"]
    assert desk.of(ChannelCancel)[0].lines == kit.qty(L1=2)


def test_unfillable_units_are_tried_again_when_someone_says_so(desk):
    desk.pool.stock = {("A", "SKU-L1"): 5}
    desk.upsert()
    desk.pool.depots = ["A"]
    desk.wms("REJECTED", 1)
    assert desk.status == "UNFILLABLE"
    desk.release("MANUAL")
    assert desk.of(AllocationRequested)[-1].excluded_depots == []
    assert desk.status == "ALLOCATED"
    assert desk.state.due == 0


def test_units_a_warehouse_gives_up_unasked_are_routed_elsewhere(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 1, ("B", "SKU-L1"): 1}
    desk.upsert()
    desk.wms("CANCELLED", 1, why="closed early")
    assert "REJECTED" in desk.types()
    assert desk.of(AllocationRequested)[-1].excluded_depots == ["A"]
    assert desk.units() == {"allocated": 1}


def test_shipped_before_picked_implies_picked_and_each_is_told_once(desk):
    desk.upsert()
    desk.ship()
    desk.wms("PICKED", 1, _line(picked=1))
    desk.ship()
    assert [t for t in desk.types() if t in ("PICKED", "SHIPPED")] == ["PICKED", "SHIPPED"]
    assert desk.types()[-2:] == ["STALE", "DUPLICATE"]
    assert desk.units() == {"shipped": 1}


@pytest.mark.parametrize("status", ["ACCEPTED", "PICKED", "PACKED"])
def test_a_report_told_twice_changes_nothing(desk, status):
    desk.upsert()
    desk.wms(status)
    (again,) = desk.wms(status)
    assert again.type == "DUPLICATE"


def test_only_the_last_of_an_orders_picks_and_parcels_is_complete(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 1, ("B", "SKU-L1"): 1}
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    desk.wms("PICKED", 1)
    desk.wms("PICKED", 2)
    desk.ship(1, "s1")
    desk.ship(2, "s2")
    flags = [(e.type, e.complete) for e in desk.events if e.type in ("PICKED", "SHIPPED")]
    assert flags == [("PICKED", False), ("PICKED", True), ("SHIPPED", False), ("SHIPPED", True)]


def test_a_part_picked_is_told_when_the_picking_is_done(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=3)))
    desk.wms("PICKING", 1, _line(picked=1))
    assert desk.units() == {"allocated": 2, "picked": 1}
    assert "PICKED" not in desk.types()
    desk.wms("PICKED", 1, _line(picked=3))
    assert [x.qty for x in desk.events[-1].lines] == [3]


def test_the_decision_told_twice_is_a_duplicate(desk):
    desk.upsert()
    desk.send(desk.log[-1])
    assert desk.types()[-1] == "DUPLICATE"
    assert len(desk.of(PickOrder)) == 1


def test_a_replenished_backorder_is_picked(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 1}
    desk.upsert(kit.snapshot(kit.line(qty=3)))
    assert (desk.status, desk.units()) == ("PARTIALLY_ALLOCATED", {"allocated": 1, "backordered": 2})
    for answer in desk.pool.receive("A", "SKU-L1", 2, desk.now):
        desk.send(answer)
    assert desk.units() == {"allocated": 3}
    assert [e.complete for e in desk.events if e.type == "ALLOCATED"] == [False, True]


def test_more_shipped_than_was_allocated_takes_the_place_of_what_waits(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 1}
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    desk.wms("SHIPPED", 1, _line(picked=2, shipped=2), shipment="s1", tracking="T")
    assert desk.units() == {"shipped": 2}
    assert next(e for e in desk.events if e.type == "EXCEPTION").intervention


@pytest.mark.parametrize(
    ("status", "allocation", "code"),
    [("NAPPING", 1, "allocation.status"), ("PICKED", 9, "allocation.unknown")],
    ids=["status", "allocation"],
)
def test_a_report_that_makes_no_sense_is_rejected(desk, refused, status, allocation, code):
    desk.upsert()
    with refused(code):
        desk.wms(status, allocation)


def test_tracking_that_comes_later_is_taken_over(desk):
    desk.upsert()
    desk.ship(tracking="")
    desk.ship(tracking="3S9")
    assert desk.state.shipments[0].tracking_number == "3S9"
    assert desk.types()[-1] == "UPDATED"


def test_the_channel_hears_what_of_a_parcel_it_was_told_before(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 1}
    desk.upsert(kit.snapshot(kit.line(qty=5)))
    for answer in desk.pool.receive("A", "SKU-L1", 4, desk.now):
        desk.send(answer)
    desk.ship(1, "s1", "3S1")
    desk.ship(2, "s1", "3S1")  # packed together with the first part
    first, second = desk.of(ChannelShipment)
    assert [[x.qty for x in e.told_before] for e in (first, second)] == [[], [1]]
    assert [x.qty for x in second.lines] == [4]


def test_a_parcel_reported_in_parts_says_what_was_told_before(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=3)))
    desk.wms("PICKED", 1)
    desk.wms("SHIPPED", 1, _line(picked=3, shipped=1), shipment="s1", tracking="3S1")
    desk.wms("SHIPPED", 1, _line(picked=3, shipped=3), shipment="s1", tracking="3S1")
    assert [[x.qty for x in e.told_before] for e in desk.of(ChannelShipment)] == [[], [1]]
