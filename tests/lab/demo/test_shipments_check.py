"""The shipment oracle: silent on sound ledgers, loud on a parcel too many or a channel not told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from lab.demo.checks import shipments
from lab.demo.checks.evidence import Channel, Evidence, SentOrder, ShippedLine, Told, Warehouse

KEY = "shopify:acme:1"
REFERENCE = f"main/{KEY}/1"
PARCEL = ShippedLine("a", REFERENCE, "1", "WH-1", 2, "s1", "3S1")


def sound() -> Evidence:
    order = SentOrder(KEY, {"1": 2}, seen=True)
    return Evidence(
        channels=[Channel("shopify:acme", [order], [Told(KEY, "1", 2, "3S1")])],
        warehouse=Warehouse(asked={("a", REFERENCE, "1"): 2}, shipped=[PARCEL]),
    )


def channel(e: Evidence, **changes: object) -> Evidence:
    return replace(e, channels=[replace(e.channels[0], **changes)])


def warehouse(e: Evidence, **changes: object) -> Evidence:
    return replace(e, warehouse=replace(e.warehouse, **changes))


def test_sound_ledgers_pass() -> None:
    finding = shipments.check(sound())
    assert finding.ok, finding.offenders
    assert finding.figures == {"pick_orders": 1, "parcels": 1, "shipped_units": 2, "told_units": 2, "violations": 0}


def test_two_pick_orders_of_one_line_in_one_parcel_are_told_each() -> None:
    half = replace(PARCEL, qty=1)
    found = warehouse(
        sound(),
        asked={("a", REFERENCE, "1"): 1, ("a", f"main/{KEY}/2", "1"): 1},
        shipped=[half, replace(half, reference=f"main/{KEY}/2")],
    )
    found = channel(found, told=[Told(KEY, "1", 1, "3S1"), Told(KEY, "1", 1, "3S1")])
    assert shipments.check(found).ok
    thrice = channel(found, told=[Told(KEY, "1", 1, "3S1")] * 3)
    assert any("told 3 times" in text for text in shipments.check(thrice).offenders)


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        pytest.param(lambda e: warehouse(e, shipped=[PARCEL, PARCEL]), "left 2 times", id="the same parcel twice"),
        pytest.param(
            lambda e: warehouse(e, shipped=[PARCEL, replace(PARCEL, shipment_id="s2", tracking_number="3S2")]),
            "4 shipped, 2 asked for",
            id="a second parcel of one pick order",
        ),
        pytest.param(
            lambda e: warehouse(
                e,
                asked={**e.warehouse.asked, ("a", f"main/{KEY}/2", "1"): 2},
                shipped=[PARCEL, replace(PARCEL, reference=f"main/{KEY}/2", shipment_id="s2")],
            ),
            f"{KEY}/1: 4 shipped, 2 ordered",
            id="a second pick order for the same units",
        ),
        pytest.param(lambda e: channel(e, told=[]), "2 shipped, 0 told", id="a channel that was not told"),
        pytest.param(
            lambda e: channel(e, told=[*e.channels[0].told, Told(KEY, "1", 2, "3S1")]),
            f"{KEY}/1/3S1 told 2 times",
            id="told twice",
        ),
        pytest.param(
            lambda e: warehouse(e, shipped=[]), "0 shipped, 2 told to the channel", id="told without a parcel"
        ),
        pytest.param(
            lambda e: channel(e, violations=["fulfilled twice"]), "fulfilled twice", id="the channel's own alarm"
        ),
    ],
)
def test_tampering_is_reported(tamper: Callable[[Evidence], Evidence], says: str) -> None:
    finding = shipments.check(tamper(sound()))
    assert not finding.ok
    assert any(says in text for text in finding.offenders), finding.offenders
