"""A consumer that is done for ends the sink, whatever form the error comes in; one that mends itself does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from sinks.clickhouse.batches import Buffer
from sinks.clickhouse.sink import LogDamaged, Sink, Stalled


def sink(code: int) -> Any:
    """A sink whose consumer gives one error, as librdkafka gives it: an error that is fatal to the client is no fatal one as a record."""
    error = KafkaError(code, "Static consumer fenced by other consumer with same group.instance.id")
    assert not error.fatal()
    made: Any = Sink.__new__(Sink)
    record = SimpleNamespace(error=lambda: error, topic=lambda: "events", partition=lambda: 2, offset=lambda: 41)
    made._consumer = SimpleNamespace(consume=lambda *_: [record])
    made._buffer, made._guard, made._unplaced = Buffer(decode=False), None, False
    made._group_guard, made._mine, made._uncommitted, made._asked = None, [], {}, {}
    return made


@pytest.mark.parametrize("code", [KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID, KafkaError._AUTO_OFFSET_RESET])
def test_a_fenced_or_lost_consumer_ends_the_sink(code: int) -> None:
    with pytest.raises(KafkaException):
        sink(code)._collect()


@pytest.mark.parametrize("code", [KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT])
def test_a_broker_that_is_away_does_not(code: int) -> None:
    sink(code)._collect()


def test_a_sink_that_its_group_does_not_count_on_any_more_ends() -> None:
    made = sink(KafkaError._TRANSPORT)
    made._group_guard = SimpleNamespace(stands=lambda owned: f"owns {owned}, and 6 partitions are owned by nobody")
    with pytest.raises(Stalled, match="stands still: owns 0, and 6"):
        made._collect()


def test_a_sink_that_rightly_owns_nothing_goes_on() -> None:
    made = sink(KafkaError._TRANSPORT)
    made._group_guard = SimpleNamespace(stands=lambda owned: "")
    made._collect()


@pytest.mark.parametrize("code", [KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION])
def test_records_that_cannot_be_read_end_the_sink_with_their_place_and_are_not_left_out(code: int) -> None:
    with pytest.raises(LogDamaged, match="events/2: the log can't be read at offset 41"):
        sink(code)._collect()


class Committing:
    """A consumer that is told to commit, and hands the outcome to the sink's callback at its next look, as librdkafka does."""

    def __init__(self, answers: list[KafkaError | None]) -> None:
        self.answers = answers
        self.asked: list[list[tuple[int, int]]] = []
        self.now = 0.0
        self.sink: Any = None
        self._under_way: list[list[TopicPartition]] = []

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> None:
        assert asynchronous
        self.asked.append([(p.partition, p.offset) for p in offsets])
        self._under_way.append(offsets)

    def consume(self, *_: Any) -> list[Any]:
        for offsets in self._under_way:
            self.sink._on_commit(self.answers.pop(0), offsets)
        self._under_way = []
        self.now += 1.0
        return []


def committing(*answers: KafkaError | None) -> tuple[Any, Committing]:
    consumer = Committing(list(answers))
    made = consumer.sink = sink(KafkaError._TRANSPORT)
    made._consumer, made._clock, made._commit_due = consumer, lambda: consumer.now, 0.0
    made._mine = [TopicPartition("events", 0), TopicPartition("events", 1)]
    return made, consumer


def test_a_commit_that_the_coordinator_did_not_take_is_made_again_though_no_more_records_come() -> None:
    loading = KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
    made, consumer = committing(loading, loading, None)
    made._commit({("events", 0): 7, ("events", 1): 9})
    for _ in range(30):
        made._collect()
    assert consumer.asked == [[(0, 7), (1, 9)]] * 3


def test_a_commit_that_failed_is_not_made_again_once_a_later_one_is_under_way_or_the_partition_is_gone() -> None:
    made, consumer = committing(KafkaError(KafkaError._TRANSPORT), None)
    made._commit({("events", 0): 7, ("events", 1): 9})
    made._collect()
    made._commit({("events", 0): 8})
    made._mine = [TopicPartition("events", 0)]
    for _ in range(30):
        made._collect()
    assert consumer.asked == [[(0, 7), (1, 9)], [(0, 8)]]


def test_a_failure_that_is_heard_late_does_not_put_the_group_back() -> None:
    made, consumer = committing(KafkaError(KafkaError._TRANSPORT), None)
    made._commit({("events", 0): 7})
    made._commit({("events", 0): 8})
    for _ in range(30):
        made._collect()
    assert consumer.asked == [[(0, 7)], [(0, 8)]]
