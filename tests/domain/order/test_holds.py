"""Holds: payment, fraud, address, by hand; hard case 15. Never a pick order while one is in force (the bench checks that always)."""

from __future__ import annotations

import msgspec
import pytest

from domain.records.commands import AllocationReleased, AllocationRequested, BackorderCancelled
from domain.records.effects import ChannelCancel, PickOrder, PickOrderCancel
from domain.records.values import Problem
from domain.rules.ruleset import CheckRule

BAD = [Problem("address.postcode", "shipping_address.postcode", "invalid")]


def test_an_unpaid_order_is_held_and_asks_for_nothing(desk, kit):
    desk.upsert(kit.snapshot(payment_state="pending"))
    assert (desk.status, desk.types()) == ("HELD", ["PLACED", "HELD"])
    assert desk.of(AllocationRequested) == []
    assert desk.events[-1].reason == "AWAITING_PAYMENT: payment is pending"


def test_a_paid_snapshot_releases_it(desk, kit):
    desk.upsert(kit.snapshot(payment_state="pending"))
    desk.upsert(kit.snapshot(payment_state="paid", version=2))
    assert desk.units() == {"allocated": 1}
    released = next(e for e in desk.events if e.type == "RELEASED")
    assert not released.intervention


@pytest.mark.parametrize(
    ("payment", "free"),
    [
        (("sale", "success", 1000), True),
        (("authorization", "success", 1000), True),
        (("sale", "success", 999), False),
        (("sale", "pending", 1000), False),
        (("capture", "failure", 1000), False),
        (("refund", "success", 1000), False),
    ],
    ids=["sale", "authorized", "too-little", "pending", "failed", "refund"],
)
def test_a_payment_releases_it_where_it_covers_the_total(desk, kit, payment, free):
    desk.upsert(kit.snapshot(payment_state="pending"))
    desk.pay(*payment)
    assert ("AWAITING_PAYMENT" not in desk.state.holds) is free


def test_two_partial_payments_add_up_and_a_late_pending_takes_nothing_back(desk, kit):
    desk.upsert(kit.snapshot(payment_state="pending"))
    desk.pay(amount=400, tid="t1")
    desk.pay(amount=600, tid="t2")
    desk.pay(status="pending", amount=600, tid="t2")
    assert desk.types()[-1] == "STALE"
    assert desk.status == "ALLOCATED"


def test_a_payment_before_the_create_counts(desk, kit):
    desk.pay()
    assert desk.status == "RECEIVED"
    desk.upsert(kit.snapshot(payment_state="pending"))
    assert "HELD" not in desk.types()
    assert desk.units() == {"allocated": 1}


def test_money_that_went_back_holds_whatever_was_paid_before(desk, kit):
    desk.pay()
    desk.upsert(kit.snapshot(payment_state="voided"))
    assert desk.status == "HELD"


def test_two_holds_must_both_clear(desk, kit):
    desk.upsert(kit.snapshot(payment_state="pending", problems=BAD))
    assert sorted(desk.state.holds) == ["AWAITING_PAYMENT", "INCORRECT_ADDRESS"]
    desk.pay()
    assert desk.of(AllocationRequested) == []
    desk.upsert(kit.snapshot(payment_state="pending", version=2))
    assert desk.state.holds == {}
    assert len(desk.of(PickOrder)) == 1


def test_a_mended_address_is_an_intervention(desk, kit):
    desk.upsert(kit.snapshot(problems=BAD))
    desk.upsert(kit.snapshot(version=2))
    released = next(e for e in desk.events if e.type == "RELEASED")
    assert (released.intervention, desk.state.intervened) == (True, True)


def test_a_hold_released_by_hand_stays_released_until_its_reason_changes(desk, kit):
    desk.upsert(kit.snapshot(problems=BAD))
    events = desk.release("INCORRECT_ADDRESS")
    assert (events[0].type, events[0].actor, events[0].intervention) == ("RELEASED", "eve", True)
    desk.upsert(kit.snapshot(problems=BAD, version=2))
    assert desk.state.holds == {}
    desk.upsert(kit.snapshot(problems=[Problem("address.street", "shipping_address.street1", "required")], version=3))
    assert list(desk.state.holds) == ["INCORRECT_ADDRESS"]


def test_an_ignored_problem_holds_nothing(desk, kit):
    desk.upsert(kit.snapshot(problems=[Problem("phone.invalid", "phone")]))
    assert desk.status == "ALLOCATED"


