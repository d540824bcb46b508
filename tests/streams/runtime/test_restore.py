"""A restore waits for brokers that come and go, and gives up on what waiting does not mend. Without Kafka."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.runtime import RuntimeConfig
from streams.runtime.errors import KafkaFailed
from streams.runtime.head import BEGINNING
from streams.runtime.health import Health
from streams.runtime.partitions import Partitions
from streams.runtime.port import Librdkafka

TP = ("in", 0)


class Broker(Librdkafka):
    """Answers ``list_offsets`` with these errors, then with an empty changelog. Each client is a new one."""

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)
        self.asked = 0

    def admin(self, properties: Mapping[str, Any]) -> Any:
        return self

    def list_offsets(self, request: Mapping[TopicPartition, Any], **_: Any) -> dict[TopicPartition, Future[Any]]:
        self.asked += 1
        future: Future[Any] = Future()
        if self.errors:
            future.set_exception(KafkaException(KafkaError(self.errors.pop(0))))
        else:
            future.set_result(SimpleNamespace(offset=0))
        return dict.fromkeys(request, future)


def partitions(broker: Broker, committed: Any = lambda tp: None, patience: float = 30.0) -> Partitions:
    config = RuntimeConfig("none", "group", lambda: 0, port=broker, restore_patience_seconds=patience)
    return Partitions(config, {"in": "table"}, committed, Health("restore-test"))


def started(owned: Partitions) -> int:
    owned.take([TP])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for partition, start in owned.to_start():
            assert partition.table is not None
            return start
        time.sleep(0.01)
    raise AssertionError("not restored")


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(KafkaError.NOT_LEADER_FOR_PARTITION, id="not the leader"),
        pytest.param(KafkaError.LEADER_NOT_AVAILABLE, id="no leader yet"),
        pytest.param(KafkaError.UNKNOWN_LEADER_EPOCH, id="a newer epoch"),
        pytest.param(KafkaError._TIMED_OUT, id="no answer"),
    ],
)
def test_a_restore_asks_again_while_the_broker_has_no_leader(code: int) -> None:
    broker = Broker(code, code)
    assert started(partitions(broker)) == BEGINNING
    assert broker.asked == 3


def test_a_committed_offset_that_is_not_known_yet_is_asked_for_again() -> None:
    answers = [KafkaException(KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS)), None]

    def committed(_: Any) -> None:
        if error := answers.pop(0):
            raise error

    assert started(partitions(Broker(), committed)) == BEGINNING


def test_what_waiting_does_not_mend_ends_the_worker_at_once() -> None:
    broker = Broker(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(KafkaFailed, match="in/0"):
        started(partitions(broker))
    assert broker.asked == 1


def test_patience_has_an_end() -> None:
    broker = Broker(*[KafkaError.NOT_LEADER_FOR_PARTITION] * 100)
    with pytest.raises(KafkaFailed):
        started(partitions(broker, patience=0.2))
    assert 1 < broker.asked < 100
