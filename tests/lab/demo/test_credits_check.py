"""The oracle of credits: silent where the log and the payment providers agree, loud on each kind of tampering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lab.demo.checks import credits
from lab.demo.checks.evidence import Channel, Evidence, Inspected, Money, Price, Warehouse
from lab.demo.checks.log import Entry

KEY = "shopify:acme:1"
RMA = f"{KEY}/r1"


def event(seq: int, kind: str, **more: Any) -> Entry:
    data = {"type": kind, "order_key": KEY, "rma_id": RMA, "rma_kind": "return", "amount": 0, "fees": 0, "returned": []}
    return Entry("wharf.orders.events", 0, seq, KEY, "OrderEvent", data | more, {}, b"")


def unit(qty: int, amount: int, line: str = "1") -> dict[str, Any]:
    return {"line_id": line, "sku": "A", "qty": qty, "amount": amount}


def sound() -> Evidence:
    """Three units for 79.97; two came back in two parcels and were good, the third was another article."""
    return Evidence(
        order_events=[
            event(1, "CREDIT_REQUESTED"),
            event(2, "CREDITED", amount=2666, returned=[unit(1, 2666)]),
            event(3, "CREDIT_REQUESTED"),
            event(4, "CREDITED", amount=2665, returned=[unit(1, 2665)]),
        ],
        channels=[
            Channel(
                "shopify:acme",
                money=[
                    Money(KEY, "p", "captured", 7997),
                    Money(KEY, "p", "refunded", 2666, "wharfinger", "e1"),
                    Money(KEY, "p", "refunded", 2665, "wharfinger", "e2"),
                ],
                prices={(KEY, "1"): Price(3, 7997)},
            )
        ],
        warehouse=Warehouse(
            inspected=[
                Inspected("a", "R1", RMA, "1", "A", 1, "RESTOCK"),
                Inspected("a", "R2", RMA, "1", "A", 1, "B_GRADE"),
                Inspected("a", "R2", RMA, "1", "A", 1, "WRONG_ITEM"),
            ]
        ),
    )


def test_a_sound_run_holds() -> None:
    finding = credits.check(sound())
    assert finding.offenders == []
    assert (finding.figures["credited_cents"], finding.figures["provider_cents"]) == (5331, 5331)


def with_money(*more: Money) -> Evidence:
    e = sound()
    return replace(e, channels=[replace(e.channels[0], money=[*e.channels[0].money, *more])])


def with_events(*more: Entry) -> Evidence:
    e = sound()
    return replace(e, order_events=[*e.order_events, *more])


def without_a_parcel() -> Evidence:
    e = sound()
    return replace(e, warehouse=replace(e.warehouse, inspected=e.warehouse.inspected[1:]))


def a_cent_moved() -> Evidence:
    e = sound()
    money = [replace(m, amount=m.amount + d) for m, d in zip(e.channels[0].money, (0, 1, -1), strict=True)]
    channel = replace(e.channels[0], money=money, prices={(KEY, "1"): Price(3, 7990)})
    return replace(e, channels=[channel])


def with_shipping(paid: int, more: int = 0) -> Evidence:
    """The two units are all of the order, which had 4.95 of shipping; ``paid`` of it went back, and ``more``."""
    e = sound()
    last = replace(e.order_events[3], data={**e.order_events[3].data, "amount": 2665 + paid + more})
    money = [replace(m, amount=m.amount + paid + more) if m.amount == 2665 else m for m in e.channels[0].money]
    channel = replace(e.channels[0], money=money, prices={(KEY, "1"): Price(2, 5331)}, shipping={KEY: 495})
    return replace(e, order_events=[*e.order_events[:3], last], channels=[channel])


def test_the_shipping_of_an_order_that_came_back_whole_goes_back() -> None:
    assert credits.check(with_shipping(495)).offenders == []


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        pytest.param(
            lambda: with_money(Money(KEY, "p", "refunded", 1, "wharfinger", "e3")), "5331 cents", id="a-cent-more-paid"
        ),
        pytest.param(
            lambda: with_money(Money(KEY, "p", "refunded", 0, "wharfinger", "e1")), "e1: paid 2 times", id="twice-a-key"
        ),
        pytest.param(
            lambda: with_money(Money(KEY, "p", "refunded", 9000, "shop", "x")), "more went back", id="above-captured"
        ),
        pytest.param(without_a_parcel, "2 units credited, 1 found good", id="a-unit-nobody-found-good"),
        pytest.param(a_cent_moved, "cents for 2 of 3 units", id="not-the-units-share"),
        pytest.param(lambda: with_events(event(5, "CREDIT_REQUESTED")), "never answered", id="an-open-credit"),
        pytest.param(
            lambda: with_events(event(5, "CREDITED", returned=[unit(2, 2666)])),
            "4 units credited, 3 bought",
            id="more-units-than-bought",
        ),
        pytest.param(lambda: with_shipping(0), "495 of shipping are to go back", id="shipping-kept"),
        pytest.param(
            lambda: with_shipping(495, more=1), "496 cents credited beside the units", id="a-cent-beside-the-units"
        ),
    ],
)
def test_each_kind_of_tampering_is_seen(tamper: Callable[[], Evidence], says: str) -> None:
    finding = credits.check(tamper())
    assert not finding.ok
    assert any(says in text for text in finding.offenders), finding.offenders


def test_a_claim_needs_no_goods() -> None:
    e = without_a_parcel()
    claims = [replace(x, data={**x.data, "rma_kind": "claim"}) for x in e.order_events]
    assert credits.check(replace(e, order_events=claims)).ok
