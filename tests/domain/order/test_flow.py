"""The main road: placed, allocated, picked, shipped, delivered, completed; and what each event says."""

from __future__ import annotations

from domain.records.commands import AllocationRequested
from domain.records.effects import ChannelShipment, PickOrder
from domain.records.values import WmsLine
from schemas import codec


def test_an_order_goes_from_placed_to_completed(desk):
    desk.upsert()
    (pick,) = desk.of(PickOrder)
    desk.outcome(pick, reference="W-77")
    for status in ("ACCEPTED", "PICKING", "PICKED", "PACKED"):
        desk.wms(status)
    desk.ship()
    desk.scan("IN_TRANSIT")
    desk.scan("DELIVERED")
    assert desk.status == "DELIVERED"
    desk.outcome(desk.of(ChannelShipment)[0])
    assert desk.types() == [
        "PLACED",
        "ALLOCATION_REQUESTED",
        "ALLOCATED",
        "SUBMITTED",
        "ACCEPTED",
        "PICKED",
        "PACKED",
        "SHIPPED",
        "IN_TRANSIT",
        "DELIVERED",
        "CHANNEL_NOTIFIED",
        "COMPLETED",
    ]
    assert desk.status == "COMPLETED"
    assert not any(e.intervention for e in desk.events)


def test_every_event_carries_what_the_figures_are_made_of(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=3, discount=1000, unit_price=2999)))
    desk.outcome(desk.of(PickOrder)[0], reference="W-77")
    desk.ship()
    by = {e.type: e for e in desk.events}
    placed, allocated, shipped = by["PLACED"], by["ALLOCATED"], by["SHIPPED"]
    assert (placed.occurred_at, placed.placed_at, placed.amount, placed.country) == (
        kit.NOW - kit.HOUR,
        kit.NOW - kit.HOUR,
        7997,
        "NL",
    )
    assert [(x.line_id, x.qty, x.amount) for x in shipped.lines] == [("L1", 3, 7997)]
    assert (allocated.depot, allocated.ship_by, allocated.eta, allocated.rule_version) == (
        "A",
        kit.NOW + 8 * kit.HOUR,
        kit.NOW + kit.DAY,
        "v1",
    )
    assert allocated.decision == '{"candidates":[]}'
    assert (allocated.cost, allocated.cost_currency) == (495, "EUR")
    assert by["SUBMITTED"].reason == "W-77"
    assert (shipped.cost, shipped.cost_currency, shipped.tracking_number, shipped.complete) == (520, "EUR", "3S1", True)
    assert shipped.ship_by == allocated.ship_by
    assert {e.trace for e in desk.events} == {"t"}
    assert (by["PLACED"].status, by["SHIPPED"].status) == ("PLACED", "SHIPPED")


def test_the_amounts_of_two_parcels_add_up_to_the_line(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 1, ("B", "SKU-L1"): 2}
    desk.upsert(kit.snapshot(kit.line(qty=3, discount=1000, unit_price=2999)))
    desk.ship(2, "s2", "T2")
    desk.ship(1, "s1", "T1")
    shipped = [e for e in desk.events if e.type == "SHIPPED"]
    assert [e.complete for e in shipped] == [False, True]
    assert sum(e.amount for e in shipped) == 7997


def test_a_pick_order_names_the_depots_wms_and_everything_it_needs(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=2, title="Mug"), tags=["VIP"]))
    (pick,) = desk.of(PickOrder)
    assert (pick.target, pick.allocation_id, pick.order_name) == ("wms-a", f"main/{kit.KEY}/1", "#1001")
    assert [(x.line_id, x.sku, x.qty, x.title) for x in pick.lines] == [("L1", "SKU-L1", 2, "Mug")]
    assert (pick.ship_to, pick.email, pick.phone, pick.priority) == (kit.HOME, "ada@example.org", "+31201234567", 0)


def test_a_request_sums_nothing_and_hides_nothing(desk, kit):
    desk.upsert(kit.snapshot(kit.line("L1", 2, bundle_id="set"), kit.line("L2", 1, bundle_id="set")))
    (asked,) = desk.of(AllocationRequested)
    assert [(x.line_id, x.qty, x.bundle_id) for x in asked.lines] == [("L1", 2, "set"), ("L2", 1, "set")]
    assert (asked.pool, asked.request_no, asked.placed_at, asked.country) == ("main", 1, kit.NOW - kit.HOUR, "NL")
    assert asked.value == 3000


def test_one_message_to_the_channel_per_parcel(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 1, ("B", "SKU-L1"): 1}
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    desk.ship(1, "s1", "T1")
    desk.ship(2, "s2", "T2")
    told = desk.of(ChannelShipment)
    assert [(x.target, x.channel_order_id, x.shipment_id, x.tracking_number) for x in told] == [
        ("shopify:acme", "1001", "s1", "T1"),
        ("shopify:acme", "1001", "s2", "T2"),
    ]
    assert [x.lines for x in told] == [kit.qty(L1=1), kit.qty(L1=1)]


def test_a_parcel_that_leaves_in_two_reports_is_one_shipment(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=3)))
    desk.wms("SHIPPED", 1, WmsLine("L1", "SKU-L1", 2, 2), shipment="s1", tracking="T1")
    assert desk.status == "PARTIALLY_SHIPPED"
    desk.wms("SHIPPED", 1, WmsLine("L1", "SKU-L1", 3, 3), shipment="s2", tracking="T2")
    assert desk.status == "SHIPPED"
    assert [e.type for e in desk.events if e.type in ("PICKED", "SHIPPED")] == ["PICKED", "SHIPPED"] * 2
    assert [[u.qty for u in x.lines] for x in desk.state.shipments] == [[2], [1]]


def test_all_that_comes_out_can_be_written_to_its_topic(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    desk.cancel(*kit.qty(L1=1), confirm=True)
    desk.wms("CANCELLED", 1, WmsLine("L1", "SKU-L1", cancelled=1))
    desk.ship()
    desk.scan("DELIVERED")
    for record in (*desk.events, *desk.effects, *desk.asked):
        assert codec.decode(codec.encode(record)) == record
