"""An order as its events tell it: quantities, holds, allocations with their decisions, shipments. Pure.

Where a unit is follows from the order's events, but for units that an allocation gave back before any WMS knew of it: those are in
the pool's (UNRESERVED, SHORT_PICKED).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

__all__ = ["Row", "view"]

Row = Mapping[str, Any]
"""A row of ``order_events`` or ``pool_events``, columns by name."""

_SCANS = ("IN_TRANSIT", "OUT_FOR_DELIVERY", "DELIVERED", "EXCEPTION")


@dataclass(slots=True)
class _Part:
    """One line's units in one allocation."""

    allocated: int = 0
    picked: int = 0
    shipped: int = 0
    back: int = 0


@dataclass(slots=True)
class _Line:
    sku: str = ""
    ordered: int = 0
    requested: int = 0
    backordered: int = 0
    outside: int = 0
    delivered: int = 0
    cancelled: int = 0
    returned: int = 0
    parts: dict[str, _Part] = field(default_factory=lambda: defaultdict(_Part))

    def answered(self, qty: int, *, replenished: bool = False) -> None:
        """A pool gave its word on units: on those asked for, else on those that waited for stock; ``replenished``: the other way."""
        fresh = max(qty - self.backordered, 0) if replenished else min(qty, self.requested)
        self.requested = max(self.requested - fresh, 0)
        self.backordered = max(self.backordered - (qty - fresh), 0)

    def settle(self) -> None:
        """Units were taken out of those that wait: what was open goes first, then what was asked for, then the backordered."""
        now = self.quantities()
        self.requested, self.backordered = min(self.requested, now["open"]), now["backordered"]

    def quantities(self) -> dict[str, int]:
        """Each unit in one place: ordered = open + backordered + allocated + picked + shipped + cancelled."""
        shipped = self.outside + sum(part.shipped for part in self.parts.values())
        picked = sum(
            max(min(part.picked, part.allocated - part.back) - part.shipped, 0) for part in self.parts.values()
        )
        allocated = sum(
            max(part.allocated - part.back - max(part.picked, part.shipped), 0) for part in self.parts.values()
        )
        # What left after all (a WMS that shipped what it had given up) was not cancelled.
        cancelled = min(self.cancelled, max(self.ordered - shipped, 0))
        # Fewer were wanted after an edit, but a warehouse has not given them back yet: they are still the order's.
        ordered = max(self.ordered, cancelled + shipped + picked + allocated)
        left = ordered - cancelled - shipped - picked - allocated
        backordered = min(self.backordered, left)
        return {
            "ordered": ordered,
            "open": left - backordered,
            "backordered": backordered,
            "allocated": allocated,
            "picked": picked,
            "shipped": shipped,
            "cancelled": cancelled,
            "delivered": self.delivered,
            "returned": self.returned,
        }


def view(events: list[Row], pool_events: Iterable[Row]) -> dict[str, Any]:
    """All of an order, ready for JSON: times ISO 8601 in UTC, money in minor units. ``events``: by ``seq``, at least one."""
    last = events[-1]
    placed = next((event for event in events if event["type"] == "PLACED"), None)
    lines = _lines(events, pool_events)
    return {
        "order_key": last["order_key"],
        "status": last["status"],
        "channel": last["channel"],
        "account": last["account"],
        "order_id": last["order_id"],
        "name": next((event["name"] for event in reversed(events) if event["name"]), ""),
        "placed_at": _iso(placed["occurred_at"]) if placed else None,
        "country": last["country"],
        "currency": last["currency"],
        "total": placed["amount"] if placed else None,
        "intervention": any(event["intervention"] for event in events),
        "lines": [{"line_id": k, "sku": line.sku, **line.quantities()} for k, line in lines.items()],
        "holds": _holds(events),
        "allocations": [
            _allocation(allocation_id, events) for allocation_id in _ids(events, "ALLOCATED", "allocation_id")
        ],
        "waiting": [_waiting(event) for event in _waits(events)],
        "shipments": [_shipment(shipment_id, events) for shipment_id in _ids(events, "SHIPPED", "shipment_id")],
        "timeline": [_moment(event) for event in events],
    }


def _units(event: Row) -> list[tuple[str, str, int]]:
    return list(zip(event["lines.line_id"], event["lines.sku"], event["lines.qty"], strict=True))


def _lines(events: list[Row], pool_events: Iterable[Row]) -> dict[str, _Line]:
    lines: dict[str, _Line] = {}
    given_back = sorted(
        (e for e in pool_events if e["type"] in {"UNRESERVED", "SHORT_PICKED"}), key=lambda e: e["time"]
    )
    for number, event in enumerate(events, start=1):
        # A pool's word comes before what the order says of the same moment.
        while given_back and given_back[0]["time"] <= event["time"]:
            _give_back(lines, given_back.pop(0))
        if event["type"] in {"HELD", "BACKORDERED"} and _holds(events[:number]):
            # A held order waits for nothing: what was asked for or backordered is open again.
            for line in lines.values():
                line.requested = line.backordered = 0
            continue
        for line_id, sku, qty in _units(event):
            line = lines.setdefault(line_id, _Line())
            line.sku = sku or line.sku
            _count(line, event, qty)
    for event in given_back:
        _give_back(lines, event)
    return {k: x for k, x in lines.items() if x.ordered or x.parts or x.cancelled}


