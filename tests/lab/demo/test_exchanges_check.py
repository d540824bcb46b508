"""The oracle of exchanges: silent where the goods and the money are what came back, loud on each kind of tampering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lab.demo.checks import exchanges, shipments
from lab.demo.checks.evidence import Channel, Evidence, Exchange, Inspected, Price, SentOrder, ShippedLine, Warehouse
from lab.demo.checks.log import Entry

KEY = "shopify:acme:1"
RMA = f"{KEY}/r1"
NEW = f"{KEY}~x1"


def event(key: str, seq: int, kind: str, **more: Any) -> Entry:
    data = {"type": kind, "order_key": key, "rma_id": "", "rma_kind": "", "amount": 0, "fees": 0, "returned": []}
    data |= {"lines": [], "reason": "", "actor": ""}
    return Entry("wharf.orders.events", 0, seq, key, "OrderEvent", data | more, {}, b"")


def credited(money: int, fees: int = 0) -> Entry:
    unit = {"line_id": "1", "sku": "A", "qty": 1, "amount": 1000}
    return event(KEY, 2, "CREDITED", rma_id=RMA, rma_kind="exchange", amount=money, fees=fees, returned=[unit])


def sound(price: int = 700, money: int = 300, *more: Entry) -> Evidence:
    """A unit for 10.00 came back, one for 7.00 went out, 3.00 went back."""
    goods = [{"line_id": "x1", "sku": "B", "qty": 1, "amount": price}]
    return Evidence(
        order_events=[
            event(KEY, 1, "RETURN_REQUESTED", rma_id=RMA, rma_kind="exchange"),
            credited(money),
            event(NEW, 1, "PLACED", lines=goods),
            *more,
        ],
        channels=[
            Channel("shopify:acme", [SentOrder(KEY, {"1": 1}, seen=True)]),
            Channel("portal:shop", [SentOrder(NEW, {"x1": 1}, seen=False, told=False)]),
        ],
        warehouse=Warehouse(
            asked={("a", f"main/{NEW}/1", "x1"): 1},
            shipped=[ShippedLine("a", f"main/{NEW}/1", "x1", "B", 1, "s1", "T")],
            inspected=[Inspected("a", "R1", RMA, "1", "A", 1, "RESTOCK")],
        ),
        exchanges=[Exchange(KEY, "1", 1, "B", 1, price)],
    )


def with_shipping(e: Evidence) -> Evidence:
    """All of the order came back: the 4.95 of its shipping go back too."""
    channel = replace(e.channels[0], prices={(KEY, "1"): Price(1, 1000)}, shipping={KEY: 495})
    return replace(e, channels=[channel, e.channels[1]])


HELD = event(NEW, 2, "HELD", reason="AWAITING_PAYMENT: 2.00 to pay")
PAID = event(NEW, 3, "RELEASED", reason="AWAITING_PAYMENT: paid", actor="demo")


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(sound(), id="cheaper"),
        pytest.param(sound(1000, 0), id="even"),
        pytest.param(sound(1200, 0, HELD, PAID), id="dearer-and-paid"),
        pytest.param(with_shipping(sound(1200, 295)), id="its-shipping-stands-for-goods-too"),
    ],
)
def test_a_sound_exchange_holds_and_its_channel_is_told_nothing(evidence: Evidence) -> None:
    assert exchanges.check(evidence).offenders == []
    assert shipments.check(evidence).offenders == []


def test_goods_that_a_channel_must_be_told_of_are_missed() -> None:
    e = sound()
    channel = Channel("portal:shop", [replace(e.channels[1].orders[0], told=True)])
    assert "1 shipped, 0 told" in shipments.check(replace(e, channels=[channel])).offenders[0]


def test_what_came_back_and_is_all_paid_back_needs_no_goods() -> None:
    e = sound()
    e = replace(e, order_events=[*e.order_events[:1], credited(1000)], warehouse=replace(e.warehouse, shipped=[]))
    assert exchanges.check(e).offenders == []


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        pytest.param(lambda: sound(700, 250), "750 cents were kept for goods that cost 700", id="kept-too-much"),
        pytest.param(lambda: sound(700, 400), "100 cents were still to be paid", id="paid-back-too-much"),
        pytest.param(lambda: sound(1200, 0, HELD), "200 cents were still to be paid", id="dearer-and-not-paid"),
        pytest.param(
            lambda: replace(sound(), order_events=sound().order_events[:2]), "nothing went out", id="nothing-went-out"
        ),
        pytest.param(
            lambda: replace(sound(), order_events=[*sound().order_events, event(f"{KEY}~x2", 1, "PLACED")]),
            "1 returns and 2 orders",
            id="two-orders",
        ),
        pytest.param(
            lambda: replace(sound(), exchanges=[Exchange(KEY, "1", 1, "C", 1, 700)]), "asked for", id="other-goods"
        ),
        pytest.param(
            lambda: replace(sound(), warehouse=replace(sound().warehouse, inspected=[])),
            "no warehouse",
            id="nothing-back",
        ),
        pytest.param(lambda: replace(sound(), exchanges=[]), "nobody asked", id="a-stranger"),
    ],
)
def test_tampering_is_found(tamper: Callable[[], Evidence], says: str) -> None:
    found = exchanges.check(tamper())
    assert not found.ok
    assert any(says in text for text in found.offenders), found.offenders
