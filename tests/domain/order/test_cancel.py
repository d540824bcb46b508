"""Cancellations in every stage: hard cases 3, 12 and 13."""

from __future__ import annotations

import pytest

from domain.records.commands import AllocationReleased, AllocationRequested, BackorderCancelled
from domain.records.effects import ChannelCancel, PickOrder, PickOrderCancel
from domain.records.values import RefundLine, WmsLine


def test_a_cancel_before_the_create_lands_cancelled(desk):
    (event,) = desk.cancel()
    assert (event.type, event.status) == ("CANCEL_REQUESTED", "CANCEL_REQUESTED")
    desk.upsert()
    assert desk.types() == ["CANCEL_REQUESTED", "PLACED", "CANCELLED"]
    assert (desk.status, desk.units()) == ("CANCELLED", {"cancelled": 1})
    assert desk.of(AllocationRequested) == desk.effects == []


def test_a_cancelled_snapshot_is_never_allocated(desk, kit):
    desk.upsert(kit.snapshot(cancelled_at=kit.NOW, cancel_reason="fraud"))
    assert desk.status == "CANCELLED"
    assert desk.events[-1].reason == "fraud"
    assert desk.of(AllocationRequested) == []


def test_a_partial_cancel_before_the_create_cancels_its_units(desk, kit):
    desk.cancel(*kit.qty(L1=1))
    desk.upsert(kit.snapshot(kit.line(qty=3)))
    assert desk.units() == {"cancelled": 1, "allocated": 2}


def test_units_cancelled_while_a_request_is_in_flight_are_released_when_the_answer_comes(desk, kit):
    desk.auto = False
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    desk.cancel()
    assert desk.status == "CANCELLED"
    desk.pump()
    (released,) = desk.of(AllocationReleased)
    assert (released.allocation_id, released.lines) == (f"main/{kit.KEY}/1", kit.qty(L1=2))
    assert desk.of(PickOrder) == []
    desk.pump()
    assert desk.pool.stock["A", "SKU-L1"] == 10


def test_a_part_cancelled_in_flight_is_released_and_the_rest_is_picked(desk, kit):
    desk.auto = False
    desk.upsert(kit.snapshot(kit.line(qty=3)))
    desk.cancel(*kit.qty(L1=1))
    desk.auto = True
    desk.send(desk.pool.fold(desk.todo.pop(0), desk.now)[0])
    assert desk.of(AllocationReleased)[0].lines == kit.qty(L1=1)
    assert desk.of(PickOrder)[0].lines[0].qty == 2
    assert desk.units() == {"cancelled": 1, "allocated": 2}
    assert desk.pool.stock["A", "SKU-L1"] == 8


def test_cancelled_backorders_leave_the_queue(desk, kit):
    desk.pool.stock = {}
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    assert desk.status == "BACKORDERED"
    desk.cancel()
    (dropped,) = desk.of(BackorderCancelled)
    assert (dropped.request_no, dropped.lines) == (1, kit.qty(L1=2))
    assert desk.status == "CANCELLED"


def test_a_cancel_that_crosses_a_replenishment_releases_it(desk, kit):
    desk.pool.stock = {}
    desk.upsert()
    (filled,) = desk.pool.receive("A", "SKU-L1", 1, desk.now)  # the pool has decided, the order does not know yet
    desk.cancel()
    desk.send(filled)
    assert desk.of(AllocationReleased)[0].lines == kit.qty(L1=1)
    assert desk.of(PickOrder) == []
    assert desk.units() == {"cancelled": 1}
    assert desk.pool.stock["A", "SKU-L1"] == 1


