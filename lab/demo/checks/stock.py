"""No unit is promised twice: stock adds up in every prefix of the log, and agrees with what the warehouses really hold and shipped."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .evidence import Evidence
from .finding import Finding, found
from .log import Entry
from .order_books import PARCEL

__all__ = ["check"]

Place = tuple[str, str, str]
"""Depot, SKU, quality."""

PROMISE = "no unit oversold: initial + received + put back + corrected - shipped = on hand, by quality, never negative, never more reserved than there"
QUALITIES = {"RESTOCK": "new", "B_GRADE": "b_grade", "WRITE_OFF": "write_off"}
"""What an inspection found to the quality under which it is counted; anything else is not there."""
ADDING = {"RECEIPT": "STOCK_RECEIVED", "RESTOCK": "RESTOCKED", "CORRECTION": "STOCK_CORRECTED"}


class _Books:
    """Stock as it follows from the moves alone."""

    def __init__(self) -> None:
        self.on_hand: Counter[Place] = Counter()
        self.reserved: Counter[Place] = Counter()
        self.by_type: dict[str, Counter[Place]] = {}
        self.counted: Counter[tuple[str, str, str, int]] = Counter()
        self.violations: list[str] = []
        self._seq: dict[str, int] = {}

    def add(self, entry: Entry) -> None:
        event = entry.data
        expected = self._seq.get(event["pool"], 0) + 1
        if event["seq"] != expected:
            self.violations.append(
                f"pool {event['pool']}: event {event['seq']} where {expected} was due (offset {entry.offset})"
            )
        self._seq[event["pool"]] = event["seq"]
        for move in event["moves"]:
            self._move(event, move)

    def _move(self, event: dict[str, Any], move: dict[str, Any]) -> None:
        place = (move["depot"], move["sku"], move["quality"])
        self.on_hand[place] += move["on_hand_delta"]
        self.reserved[place] += move["reserved_delta"]
        self.by_type.setdefault(event["type"], Counter())[place] += move["on_hand_delta"]
        if event["type"] == "STOCK_COUNTED":
            self.counted[(*place, move["on_hand"])] += 1
        on_hand, reserved = self.on_hand[place], self.reserved[place]
        where = f"{'/'.join(place)} at {event['pool']}#{event['seq']} {event['type']}"
        if (on_hand, reserved) != (move["on_hand"], move["reserved"]):
            stated = f"{move['on_hand']}/{move['reserved']}"
            self.violations.append(f"{where}: says {stated} on hand/reserved, the moves give {on_hand}/{reserved}")
        if on_hand < 0 or not 0 <= reserved <= on_hand:
            self.violations.append(f"{where}: {on_hand} on hand, {reserved} reserved")

    def units(self, *types: str) -> Counter[Place]:
        total: Counter[Place] = Counter()
        for kind in types:
            for place, units in self.by_type.get(kind, Counter()).items():
                total[place] += units
        return total


def check(evidence: Evidence) -> Finding:
    """Check the promise that the module's docstring states."""
    books = _Books()
    for entry in evidence.pool_events:
        books.add(entry)
    back = _put_back(evidence)
    violations = books.violations + _reports(evidence, books) + _warehouse(evidence, books, back)
    figures = {
        "events": len(evidence.pool_events),
        "places": len(books.on_hand),
        "received": sum(books.units("STOCK_COUNTED", "STOCK_RECEIVED", "RESTOCKED").values()),
        "put_back": sum(books.units("RESTOCKED").values()),
        "corrected": sum(books.units("STOCK_CORRECTED", "SHORT_PICKED").values()),
        "shipped": -sum(books.units("SHIPPED").values()),
        "on_hand": sum(books.on_hand.values()),
        "reserved": sum(books.reserved.values()),
        "on_shelf": sum(evidence.warehouse.shelf.values()),
    }
    return found("stock", PROMISE, figures, violations)


def _reports(evidence: Evidence, books: _Books) -> list[str]:
    """Each stock report moved exactly its units, once."""
    reported: dict[str, Counter[Place]] = {}
    counts: Counter[tuple[str, str, str, int]] = Counter()
    seen: set[str] = set()
    for entry in evidence.pools_in:
        data = entry.data
        if entry.name != "StockReported" or data["idempotency_key"] in seen:
            continue
        seen.add(data["idempotency_key"])
        place = (data["depot"], data["sku"], data["quality"])
        if data["kind"] == "COUNT":
            counts[(*place, data["qty"])] += 1
        else:
            reported.setdefault(ADDING[data["kind"]], Counter())[place] += data["qty"]
    bad = []
    for kind in ("STOCK_RECEIVED", "RESTOCKED"):
        bad += _differ(f"{kind} units", reported.get(kind, Counter()), books.units(kind))
    corrections = Counter(reported.get("STOCK_CORRECTED", Counter()))
    for (depot, sku), units in evidence.warehouse.written_off.items():
        corrections[(depot, sku, "new")] -= units
    bad += _differ("corrected units", corrections, books.units("STOCK_CORRECTED", "SHORT_PICKED"))
    bad += [
        f"count of {count} units at {text}/{name}/{q} was not applied once"
        for text, name, q, count in counts - books.counted
    ]
    return bad


def _put_back(evidence: Evidence) -> tuple[Counter[Place], Counter[Place]]:
    """Units that the warehouses put back: those that we must know, and those in parcels that still wait for a person."""
    resolved = {entry.data["order_key"] for entry in evidence.order_events if entry.data["type"] == "RETURN_RESOLVED"}
    known: Counter[Place] = Counter()
    waiting: Counter[Place] = Counter()
    for inspected in evidence.warehouse.inspected:
        if inspected.disposition in QUALITIES:
            nobody = not inspected.rma and f"{PARCEL}{inspected.depot}:{inspected.receipt}" not in resolved
            (waiting if nobody else known)[inspected.depot, inspected.sku, QUALITIES[inspected.disposition]] += (
                inspected.qty
            )
    return known, waiting


def _warehouse(evidence: Evidence, books: _Books, back: tuple[Counter[Place], Counter[Place]]) -> list[str]:
    """What left, what came back and what lies there, by the warehouses' own ledgers."""
    left: Counter[Place] = Counter()
    for line in evidence.warehouse.shipped:
        left[(line.depot, line.sku, "new")] += line.qty
    ours = Counter({place: -units for place, units in books.units("SHIPPED").items()})
    known, waiting = back
    there = Counter({(depot, sku, "new"): units for (depot, sku), units in evidence.warehouse.shelf.items()})
    there.update({(depot, sku, "b_grade"): units for (depot, sku), units in evidence.warehouse.b_grade.items()})
    there.update({(depot, sku, "write_off"): units for (depot, sku), units in evidence.warehouse.binned.items()})
    there.subtract(waiting)
    return [
        *_differ("shipped units", left, ours),
        *_differ("units put back", known, books.units("RESTOCKED")),
        *_differ("units on hand", there, books.on_hand),
        *(f"warehouse: {text}" for text in evidence.warehouse.violations),
    ]


def _differ(what: str, there: Counter[Place], ours: Counter[Place]) -> list[str]:
    return [
        f"{what} at {'/'.join(place)}: {there[place]} outside, {ours[place]} in the log"
        for place in sorted({*there, *ours})
        if there[place] != ours[place]
    ]
