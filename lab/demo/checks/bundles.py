"""Parcels that carry several pick orders: one door each, and a cost that its orders share to the cent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from .evidence import Bundle, Evidence
from .finding import Finding, found

__all__ = ["check"]

PROMISE = "what was bundled went to one door, and its orders share the parcel's cost exactly"


def check(evidence: Evidence) -> Finding:
    """See the module. The parcels are those of the 3PLs' own ledger; the shares are the log's."""
    shares: dict[tuple[str, str], int] = defaultdict(int)
    for entry in evidence.order_events:
        e = entry.data
        if e["type"] == "SHIPPED" and e["allocation_id"]:
            key = (e["allocation_id"], e["shipment_id"])
            shares[key] = max(shares[key], e["cost"])
    bundles = evidence.warehouse.bundles
    violations = [
        f"parcel {bundle.shipment_id} of {bundle.depot}: {text}"
        for bundle in bundles
        for text in _wrong(bundle, shares)
    ]
    figures = {
        "bundles": len(bundles),
        "pick_orders_in_them": sum(len(bundle.references) for bundle in bundles),
        "parcels_spared": sum(len(bundle.references) - 1 for bundle in bundles),
    }
    return found("bundles", PROMISE, figures, violations)


def _wrong(bundle: Bundle, shares: Mapping[tuple[str, str], int]) -> Iterator[str]:
    if len(bundle.doors) != 1:
        yield f"goes to {len(bundle.doors)} addresses or customers"
    if len(bundle.groups) != 1 or not all(bundle.groups):
        yield f"pick orders of {len(bundle.groups)} groups, or of none"
    told = [shares.get((reference, bundle.shipment_id)) for reference in bundle.references]
    if any(number is None for number in told):
        yield "an order does not know that it was shipped in it"
    elif sum(number or 0 for number in told) != bundle.cost:
        yield f"cost {bundle.cost}, of which its orders share {sum(number or 0 for number in told)}"
