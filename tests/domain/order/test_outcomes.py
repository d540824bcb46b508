"""What becomes of effects: delivered, given up, driven again."""

from __future__ import annotations

import msgspec

from domain.records.commands import AllocationReleased, AllocationRequested
from domain.records.effects import ChannelShipment, PickOrder, PickOrderCancel
from domain.records.values import RefundLine, ReturnLine


def test_a_pick_order_that_can_not_be_delivered_holds_the_order_for_a_person(desk):
    desk.upsert()
    (pick,) = desk.of(PickOrder)
    desk.outcome(pick, ok=False, attempts=8)
    failed, held = desk.events[-2:]
    assert (failed.type, failed.intervention, failed.reason) == ("EFFECT_FAILED", True, "PickOrder to wms-a: 503")
    assert (held.type, held.reason) == ("HELD", "MANUAL: a pick order could not be delivered")
    assert (desk.status, desk.units()) == ("HELD", {"allocated": 1})


def test_driven_again_from_the_dlq_the_order_goes_on(desk):
    desk.upsert()
    (pick,) = desk.of(PickOrder)
    desk.outcome(pick, ok=False, attempts=8)
    events = desk.outcome(pick, ok=True, attempts=9)
    assert [(e.type, e.intervention) for e in events] == [("SUBMITTED", True), ("RELEASED", False)]
    assert desk.status == "ALLOCATED"


def test_releasing_the_hold_sends_the_pick_order_again_under_the_same_allocation(desk):
    desk.upsert()
    desk.outcome(desk.of(PickOrder)[0], ok=False)
    desk.release("MANUAL")
    first, second = desk.of(PickOrder)
    assert first.allocation_id == second.allocation_id
    assert first.event_id != second.event_id
    desk.outcome(second)
    assert desk.state.holds == {}


def test_one_depots_failure_does_not_recall_the_others_parcel(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 1, ("B", "SKU-L1"): 1}
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    desk.outcome(desk.of(PickOrder)[0], ok=False)
    assert desk.of(PickOrderCancel) == []
    desk.ship(2, "s2")
    assert desk.status == "PARTIALLY_SHIPPED"


def test_a_cancel_of_an_undelivered_pick_order_frees_the_stock_and_makes_sure(desk):
    desk.upsert()
    (pick,) = desk.of(PickOrder)
    desk.outcome(pick, ok=False)
    desk.cancel()
    assert desk.status == "CANCELLED"
    assert len(desk.of(AllocationReleased)) == len(desk.of(PickOrderCancel)) == 1
    assert desk.pool.stock["A", "SKU-L1"] == 10
    assert desk.outcome(desk.of(PickOrderCancel)[0], ok=False) == []


def test_a_warehouse_that_answers_has_the_pick_order_whatever_we_heard(desk):
    desk.upsert()
    desk.outcome(desk.of(PickOrder)[0], ok=False)
    desk.wms("ACCEPTED")
    assert desk.state.holds == {}
    desk.ship()
    assert desk.status == "SHIPPED"


def test_a_refusal_that_comes_with_the_failure_is_routed_elsewhere(desk):
    desk.pool.stock = {("A", "SKU-L1"): 1, ("B", "SKU-L1"): 1}
    desk.upsert()
    desk.outcome(desk.of(PickOrder)[0], ok=False)
    desk.wms("REJECTED", why="unknown_sku")
    assert desk.of(AllocationRequested)[-1].excluded_depots == ["A"]
    assert (desk.status, desk.state.holds) == ("ALLOCATED", {})
    assert len(desk.of(PickOrder)) == 2


def test_an_undelivered_order_with_a_mended_address_goes_out_anew(desk, kit):
    desk.upsert()
    desk.outcome(desk.of(PickOrder)[0], ok=False)
    desk.upsert(kit.snapshot(address=msgspec.structs.replace(kit.HOME, postcode="1012 AC"), version=2))
    assert desk.of(PickOrder)[-1].ship_to.postcode == "1012 AC"
    assert desk.status == "ALLOCATED"


def test_a_channel_that_could_not_be_told_keeps_the_order_from_completing(desk):
    desk.upsert()
    desk.ship()
    (told,) = desk.of(ChannelShipment)
    desk.outcome(told, ok=False, attempts=8)
    desk.scan("DELIVERED")
    assert desk.status == "DELIVERED"
    events = desk.outcome(told, ok=True, attempts=9)
    assert [(e.type, e.intervention) for e in events] == [("CHANNEL_NOTIFIED", True), ("COMPLETED", False)]


def test_an_outcome_told_twice_is_a_duplicate(desk):
    desk.upsert()
    (pick,) = desk.of(PickOrder)
    desk.outcome(pick)
    (again,) = desk.outcome(pick)
    assert again.type == "DUPLICATE"


def test_an_outcome_for_an_unknown_allocation_is_rejected(desk, refused):
    desk.upsert()
    (pick,) = desk.of(PickOrder)
    with refused("allocation.unknown"):
        desk.outcome(msgspec.structs.replace(pick, allocation_id="main/x:y:z/9"))


def test_delivered_before_shipped_is_kept_and_applied(desk):
    desk.upsert()
    assert desk.scan("DELIVERED", at=desk.now + 5) == []
    assert desk.status == "ALLOCATED"
    events = desk.ship()
    assert [e.type for e in events] == ["PICKED", "SHIPPED", "DELIVERED"]
    assert events[-1].occurred_at == desk.now + 5
    assert (desk.status, desk.state.scans) == ("DELIVERED", [])


def test_a_scan_told_twice_and_a_second_delivery_are_duplicates(desk):
    desk.upsert()
    desk.ship()
    desk.scan("DELIVERED")
    desk.scan("DELIVERED")
    desk.scan("DELIVERED", key="other")
    assert desk.types()[-2:] == ["DUPLICATE", "DUPLICATE"]
    assert desk.state.lines[0].delivered == 1


def test_what_goes_wrong_on_the_way_is_recorded(desk):
    desk.upsert()
    desk.ship()
    for status in ("EXCEPTION", "LOST", "RETURN_TO_SENDER"):
        (event,) = desk.scan(status)
        assert (event.type, event.reason.split(":")[0], event.shipment_id) == ("EXCEPTION", status, "s1")
    assert desk.state.shipments[0].status == "RETURN_TO_SENDER"


def test_a_scan_of_a_strange_allocation_or_status_is_rejected(desk, refused):
    desk.upsert()
    with refused("allocation.unknown"):
        desk.scan("DELIVERED", 9)
    with refused("shipment.status"):
        desk.scan("TELEPORTED")


def test_returns_and_refunds_are_kept_also_before_the_create(desk):
    desk.returned([ReturnLine("L1", "SKU-L1", 1, "too small")])
    desk.refund([RefundLine("L1", "SKU-L1", 1, 500)], amount=500)
    desk.upsert()
    assert desk.types()[:3] == ["RETURN_REQUESTED", "REFUNDED", "PLACED"]
    assert desk.state.book.rmas[0].told == "requested"
    assert desk.state.refunds["r1"].amount == 500
    assert desk.events[1].amount == 500
    assert desk.state.book.rmas[0].reason == "not_delivered: no delivery of SKU-L1 is known"
    assert desk.units() == {"allocated": 1}


def test_a_failure_told_after_the_warehouse_reported_is_no_failure_of_the_order(desk):
    desk.upsert()
    desk.wms("PICKING")
    desk.outcome(desk.of(PickOrder)[0], ok=False)
    assert (desk.status, desk.state.holds) == ("ALLOCATED", {})
    assert desk.types()[-1] == "EFFECT_FAILED"
