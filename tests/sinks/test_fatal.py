"""A consumer that is done for ends the sink, whatever form the error comes in; one that mends itself does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

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
    made._group_guard, made._mine = None, []
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
