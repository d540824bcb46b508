"""Why a worker process ends. None of these is swallowed: the process exits non-zero, its supervisor starts a new one, and that one
restores its tables. Nothing that was not committed has been seen by anyone.
"""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError

__all__ = [
    "AgentFailed",
    "AgentStuck",
    "Fenced",
    "KafkaFailed",
    "RuntimeFailed",
    "StateLost",
    "TopicsUnfit",
    "TransactionFailed",
    "passing",
]

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
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        KafkaError.KAFKA_STORAGE_ERROR,
    }
)


def passing(error: Any) -> bool:
    """Whether a ``KafkaError`` comes of brokers that start, stop or hand over, and is worth another try."""
    return not error.fatal() and (error.retriable() or error.code() in _PASSING)


class RuntimeFailed(Exception):
    """The worker can't go on."""


class TransactionFailed(RuntimeFailed):
    """A transaction call failed. Its cycle is undone by the broker and folded again by the next process."""


class Fenced(TransactionFailed):
    """Another process took this one's place: a worker with the same group and slot, or the group moved its partitions on."""


class KafkaFailed(RuntimeFailed):
    """The consumer met an error that it can't mend by itself."""


class TopicsUnfit(RuntimeFailed):
    """A topic is not there, or a table has another number of partitions than its input."""


class StateLost(RuntimeFailed):
    """A table's changelog does not hold what the group's offsets say it must. Going on would lose stock in silence."""


class AgentFailed(RuntimeFailed):
    """An agent raised again and again, with nothing committed in between."""


class AgentStuck(RuntimeFailed):
    """An agent did not finish its batch in time, or is not running."""
