"""A job whose every output can be checked: it numbers the records of each key. Also run as a worker process: see ``main``."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from streams.runtime import Batch, Runtime, RuntimeConfig, RuntimeFailed

PARTITIONS = 4


def now() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Names:
    """The topics of one test."""

    prefix: str

    @property
    def input(self) -> str:
        return f"{self.prefix}.in"

    @property
    def output(self) -> str:
        return f"{self.prefix}.out"

    @property
    def table(self) -> str:
        return f"{self.prefix}.table"

    @property
    def dlq(self) -> str:
        return f"{self.prefix}.dlq"

    def all(self) -> list[NewTopic]:
        compacted = {"cleanup.policy": "compact"}
        names = (self.input, self.output, self.dlq)
        return [NewTopic(n, PARTITIONS, 1) for n in names] + [NewTopic(self.table, PARTITIONS, 1, config=compacted)]


def create(bootstrap: str, names: Names) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})  # held on to: its futures fail without it
    for done in admin.create_topics(names.all()).values():
        done.result(30)
    deadline = time.monotonic() + 120
    while not all(is_led(admin, t.topic) for t in names.all()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_led(admin: AdminClient, topic: str) -> bool:
    """The controller answers before the broker knows."""
    there = admin.list_topics(timeout=10).topics.get(topic)
    return there is not None and all(p.leader >= 0 for p in there.partitions.values())


def config(bootstrap: str, names: Names, **changes: Any) -> RuntimeConfig:
    base = RuntimeConfig(
        bootstrap, names.prefix, now, dlq=names.dlq, session_timeout_ms=2_000, backoff_seconds=0.05, batch_size=200
    )
    return replace(base, **changes)


def counting(runtime: Runtime, names: Names) -> None:
    """Number each key's records; ``poison`` can't be folded."""

    @runtime.agent(names.input, table=names.table)
    async def count(batch: Batch) -> None:
        for message in batch:
            with batch.record(message) as record:
                if not message.key:
                    continue
                number = int(record.table.get(message.key) or b"0") + 1
                record.table.put(message.key, b"%d" % number)
                record.send(names.output, message.key, b"%d" % number, [])
                if message.value == b"poison":
                    raise ValueError("poison")


def produce(bootstrap: str, topic: str, records: list[tuple[bytes, bytes]]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 5})
    for key, value in records:
        producer.produce(topic, value, key, headers=[("ce_id", b"e1"), ("traceparent", b"00-t-s-01")])
    assert producer.flush(20) == 0


def read_all(bootstrap: str, topic: str) -> list[Any]:
    """Every committed record of a topic, as it now stands."""
    reader = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"{topic}-check",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 10,
        }
    )
    count = len(reader.list_topics(topic, 10).topics[topic].partitions)
    reader.assign([TopicPartition(topic, p, 0) for p in range(count)])
    found: list[Any] = []
    ended: set[int] = set()
    while len(ended) < count:
        for m in reader.consume(1000, 0.05):
            if m.error() is None:
                found.append(m)
            else:
                ended.add(m.partition())
    reader.close()
    return found


def numbers(bootstrap: str, topic: str) -> dict[bytes, list[int]]:
    """What the counting job wrote, by key, in order."""
    out: dict[bytes, list[int]] = {}
    for m in read_all(bootstrap, topic):
        out.setdefault(m.key(), []).append(int(m.value()))
    return out


def expected(records: list[tuple[bytes, bytes]]) -> dict[bytes, list[int]]:
    counts = Counter(key for key, _ in records)
    return {key: list(range(1, n + 1)) for key, n in counts.items()}


async def until(done: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for what happens in threads and processes."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(done):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)


def main(bootstrap: str, prefix: str, slot: str) -> None:
    """A worker process."""
    names = Names(prefix)
    runtime = Runtime(config(bootstrap, names, slot=int(slot)))
    counting(runtime, names)
    try:
        asyncio.run(runtime.run())
    except RuntimeFailed as e:
        sys.exit(f"{type(e).__name__}: {e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
