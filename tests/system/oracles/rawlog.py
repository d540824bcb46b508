"""The log as bytes, read by nothing of the product: every committed record of a topic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

__all__ = ["Raw", "read"]


class Raw(NamedTuple):
    """One committed record."""

    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]
    timestamp: int


def read(bootstrap: str, topic: str) -> Iterator[Raw]:
    """From the beginning to the present end, each partition in offset order. Raises KafkaException."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "wharf-demo-oracles",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",  # a log that was cut begins later than at 0
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
        }
    )
    try:
        left = set(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, p, 0) for p in sorted(left)])
        while left:
            for m in consumer.consume(2000, timeout=0.2):
                error = m.error()
                if error is None:
                    yield Raw(m.partition(), m.offset(), m.key() or b"", m.value(), m.headers() or [], m.timestamp()[1])
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(m.partition())
                elif not error.retriable():
                    raise KafkaException(error)
    finally:
        consumer.close()
