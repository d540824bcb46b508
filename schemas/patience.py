"""Kafka that starts, stops or hands over says no for a moment: which errors pass by themselves, and a look that waits for it.

A broker answers before it has heard of the last leader epoch, before its coordinator has loaded, before a topic's leader is named. Whoever asks
once at such a moment takes a passing error for the truth, so every look at start-up is taken ``patiently``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

__all__ = ["PATIENCE", "partition_counts", "passing", "patiently"]

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds: longer than a broker takes to load its data, shorter than a person waits without a word."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0

_PASSING = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._RESOLVE,
        KafkaError._WAIT_COORD,
        KafkaError._NOENT,  # the client knows of no leader to ask
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,  # the controller's answer is newer than what this broker has heard
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.NOT_CONTROLLER,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
        KafkaError.CONCURRENT_TRANSACTIONS,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        KafkaError.KAFKA_STORAGE_ERROR,
    }
)


def passing(error: Any) -> bool:
    """Whether a ``KafkaError`` comes of brokers that start, stop or hand over, and is worth another try."""
    return not error.fatal() and (error.retriable() or error.code() in _PASSING)


def patiently(
    look: Callable[[], T],
    seconds: float = PATIENCE,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What ``look`` gives, asked again while its error is a passing one and ``seconds`` are not over. Raises its last KafkaException.

    ``look`` makes a client of its own each time: one that once heard of no leader asks nobody again for long.
    """
    end, pause = clock() + seconds, _FIRST_PAUSE
    while True:
        try:
            return look()
        except KafkaException as e:
            if not passing(e.args[0]) or clock() + pause > end:
                raise
        sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def partition_counts(client: Any, timeout: float = PATIENCE) -> dict[str, int]:
    """The partitions of each topic there is. Raises KafkaException, also where one of them can't be told at the moment: without that a
    topic that only has no leader yet would seem to have no partitions.
    """
    counts: dict[str, int] = {}
    for name, topic in client.list_topics(timeout=timeout).topics.items():
        if topic.error is None:
            counts[name] = len(topic.partitions)
        elif passing(topic.error) and topic.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise KafkaException(topic.error)
    return counts
