"""A return that we make at the channel comes back to us as news: it must not become a second one."""

from __future__ import annotations

import pytest

from domain.order.state.order import Line, OrderState, Shipment
from domain.records import commands as c
from domain.records.effects import ChannelReturn
from domain.records.values import LineQty, ReturnLine
from tests.domain.order.returns.test_laws import FREE, KEY, NOW, Desk, header


@pytest.fixture
def desk():
    """One line of three units, delivered; one of them is being returned, and the channel was asked to make that return."""
    h = header(included=True, shipping=0, discount=0, total=3000, payments=[("P", "card", 3000)])
    line = Line("L0", "S0", unit_price=1000, wanted=3, ordered=3, shipped=3, delivered=3)
    parcel = Shipment("s1", "main/a/1", [LineQty("L0", "S0", 3)], "", "T", "", NOW, delivered_at=NOW)
    desk = Desk(OrderState(KEY, header=h, lines=[line], shipments=[parcel]), FREE)
    desk.request({"L0": 1}, "too small")
    (effect,) = [e for e in desk.effects if isinstance(e, ChannelReturn)]
    assert effect.action == "create"
    desk.create = effect
    return desk


def reported(desk, status="approved", lines=(), number="77"):
    said = {"return_id": number, "rma_id": "#1-R1", "status": status, "lines": list(lines)}
    desk.send(c.ReturnReported(**desk.fact("ReturnReported", **said), carrier="", tracking_number=""))
    return desk.state.book.rmas


def answered(desk):
    f = {**desk.head("EffectOutcome"), "order_key": KEY, "effect_id": desk.create.event_id}
    said = {"kind": "ChannelReturn", "target": "x", "ok": True, "attempts": 1, "reference": "77", "error": ""}
    desk.send(c.EffectOutcome(**f, **said, allocation_id=""))
    return desk.state.book.rmas


def test_a_word_without_units_that_overtakes_the_channels_answer_opens_no_second_return(desk):
    assert len(reported(desk)) == 1
    (rma,) = answered(desk)
    assert rma.return_id == "77"
    (rma,) = reported(desk, "closed")
    assert rma.told == "closed"


def test_units_that_carry_our_id_are_ours_before_the_channel_answers(desk):
    line = ReturnLine("L0", "S0", 1, "SIZE_TOO_SMALL", f"too small {KEY}/r1")
    (rma,) = reported(desk, lines=[line])
    assert rma.return_id == "77"
    assert len(answered(desk)) == 1


def test_units_that_say_nothing_are_ours_by_their_number_and_article(desk):
    (rma,) = reported(desk, lines=[ReturnLine("L0", "S0", 1, "", "")])
    assert rma.return_id == "77"


def test_another_return_that_a_customer_asks_the_channel_for_meanwhile_is_its_own(desk):
    reported(desk, "requested", number="78")
    rmas = reported(desk, "requested", [ReturnLine("L0", "S0", 2, "", "")], number="78")
    assert [r.return_id for r in rmas] == ["", "78"]
    assert [r.return_id for r in answered(desk)] == ["77", "78"]


@pytest.mark.parametrize("status", ["requested", "declined"])
def test_a_wish_for_the_same_units_is_no_echo_of_the_return_that_we_make_for_them(desk, status):
    """What we make is approved from the start; a customer may ask on the shop's own page for what they asked for on ours."""
    rmas = reported(desk, status, [ReturnLine("L0", "S0", 1, "", "")], number="78")
    assert [r.return_id for r in rmas] == ["", "78"]
    assert next((r.return_id, r.ended) for r in answered(desk)) == ("77", "")


def test_of_two_requests_for_one_unit_the_second_is_refused_and_the_channel_is_told(desk):
    desk.request({"L0": 2}, "too small")
    reported(desk, "requested", [ReturnLine("L0", "S0", 1, "", "")], number="78")
    told = [e for e in desk.effects if isinstance(e, ChannelReturn)]
    assert [(e.action, e.return_id) for e in told] == [("create", ""), ("create", ""), ("decline", "78")]
    assert "already_returned" in told[-1].reason
