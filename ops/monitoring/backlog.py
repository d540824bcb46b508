"""What a consumer group has not worked yet, by partition: counted, because offsets alone never come to zero.

A transaction's own marker takes an offset, and workers write the time (``Tick``) all the while; so near the end the records are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from domain.records.commands import Tick
from ops.monitoring.offsets import Offsets
from schemas.codec import DecodeError, decode
from schemas.damage import cut, unreadable
from schemas.patience import passing, patiently

__all__ = ["Backlog", "Place"]

FAR = 2_000
"""Further behind than this only the offsets are told (``exact`` false): reading would take longer than it is true."""
SECONDS = 10.0


@dataclass(slots=True)
class Place:
    """A partition and where a group stands in it (None: nowhere yet, so at the beginning). ``lag``: records it has not worked; ``trouble``: why that
    can't be told, or why the group can't go on there."""

    topic: str
    partition: int
    start: int | None
    end: int = 0
    lag: int = 0
    exact: bool = True
    trouble: str = ""


class Backlog:
    """A context manager. Every method raises KafkaException where Kafka does not answer."""

    def __init__(self, config: Mapping[str, str]) -> None:
        quiet: dict[str, Any] = {**config, "log_level": 0}
        self._admin = AdminClient(quiet)
        self._topics = patiently(lambda: self._admin.list_topics(timeout=SECONDS), SECONDS)
        self._offsets = Offsets(quiet)
        self._consumer = Consumer(
            {
                **quiet,
                "group.id": "wharf-status",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "check.crcs": True,
                "fetch.wait.max.ms": 20,
            }
        )

    def __enter__(self) -> Backlog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._offsets.close()
        self._consumer.close()

    @property
    def brokers(self) -> int:
        """How many there are."""
        return len(self._topics.brokers)

    def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic; none where it is not there."""
        found = self._topics.topics.get(topic)
        return [] if found is None else sorted(found.partitions)

    def members(self, group: str) -> tuple[str, list[dict[str, Any]]]:
        """The group's state and its members: instance name and partitions."""
        future = self._admin.describe_consumer_groups([group], request_timeout=SECONDS)[group]
        try:
            described = future.result()
        except KafkaException as e:
            if e.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return "unknown", []
            raise
        members = [
            {
                "member": member.group_instance_id or member.client_id,
                "host": member.host.lstrip("/"),
                "partitions": len(member.assignment.topic_partitions) if member.assignment else 0,
                "owns": [f"{place.topic}/{place.partition}" for place in member.assignment.topic_partitions]
                if member.assignment
                else [],
            }
            for member in described.members
        ]
        return described.state.name.lower(), sorted(members, key=lambda member: str(member["member"]))

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """The group's committed offsets."""
        return {
            (place.topic, place.partition): place.offset
            for place in self._offsets.committed(group, self._topics.topics)
        }

    def measure(self, places: Iterable[Place]) -> list[Place]:
        """Fill in ``end``, ``lag`` and ``exact``."""
        done = list(places)
        near: dict[tuple[str, int], Place] = {}
        begin = []
        for place in done:
            low, place.end = self._consumer.get_watermark_offsets(
                TopicPartition(place.topic, place.partition), timeout=SECONDS
            )
            if place.start is not None:
                place.trouble = cut(f"{place.topic}/{place.partition}", place.start, low, place.end)
            start = low if place.trouble else max(place.start or 0, low)
            if place.trouble or place.end - start > FAR:
                place.lag, place.exact = place.end - start, False
            elif start < place.end:
                near[place.topic, place.partition] = place
                begin.append(TopicPartition(place.topic, place.partition, start))
        self._consumer.assign(begin)
        while near:
            self._count(near)
        self._consumer.unassign()
        return done

    def _count(self, near: dict[tuple[str, int], Place]) -> None:
        """Read on; a partition whose end was reached is taken out."""
        for message in self._consumer.consume(500, timeout=0.05):
            error = message.error()
            key = (str(message.topic()), int(message.partition() or 0))
            if error is None:
                if key in near:
                    near[key].lag += not _is_tick(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                near.pop(key, None)
            elif damage := unreadable(message):
                place = near.pop(key, None)
                if place is not None:
                    place.trouble, place.lag, place.exact = damage, max(place.lag, 1), False
            elif not passing(error):
                raise KafkaException(error)


def _is_tick(message: Any) -> bool:
    if message.key():  # only what is for a whole partition has none
        return False
    try:
        return isinstance(decode(message.value() or b""), Tick)
    except DecodeError:
        return False