def _count(line: _Line, event: Row, qty: int) -> None:
    kind, allocation = event["type"], event["allocation_id"]
    if kind in {"PLACED", "EDITED"}:
        line.ordered = qty
        line.settle()
    elif kind == "ALLOCATION_REQUESTED":
        line.requested += qty
    elif kind == "ALLOCATED":
        line.parts[allocation].allocated += qty
        line.answered(qty, replenished=event["reason"] == "replenished")
    elif kind == "BACKORDERED":
        line.requested = max(line.requested - qty, 0)
        line.backordered += qty
    elif kind == "UNFILLABLE":
        line.answered(qty)
    elif kind == "PICKED":
        line.parts[allocation].picked += qty
    elif kind == "SHIPPED" and allocation:
        line.parts[allocation].shipped += qty
    elif kind == "SHIPPED":
        line.outside += qty
    elif kind == "DELIVERED":
        line.delivered += qty
    elif kind == "CANCELLED":
        line.cancelled += qty
        line.settle()
    elif kind == "RMA_RECEIVED":
        line.returned += qty


def _give_back(lines: dict[str, _Line], event: Row) -> None:
    """Units a pool took back from an allocation, by SKU: its lines give them in their order."""
    for sku, delta in zip(event["moves.sku"], event["moves.reserved_delta"], strict=True):
        left = -delta
        for line in lines.values():
            part = line.parts.get(event["allocation_id"]) if line.sku == sku else None
            if part is not None and left > 0:
                returned = min(left, part.allocated - part.back)
                part.back += returned
                left -= returned


def _holds(events: list[Row]) -> list[dict[str, Any]]:
    """Those in force: HELD and not yet RELEASED. A reason begins with the hold's name."""
    holds: dict[str, dict[str, Any]] = {}
    for event in events:
        name, _, why = event["reason"].partition(": ")
        if event["type"] == "HELD":
            holds[name] = {"hold": name, "reason": why, "actor": event["actor"], "since": _iso(event["time"])}
        elif event["type"] == "RELEASED":
            holds.pop(name, None)
    return list(holds.values())


def _ids(events: list[Row], kind: str, column: str) -> list[str]:
    return list(dict.fromkeys(event[column] for event in events if event["type"] == kind and event[column]))


def _decision(event: Row) -> Any:
    """The decision as data; text that is no JSON stays text."""
    if not event["decision"]:
        return None
    try:
        return msgspec.json.decode(event["decision"])
    except msgspec.DecodeError:
        return event["decision"]


def _event_lines(event: Row) -> list[dict[str, Any]]:
    return [{"line_id": line_id, "sku": sku, "qty": qty} for line_id, sku, qty in _units(event)]


def _allocation(allocation_id: str, events: list[Row]) -> dict[str, Any]:
    of = [event for event in events if event["allocation_id"] == allocation_id]
    made = next(event for event in of if event["type"] == "ALLOCATED")
    said = [event["type"] for event in of if event["type"] not in {"CHANNEL_NOTIFIED", "UPDATED", "WAVE_RELEASED"}]
    return {
        "allocation_id": allocation_id,
        "status": said[-1],
        "depot": made["depot"],
        "lines": _event_lines(made),
        "service": made["service"],
        "carrier": made["carrier"],
        "ship_by": _iso(made["ship_by"]),
        "eta": _iso(made["eta"]),
        "cost": made["cost"],
        "cost_currency": made["cost_currency"],
        "group_id": next((event["group_id"] for event in of if event["group_id"]), ""),
        "rule_version": made["rule_version"],
        "decided_at": _iso(made["time"]),
        "reason": made["reason"],
        "decision": _decision(made),
    }


def _waits(events: list[Row]) -> list[Row]:
    """What no depot could give, the newest word on each line, as long as nothing came after it."""
    waits: dict[str, Row] = {}
    for event in events:
        for line_id, _, _ in _units(event):
            if event["type"] in {"BACKORDERED", "UNFILLABLE"}:
                waits[line_id] = event
            elif event["type"] in {"ALLOCATED", "CANCELLED"}:
                waits.pop(line_id, None)
    return list({wait["seq"]: wait for wait in waits.values()}.values())


def _waiting(event: Row) -> dict[str, Any]:
    return {
        "status": event["type"],
        "since": _iso(event["time"]),
        "lines": _event_lines(event),
        "reason": event["reason"],
        "rule_version": event["rule_version"],
        "decision": _decision(event),
    }


def _shipment(shipment_id: str, events: list[Row]) -> dict[str, Any]:
    of = [event for event in events if event["shipment_id"] == shipment_id]
    left = [event for event in of if event["type"] == "SHIPPED"]
    scans = [event for event in of if event["type"] in _SCANS]
    return {
        "shipment_id": shipment_id,
        "allocation_id": left[0]["allocation_id"],
        "status": scans[-1]["type"] if scans else "SHIPPED",
        "depot": left[0]["depot"],
        "carrier": of[-1]["carrier"],
        "tracking_number": of[-1]["tracking_number"],
        "shipped_at": _iso(left[0]["occurred_at"]),
        "delivered_at": next((_iso(event["occurred_at"]) for event in of if event["type"] == "DELIVERED"), None),
        "channel_told": any(event["type"] == "CHANNEL_NOTIFIED" for event in of),
        "cost": left[-1]["cost"],
        "cost_currency": left[-1]["cost_currency"],
        "lines": [unit for event in left for unit in _event_lines(event)],
    }


def _moment(event: Row) -> dict[str, Any]:
    names = (
        "seq",
        "type",
        "status",
        "reason",
        "actor",
        "depot",
        "allocation_id",
        "shipment_id",
        "tracking_number",
        "trace",
    )
    return {
        "time": _iso(event["time"]),
        "occurred_at": _iso(event["occurred_at"]),
        **{name: event[name] for name in names},
        "lines": _event_lines(event),
        "event_id": event["event_id"],
    }


def _iso(when: datetime | None) -> str | None:
    """ClickHouse gives UTC, with or without saying so."""
    if when is None:
        return None
    utc = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
