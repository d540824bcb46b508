"""Records that are no events: to ``wharf.dlq`` as they came, with Kafka Connect's ``__connect.errors.*`` headers (KIP-298)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.topics import DLQ

from .batches import Poison

__all__ = ["DeadLetters", "error_headers"]

PREFIX = "__connect.errors."
SECONDS = 30.0
MAX_BYTES = 1_000_000


def error_headers(poison: Poison, sink: str) -> list[tuple[str, bytes]]:
    """Where the record was and what is wrong with it."""
    message, error = poison.message, poison.error
    values = {
        PREFIX + "topic": str(message.topic()),
        PREFIX + "partition": str(message.partition()),
        PREFIX + "offset": str(message.offset()),
        PREFIX + "connector.name": sink,
        PREFIX + "task.id": str(message.partition()),
        PREFIX + "stage": "VALUE_CONVERTER",
        PREFIX + "class.name": __name__,
        PREFIX + "exception.class.name": f"{type(error).__module__}.{type(error).__qualname__}",
        PREFIX + "exception.message": str(error),
        "wharf.error.code": str(getattr(error, "code", "")),
        "wharf.error.field": str(getattr(error, "field", "")),
    }
    return [(name, value.encode(errors="replace")) for name, value in values.items() if value]


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
        for p in poison:
            self._send(producer, p, acknowledged)
        waiting = producer.flush(SECONDS)
        if failed or waiting:
            raise KafkaException(failed[0] if failed else KafkaError(KafkaError._TIMED_OUT))

    def _send(self, producer: Producer, poison: Poison, acknowledged: object) -> None:
        message = poison.message
        headers = [h for h in message.headers() or [] if not h[0].startswith((PREFIX, "wharf.error."))]
        headers += error_headers(poison, self._sink)
        value = message.value()
        if value is not None and len(value) > MAX_BYTES:
            headers.append(("wharf.error.value.omitted", str(len(value)).encode()))
            value = b""
        producer.produce(DLQ.name, value, message.key(), headers=headers, on_delivery=acknowledged)
