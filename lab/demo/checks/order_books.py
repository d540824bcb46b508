"""Each order's units as they follow from its events alone: what was ordered, what became of it, and what explains the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .log import Entry

__all__ = ["DONE", "PARCEL", "Book", "books"]

PARCEL = "returns:"
"""Keys that begin so are parcels that came back and belong to no order, not orders."""

DONE = frozenset({"DELIVERED", "COMPLETED", "CANCELLED"})
"""Statuses in which nothing is left to do for an order."""


@dataclass(slots=True)
class Book:
    """One order. Units are by line; ``waiting`` are backordered ones, ``delivered`` those a carrier has handed over."""

    key: str
    status: str = ""
    reason: str = ""
    events: int = 0
    last: str = ""
    ordered: Counter[str] = field(default_factory=Counter)
    cancelled: Counter[str] = field(default_factory=Counter)
    shipped: Counter[str] = field(default_factory=Counter)
    by_us: Counter[str] = field(default_factory=Counter)
    delivered: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    unfillable: Counter[str] = field(default_factory=Counter)
    holds: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, event: dict[str, Any]) -> None:
        """The order's next event."""
        if event["seq"] != self.events + 1:
            self.problems.append(f"event {event['seq']} {event['type']} where {self.events + 1} was due")
        self.events = event["seq"]
        self.status, self.last = event["status"], event["type"]
        units = Counter({line["line_id"]: line["qty"] for line in event["lines"]})
        kind = event["type"]
        if kind == "PLACED":
            self.ordered, self.reason = units, event["reason"]
        elif kind == "EDITED":
            self.ordered.update({line: qty - self.ordered[line] for line, qty in units.items()})
        elif kind in ("HELD", "RELEASED"):
            self._hold(kind, event["reason"])
        else:
            self._units(kind, units, bool(event["allocation_id"]))

    def _hold(self, kind: str, reason: str) -> None:
        name = reason.partition(":")[0]
        if kind == "HELD":
            self.holds[name] = reason
        else:
            self.holds.pop(name, None)

    def _units(self, kind: str, units: Counter[str], ours: bool) -> None:
        if kind == "CANCELLED":
            self.cancelled += units
        elif kind == "SHIPPED":
            self.shipped += units
            if ours:
                self.by_us += units
        elif kind == "DELIVERED":
            self.delivered += units
        elif kind == "BACKORDERED":
            self.waiting += units
        elif kind == "ALLOCATED":
            self.waiting -= units
        elif kind == "UNFILLABLE":
            self.waiting -= units
            self.unfillable += units

    def open(self) -> Counter[str]:
        """Units that are neither shipped nor cancelled; negative where more was shipped or cancelled than ordered."""
        left = Counter(self.ordered)
        left.subtract(self.shipped)
        left.subtract(self.cancelled)
        return Counter({line: qty for line, qty in left.items() if qty})

    def explanation(self, elsewhere: frozenset[str] = frozenset()) -> str:
        """Why units are still open, in one phrase that can be counted; ``""`` where nothing explains it. ``elsewhere``: lines that the channel ships."""
        if self.reason in ("test order", "fulfilled by the channel"):
            return self.reason
        if self.holds:
            return "held: " + ", ".join(sorted(self.holds))
        left = Counter({line: qty for line, qty in self.open().items() if line not in elsewhere})
        if left and not left - self.waiting - self.unfillable:
            return "unfillable" if any(self.unfillable[line] for line in left) else "backordered"
        return ""


def books(entries: Iterable[Entry]) -> dict[str, Book]:
    """The books of all orders."""
    found: dict[str, Book] = {}
    for entry in entries:
        key = entry.data["order_key"]
        if key.startswith(PARCEL):
            continue
        found.setdefault(key, Book(key)).add(entry.data)
    return found
