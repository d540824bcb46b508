"""Nothing is shipped twice and every shipped unit is told to its channel once, by the ledgers of those who did it."""

from __future__ import annotations

from collections import Counter

from .evidence import Evidence, order_of
from .finding import Finding, found

__all__ = ["check"]

Line = tuple[str, str]
"""Order key, line."""

PROMISE = "nothing shipped twice or beyond the order, every shipped unit told to its channel exactly once"


def check(evidence: Evidence) -> Finding:
    """Check the promise that the module's docstring states."""
    shipped, violations = _parcels(evidence)
    ordered = {
        (order.key, line): qty
        for channel in evidence.channels
        for order in channel.orders
        for line, qty in order.lines.items()
    }
    for line, qty in shipped.items():
        if qty > ordered.get(line, 0):
            violations.append(f"{'/'.join(line)}: {qty} shipped, {ordered.get(line, 0)} ordered")
    told = _told(evidence, violations)
    violations += _untold(evidence, shipped, told)
    figures = {
        "pick_orders": len({(depot, reference) for depot, reference, _ in evidence.warehouse.asked}),
        "parcels": len({(shipped_line.depot, shipped_line.shipment_id) for shipped_line in evidence.warehouse.shipped}),
        "shipped_units": sum(shipped.values()),
        "told_units": sum(told.values()),
    }
    return found("shipments", PROMISE, figures, violations)


def _parcels(evidence: Evidence) -> tuple[Counter[Line], list[str]]:
    """Units shipped by order line; violations within the 3PLs' own ledger."""
    shipped: Counter[Line] = Counter()
    by_pick: Counter[tuple[str, str, str]] = Counter()
    once: Counter[tuple[str, str, str]] = Counter()
    for line in evidence.warehouse.shipped:
        shipped[(order_of(line.reference), line.line_id)] += line.qty
        by_pick[(line.depot, line.reference, line.line_id)] += line.qty
        once[(line.depot, line.shipment_id, f"{line.reference}#{line.line_id}")] += 1
    violations = [f"parcel {'/'.join(item)} left {n} times" for item, n in once.items() if n > 1]
    for pick, qty in by_pick.items():
        asked = evidence.warehouse.asked.get(pick, 0)
        if qty > asked:
            violations.append(f"{' '.join(pick)}: {qty} shipped, {asked} asked for")
    return shipped, violations


def _untold(evidence: Evidence, shipped: Counter[Line], told: Counter[Line]) -> list[str]:
    """Lines of which the channel knows other units than left. What it had cancelled before, it does not take as shipped."""
    cancelled: Counter[Line] = Counter()
    for channel in evidence.channels:
        cancelled += channel.cancelled
    quiet = {order.key for c in evidence.channels for order in c.orders if not order.told}
    shipped = Counter({line: n for line, n in shipped.items() if line[0] not in quiet})
    return [
        f"{'/'.join(line)}: {shipped[line]} shipped, {told[line]} told to the channel ({cancelled[line]} cancelled there)"
        for line in sorted({*shipped, *told})
        if not shipped[line] - cancelled[line] <= told[line] <= shipped[line]
    ]


def _told(evidence: Evidence, violations: list[str]) -> Counter[Line]:
    """Units told by order line; violations where a parcel was told more often than there are pick orders in it.

    A line may be split over two pick orders that leave in one parcel: each of them is told, with its own units.
    """
    told: Counter[Line] = Counter()
    times: Counter[tuple[str, str, str]] = Counter()
    for channel in evidence.channels:
        violations += [f"{channel.name}: {text}" for text in channel.violations]
        for report in channel.told:
            told[(report.key, report.line_id)] += report.qty
            times[(report.key, report.line_id, report.tracking_number)] += 1
    pick_orders: dict[tuple[str, str, str], set[tuple[str, str]]] = {}
    for parcel in evidence.warehouse.shipped:
        place = (order_of(parcel.reference), parcel.line_id, parcel.tracking_number)
        pick_orders.setdefault(place, set()).add((parcel.depot, parcel.reference))
    violations += [
        f"{'/'.join(place)} told {n} times" for place, n in times.items() if n > max(1, len(pick_orders.get(place, ())))
    ]
    return told
