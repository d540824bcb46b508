"""Snapshots that change a placed order: quantities, lines, address (hard case 14), edits told as differences."""

from __future__ import annotations

import msgspec
import pytest

from domain.records.commands import AllocationReleased, AllocationRequested, BackorderCancelled
from domain.records.effects import PickOrder, PickOrderCancel
from domain.records.values import WmsLine


def test_more_units_are_asked_for_in_a_request_of_their_own(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=1)))
    desk.upsert(kit.snapshot(kit.line(qty=3), version=2))
    assert [[x.qty for x in r.lines] for r in desk.of(AllocationRequested)] == [[1], [2]]
    assert desk.units() == {"allocated": 3}
    assert "EDITED" in desk.types()


def test_a_new_line_is_asked_for(desk, kit):
    desk.upsert()
    desk.upsert(kit.snapshot(kit.line(), kit.line("L2", 2), version=2))
    assert desk.units("L2") == {"allocated": 2}
    edited = next(e for e in desk.events if e.type == "EDITED")
    assert [(x.line_id, x.qty) for x in edited.lines] == [("L2", 2)]


def test_fewer_units_come_back_from_the_queue_first(desk, kit):
    desk.pool.stock = {("A", "SKU-L1"): 1}
    desk.upsert(kit.snapshot(kit.line(qty=3)))
    desk.upsert(kit.snapshot(kit.line(qty=1), version=2))
    assert desk.units() == {"allocated": 1}
    assert desk.of(BackorderCancelled)[0].lines == kit.qty(L1=2)
    assert desk.of(PickOrderCancel) == []


def test_a_removed_line_is_recalled_and_vanishes(desk, kit):
    desk.upsert(kit.snapshot(kit.line("L1", 1), kit.line("L2", 2)))
    desk.upsert(kit.snapshot(kit.line("L1", 1), version=2))
    assert desk.of(PickOrderCancel)[0].lines == kit.qty(L2=2)
    desk.wms("CANCELLED", 1, WmsLine("L2", "SKU-L2", cancelled=2))
    assert desk.units("L2") == {}
    desk.ship()
    assert desk.status == "SHIPPED"


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["in-order", "late"])
def test_quantities_do_not_hang_on_the_order_of_two_versions(desk, kit, order):
    lines = {1: [kit.line(qty=3), kit.line("L2", 1)], 2: [kit.line(qty=2)]}
    desk.pool.stock = {}
    for v in order:
        desk.upsert(kit.snapshot(*lines[v], version=v))
    assert desk.units() == {"backordered": 2}
    assert [x.line_id for x in desk.state.lines if x.ordered] == ["L1"]


def test_an_address_change_before_allocation_asks_with_the_new_country(desk, kit):
    desk.auto = False
    desk.upsert()
    abroad = msgspec.structs.replace(kit.HOME, country="BE", postcode="2000", city="Antwerpen")
    desk.upsert(kit.snapshot(address=abroad, version=2))
    asked = desk.of(AllocationRequested)
    assert [x.country for x in asked] == ["NL", "BE"]
    while desk.todo:
        desk.pump()
    (released,) = desk.of(AllocationReleased)
    (pick,) = desk.of(PickOrder)
    assert released.allocation_id != pick.allocation_id
    assert pick.ship_to.country == "BE"
    assert desk.pool.stock["A", "SKU-L1"] == 9


def test_an_address_change_in_the_queue_gives_the_place_up_and_asks_anew(desk, kit):
    desk.pool.stock = {}
    desk.upsert()
    desk.upsert(kit.snapshot(address=msgspec.structs.replace(kit.HOME, country="BE"), version=2))
    assert len(desk.of(BackorderCancelled)) == 1
    assert [x.country for x in desk.of(AllocationRequested)] == ["NL", "BE"]


def test_an_address_change_after_the_pick_order_recalls_it_and_picks_to_the_new_one(desk, kit):
    desk.upsert()
    moved = msgspec.structs.replace(kit.HOME, street1="Gracht 2")
    desk.upsert(kit.snapshot(address=moved, version=2))
    assert desk.of(PickOrderCancel)[0].reason == "address_changed"
    changed = next(e for e in desk.events if e.type == "ADDRESS_CHANGED")
    assert changed.intervention
    assert len(desk.of(PickOrder)) == 1
    assert desk.status == "ALLOCATED"
    desk.wms("CANCELLED")
    assert [x.ship_to.street1 for x in desk.of(PickOrder)] == ["Kade 1", "Gracht 2"]
    assert desk.of(AllocationRequested)[-1].excluded_depots == []


def test_too_late_for_a_new_address_it_ships_to_the_old_one(desk, kit):
    desk.upsert()
    desk.upsert(kit.snapshot(address=msgspec.structs.replace(kit.HOME, street1="Gracht 2"), version=2))
    desk.wms("CANCEL_REJECTED", why="label printed")
    desk.ship()
    assert desk.status == "SHIPPED"
    assert len(desk.of(PickOrder)) == len(desk.of(PickOrderCancel)) == 1


def test_another_phone_number_recalls_nothing(desk, kit):
    desk.upsert()
    desk.upsert(kit.snapshot(address=msgspec.structs.replace(kit.HOME, phone="+31612345678"), version=2))
    assert desk.of(PickOrderCancel) == []
    assert "ADDRESS_CHANGED" not in desk.types()


def test_another_service_is_asked_for_anew(desk, kit):
    desk.pool.stock = {}
    desk.upsert()
    desk.upsert(kit.snapshot(service="express", version=2))
    assert [x.service_level for x in desk.of(AllocationRequested)] == ["standard", "express"]


def test_a_line_that_becomes_another_article_is_recalled_and_asked_for_anew(desk, kit):
    desk.upsert()
    desk.upsert(kit.snapshot(kit.line(sku="SKU-L2"), version=2))
    desk.wms("CANCELLED")
    assert [x.lines[0].sku for x in desk.of(PickOrder)] == ["SKU-L1", "SKU-L2"]


def test_an_edit_told_as_differences_applies_once_with_its_snapshot(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=2)))
    (told,) = desk.edit(5, kit.qty(L2=1), kit.qty(L1=1))
    assert (told.type, [(x.line_id, x.qty) for x in told.lines]) == ("UPDATED", [("L2", 1), ("L1", -1)])
    assert desk.units() == {"allocated": 2}
    desk.upsert(kit.snapshot(kit.line(qty=1), kit.line("L2", 1), version=5))
    desk.wms("CANCELLED", 1, WmsLine("L1", "SKU-L1", cancelled=1))
    assert (desk.units("L1"), desk.units("L2")) == ({"allocated": 1}, {"allocated": 1})


def test_an_edit_told_after_its_snapshot_is_stale(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=1), version=5))
    (late,) = desk.edit(5, [], kit.qty(L1=1))
    assert late.type == "STALE"
    assert desk.units() == {"allocated": 1}


def test_units_the_channel_takes_back_from_cancelled_are_open_again(desk, kit):
    desk.pool.stock = {}
    desk.upsert(kit.snapshot(kit.line(qty=2, cancelled=1)))
    desk.upsert(kit.snapshot(kit.line(qty=2, cancelled=0), version=2))
    assert desk.units() == {"backordered": 2}
