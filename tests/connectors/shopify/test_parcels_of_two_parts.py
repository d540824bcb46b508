"""Two parts of an order in one parcel, or a parcel reported in parts: every unit is told to Shopify once."""

from __future__ import annotations

from typing import Any

from connectors.shopify.plan import plan
from domain.records.effects import ChannelShipment
from domain.records.values import LineQty


def shipment(qty: int, before: int = 0) -> ChannelShipment:
    return ChannelShipment(
        event_id=f"e{qty}{before}",
        type="ChannelShipment",
        time=0,
        source="orders",
        trace="",
        order_key="shopify:acme:1",
        target="shopify:acme",
        channel_order_id="1",
        allocation_id="main/shopify:acme:1/1",
        shipment_id="s1",
        lines=[LineQty("7", "MUG", qty)],
        carrier="dhl",
        tracking_number="3S1",
        tracking_url="",
        shipped_at=0,
        told_before=[LineQty("7", "MUG", before)] if before else [],
    )


def order(*fulfilled: int, bought: int = 5) -> dict[str, Any]:
    """As Shopify shows it: one line, with fulfilments under the parcel's number."""
    item = {"id": "i", "lineItem": {"id": "gid://shopify/LineItem/7"}, "remainingQuantity": bought - sum(fulfilled)}
    made = [
        {
            "id": f"f{i}",
            "status": "SUCCESS",
            "trackingInfo": [{"number": "3S1"}],
            "fulfillmentLineItems": {"nodes": [{"lineItem": {"id": "gid://shopify/LineItem/7"}, "quantity": n}]},
        }
        for i, n in enumerate(fulfilled)
    ]
    open_ = {"id": "fo", "status": "OPEN", "assignedLocation": {}, "lineItems": {"nodes": [item]}}
    return {"fulfillments": made, "fulfillmentOrders": {"nodes": [open_]}}


def asked(found: Any) -> list[int]:
    return [n for group in found.groups for items in group.values() for _, n in items]


def test_the_second_part_of_a_parcel_is_told_whole() -> None:
    assert asked(plan(order(), shipment(1))) == [1]
    assert asked(plan(order(1), shipment(4, before=1))) == [4]


def test_a_repeat_of_either_part_tells_nothing_more() -> None:
    assert asked(plan(order(1), shipment(1))) == []
    assert asked(plan(order(1, 4), shipment(4, before=1))) == []


def test_of_a_part_that_was_told_in_half_only_the_other_half_is_told() -> None:
    assert asked(plan(order(1, 3), shipment(4, before=1))) == [1]
