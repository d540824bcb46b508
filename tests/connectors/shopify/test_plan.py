"""What of a shipment Shopify is told, and what it can't be told any more."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.shopify.plan import CannotFulfil, plan
from domain.records.effects import ChannelShipment
from domain.records.values import LineQty

LINE = "gid://shopify/LineItem/"


def shipment(*lines: tuple[str, int]) -> ChannelShipment:
    return ChannelShipment(
        event_id="e",
        type="ChannelShipment",
        time=0,
        source="orders",
        trace="",
        order_key="shopify:acme:1",
        target="shopify:acme",
        channel_order_id="1",
        allocation_id="main/shopify:acme:1/1",
        shipment_id="s1",
        lines=[LineQty(line, "WH-1", qty) for line, qty in lines],
        carrier="PostNL",
        tracking_number="3S1",
        tracking_url="",
        shipped_at=0,
    )


def order(*left: tuple[str, int], status: str = "OPEN", fulfilled: tuple[tuple[str, int], ...] = ()) -> dict[str, Any]:
    """One fulfilment order with these units left, and a fulfilment of parcel 3S1 with those."""
    items = [{"id": f"item-{n}", "lineItem": {"id": LINE + n}, "remainingQuantity": qty} for n, qty in left]
    there = {
        "id": "gid://shopify/Fulfillment/7",
        "status": "SUCCESS",
        "trackingInfo": [{"number": "3S1"}],
        "fulfillmentLineItems": {"nodes": [{"lineItem": {"id": LINE + n}, "quantity": qty} for n, qty in fulfilled]},
    }
    location = {"location": {"id": "gid://shopify/Location/1"}}
    node = {"id": "fo-1", "status": status, "assignedLocation": location, "lineItems": {"nodes": items}}
    return {"fulfillmentOrders": {"nodes": [node]}, "fulfillments": [there] if fulfilled else []}


def test_all_units_go_on_their_fulfilment_order() -> None:
    made = plan(order(("11", 2), ("12", 1)), shipment(("11", 2), ("12", 1)))
    assert (made.groups, made.refused) == ([{"fo-1": [("item-11", 2), ("item-12", 1)]}], "")


def test_units_cancelled_meanwhile_do_not_keep_the_others_from_being_told() -> None:
    made = plan(order(("11", 1), ("12", 1)), shipment(("11", 2), ("12", 1)))
    assert made.groups == [{"fo-1": [("item-11", 1), ("item-12", 1)]}]
    assert made.refused.startswith("Shopify has 1 of line 11 not to fulfil")


def test_told_again_only_what_is_missing_is_still_refused() -> None:
    made = plan(order(("11", 0), fulfilled=(("11", 1), ("12", 1))), shipment(("11", 2), ("12", 1)))
    assert (made.groups, made.reference) == ([], "gid://shopify/Fulfillment/7")
    assert "1 of line 11" in made.refused


def test_a_hold_is_waited_for() -> None:
    with pytest.raises(CannotFulfil, match="on hold") as e:
        plan(order(("11", 2), status="ON_HOLD"), shipment(("11", 2)))
    assert not e.value.permanent
