"""What must be true of a run at rest, judged from the committed log, ClickHouse's rows and the ledgers outside. No product code here:

records are read with fastavro and the published schemas, tables as plain msgpack by the position of their fields.
"""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import msgspec

from .clickhouse import ClickHouse
from .log import Log
from .outside import Ledger

__all__ = ["judge", "read"]

_SCHEMAS = Path(__file__).parents[4] / "schemas"
_IDS = json.loads((_SCHEMAS / "ids.json").read_text())
_PARSED: dict[int, tuple[str, Any]] = {}
_HEAD = b"\x00head"


def read(value: bytes) -> tuple[str, dict[str, Any]]:
    """Type name and fields of a record in the Confluent wire format. Raises ValueError for anything else."""
    number = int.from_bytes(value[1:5], "big")
    if len(value) < 6 or value[0] != 0 or number not in _IDS.values():
        raise ValueError("not ours")
    if number not in _PARSED:
        name = next(n for n, i in _IDS.items() if i == number)
        _PARSED[number] = (
            name,
            fastavro.parse_schema(json.loads((_SCHEMAS / "avro" / f"{name}.avsc").read_text()), named_schemas={}),
        )
    name, schema = _PARSED[number]
    return name, fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None)


def judge(
    log: Log,
    clickhouse: ClickHouse,
    ledger: Ledger,
    deliveries: list[tuple[str, bytes, bytes]],
) -> list[str]:
    """Every violation found."""
    order_events = [read(e.value or b"")[1] for _, e in log.records("wharf.orders.events")]
    pool_events = [read(e.value or b"")[1] for _, e in log.records("wharf.pools.events")]
    facts = [read(v) for _, _, v in deliveries if v[:1] == b"\x00" and v != b"\x00nonsense"]
    return [
        *_sequences("order", "order_key", order_events),
        *_sequences("pool", "pool", pool_events),
        *_stock(pool_events, facts, ledger, order_events),
        *_placed(order_events, facts),
        *_shipments(order_events, facts, ledger),
        *_order_table(log, order_events, ledger),
        *_duplicates(order_events, facts),
        *_tables(log, pool_events),
        *_effects(log, ledger),
        *_dead_letters(log, deliveries),
        *_sink(log, clickhouse),
    ]


def _sequences(what: str, key: str, events: list[dict[str, Any]]) -> Iterator[str]:
    """Each event once, counted from 1 without a gap, in the order of the log."""
    seen: dict[str, list[int]] = defaultdict(list)
    for e in events:
        seen[e[key]].append(e["seq"])
    for name, seqs in seen.items():
        if seqs != list(range(1, len(seqs) + 1)):
            yield f"events: {what} {name} has the sequence {seqs}"
    for event_id, n in Counter(e["event_id"] for e in events).items():
        if n > 1:
            yield f"events: {what} event {event_id} is there {n} times"


def _stock(
    events: list[dict[str, Any]], facts: list[Any], ledger: Ledger, order_events: list[dict[str, Any]]
) -> Iterator[str]:
    """Never negative in any prefix, each move joins the last, and what came in is there or was shipped."""
    stands: dict[tuple[str, str, str], tuple[int, int]] = {}
    for e in events:
        for m in e["moves"]:
            place = (m["depot"], m["sku"], m["quality"])
            on_hand, reserved = stands.get(place, (0, 0))
            now = (on_hand + m["on_hand_delta"], reserved + m["reserved_delta"])
            if now != (m["on_hand"], m["reserved"]):
                yield f"stock: {place} was {(on_hand, reserved)}, event {e['seq']} leaves {m['on_hand']}, {m['reserved']}"
            if not 0 <= m["reserved"] <= m["on_hand"]:
                yield f"stock: {place} is {m['on_hand']} with {m['reserved']} reserved after event {e['seq']}"
            stands[place] = (m["on_hand"], m["reserved"])
    received: Counter[str] = Counter()
    for _, sku, qty in {(f["idempotency_key"], f["sku"], f["qty"]) for name, f in facts if name == "StockReported"}:
        received[sku] += qty
    sku_of = {(e["order_key"], x["line_id"]): x["sku"] for e in order_events for x in e["lines"]}
    for key, line, n in ledger.shipped:
        received[sku_of.get((key, line), "?")] -= n
    held: Counter[str] = Counter()
    for (_, sku, _), (on_hand, reserved) in stands.items():
        held[sku] += on_hand
        if reserved:
            yield f"stock: {reserved} of {sku} are still reserved at rest"
    for sku in received.keys() | held.keys():
        if received[sku] != held[sku]:
            yield f"stock: {sku}: {received[sku]} should be there (received less shipped), {held[sku]} are"


