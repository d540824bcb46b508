"""A consumer that is done for ends the sink, whatever form the error comes in; one that mends itself does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from sinks.clickhouse.batches import Buffer
from sinks.clickhouse.sink import Sink


def sink(code: int) -> Any:
    """A sink whose consumer gives one error, as librdkafka gives it: an error that is fatal to the client is no fatal one as a record."""
    error = KafkaError(code, "Static consumer fenced by other consumer with same group.instance.id")
    assert not error.fatal()
    made: Any = Sink.__new__(Sink)
    made._consumer = SimpleNamespace(consume=lambda *_: [SimpleNamespace(error=lambda: error)])
    made._buffer, made._guard, made._unplaced = Buffer(decode=False), None, False
    return made


@pytest.mark.parametrize("code", [KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID, KafkaError._AUTO_OFFSET_RESET])
def test_a_fenced_or_lost_consumer_ends_the_sink(code: int) -> None:
    with pytest.raises(KafkaException):
        sink(code)._collect()


@pytest.mark.parametrize("code", [KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT])
def test_a_broker_that_is_away_does_not(code: int) -> None:
    sink(code)._collect()
