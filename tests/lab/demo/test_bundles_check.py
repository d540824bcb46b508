"""The bundle oracle: silent where parcels and shares add up, loud where not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.demo.checks import bundles
from lab.demo.checks.evidence import Bundle, Evidence, Warehouse
from lab.demo.checks.log import Entry

REFERENCES = ("main/shopify:acme:1/1", "main/shopify:acme:2/1")
PARCEL = Bundle("a", "s1", 455, REFERENCES, frozenset({"anna damrak 1"}), frozenset({"g1"}))


def share(reference: str, cost: int) -> Entry:
    data = {"type": "SHIPPED", "allocation_id": reference, "shipment_id": "s1", "cost": cost}
    return Entry("wharf.orders.events", 0, 0, "", "OrderEvent", data, {}, b"")


def evidence(parcel: Bundle, *costs: int) -> Evidence:
    told = [share(r, c) for r, c in zip(REFERENCES, costs, strict=False)]
    return Evidence(order_events=told, warehouse=Warehouse(bundles=[parcel]))


def test_a_sound_bundle_passes() -> None:
    finding = bundles.check(evidence(PARCEL, 228, 227))
    assert finding.ok, finding.offenders
    assert finding.figures == {"bundles": 1, "pick_orders_in_them": 2, "parcels_spared": 1, "violations": 0}


@pytest.mark.parametrize(
    ("parcel", "costs", "says"),
    [
        pytest.param(PARCEL, (455, 455), "cost 455, of which its orders share 910", id="everyone-pays-all"),
        pytest.param(PARCEL, (228,), "does not know", id="an-order-that-does-not-know"),
        pytest.param(replace(PARCEL, doors=frozenset("ab")), (228, 227), "2 addresses", id="two-doors"),
        pytest.param(replace(PARCEL, groups=frozenset({"g1", "g2"})), (228, 227), "2 groups", id="two-groups"),
        pytest.param(replace(PARCEL, groups=frozenset({""})), (228, 227), "or of none", id="no-group"),
    ],
)
def test_what_is_wrong_is_told(parcel: Bundle, costs: tuple[int, ...], says: str) -> None:
    finding = bundles.check(evidence(parcel, *costs))
    assert not finding.ok
    assert any(says in x for x in finding.offenders), finding.offenders