def test_after_the_pick_order_stock_is_freed_only_by_the_warehouses_word(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    desk.cancel()
    (stop,) = desk.of(PickOrderCancel)
    assert (stop.target, stop.lines, stop.reason) == ("wms-a", kit.qty(L1=2), "cancelled")
    assert (desk.status, desk.units()) == ("CANCEL_REQUESTED", {"allocated": 2})
    desk.wms("CANCELLED")
    assert (desk.status, desk.units()) == ("CANCELLED", {"cancelled": 2})
    assert desk.types()[-2:] == ["WITHDRAWN", "CANCELLED"]
    assert desk.of(AllocationReleased) == []


def test_a_refused_cancel_ships_and_says_so(desk):
    desk.upsert()
    desk.cancel()
    desk.wms("CANCEL_REJECTED", why="packed")
    assert (desk.events[-1].type, desk.events[-1].reason) == ("CANCEL_REJECTED", "packed")
    assert desk.status == "ALLOCATED"
    desk.ship()
    assert (desk.status, desk.units()) == ("SHIPPED", {"shipped": 1})
    assert len(desk.of(PickOrderCancel)) == 1


def test_a_refused_cancel_still_cancels_what_the_warehouse_can_not_pick(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    desk.cancel()
    desk.wms("CANCEL_REJECTED")
    desk.wms("SHORT_PICKED", 1, WmsLine("L1", "SKU-L1", 1, 0, 1))
    desk.ship()
    assert desk.units() == {"shipped": 1, "cancelled": 1}
    assert len(desk.of(AllocationRequested)) == 1


def test_a_partial_cancel_then_ship_leaves_the_rest_whole(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=3)))
    desk.cancel(*kit.qty(L1=1))
    desk.wms("CANCELLED", 1, WmsLine("L1", "SKU-L1", cancelled=1))
    desk.ship()
    assert desk.units() == {"shipped": 2, "cancelled": 1}
    assert (desk.status, desk.events[-1].complete) == ("SHIPPED", True)


def test_a_cancel_told_three_ways_cancels_once(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=3)))
    desk.cancel(*kit.qty(L1=1))
    desk.refund([RefundLine("L1", "SKU-L1", 1, 1000, restock="cancel")], amount=1000)
    desk.upsert(kit.snapshot(kit.line(qty=3, cancelled=1), version=6))
    desk.wms("CANCELLED", 1, WmsLine("L1", "SKU-L1", cancelled=1))
    assert desk.units() == {"allocated": 2, "cancelled": 1}
    assert sum(x.qty for e in desk.of(PickOrderCancel) for x in e.lines) == 1


def test_a_cancel_after_shipping_is_refused(desk):
    desk.upsert()
    desk.ship()
    (event,) = desk.cancel()
    assert (event.type, event.reason, event.status) == ("CANCEL_REJECTED", "shipped already", "SHIPPED")
    assert desk.units() == {"shipped": 1}


def test_a_cancel_of_all_after_a_part_left_cancels_the_rest(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 1}
    desk.upsert(kit.snapshot(kit.line(qty=3)))
    desk.ship()
    desk.cancel()
    assert desk.units() == {"shipped": 1, "cancelled": 2}
    assert desk.types()[-2:] == ["CANCEL_REJECTED", "CANCELLED"]
    assert desk.status == "SHIPPED"


def test_goods_that_left_although_the_warehouse_had_cancelled_count_as_shipped(desk):
    desk.upsert()
    desk.cancel()
    desk.wms("CANCELLED")
    desk.wms("SHIPPED", 1, WmsLine("L1", "SKU-L1", 1, 1, 0, 1), shipment="s1", tracking="T")
    assert desk.units() == {"shipped": 1}
    assert "EXCEPTION" in desk.types()


@pytest.mark.parametrize("confirm", [True, False], ids=["request", "done"])
def test_a_channel_that_waits_for_our_word_gets_it_once_the_units_are_cancelled(desk, kit, confirm):
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    desk.cancel(*kit.qty(L1=1), confirm=confirm)
    assert desk.of(ChannelCancel) == []
    desk.wms("CANCELLED", 1, WmsLine("L1", "SKU-L1", cancelled=1))
    assert [x.lines for x in desk.of(ChannelCancel)] == ([kit.qty(L1=1)] if confirm else [])


def test_a_confirmed_cancel_is_told_once_though_the_channel_shows_it_later(desk, kit):
    desk.pool.stock = {}
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    desk.cancel(*kit.qty(L1=1), confirm=True)
    desk.upsert(kit.snapshot(kit.line(qty=2, cancelled=1), version=8))
    assert len(desk.of(ChannelCancel)) == 1
    assert desk.units() == {"backordered": 1, "cancelled": 1}


def test_a_cancelled_member_leaves_without_the_others(desk, kit):
    desk.upsert(kit.snapshot(kit.line("L1", 1), kit.line("L2", 1)))
    desk.cancel(*kit.qty(L2=1))
    desk.wms("CANCELLED", 1, WmsLine("L2", "SKU-L2", cancelled=1))
    desk.ship()
    assert (desk.units("L1"), desk.units("L2")) == ({"shipped": 1}, {"cancelled": 1})
    assert desk.state.shipments[0].lines == kit.qty(L1=1)
