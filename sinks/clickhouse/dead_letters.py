"""Records that are no events: to ``wharf.dlq`` as they came, with the headers of ``schemas.dead_letters``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.dead_letters import OMITTED, VALUE_CONVERTER, cause, clean
from schemas.topics import DLQ

from .batches import Poison

__all__ = ["DeadLetters"]

SECONDS = 30.0
MAX_BYTES = 1_000_000


class DeadLetters:
    """Call it with poison; it returns when all of it is acknowledged by Kafka, and raises KafkaException where that fails.

    A crash between this and the stored progress sends the same letters again: topic, partition and offset in them tell.
    """

    def __init__(self, config: Mapping[str, str], sink: str) -> None:
        self._config = {"enable.idempotence": True, "partitioner": "murmur2_random", **config}
        self._producer: Producer | None = None  # most sinks never need it
        self._sink = sink

    def __call__(self, poison: Sequence[Poison]) -> None:
        failed: list[KafkaError] = []

        def acknowledged(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(error)

        producer = self._producer = self._producer or Producer(self._config)
        for bad in poison:
            self._send(producer, bad, acknowledged)
        waiting = producer.flush(SECONDS)
        if failed or waiting:
            raise KafkaException(failed[0] if failed else KafkaError(KafkaError._TIMED_OUT))

    def _send(self, producer: Producer, poison: Poison, acknowledged: object) -> None:
        message = poison.message
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        headers = clean(message.headers()) + cause(
            poison.error,
            topic=str(topic),
            at=(partition or 0, offset or 0),
            stage=VALUE_CONVERTER,
            by=self._sink,
            module=__name__,
        )
        value = message.value()
        if value is not None and len(value) > MAX_BYTES:
            headers.append((OMITTED, str(len(value)).encode()))
            value = b""
        producer.produce(DLQ.name, value, message.key(), headers=headers, on_delivery=acknowledged)
