"""What brokers say while they start, stop or hand over is asked again; what stays is told, in bounded time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas.patience import partition_counts, patiently


class Asked:
    """A look that meets these errors in turn, then gives 7; the clock moves by what was slept."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.times = 0
        self.now = 0.0

    def look(self) -> int:
        self.times += 1
        if self.codes:
            raise KafkaException(KafkaError(self.codes.pop(0)))
        return 7

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def patiently(self, seconds: float = 30.0) -> int:
        return patiently(self.look, seconds, clock=lambda: self.now, sleep=self.sleep)


@pytest.mark.parametrize(
    "name",
    [
        "UNKNOWN_LEADER_EPOCH",
        "FENCED_LEADER_EPOCH",
        "NOT_LEADER_FOR_PARTITION",
        "LEADER_NOT_AVAILABLE",
        "COORDINATOR_LOAD_IN_PROGRESS",
        "COORDINATOR_NOT_AVAILABLE",
        "NOT_COORDINATOR",
        "NOT_CONTROLLER",
        "_TRANSPORT",
        "_ALL_BROKERS_DOWN",
        "_TIMED_OUT",
        "_NOENT",
    ],
)
def test_an_error_that_passes_by_itself_is_asked_again(name: str) -> None:
    code = getattr(KafkaError, name)
    asked = Asked(code, code, code)
    assert asked.patiently() == 7
    assert asked.times == 4
    assert 0 < asked.now < 2


def test_what_waiting_does_not_mend_is_told_at_once() -> None:
    asked = Asked(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(KafkaException):
        asked.patiently()
    assert asked.times == 1


def test_patience_has_an_end_and_tells_the_last_error() -> None:
    asked = Asked(*[KafkaError.NOT_COORDINATOR] * 1000)
    with pytest.raises(KafkaException) as told:
        asked.patiently(5.0)
    assert told.value.args[0].code() == KafkaError.NOT_COORDINATOR
    assert asked.now <= 5.0
    assert asked.times < 20


def client(**topics: Any) -> Any:
    listed = {name: SimpleNamespace(error=error, partitions=dict.fromkeys(range(3))) for name, error in topics.items()}
    return SimpleNamespace(list_topics=lambda timeout: SimpleNamespace(topics=listed))


def test_a_topic_without_a_leader_at_the_moment_is_not_taken_for_one_without_partitions() -> None:
    with pytest.raises(KafkaException):
        partition_counts(client(a=None, b=KafkaError(KafkaError.LEADER_NOT_AVAILABLE)))


def test_a_topic_that_is_not_there_has_no_count() -> None:
    assert partition_counts(client(a=None, b=KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))) == {"a": 3}