def test_a_risk_the_channel_sees_is_a_fraud_hold(desk, kit):
    desk.upsert(kit.snapshot(risk="high"))
    assert list(desk.state.holds) == ["FRAUD_RISK"]


def test_a_refused_order_is_cancelled_and_the_channel_told(desk, kit):
    desk.rules = msgspec.structs.replace(kit.RULES, checks=[CheckRule("address", action="refuse")])
    desk.upsert(kit.snapshot(problems=BAD))
    assert desk.status == "CANCELLED"
    (told,) = desk.of(ChannelCancel)
    assert (told.target, told.channel_order_id, told.lines) == ("shopify:acme", "1001", kit.qty(L1=1))
    assert "address.postcode" in told.reason
    assert desk.of(AllocationRequested) == []


def test_a_hold_by_hand_before_the_create_is_kept(desk):
    desk.hold("MANUAL")
    desk.upsert()
    assert desk.types() == ["HELD", "PLACED"]
    assert desk.status == "HELD"
    desk.release("MANUAL")
    assert desk.status == "ALLOCATED"


def test_a_hold_while_the_request_is_in_flight_gives_the_units_back(desk):
    desk.auto = False
    desk.upsert()
    desk.hold("FRAUD_RISK")
    desk.auto = True
    desk.send(desk.pool.fold(desk.todo.pop(0), desk.now)[0])
    assert len(desk.of(AllocationReleased)) == 1
    assert desk.of(PickOrder) == []
    assert (desk.status, desk.units()) == ("HELD", {"open": 1})
    desk.release("FRAUD_RISK")
    assert desk.units() == {"allocated": 1}
    assert desk.pool.stock["A", "SKU-L1"] == 9


def test_a_hold_takes_a_backorder_out_of_the_queue_until_its_release(desk):
    desk.pool.stock = {}
    desk.upsert()
    desk.hold("MANUAL")
    assert len(desk.of(BackorderCancelled)) == 1
    desk.release("MANUAL")
    assert [x.request_no for x in desk.of(AllocationRequested)] == [1, 2]
    assert desk.units() == {"backordered": 1}


def test_a_hold_after_the_pick_order_recalls_it(desk, kit):
    desk.upsert()
    desk.hold("FRAUD_RISK")
    (stop,) = desk.of(PickOrderCancel)
    assert stop.reason == "held"
    assert desk.status == "ALLOCATED"
    desk.wms("CANCELLED")
    assert (desk.status, desk.units()) == ("HELD", {"open": 1})
    desk.release("FRAUD_RISK")
    assert len(desk.of(PickOrder)) == 2
    assert desk.of(AllocationRequested)[-1].excluded_depots == []


def test_a_hold_released_before_the_warehouse_answers_ships_once(desk):
    desk.upsert()
    desk.hold("FRAUD_RISK")
    desk.release("FRAUD_RISK")
    assert len(desk.of(PickOrder)) == 1
    desk.wms("CANCELLED")
    assert len(desk.of(PickOrder)) == 2
    desk.ship(2)
    assert desk.units() == {"shipped": 1}


def test_a_hold_too_late_for_the_warehouse_ships(desk):
    desk.upsert()
    desk.wms("PICKED")
    desk.hold("FRAUD_RISK")
    desk.wms("CANCEL_REJECTED")
    desk.ship()
    assert desk.status == "SHIPPED"
    assert desk.state.holds == {}


def test_an_order_that_is_done_is_not_held_any_more(desk, kit):
    desk.upsert()
    desk.ship()
    desk.upsert(kit.snapshot(payment_state="refunded", version=2))
    assert "HELD" not in desk.types()


def test_a_cancelled_order_is_freed_of_its_holds(desk, kit):
    desk.upsert(kit.snapshot(payment_state="pending"))
    desk.cancel()
    assert (desk.status, desk.state.holds) == ("CANCELLED", {})
    assert desk.events[-1].reason == "AWAITING_PAYMENT: nothing left to hold"


@pytest.mark.parametrize(
    ("hold", "action", "code"), [("NAP", "place", "hold.unknown"), ("MANUAL", "toggle", "hold.action")]
)
def test_an_unknown_hold_or_action_is_rejected(desk, refused, hold, action, code):
    desk.upsert()
    with refused(code):
        desk.hold(hold, action)


def test_releasing_what_is_not_held_is_stale(desk):
    desk.upsert()
    (event,) = desk.release("FRAUD_RISK")
    assert event.type == "STALE"
