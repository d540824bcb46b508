"""How far the consumer groups are behind: the records that no one has worked yet.

The difference of two offsets would never become zero: a transaction's own marker takes an offset, and the worker writes the time
(``Tick``) all the while. So what lies between a group's committed offset and the end of the log is read and counted, ticks apart. But
in the topic of effects to be tried again a tick is the wake-up that is under way exactly while any of them waits: it counts.
"""

from __future__ import annotations

from collections import Counter
from types import TracebackType

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from ops.monitoring.offsets import Offsets

from .checks.log import decode

__all__ = ["RETRY", "Lag"]

FAR = 2_000
"""Further behind than this the offsets alone are told: reading would take longer than it is true."""
SECONDS = 10.0
RETRY = "wharf.effects.retry"


class Lag:
    """Asks for the lag of every group but our own (whose names begin with ``internal``). Use it as a context manager."""

    def __init__(self, bootstrap: str, internal: str = "wharf-demo") -> None:
        self._internal = internal
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._offsets = Offsets({"bootstrap.servers": bootstrap, "log_level": 0})
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": internal + "-lag",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
                "log_level": 0,  # a broker that is away is the caller's to see, not the terminal's
            }
        )

    def __enter__(self) -> Lag:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are open."""
        self._offsets.close()
        self._consumer.close()

    def now(self) -> Counter[str]:
        """Unworked records by ``group topic``; empty means everyone is up to date. Raises KafkaException."""
        behind: Counter[str] = Counter()
        for group, places in self._committed().items():
            for topic, number in self._behind(places).items():
                behind[f"{group} {topic}"] += number
        return behind

    def _committed(self) -> dict[str, list[TopicPartition]]:
        groups = [g.group_id for g in self._admin.list_consumer_groups(request_timeout=SECONDS).result().valid]
        topics = self._admin.list_topics(timeout=SECONDS).topics
        return {g: self._offsets.committed(g, topics) for g in groups if not g.startswith(self._internal)}

    def _behind(self, places: list[TopicPartition]) -> Counter[str]:
        behind: Counter[str] = Counter()
        near = []
        for place in places:
            low, high = self._consumer.get_watermark_offsets(place, timeout=SECONDS)
            start = max(place.offset, low)
            if high - start > FAR:
                behind[place.topic] += high - start
            elif start < high:
                near.append(TopicPartition(place.topic, place.partition, start))
        self._consumer.assign(near)
        todo = {(p.topic, p.partition) for p in near}
        while todo:
            self._count(todo, behind)
        self._consumer.unassign()
        return +behind

    def _count(self, todo: set[tuple[str, int]], behind: Counter[str]) -> None:
        for message in self._consumer.consume(500, timeout=0.05):
            error = message.error()
            if error is None:
                topic = str(message.topic())
                behind[topic] += topic == RETRY or decode(message.value() or b"")[0] != "Tick"
            elif error.code() == KafkaError._PARTITION_EOF:
                todo.discard((str(message.topic()), int(message.partition() or 0)))
            else:
                raise KafkaException(error)
