"""The raw log, read by nothing of the product: confluent-kafka for the bytes, fastavro and the ``.avsc`` files for their meaning."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

__all__ = ["Entry", "decode", "read_topic"]

SCHEMAS = Path(__file__).resolve().parents[3] / "schemas"
MAGIC = 0
HEADER = 5
_BROKEN = (EOFError, ValueError, IndexError, KeyError, OverflowError, TypeError)
"""What fastavro raises for a body that was cut or is none."""
"""Confluent wire format: a zero byte, the schema id (4 bytes, big endian), the Avro body."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One committed record. ``name`` is its Avro type and ``data`` its fields; ``""`` and ``{}`` where it is not Avro of ours."""

    topic: str
    partition: int
    offset: int
    key: str
    name: str
    data: dict[str, Any]
    headers: dict[str, str]
    value: bytes


@cache
def _names() -> dict[int, str]:
    return {number: name for name, number in json.loads((SCHEMAS / "ids.json").read_text()).items()}


@cache
def _schema(name: str) -> Any:
    return fastavro.parse_schema(json.loads((SCHEMAS / "avro" / f"{name}.avsc").read_text()))


def decode(value: bytes) -> tuple[str, dict[str, Any]]:
    """The Avro type and the fields of a value; ``("", {})`` where it is not in the wire format, not of a known type, or broken."""
    if len(value) < HEADER or value[0] != MAGIC:
        return "", {}
    name = _names().get(int.from_bytes(value[1:HEADER], "big"), "")
    if not name:
        return "", {}
    try:
        data: Any = fastavro.schemaless_reader(BytesIO(value[HEADER:]), _schema(name), None)
    except _BROKEN:
        return "", {}
    return name, data


def read_topic(bootstrap: str, topic: str, decoded: bool = True) -> Iterator[Entry]:
    """Every committed record of a topic from its beginning to its present end, partition by partition in offset order.

    Raises KafkaException for what the broker refuses.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "wharf-demo-checks",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 20,
        }
    )
    try:
        count = _partitions(consumer, topic)
        consumer.assign([TopicPartition(topic, number, 0) for number in range(count)])
        yield from _to_end(consumer, set(range(count)), decoded)
    finally:
        consumer.close()


def _to_end(consumer: Consumer, open_partitions: set[int], decoded: bool) -> Iterator[Entry]:
    while open_partitions:
        for message in consumer.consume(2000, timeout=0.2):
            error = message.error()
            if error is None:
                yield _entry(message, decoded)
            elif error.code() == KafkaError._PARTITION_EOF:
                open_partitions.discard(message.partition())
            elif not _passes(error):
                raise KafkaException(error)


def _partitions(consumer: Consumer, topic: str) -> int:
    """How many partitions ``topic`` has, asked again for 30 s while it has no leader. Raises KafkaException where there is none:
    nothing to read is no finding, so a topic that is not there must not pass for an empty one.
    """
    end = time.monotonic() + 30
    while True:
        try:
            found = consumer.list_topics(topic, timeout=10).topics[topic]
            if found.error is None and found.partitions:
                return len(found.partitions)
            error = found.error or KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, f"{topic} is not there")
        except KafkaException as e:
            error = e.args[0]
        missing = error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
        if missing or not _passes(error) or time.monotonic() > end:
            raise KafkaException(error)
        time.sleep(0.2)


def _passes(error: KafkaError) -> bool:
    """Whether a broker that starts or hands over may have said so."""
    passing = (KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_LEADER_EPOCH)
    return not error.fatal() and (error.retriable() or error.code() in (*passing, KafkaError._TRANSPORT))


def _entry(message: Any, decoded: bool) -> Entry:
    value = message.value() or b""
    name, data = decode(value) if decoded else ("", {})
    headers = {k: (v or b"").decode("utf-8", "replace") for k, v in _pairs(message.headers())}
    key = (message.key() or b"").decode("utf-8", "replace")
    return Entry(message.topic(), message.partition(), message.offset(), key, name, data, headers, value)


def _pairs(headers: Iterable[tuple[str, bytes]] | None) -> Iterable[tuple[str, bytes]]:
    return headers or ()
