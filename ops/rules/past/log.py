"""A pool's past as a file: what it was told (``wharf.pools.in``), and where it reserved (from ``wharf.pools.events``).

An entry is a byte (``I`` input, ``E`` event), the length of the value in four bytes (big-endian), and the value as it is on the
topic. Events stand before the inputs: they say which depot an allocation id means.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from domain.commands import PoolCommand
from domain.events import PoolEvent
from ops.errors import UserError
from schemas.codec import DecodeError, decode, encode
from schemas.topics import POOLS_EVENTS, POOLS_IN

__all__ = ["entries", "fetch", "write"]

_HEAD = struct.Struct(">cI")
_KEPT = frozenset({"RESERVED", "REPLENISHED", "HELD", "UNFILLABLE"})
"""Where units went, and that an order got some back: it will ask for those again."""
SECONDS = 15.0


def write(file: BinaryIO, kind: bytes, value: bytes) -> None:
    """Append an entry. ``kind``: ``b"I"`` or ``b"E"``."""
    file.write(_HEAD.pack(kind, len(value)))
    file.write(value)


def entries(path: Path) -> Iterator[tuple[int, PoolCommand | PoolEvent]]:
    """Every record with the byte behind it (for progress). Raises UserError where the file is none of ours, or was cut."""
    at = 0
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            try:
                kind, size = _HEAD.unpack(head)
                record = decode(file.read(size) if kind in b"IE" else b"")
            except (struct.error, DecodeError) as e:
                raise UserError(
                    f"{path}: byte {at}: {e}; a log is made by `wharf rules simulate --save-log FILE`"
                ) from e
            at += _HEAD.size + size
            yield at, record  # type: ignore[misc]  # what the two topics carry


def fetch(path: Path, kafka: Mapping[str, str], progress: Callable[[int, int], None]) -> list[str]:
    """Read both topics to their present ends into ``path``; gives what stands against trusting it. Raises UserError."""
    consumer = Consumer(
        {
            **kafka,
            "group.id": "wharf-rules-simulate",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        with path.open("wb") as file:
            _read(consumer, POOLS_EVENTS.name, lambda v: _event(file, v), progress)
            cut = _read(consumer, POOLS_IN.name, lambda v: write(file, b"I", v), progress)
    except KafkaException as e:
        raise UserError(f"Kafka at {kafka['bootstrap.servers']}: {e.args[0].str()}") from e
    finally:
        consumer.close()
    return [f"{p} begins at offset {n}: stock and orders from before are not known" for p, n in cut]


def _event(file: BinaryIO, value: bytes) -> None:
    event = decode(value)
    if event.type in _KEPT:
        write(file, b"E", value)


def _read(
    consumer: Consumer, topic: str, take: Callable[[bytes], None], progress: Callable[[int, int], None]
) -> Iterable[tuple[str, int]]:
    """Hand every value of a topic to ``take``; gives the partitions that no longer begin at 0, with where they do."""
    found = consumer.list_topics(topic, timeout=SECONDS).topics[topic]
    if found.error or not found.partitions:
        raise UserError(f"the topic {topic} is not there: `wharf up` makes it")
    bounds = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=SECONDS) for p in found.partitions}
    open_, total, done = (
        {p for p, (low, high) in bounds.items() if high > low},
        sum(h - lo for lo, h in bounds.values()),
        0,
    )
    consumer.assign([TopicPartition(topic, p, bounds[p][0]) for p in open_])
    while open_:
        messages = consumer.consume(2000, SECONDS if not done else 1.0)
        if not messages and not done:
            raise UserError(f"{topic}: an open transaction is in the way, or Kafka does not answer; try again")
        for m in messages:
            error = m.error()
            if error and error.code() == KafkaError._PARTITION_EOF:
                open_.discard(m.partition())
            elif error:
                raise KafkaException(error)
            elif value := m.value():
                take(bytes(value))
                done += 1
        progress(done, total)
    consumer.unassign()
    return [(f"{topic}/{p}", low) for p, (low, _) in bounds.items() if low]


def save(path: Path, events: Iterable[PoolEvent], inputs: Iterable[PoolCommand]) -> None:
    """Write a log from records, as benchmarks and tests have them."""
    with path.open("wb") as file:
        for e in events:
            if e.type in _KEPT:
                write(file, b"E", encode(e))
        for c in inputs:
            write(file, b"I", encode(c))
