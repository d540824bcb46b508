"""Each event of the log is in ClickHouse exactly once, with every field as it was written."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

from .evidence import Evidence, Rows
from .finding import Finding, found
from .log import Entry

__all__ = ["check"]

PROMISE = (
    "each event once in ClickHouse: count = distinct ids = the log's count, and equal row hashes for each partition"
)
SEPARATOR = "\x1f"

Columns = dict[str, str]
"""Column to kind: text, number, ms (a time), flag, or ``each:FIELD:COLUMN`` lists by their base name."""

RETURNED = (
    *("line_id", "sku", "qty", "reason", "disposition", "depot"),
    *("note", "amount", "tax", "fee", "value", "stock_sku"),
)
METADATA: Columns = {"event_id": "text", "type": "text", "time": "ms", "source": "text", "trace": "text"}
ORDER: Columns = METADATA | {
    "order_key": "text",
    "seq": "number",
    "channel": "text",
    "account": "text",
    "order_id": "text",
    "status": "text",
    "occurred_at": "ms",
    "placed_at": "ms",
    "country": "text",
    "lines.line_id": "list",
    "lines.sku": "list",
    "lines.qty": "list",
    "lines.amount": "list",
    "complete": "flag",
    "allocation_id": "text",
    "shipment_id": "text",
    "depot": "text",
    "service": "text",
    "carrier": "text",
    "tracking_number": "text",
    "ship_by": "ms",
    "eta": "ms",
    "amount": "number",
    "cost": "number",
    "currency": "text",
    "group_id": "text",
    "reason": "text",
    "actor": "text",
    "intervention": "flag",
    "rule_version": "text",
    "decision": "text",
    "cost_currency": "text",
    "name": "text",
    "rma_id": "text",
    "rma_kind": "text",
    "rma_status": "text",
    **{f"returned.{field}": "list" for field in RETURNED},
    "tax": "number",
    "fees": "number",
}
POOL: Columns = METADATA | {
    "pool": "text",
    "seq": "number",
    "order_key": "text",
    "allocation_id": "text",
    "depot": "text",
    "moves.sku": "list",
    "moves.depot": "list",
    "moves.quality": "list",
    "moves.on_hand_delta": "list",
    "moves.reserved_delta": "list",
    "moves.on_hand": "list",
    "moves.reserved": "list",
    "rule_version": "text",
    "reason": "text",
    "reference": "text",
    "decision": "text",
}
_SQL = {
    "text": "toString({0})",
    "number": "toString({0})",
    "ms": "ifNull(toString(toUnixTimestamp64Milli({0})), '')",
    "flag": "toString(toUInt8({0}))",
    "list": "arrayStringConcat(arrayMap(x -> toString(x), {0}), ',')",
}


def check(evidence: Evidence) -> Finding:
    """Check the promise that the module's docstring states."""
    violations: list[str] = []
    figures: dict[str, Any] = {}
    for table, columns, entries in (
        ("order_events", ORDER, evidence.order_events),
        ("pool_events", POOL, evidence.pool_events),
    ):
        violations += _unique(table, entries)
        violations += _counts(table, entries, evidence.rows)
        violations += _hashes(table, columns, entries, evidence.rows)
        figures[table] = len(entries)
    return found("events_once", PROMISE, figures, violations)


def _unique(table: str, entries: list[Entry]) -> list[str]:
    ids = Counter(entry.data["event_id"] for entry in entries)
    return [f"{table}: event {event_id} is {n} times in the log" for event_id, n in ids.items() if n > 1]


def _counts(table: str, entries: list[Entry], rows: Rows) -> list[str]:
    (row,) = rows(
        f"SELECT count() AS rows, uniqExact(event_id) AS ids, uniqExact(kafka_partition, kafka_offset) AS places FROM {table}"  # noqa: S608
    )
    return [
        f"{table}: {row[k]} {k} in ClickHouse, {len(entries)} records in the log" for k in row if row[k] != len(entries)
    ]


def _hashes(table: str, columns: Columns, entries: list[Entry], rows: Rows) -> list[str]:
    ours: Counter[int] = Counter()
    for entry in entries:
        ours[entry.partition] = (ours[entry.partition] + row_hash(entry, columns)) % 2**64
    theirs = {row["kafka_partition"]: row["hash"] for row in rows(hash_query(table, columns))}
    return [
        f"{table}: partition {p} has other rows in ClickHouse than in the log"
        for p in sorted({*ours, *theirs})
        if ours.get(p) != theirs.get(p)
    ]


def row_hash(entry: Entry, columns: Columns) -> int:
    """The first 64 bits of the MD5 over the record's place and every field."""
    parts = [str(entry.offset), *(_text(entry.data, name, kind) for name, kind in columns.items())]
    digest = hashlib.md5(SEPARATOR.join(parts).encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "little")


def _text(data: dict[str, Any], name: str, kind: str) -> str:
    if kind == "list":
        base, _, field = name.partition(".")
        items: Iterable[dict[str, Any]] = data[base]
        return ",".join(str(item[field]) for item in items)
    value = data[name]
    if kind == "flag":
        return str(int(value))
    return "" if value is None else str(value)


def hash_query(table: str, columns: Columns) -> str:
    """The same, asked of ClickHouse: the sum (mod 2^64) of the hashes for each partition."""
    parts = ["toString(kafka_offset)", *(_SQL[kind].format(f"`{name}`") for name, kind in columns.items())]
    text = f"concatWithSeparator('{SEPARATOR}', {', '.join(parts)})"
    return (
        f"SELECT kafka_partition, sum(reinterpretAsUInt64(substring(MD5({text}), 1, 8))) AS hash "  # noqa: S608
        f"FROM {table} GROUP BY kafka_partition"
    )
