"""What a run came to: as one JSON object, or as tables for people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .checks.clickhouse import ClickHouse
from .checks.dead_letters import cause
from .checks.evidence import Evidence
from .checks.finding import Finding
from .checks.order_books import PARCEL, books

__all__ = ["KPI_VIEWS", "QUERIES", "Report", "summarize"]

KPI_VIEWS = (
    "kpi_turnaround",
    "kpi_on_time",
    "kpi_accuracy",
    "kpi_return_rate",
    "kpi_cost_per_shipment",
    "kpi_dispositions",
    "kpi_time_to_credit",
    "kpi_recovered_value",
)

QUERIES = {
    "What came back, and what it was worth": "SELECT * FROM kpi_recovered_value WHERE dimension = 'channel'",
    "Where the orders stand": "SELECT status, count() AS orders FROM orders GROUP BY status ORDER BY orders DESC",
    "The slowest orders, and where they came from": (
        "SELECT order_key, channel, depot, dateDiff('minute', placed_at, shipped_at) AS minutes "
        "FROM orders_shipped ORDER BY minutes DESC LIMIT 5"
    ),
    "Why the depots were chosen": (
        "SELECT toHour(toTimeZone(time, 'Europe/Amsterdam')) AS hour, depot, count() AS allocations "
        "FROM order_events FINAL WHERE type = 'ALLOCATED' GROUP BY hour, depot ORDER BY hour, depot"
    ),
}
"""Title to SQL; each is run before it is recommended."""


@dataclass(slots=True)
class Report:
    """Everything a run tells. ``ok``: all checks hold."""

    ok: bool
    orders: int
    seed: int
    speed: float
    seconds: dict[str, float]
    simulated: dict[str, str]
    orders_by_state: dict[str, int]
    orders_by_channel: dict[str, dict[str, int]]
    duplicates: dict[str, int]
    holds: dict[str, int]
    returns: dict[str, int]
    dead_letters: dict[str, int]
    events: dict[str, int]
    kpis: dict[str, list[dict[str, Any]]]
    checks: list[Finding]
    restarts: dict[str, int]
    clickhouse: str
    home: str
    kept: bool = False
    clock: str = ""
    """``WHARF_CLOCK`` of a run that was kept: commands must live in its time."""
    queries: dict[str, str] = field(default_factory=lambda: dict(QUERIES))

    def as_dict(self) -> dict[str, Any]:
        """Return its fields as JSON values."""
        return {
            "ok": self.ok,
            "orders": self.orders,
            "seed": self.seed,
            "speed": self.speed,
            "seconds": self.seconds,
            "simulated": self.simulated,
            "orders_by_state": self.orders_by_state,
            "orders_by_channel": self.orders_by_channel,
            "duplicates_neutralised": self.duplicates,
            "holds": self.holds,
            "returns": self.returns,
            "dead_letters": self.dead_letters,
            "events": self.events,
            "kpis": self.kpis,
            "checks": [finding.as_dict() for finding in self.checks],
            "restarts": self.restarts,
            "kept": self.kept,
            "look_next": {
                "clickhouse": self.clickhouse,
                "home": self.home,
                "clock": self.clock,
                "logs": f"{self.home}/logs",
                "queries": [{"title": title, "sql": sql} for title, sql in self.queries.items()],
            },
        }


def summarize(evidence: Evidence, clickhouse: ClickHouse) -> dict[str, Any]:
    """The parts of a report that follow from the evidence."""
    orders = books(evidence.order_events)
    states = Counter(book.status for book in orders.values())
    by_channel: dict[str, Counter[str]] = {}
    for book in orders.values():
        by_channel.setdefault(book.key.rpartition(":")[0], Counter())[book.status] += 1
    for sql in QUERIES.values():
        clickhouse.rows(sql)
    return {
        "orders_by_state": dict(states.most_common()),
        "orders_by_channel": {name: dict(c.most_common()) for name, c in sorted(by_channel.items())},
        "duplicates": _duplicates(evidence),
        "holds": dict(_holds(evidence).most_common()),
        "returns": _returns(evidence),
        "dead_letters": dict(Counter(cause(entry).partition(": ")[0] for entry in evidence.dlq).most_common()),
        "events": {"order_events": len(evidence.order_events), "pool_events": len(evidence.pool_events)},
        "kpis": {view: clickhouse.rows(f"SELECT * FROM {view}") for view in KPI_VIEWS},  # noqa: S608
    }


def _duplicates(evidence: Evidence) -> dict[str, int]:
    """Deliveries that said again what was known, or what was out of date, and changed nothing."""
    found: Counter[str] = Counter()
    for entry in evidence.order_events:
        if entry.data["type"] in ("DUPLICATE", "STALE"):
            name = "repeated" if entry.data["type"] == "DUPLICATE" else "out of date"
            found[f"{entry.data['channel']}: {name}"] += 1
    for entry in evidence.pool_events:
        if entry.data["type"] == "DUPLICATE":
            found["warehouses: repeated"] += 1
    return dict(sorted(found.items()))


def _returns(evidence: Evidence) -> dict[str, int]:
    """Returns by kind and where they ended, parcels that nobody knew, and what waits for a person."""
    last = {entry.data["rma_id"]: entry.data for entry in evidence.order_events if entry.data["rma_id"]}
    found: Counter[str] = Counter()
    for event in last.values():
        found[f"{event['rma_kind']}: {event['rma_status'].lower().replace('_', ' ')}"] += 1
    parcels = {entry.data["order_key"] for entry in evidence.order_events if entry.data["order_key"].startswith(PARCEL)}
    if parcels:
        found["parcels nobody knew"] = len(parcels)
    by_hand = sum(entry.data["type"] == "MANUAL_REFUND" for entry in evidence.order_events)
    if by_hand:
        found["to be paid by hand"] = by_hand
    return dict(sorted(found.items()))


def _holds(evidence: Evidence) -> Counter[str]:
    return Counter(
        entry.data["reason"].partition(":")[0] for entry in evidence.order_events if entry.data["type"] == "HELD"
    )
