"""What others ship: echoes of ours, fulfilments made elsewhere, the channel's own warehouse, downloads, test orders."""

from __future__ import annotations

import msgspec

from domain.records.commands import AllocationRequested
from domain.records.effects import ChannelCancel, ChannelShipment, PickOrder, PickOrderCancel
from domain.records.values import WmsLine


def test_the_echo_of_our_parcel_changes_nothing(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 1}
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    desk.ship()
    assert desk.fulfilled(kit.qty(L1=1), tracking="3S1") == []
    assert desk.units() == {"backordered": 1, "shipped": 1}


def test_the_echo_is_known_by_the_channels_own_id(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 1}
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    desk.ship()
    desk.outcome(desk.of(ChannelShipment)[0], reference="gid/9")
    desk.fulfilled(kit.qty(L1=1), fid="gid/9", tracking="OTHER")
    assert desk.units() == {"backordered": 1, "shipped": 1}


def test_an_echo_without_tracking_that_overtakes_the_channels_answer_is_still_ours(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 1}
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    desk.ship()
    desk.fulfilled(kit.qty(L1=1), fid="gid/9")
    desk.outcome(desk.of(ChannelShipment)[0], reference="gid/9")
    assert desk.units() == {"backordered": 1, "shipped": 1}


def test_the_channels_shipped_count_of_our_own_parcels_is_no_news(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 1}
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    desk.ship()
    desk.upsert(kit.snapshot(kit.line(qty=2, shipped=1), version=2))
    assert desk.units() == {"backordered": 1, "shipped": 1}


def test_a_fulfilment_made_outside_takes_our_pick_order_back(desk, kit):
    desk.upsert()
    desk.fulfilled(kit.qty(L1=1), tracking="ELSEWHERE")
    assert desk.of(PickOrderCancel)[0].reason == "fulfilled_elsewhere"
    desk.wms("CANCELLED")
    assert (desk.status, desk.units()) == ("COMPLETED", {"shipped": 1})
    assert next(e for e in desk.events if e.type == "SHIPPED").reason == "outside Wharfinger"
    assert desk.of(ChannelShipment) == []


def test_a_fulfilment_taken_back_opens_its_units_again(desk, kit):
    desk.pool.stock = {}
    desk.upsert()
    desk.fulfilled(kit.qty(L1=1), at=1)
    assert desk.units() == {"shipped": 1}
    desk.fulfilled(kit.qty(L1=1), status="cancelled", at=2)
    assert desk.units() == {"backordered": 1}
    (late,) = desk.fulfilled(kit.qty(L1=1), status="open", at=1)
    assert late.type == "STALE"


def test_a_fulfilment_before_the_create_is_kept(desk, kit):
    desk.fulfilled(kit.qty(L1=1))
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    assert desk.units() == {"allocated": 1, "shipped": 1}


def test_an_order_first_seen_when_part_of_it_has_left_ships_only_the_rest(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=3, shipped=2)))
    assert desk.units() == {"allocated": 1, "shipped": 2}


def test_the_channels_own_warehouse_is_watched_not_served(desk, kit):
    desk.upsert(kit.snapshot(fulfilled_by="channel", payment_state="pending"))
    assert desk.of(AllocationRequested) == []
    assert (desk.status, desk.events[0].reason) == ("PLACED", "fulfilled by the channel")
    desk.fulfilled(kit.qty(L1=1), tracking="FBB1")
    assert desk.units() == {"shipped": 1}
    assert desk.of(ChannelShipment) == []
    assert "HELD" not in desk.types()


def test_a_test_order_is_recorded_and_not_shipped_unless_the_rules_say_so(desk, kit):
    desk.upsert(kit.snapshot(test=True))
    assert (desk.status, desk.units()) == ("PLACED", {"open": 1})
    desk.rules = msgspec.structs.replace(kit.RULES, ship_test_orders=True)
    desk.upsert(kit.snapshot(test=True, version=2))
    assert len(desk.of(PickOrder)) == 1


def test_a_download_is_done_once_nothing_holds_the_order(desk, kit):
    desk.upsert(kit.snapshot(kit.line(requires_shipping=False), payment_state="pending"))
    assert desk.units() == {"open": 1}
    desk.pay()
    assert (desk.status, desk.units()) == ("COMPLETED", {"shipped": 1})
    assert desk.of(AllocationRequested) == desk.of(ChannelShipment) == []


def test_a_download_beside_goods_does_not_count_as_a_part_shipped(desk, kit):
    desk.upsert(kit.snapshot(kit.line(), kit.line("L2", requires_shipping=False)))
    assert desk.status == "ALLOCATED"
    desk.ship()
    assert (desk.status, desk.events[-1].complete) == ("SHIPPED", True)


def test_what_we_ship_after_all_is_not_counted_twice(desk, kit):
    desk.upsert()
    desk.fulfilled(kit.qty(L1=1), tracking="ELSEWHERE")
    desk.wms("CANCEL_REJECTED")
    desk.ship()
    assert desk.units() == {"shipped": 1}
    assert desk.state.lines[0].outside == 0


def test_nothing_is_told_to_the_channel_of_what_it_cancelled_itself(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    desk.cancel()
    desk.wms("CANCELLED", 1, WmsLine("L1", "SKU-L1", cancelled=2))
    assert desk.of(ChannelCancel) == []