def _placed(events: list[dict[str, Any]], facts: list[Any]) -> Iterator[str]:
    """One PLACED an order."""
    placed = Counter(e["order_key"] for e in events if e["type"] == "PLACED")
    shown = {f["order_key"] for name, f in facts if name == "OrderUpserted"}
    for key in shown:
        if placed[key] != 1:
            yield f"orders: {key} was placed {placed[key]} times"


def _shipments(events: list[dict[str, Any]], facts: list[Any], ledger: Ledger) -> Iterator[str]:
    """Shipped units as the 3PL's ledger has them, never above what was ordered."""
    told: Counter[tuple[str, str]] = Counter()
    for e in events:
        if e["type"] == "SHIPPED":
            for x in e["lines"]:
                told[e["order_key"], x["line_id"]] += x["qty"]
    left = _left(ledger)
    for unit in told.keys() | left.keys():
        if told[unit] != left[unit]:
            yield f"orders: {left[unit]} of {unit} left the warehouse, the events say {told[unit]}"
    wanted: dict[tuple[str, str], int] = {}
    for name, f in facts:
        if name == "OrderUpserted":
            for x in f["order"]["lines"]:
                unit = (f["order_key"], x["line_id"])
                wanted[unit] = max(wanted.get(unit, 0), x["qty"])
    for unit, n in left.items():
        if n > wanted.get(unit, 0):
            yield f"orders: {n} of {unit} were shipped, {wanted.get(unit, 0)} ordered"


def _left(ledger: Ledger) -> Counter[tuple[str, str]]:
    """Units that left the warehouse, by order and line."""
    left: Counter[tuple[str, str]] = Counter()
    for key, line, n in ledger.shipped:
        left[key, line] += n
    return left


def _order_table(log: Log, events: list[dict[str, Any]], ledger: Ledger) -> Iterator[str]:
    """Each order stands where its events end, no unit is lost, none is under way at rest."""
    left = _left(ledger)
    count = Counter(e["order_key"] for e in events)
    for key, state in _table(log, "wharf.orders.table").items():
        if key.startswith(b"\x00"):
            continue
        fields = msgspec.msgpack.decode(state)
        if fields[1] != count[key.decode()]:
            yield f"orders: the table has {key!r} at event {fields[1]}, the log at {count[key.decode()]}"
        for x in fields[5]:
            ordered, opened, requested, back, allocated, picked, shipped, cancelled = x[13:21]
            if ordered != opened + requested + back + allocated + picked + shipped + cancelled:
                yield f"orders: units of {key!r} {x[0]} are lost: {x[13:21]}"
            if requested or allocated or picked:
                yield f"orders: units of {key!r} {x[0]} hang at rest: requested, …, allocated, picked are {x[15:19]}"
            if shipped != left[key.decode(), x[0]]:
                yield f"orders: the table says {shipped} of {key!r} {x[0]} were shipped, the ledger {left[key.decode(), x[0]]}"


def _duplicates(events: list[dict[str, Any]], facts: list[Any]) -> Iterator[str]:
    """Every repeat of a delivery is counted as one, whenever it came."""
    came: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, f in facts:
        if name in ("OrderUpserted", "OrderCancelled"):
            came[f["order_key"], f["idempotency_key"]].append(f["content_hash"])
    counted = Counter((e["order_key"], e["reason"]) for e in events if e["type"] == "DUPLICATE")
    for fact, hashes in came.items():
        if len(set(hashes)) == 1 and counted[fact] != len(hashes) - 1:
            yield f"duplicates: {fact} came {len(hashes)} times, {counted[fact]} were counted as duplicates"


