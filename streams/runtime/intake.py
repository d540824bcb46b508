"""The consumer: one for all agents of the process, read_committed, static member of its group. Every call runs in one thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from schemas.damage import unreadable

from .config import RuntimeConfig, consumer_properties
from .errors import Fenced, KafkaFailed, LogDamaged, passing
from .message import TP

__all__ = ["Intake", "Polled"]

_FENCED = (KafkaError.FENCED_INSTANCE_ID, KafkaError._FENCED, KafkaError._FATAL)


class Polled:
    """What one poll gave: records, partitions gained and lost since the last, and the group metadata that goes with the records."""

    __slots__ = ("assigned", "messages", "metadata", "revoked")

    def __init__(self, messages: list[Any], assigned: list[TP], revoked: list[TP], metadata: Any) -> None:
        self.messages = messages
        self.assigned = assigned
        self.revoked = revoked
        self.metadata = metadata


class Intake:
    """Reads the input topics.

    New partitions are paused at once and stay so until ``start``: their tables have to be restored first. Before partitions are
    given up, ``before_revoke`` is called: it waits for the transaction that is being committed, whose offsets belong to them.
    """

    def __init__(self, config: RuntimeConfig, topics: list[str], before_revoke: Callable[[], None]) -> None:
        self._before_revoke = before_revoke
        self._assigned: list[TP] = []
        self._revoked: list[TP] = []
        self._consumer = config.port.consumer(consumer_properties(config))
        self._consumer.subscribe(topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke)

    def poll(self, size: int, wait: float) -> Polled:
        """Up to ``size`` records; returns as soon as there is one, after ``wait`` seconds at the latest.

        ``consume(n, t)`` waits for n records or the whole time, so the first is asked for alone and the rest is what is
        there already. Raises Fenced or KafkaFailed.
        """
        messages = self._consumer.consume(1, wait)
        if messages:
            messages += self._consumer.consume(size - 1, 0)
        records = [message for message in messages if message.error() is None or _raise(message)]
        assigned, self._assigned = self._assigned, []
        revoked, self._revoked = self._revoked, []
        return Polled(records, assigned, revoked, self._consumer.consumer_group_metadata())

    def start(self, tp: TP, offset: int) -> bool:
        """Begin (again) to read a partition at ``offset``. False: librdkafka's fetcher is not up yet, try again."""
        try:
            self._consumer.seek(TopicPartition(*tp, offset))
        except KafkaException as e:
            if e.args[0].code() == KafkaError._STATE:
                return False
            raise
        self._consumer.resume([TopicPartition(*tp)])
        return True

    def pause(self, tp: TP, offset: int) -> None:
        """Stand still before ``offset``."""
        self._consumer.pause([TopicPartition(*tp)])
        self._consumer.seek(TopicPartition(*tp, offset))

    def seek(self, tp: TP, offset: int) -> None:
        """Read from ``offset`` again."""
        self._consumer.seek(TopicPartition(*tp, offset))

    def committed(self, tp: TP, timeout: float = 30.0) -> int | None:
        """The group's committed offset, once no open transaction can change it (read_committed asks for stable ones)."""
        [found] = self._consumer.committed([TopicPartition(*tp)], timeout)
        if found.error is not None:
            raise KafkaException(found.error)
        return int(found.offset) if found.offset >= 0 else None

    def bounds(self, tp: TP, timeout: float = 10.0) -> tuple[int, int]:
        """The first offset there is, and the one behind the last that is decided. Raises KafkaException."""
        low, high = self._consumer.get_watermark_offsets(TopicPartition(*tp), timeout)
        return int(low), int(high)

    def end(self, tp: TP) -> int:
        """The end of the partition as last seen while fetching; -1 where not known yet."""
        return int(self._consumer.get_watermark_offsets(TopicPartition(*tp), cached=True)[1])

    def close(self) -> None:
        """Stop reading. A static member's partitions stay its own for the session time-out."""
        self._consumer.close()

    def _on_assign(self, consumer: Any, partitions: list[Any]) -> None:
        # Not the committed offset: its look-up waits for open transactions, and until then nothing can be sought.
        plain = [TopicPartition(place.topic, place.partition, OFFSET_BEGINNING) for place in partitions]
        consumer.assign(plain)
        if plain:
            consumer.pause(plain)
        self._assigned += [(place.topic, place.partition) for place in partitions]

    def _on_revoke(self, consumer: Any, partitions: list[Any]) -> None:
        self._before_revoke()
        gone = [(place.topic, place.partition) for place in partitions]
        self._revoked += gone
        self._assigned = [tp for tp in self._assigned if tp not in gone]
        consumer.unassign()


def _raise(message: Any) -> bool:
    """False for an error that librdkafka mends by itself; raises for any other."""
    error = message.error()
    if error.code() in _FENCED or error.fatal():
        raise Fenced(f"the consumer was fenced: another worker runs in the same slot of this group ({error.str()})")
    if (
        error.code() == KafkaError._AUTO_OFFSET_RESET
    ):  # the next process looks at the log's bounds, and says what is wrong
        raise KafkaFailed(
            f"{message.topic()}/{message.partition()}: where it was to be read on is not there: {error.str()}"
        )
    if damage := unreadable(message):
        raise LogDamaged(damage)
    if passing(error):
        logging.getLogger("wharf.kafka").warning("consumer: %s", error.str())
        return False
    raise KafkaFailed(f"the consumer can't go on: {error.str()}")
