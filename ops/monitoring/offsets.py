"""A consumer group's committed offsets, asked for by a consumer that joins nothing.

Not by ``AdminClient.list_consumer_group_offsets``: asked often while a coordinator moves, it takes the process down (confluent-kafka-python
#1982 looks like it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import Consumer, TopicPartition

__all__ = ["Offsets"]

SECONDS = 10.0


class Offsets:
    """Keeps a connection a group; ``close`` ends them."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = dict(config)
        self._consumers: dict[str, Consumer] = {}

    def committed(self, group: str, topics: Mapping[str, Any] | Iterable[tuple[str, int]]) -> list[TopicPartition]:
        """The places of ``topics`` (metadata of ``list_topics``, or partitions) where the group has committed an offset.

        Raises KafkaException where Kafka does not answer.
        """
        if isinstance(topics, Mapping):
            topics = [
                (name, p) for name, topic in topics.items() for p in topic.partitions if not name.startswith("__")
            ]
        places = [TopicPartition(*place) for place in topics]
        return [p for p in self._consumer(group).committed(places, timeout=SECONDS) if p.offset >= 0]

    def close(self) -> None:
        """Close the connections that are open."""
        for consumer in self._consumers.values():
            consumer.close()

    def _consumer(self, group: str) -> Consumer:
        if group not in self._consumers:
            self._consumers[group] = Consumer({**self._config, "group.id": group, "enable.auto.commit": False})
        return self._consumers[group]