def _table(log: Log, topic: str) -> dict[bytes, bytes]:
    """A table as its changelog has it."""
    content: dict[tuple[int, bytes], bytes] = {}
    for n, e in log.records(topic):
        if e.value is None:
            content.pop((n, e.key or b""), None)
        else:
            content[n, e.key or b""] = e.value
    return {k: v for (_, k), v in content.items() if k != _HEAD}


def _tables(log: Log, pool_events: list[dict[str, Any]]) -> Iterator[str]:
    """The stock in the pools table is the sum of the moves in the log."""
    stands: Counter[tuple[str, str, str]] = Counter()
    for e in pool_events:
        for m in e["moves"]:
            stands[m["depot"], m["sku"], m["quality"]] += m["on_hand_delta"]
    table: Counter[tuple[str, str, str]] = Counter()
    for key, value in _table(log, "wharf.pools.table").items():
        if key.split(b"/")[1:2] == [b"s"]:
            sku, rows, *_ = msgspec.msgpack.decode(value)
            for depot, quality, on_hand, *_ in rows:
                table[depot, sku, quality] += on_hand
    for place in stands.keys() | table.keys():
        if stands[place] != table[place]:
            yield f"tables: {place} is {table[place]} in the table, the moves sum to {stands[place]}"


def _effects(log: Log, ledger: Ledger) -> Iterator[str]:
    """Each effect once, with one outcome; the channel heard of each once."""
    effects = [read(e.value or b"") for _, e in log.records("wharf.effects")]
    outcomes: Counter[str] = Counter()
    for _, e in log.records("wharf.orders.in"):
        if e.value and e.value[1:5] == _IDS["EffectOutcome"].to_bytes(4, "big"):
            outcomes[read(e.value)[1]["effect_id"]] += 1
    for event_id, n in Counter(f["event_id"] for _, f in effects).items():
        if n > 1:
            yield f"effects: {event_id} is there {n} times"
        if outcomes[event_id] != 1:
            yield f"effects: {event_id} has {outcomes[event_id]} outcomes"
    told = Counter(ledger.told)
    for name, f in effects:
        if name in ("ChannelShipment", "ChannelCancel") and told[f["event_id"]] != 1:
            yield f"effects: the channel was told {told[f['event_id']]} times of {f['event_id']}"


def _dead_letters(log: Log, deliveries: list[tuple[str, bytes, bytes]]) -> Iterator[str]:
    """What can't be read is in the DLQ, once; nothing is there twice."""
    letters = Counter()
    poison = 0
    for _, e in log.records("wharf.dlq"):
        h = dict(e.headers)
        letters[tuple(h.get(f"__connect.errors.{n}", b"") for n in ("topic", "partition", "offset"))] += 1
        poison += e.value == b"\x00nonsense"
    for place, n in letters.items():
        if n > 1:
            yield f"dlq: {place} is there {n} times"
    sent = sum(v == b"\x00nonsense" for _, _, v in deliveries)
    if poison != sent:
        yield f"dlq: {sent} records could not be read, {poison} are in the DLQ"


def _sink(log: Log, clickhouse: ClickHouse) -> Iterator[str]:
    """Each committed event is one row, without FINAL: a zombie's late insert is fenced too."""
    for topic, table in (("wharf.orders.events", "order_events"), ("wharf.pools.events", "pool_events")):
        expected = Counter((n, e.offset, read(e.value or b"")[1]["event_id"]) for n, e in log.records(topic))
        rows = Counter((r["kafka_partition"], r["kafka_offset"], r["event_id"]) for r in clickhouse.rows[table])
        if missing := expected - rows:
            yield f"sink: {table} lacks {sum(missing.values())} of {sum(expected.values())} events"
        if more := rows - expected:
            yield f"sink: {table} has {sum(more.values())} rows too many"
