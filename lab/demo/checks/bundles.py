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
    violations = [f"parcel {b.shipment_id} of {b.depot}: {text}" for b in bundles for text in _wrong(b, shares)]
    figures = {
        "bundles": len(bundles),
        "pick_orders_in_them": sum(len(b.references) for b in bundles),
        "parcels_spared": sum(len(b.references) - 1 for b in bundles),
    }
    return found("bundles", PROMISE, figures, violations)


def _wrong(b: Bundle, shares: Mapping[tuple[str, str], int]) -> Iterator[str]:
    if len(b.doors) != 1:
        yield f"goes to {len(b.doors)} addresses or customers"
    if len(b.groups) != 1 or not all(b.groups):
        yield f"pick orders of {len(b.groups)} groups, or of none"
    told = [shares.get((reference, b.shipment_id)) for reference in b.references]
    if any(x is None for x in told):
        yield "an order does not know that it was shipped in it"
    elif sum(x or 0 for x in told) != b.cost:
        yield f"cost {b.cost}, of which its orders share {sum(x or 0 for x in told)}"
