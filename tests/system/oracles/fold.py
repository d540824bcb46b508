"""State = the fold of its log: each input partition folded once, in order, in memory, against what was published and the tables.

It shares the *decisions* (the agents' pure part) with the product, for those define the right answer, and nothing of what the faults
strike: no transactions, no changelog, no restore, no rebalance. Whatever a crash lost, doubled or took from another moment differs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from lab.demo.checks.finding import Finding, found

from .rawlog import Raw, read

__all__ = ["check"]

IDS = json.loads((Path(__file__).parents[3] / "schemas" / "ids.json").read_text())
OUT = ("wharf.orders.events", "wharf.pools.events", "wharf.effects")
IN = {"wharf.orders.in": "wharf.orders.table", "wharf.pools.in": "wharf.pools.table"}
PROMISE = "tables and everything published equal the brute-force fold of the input"
CHUNK = 2_000
REFETCH = IDS.get("ChannelRefetch", -1)
TICK = IDS["Tick"].to_bytes(4, "big")
HEAD = b"\x00head"
"""The record of a table that says up to which input offset it is folded: the first item of a msgpack array."""
STOCK = IDS["StockReported"].to_bytes(4, "big")
ORDERS = b"\x0corders"
"""``source`` of what the orders' agent publishes, as Avro writes it: its length, then its bytes."""
Published = Counter[tuple[str, bytes, bytes]]


def check(bootstrap: str) -> Finding:
    """Read everything and compare."""
    inputs = {topic: list(read(bootstrap, topic)) for topic in IN}
    expected: Published = Counter()
    violations: list[str] = []
    keys = 0
    for topic, table in IN.items():
        tables = _tables(read(bootstrap, table))
        heads = {n: msgspec.msgpack.decode(t.pop(HEAD))[0] for n, t in tables.items() if HEAD in t}
        for number in sorted({r.partition for r in inputs[topic]}):
            mine = [r for r in inputs[topic] if r.partition == number]
            end = heads.get(number, 0)
            waiting = [r for r in mine if r.offset >= end and (r.value or b"")[1:5] != TICK]
            if waiting:
                violations.append(
                    f"{topic}/{number}: {len(waiting)} records were never worked, {waiting[0].offset} first"
                )
            # A worker that is stopped leaves the tick it wrote last: the table stands before it.
            folded, published = _fold(topic, table, number, [r for r in mine if r.offset < end])
            expected += published
            keys += len(folded)
            violations += _compare(f"{table}/{number}", folded, tables.get(number, {}))
    ours = {(t, v[1:5]) for t, _, v in expected if t in IN}
    actual: Published = Counter(
        (t, r.key, r.value or b"")
        for t in IN
        for r in inputs[t]
        if (t, (r.value or b"")[1:5]) in ours and not _from_outside(r.value or b"")
    )
    for topic in OUT:
        refetch = REFETCH.to_bytes(4, "big", signed=True)  # what a webhook asks to be fetched anew comes from outside
        actual += Counter(
            (topic, r.key, r.value or b"") for r in read(bootstrap, topic) if (r.value or b"")[1:5] != refetch
        )
    for what, difference in (("lacks", expected - actual), ("has too many", actual - expected)):
        for topic, n in sorted(Counter(t for t, _, _ in difference.elements()).items()):
            violations.append(f"{topic} {what} {n} records")
    figures = {"inputs": sum(map(len, inputs.values())), "published": sum(expected.values()), "keys": keys}
    return found("fold", PROMISE, figures, violations)


def _from_outside(value: bytes) -> bool:
    """Stock comes from the orders (a return that was inspected) and from `wharf stock report`: the latter nobody folded."""
    return value[1:5] == STOCK and ORDERS not in value


def _fold(topic: str, table: str, number: int, records: list[Raw]) -> tuple[dict[bytes, bytes], Published]:
    from streams.orders import orders
    from streams.pools import pools
    from streams.runtime import Batch, Message, Table

    agent: Any = orders if topic == "wharf.orders.in" else pools
    folded = Table.empty(f"{table}/{number}")
    published: Published = Counter()
    for begin in range(0, len(records), CHUNK):
        part = records[begin : begin + CHUNK]
        batch = Batch(
            topic,
            [Message(topic, r.partition, r.offset, r.key, r.value or b"", r.headers, r.timestamp) for r in part],
            {number: folded},
        )
        try:
            agent(batch).send(None)
        except StopIteration:
            pass
        else:
            raise AssertionError("a deciding agent must not wait for anything")
        published.update((o.topic, o.key, o.value or b"") for o in batch.outputs if o.topic != "wharf.dlq")
        folded.seal(part[-1].offset + 1)
        folded.apply()
    return dict(folded.items()), published


def _tables(records: Iterable[Raw]) -> dict[int, dict[bytes, bytes]]:
    tables: dict[int, dict[bytes, bytes]] = {}
    for r in records:
        table = tables.setdefault(r.partition, {})
        if r.value is None:
            table.pop(r.key, None)
        else:
            table[r.key] = r.value
    return tables


def _compare(name: str, folded: dict[bytes, bytes], table: dict[bytes, bytes]) -> list[str]:
    if folded == table:
        return []
    bad = [k for k in folded.keys() | table.keys() if folded.get(k) != table.get(k)]
    return [f"{name}: {len(bad)} of {len(folded)} keys differ from the fold, {sorted(bad)[0]!r} first"]
