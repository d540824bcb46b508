"""A broker as a worker with many open orders left it: both changelogs with their heads, and the group's offsets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.lives import open_orders
from schemas.topics import ORDERS_IN, ORDERS_TABLE, POOLS_IN, POOLS_TABLE
from streams.app import GROUPS
from streams.runtime.head import HEAD, Head, fingerprint

__all__ = ["PARTITIONS", "fill", "produce", "producer"]

PARTITIONS = 4
_TABLES = {ORDERS_IN.name: ORDERS_TABLE.name, POOLS_IN.name: POOLS_TABLE.name}


def producer(bootstrap: str) -> Producer:
    """One that takes much at once."""
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 20,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 500_000,
        }
    )


def produce(to: Producer, topic: str, key: bytes, value: bytes, partition: int = -1) -> None:
    """Waits while the local queue is full."""
    while True:
        try:
            to.produce(topic, value, key, partition)
        except BufferError:
            to.poll(0.1)
        else:
            return


def fill(bootstrap: str, orders: int, *, updates: int = 1, pools: int | None = None) -> int:
    """Write the rows of ``orders`` open orders, each ``updates`` times, and commit input offset 0. Returns the bytes.

    ``pools``: the partition that holds the pool; None leaves the pools' table empty.
    """
    to, written = producer(bootstrap), 0
    sums: dict[tuple[str, int], list[int]] = {}
    for topic in _TABLES if pools is not None else (ORDERS_IN.name,):
        sums |= {(topic, partition): [0, 0] for partition in range(PARTITIONS)}
    number = 0
    for topic, key, value in open_orders(orders):
        if topic == POOLS_IN.name and pools is None:
            continue
        number += topic == ORDERS_IN.name
        partition = number % PARTITIONS if topic == ORDERS_IN.name else pools or 0
        held = sums[topic, partition]
        held[0] += 1
        held[1] += fingerprint(key, value)
        for _ in range(updates):
            produce(to, _TABLES[topic], key, value, partition)
            written += len(key) + len(value)
    _heads(to, sums)
    if to.flush(120):
        raise RuntimeError("the broker did not take the whole changelog within 120 s")
    group: Any = Consumer({"bootstrap.servers": bootstrap, "group.id": GROUPS["core"]})
    group.commit(offsets=[TopicPartition(*tp, 0) for tp in sums], asynchronous=False)
    group.close()
    return written


def _heads(to: Producer, sums: Mapping[tuple[str, int], list[int]]) -> None:
    for (topic, partition), (count, total) in sums.items():
        head = Head(0, count, total % (1 << 64))
        produce(to, _TABLES[topic], HEAD, msgspec.msgpack.encode(head), partition)
