"""A pool's past as a file: what it was told (``wharf.pools.in``), and where it reserved (from ``wharf.pools.events``).

An entry is a byte (``I`` input, ``E`` event, ``P``: the inputs of another partition begin), the length of the value in four bytes
(big-endian), and the value as it is on the topic. Events stand before the inputs: they say which depot an allocation id means. The
inputs of a partition stand together and in their order: it has its own clock, and rules took their place in each one.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from domain.records.commands import PoolCommand
from domain.records.events import PoolEvent
from ops.errors import UserError
from schemas.codec import DecodeError, decode, encode
from schemas.patience import partition_counts, passing, patiently
from schemas.topics import POOLS_EVENTS, POOLS_IN

__all__ = ["entries", "fetch", "write"]

_HEAD = struct.Struct(">cI")
_KEPT = frozenset({"RESERVED", "REPLENISHED", "HELD", "UNFILLABLE"})
"""Where units went, and that an order got some back: it will ask for those again."""
_KEPT_HEADERS = frozenset(b"wharfinger." + t.encode() for t in _KEPT)
SECONDS = 15.0


def write(file: BinaryIO, kind: bytes, value: bytes) -> None:
    """Append an entry. ``kind``: ``b"I"``, ``b"E"`` or (with nothing) ``b"P"``."""
    file.write(_HEAD.pack(kind, len(value)))
    file.write(value)


def entries(path: Path) -> Iterator[tuple[int, PoolCommand | PoolEvent | None]]:
    """Every record with the byte behind it (for progress); None where another partition begins. Raises UserError where the file is none of ours, or was cut."""
    with path.open("rb") as file, _mapped(file) as data:
        at, end, head = 0, len(data), _HEAD.size
        while at < end:
            try:
                kind, size = _HEAD.unpack_from(data, at)
                record = None if kind == b"P" else decode(data[at + head : at + head + size] if kind in b"IE" else b"")
            except (struct.error, DecodeError) as e:
                raise UserError(
                    f"{path}: byte {at}: {e}; a log is made by `wharf rules simulate --save-log FILE`"
                ) from e
            at += head + size
            yield at, record  # type: ignore[misc]  # what the two topics carry


@contextmanager
def _mapped(file: BinaryIO) -> Iterator[bytes | mmap.mmap]:
    """The file's content; an empty one can't be mapped."""
    if not os.fstat(file.fileno()).st_size:
        yield b""
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


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
            _read(consumer, POOLS_EVENTS.name, lambda m: _event(file, m), progress)
            cut = _read(consumer, POOLS_IN.name, lambda m: _input(file, m), progress, lambda: write(file, b"P", b""))
    except KafkaException as e:
        raise UserError(f"Kafka at {kafka['bootstrap.servers']}: {e.args[0].str()}") from e
    finally:
        consumer.close()
    return [f"{text} begins at offset {n}: stock and orders from before are not known" for text, n in cut]


def _event(file: BinaryIO, m: Message) -> None:
    value, kind = m.value(), dict(m.headers() or ()).get("ce_type")
    if value and (kind in _KEPT_HEADERS if kind else decode(value).type in _KEPT):
        write(file, b"E", value)


def _input(file: BinaryIO, m: Message) -> None:
    if value := m.value():
        write(file, b"I", value)


def _read(
    consumer: Consumer,
    topic: str,
    take: Callable[[Message], None],
    progress: Callable[[int, int], None],
    apart: Callable[[], None] | None = None,
) -> list[tuple[str, int]]:
    """Hand every message of a topic to ``take``; gives the partitions that no longer begin at 0, with where they do.

    ``apart``: read partition after partition, and call this before each.
    """
    bounds = patiently(lambda: _bounds(consumer, topic))
    filled = [number for number, (low, high) in sorted(bounds.items()) if high > low]
    total, done = sum(value - lo for lo, value in bounds.values()), 0
    for part in [[number] for number in filled] if apart else [filled] if filled else []:
        if apart:
            apart()
        consumer.assign([TopicPartition(topic, number, bounds[number][0]) for number in part])
        for messages in _to_the_end(consumer, topic, set(part)):
            for message in messages:
                take(message)
            done += len(messages)
            progress(done, total)
        consumer.unassign()
    return [(f"{topic}/{item}", low) for item, (low, _) in bounds.items() if low]


def _bounds(consumer: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    """First and next offset of each partition. Raises KafkaException, or UserError where there is no such topic."""
    count = partition_counts(consumer, SECONDS).get(topic, 0)
    if not count:
        raise UserError(f"the topic {topic} is not there: `wharf up` makes it")
    return {
        number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=SECONDS)
        for number in range(count)
    }


def _to_the_end(consumer: Consumer, topic: str, open_: set[int]) -> Iterator[list[Message]]:
    """What is assigned, until every partition has come to its present end."""
    patience = time.monotonic() + SECONDS
    while open_:
        messages = consumer.consume(
            2000, 0.1
        )  # it waits for so many, or for the whole time: a small partition has fewer
        good = []
        if messages:
            patience = time.monotonic() + SECONDS
        elif time.monotonic() > patience:
            raise UserError(f"{topic}: an open transaction is in the way, or Kafka does not answer; try again")
        for message in messages:
            error = message.error()
            if error is None:
                good.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                open_.discard(message.partition())
            elif not passing(error):
                raise KafkaException(error)
        yield good


def save(path: Path, events: Iterable[PoolEvent], inputs: Iterable[PoolCommand]) -> None:
    """Write a log from records, as benchmarks and tests have them."""
    with path.open("wb") as file:
        for event in events:
            if event.type in _KEPT:
                write(file, b"E", encode(event))
        for command in inputs:
            write(file, b"I", encode(command))
