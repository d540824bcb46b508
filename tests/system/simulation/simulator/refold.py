"""The same decisions without anything that can fail: each input partition folded once, in order, by the agents' pure part.

It shares the domain with the product, for that is what defines the right answer; of the runtime only the table and batch in memory.
What was published and what the changelogs hold must be the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from schemas.topics import DLQ, EFFECTS, ORDERS_EVENTS, ORDERS_IN, ORDERS_TABLE, POOLS_EVENTS, POOLS_IN, POOLS_TABLE
from streams.orders import orders
from streams.pools import pools
from streams.runtime import Batch, Message, Table

from .log import Log

__all__ = ["compare"]

_NOT_FOLDED = {(6).to_bytes(4, "big"), (18).to_bytes(4, "big")}
"""Schema ids of EffectOutcome and Tick: written by others than the folds."""
_OUT = (ORDERS_EVENTS.name, POOLS_EVENTS.name, EFFECTS.name)
_IN = (ORDERS_IN.name, POOLS_IN.name)


def compare(log: Log, deliveries: list[tuple[str, bytes, bytes]]) -> Iterator[str]:
    """Every difference between the run and the plain fold of its input."""
    expected: Counter[tuple[str, bytes, bytes]] = Counter()
    letters: Counter[tuple[bytes, ...]] = Counter()
    for topic, table, agent in (
        (ORDERS_IN.name, ORDERS_TABLE.name, orders),
        (POOLS_IN.name, POOLS_TABLE.name, pools),
    ):
        for n, p in enumerate(log.topics[topic]):
            entries, _ = p.committed(0, p.end)
            folded = Table.empty(f"{table}/{n}")
            messages = [
                Message(topic, n, e.offset, e.key or b"", e.value or b"", e.headers, e.timestamp) for e in entries
            ]
            batch = Batch(topic, messages, {n: folded})
            for out in _run(agent, batch):
                if out.topic == DLQ.name:
                    letters[_place(out.headers)] += 1
                else:
                    expected[out.topic, out.key, out.value or b""] += 1
            folded.seal(p.end)
            folded.apply()
            if dict(folded.items()) != _changelog(log, table, n):
                yield f"refold: {table}/{n} is not the fold of its input"
    actual = Counter((t, e.key or b"", e.value or b"") for t in (*_OUT, *_IN) for _, e in log.records(t))
    actual -= Counter(deliveries)
    for place in [a for a in actual if a[0] in _IN and a[2][1:5] in _NOT_FOLDED]:
        del actual[place]
    for what, difference in (("lacks", expected - actual), ("has too many", actual - expected)):
        for topic, n in sorted(Counter(t for t, _, _ in difference.elements()).items()):
            yield f"refold: {topic} {what}: {n}"
    found = Counter(_place(e.headers) for _, e in log.records(DLQ.name))
    found = Counter({k: v for k, v in found.items() if k[0].decode() in _IN})
    if found != letters:
        yield f"refold: dead letters are {found - letters} more, {letters - found} fewer"


def _run(agent: object, batch: Batch) -> list[object]:
    coroutine = agent(batch)  # type: ignore[operator]
    try:
        coroutine.send(None)
    except StopIteration:
        return batch.outputs
    raise AssertionError("a deciding agent must not wait for anything")


def _place(headers: list[tuple[str, bytes]]) -> tuple[bytes, ...]:
    h = dict(headers)
    return tuple(h.get(f"__connect.errors.{n}", b"") for n in ("topic", "partition", "offset"))


def _changelog(log: Log, topic: str, number: int) -> dict[bytes, bytes]:
    content: dict[bytes, bytes] = {}
    for n, e in log.records(topic):
        if n == number:
            if e.value is None:
                content.pop(e.key or b"", None)
            else:
                content[e.key or b""] = e.value
    content.pop(b"\x00head", None)
    return content
