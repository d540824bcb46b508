"""The KPIs, computed again from the raw log by the definitions in docs/kpis.md, in plain Python."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from .evidence import Evidence
from .finding import Finding, found
from .log import Entry

__all__ = ["RECOMPUTED", "check"]

PROMISE = "every KPI equals its value computed from the log outside ClickHouse"

Event = dict[str, Any]
Table = dict[tuple[str, ...], dict[str, float]]
"""Key columns to measures."""
Events = dict[str, list[Event]]
"""By order, in sequence."""


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")


def _dimensions(channel: str, depot: str, ms: int) -> Iterator[tuple[str, str]]:
    yield from (("all", ""), ("channel", channel), ("depot", depot), ("day", _day(ms)))


def _quantile(values: list[float], level: float) -> float:
    """Linear between the closest ranks (R's type 7), as ClickHouse's quantileExactInclusive."""
    ordered = sorted(values)
    place = level * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def turnaround(events: Events) -> Table:
    """PLACED to the SHIPPED that completed the order, hours."""
    hours: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for order in events.values():
        done = next((e for e in order if e["type"] == "SHIPPED" and e["complete"]), None)
        if done:
            took = (done["occurred_at"] - done["placed_at"]) / 3_600_000
            for key in _dimensions(done["channel"], done["depot"], done["occurred_at"]):
                hours[key].append(took)
    return {
        key: {"orders": len(v), "p50_hours": _quantile(v, 0.5), "p95_hours": _quantile(v, 0.95)}
        for key, v in hours.items()
    }


def on_time(events: Events) -> Table:
    """Allocations that left by the ship-by promised at allocation."""
    promised: dict[str, int] = {}
    left: dict[str, Event] = {}
    for event in _all(events):
        allocation = event["allocation_id"]
        if allocation and event["type"] == "ALLOCATED" and event["ship_by"] is not None:
            promised.setdefault(allocation, event["ship_by"])
        if allocation and event["type"] == "SHIPPED":
            known = left.get(allocation)
            left[allocation] = event if known is None or event["occurred_at"] >= known["occurred_at"] else known
    table: Table = defaultdict(lambda: {"allocations": 0, "on_time": 0})
    for allocation, event in left.items():
        if allocation in promised:
            for key in _dimensions(event["channel"], event["depot"], event["occurred_at"]):
                table[key]["allocations"] += 1
                table[key]["on_time"] += event["occurred_at"] <= promised[allocation]
    for row in table.values():
        row["on_time_rate"] = row["on_time"] / row["allocations"]
    return table


def accuracy(events: Events) -> Table:
    """Completed orders that needed no intervention."""
    table: Table = defaultdict(lambda: {"completed": 0, "without_intervention": 0})
    for order in events.values():
        completed = [e["occurred_at"] for e in order if e["type"] == "COMPLETED"]
        if not completed:
            continue
        depots = [e["depot"] for e in order if e["type"] == "SHIPPED"]
        touched = any(e["intervention"] for e in order)
        for key in _dimensions(order[0]["channel"], depots[-1] if depots else "", min(completed)):
            table[key]["completed"] += 1
            table[key]["without_intervention"] += not touched
    for row in table.values():
        row["accuracy"] = row["without_intervention"] / row["completed"]
    return table


def return_rate(events: Events) -> Table:
    """Units received back over units shipped, by the month in which the line first shipped."""
    table: Table = defaultdict(lambda: {"units_shipped": 0, "units_returned": 0})
    for order in events.values():
        for channel, sku, month, shipped, received in _lines(order):
            for dimension, value in (
                ("all", ""),
                ("channel", channel),
                ("sku", sku),
                ("channel, sku", f"{channel}, {sku}"),
            ):
                for cohort in ("", month):
                    row = table[(dimension, value, cohort)]
                    row["units_shipped"] += shipped
                    row["units_returned"] += received
    for row in table.values():
        row["return_rate"] = row["units_returned"] / row["units_shipped"]
    return table


def _lines(order: list[Event]) -> Iterator[tuple[str, str, str, int, int]]:
    shipped: dict[str, list[tuple[Event, str, int]]] = defaultdict(list)
    received: dict[str, int] = defaultdict(int)
    for event in order:
        for line in event["lines"]:
            if event["type"] == "SHIPPED":
                shipped[line["line_id"]].append((event, line["sku"], line["qty"]))
            elif event["type"] == "RMA_RECEIVED":
                received[line["line_id"]] += line["qty"]
    for line_id, parts in shipped.items():
        units = sum(qty for _, _, qty in parts)
        month = _day(min(event["occurred_at"] for event, _, _ in parts))[:7]
        if units > 0:
            yield parts[0][0]["channel"], parts[0][1], month, units, received[line_id]


def cost_per_shipment(events: Events) -> Table:
    """Cost of a parcel, the sum of its allocations' shares; a bundle's saving is what those would have cost alone."""
    expected: dict[str, int] = {}
    parcels: dict[tuple[str, str], dict[str, list[Event]]] = defaultdict(lambda: defaultdict(list))
    for event in _all(events):
        allocation = event["allocation_id"]
        if event["type"] == "ALLOCATED":
            expected.setdefault(allocation, event["cost"])
        elif event["type"] == "SHIPPED" and allocation:
            parcels[(event["depot"], event["shipment_id"] or allocation)][allocation].append(event)
    table: Table = defaultdict(lambda: {"parcels": 0, "parcel_orders": 0, "total_cost": 0, "saving": 0})
    for (depot, _), shares in parcels.items():
        _add_parcel(table, depot, shares, expected)
    for row in table.values():
        row["cost_per_shipment"] = row["total_cost"] / row["parcels"]
    return table


def _add_parcel(table: Table, depot: str, shares: dict[str, list[Event]], expected: dict[str, int]) -> None:
    every = [e for told in shares.values() for e in told]
    bundled = len(shares) > 1
    channel = min(every, key=lambda e: e["order_key"])["channel"]
    cost = sum(max(e["cost"] for e in told) for told in shares.values())
    alone = sum(expected.get(share, 0) for share in shares)
    shipped_at = min(e["occurred_at"] for e in every)
    for dimension, value in _dimensions(channel, depot, shipped_at):
        row = table[(dimension, value, str(int(bundled)), every[0]["cost_currency"])]
        row["parcels"] += 1
        row["parcel_orders"] += len({e["order_key"] for e in every})
        row["total_cost"] += cost
        row["saving"] += alone - cost if bundled and cost > 0 else 0


def _units(events: Events, kind: str) -> Iterator[tuple[Event, Event]]:
    """Events of a kind with each of the units of a return that they are about."""
    for event in _all(events):
        if event["type"] == kind and event["rma_id"]:
            for unit in event["returned"]:
                yield event, unit


def return_reasons(events: Events) -> Table:
    """Approved returns by the reason that was given."""
    returns: dict[tuple[str, ...], set[str]] = defaultdict(set)
    units: dict[tuple[str, ...], int] = defaultdict(int)
    for event, unit in _units(events, "RMA_CREATED"):
        for dimension in (("all", ""), ("channel", event["channel"]), ("sku", unit["sku"])):
            key = (*dimension, unit["reason"])
            returns[key].add(event["rma_id"])
            units[key] += unit["qty"]
    return {key: {"returns": len(found), "units": units[key]} for key, found in returns.items()}


def dispositions(events: Events) -> Table:
    """What inspections found, in units."""
    units: dict[tuple[str, ...], int] = defaultdict(int)
    for event, unit in _units(events, "RETURN_INSPECTED"):
        depot = unit["depot"] or event["depot"]
        for dimension in (*_dimensions(event["channel"], depot, event["occurred_at"]), ("sku", unit["sku"])):
            units[(*dimension, unit["disposition"])] += unit["qty"]
    return {key: {"units": n} for key, n in units.items()}


def time_to_credit(events: Events) -> Table:
    """The first receipt of a return to its last credit so far, hours."""
    first: dict[str, int] = {}
    last: dict[str, Event] = {}
    for event in _all(events):
        rma, at = event["rma_id"], event["occurred_at"]
        if rma and event["type"] == "RMA_RECEIVED":
            first[rma] = min(at, first.get(rma, at))
        elif rma and event["type"] == "CREDITED" and (rma not in last or at >= last[rma]["occurred_at"]):
            last[rma] = event
    hours: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for rma in first.keys() & last.keys():
        at = last[rma]["occurred_at"]
        for key in (("all", ""), ("channel", last[rma]["channel"]), ("day", _day(at))):
            hours[key].append((at - first[rma]) / 3_600_000)
    return {
        key: {"returns": len(v), "p50_hours": _quantile(v, 0.5), "p95_hours": _quantile(v, 0.95)}
        for key, v in hours.items()
    }


def recovered_value(events: Events) -> Table:
    """What the goods that came back are worth, and what was credited for them."""
    table: Table = defaultdict(lambda: {"units": 0, "credited": 0, "recovered": 0})
    for kind, measure, field in (("RETURN_INSPECTED", "recovered", "value"), ("CREDITED", "credited", "amount")):
        for event, unit in _units(events, kind):
            for dimension in (("all", ""), ("channel", event["channel"]), ("sku", unit["sku"])):
                row = table[(*dimension, event["currency"])]
                row[measure] += unit[field]
                row["units"] += unit["qty"] if kind == "RETURN_INSPECTED" else 0
    for row in table.values():
        row["recovered_rate"] = row["recovered"] / row["credited"] if row["credited"] else 0.0
    return table


RECOMPUTED: dict[str, tuple[tuple[str, ...], Callable[[Events], Table]]] = {
    "kpi_turnaround": (("dimension", "value"), turnaround),
    "kpi_on_time": (("dimension", "value"), on_time),
    "kpi_accuracy": (("dimension", "value"), accuracy),
    "kpi_return_rate": (("dimension", "value", "cohort"), return_rate),
    "kpi_cost_per_shipment": (("dimension", "value", "bundled", "cost_currency"), cost_per_shipment),
    "kpi_return_reasons": (("dimension", "value", "reason"), return_reasons),
    "kpi_dispositions": (("dimension", "value", "disposition"), dispositions),
    "kpi_time_to_credit": (("dimension", "value"), time_to_credit),
    "kpi_recovered_value": (("dimension", "value", "currency"), recovered_value),
}
"""View to its key columns and its recomputation."""


def check(evidence: Evidence) -> Finding:
    """Check the promise that the module's docstring states."""
    events = by_order(evidence.order_events)
    violations: list[str] = []
    figures = {}
    for view, (keys, compute) in RECOMPUTED.items():
        ours = compute(events)
        theirs = {
            tuple(_key(row[k]) for k in keys): {k: v for k, v in row.items() if k not in keys}
            for row in evidence.rows(f"SELECT * FROM {view}")  # noqa: S608
        }
        figures[view] = len(theirs)
        violations += _differ(view, ours, theirs)
    return found("kpis", PROMISE, figures, violations)


def by_order(entries: Iterable[Entry]) -> Events:
    """Order events by order; the log keeps each order's in sequence."""
    events: Events = defaultdict(list)
    for entry in entries:
        events[entry.data["order_key"]].append(entry.data)
    return events


def _all(events: Events) -> Iterator[Event]:
    for order in events.values():
        yield from order


def _key(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _differ(view: str, ours: Table, theirs: Table) -> list[str]:
    bad = []
    for key in sorted({*ours, *theirs}):
        fields, mapping = ours.get(key), theirs.get(key)
        where = f"{view} {'/'.join(key)}"
        if fields is None or mapping is None:
            bad.append(f"{where}: only {'in ClickHouse' if fields is None else 'in the log'}")
            continue
        bad += [
            f"{where}: {name} is {mapping.get(name)} in ClickHouse, {value} from the log"
            for name, value in fields.items()
            if name not in mapping or not math.isclose(value, float(mapping[name]), rel_tol=1e-9, abs_tol=1e-9)
        ]
    return bad
