"""What a poll brings, into Kafka: one transaction for the raw deliveries, their facts, what could not be translated, and the cursor.

So a cursor never stands behind something that was not written, and nothing is written twice for want of a cursor. Each feed has a
``transactional.id`` of its own: whoever begins to poll it fences whoever did before.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from connectors.outgoing import Outgoing, canonical, dead_letter
from connectors.protocols import Polled, Received, TranslationError
from domain.records.raw_delivery import RawDelivery
from schemas.codec import encode
from schemas.headers import headers
from schemas.kafka_clients import OUTLIVE
from schemas.patience import passing, patiently
from schemas.topics import CURSORS, DLQ, EFFECTS, ORDERS_IN, POOLS_IN, RAW

__all__ = ["Ledger", "TakenOver", "read_cursors", "records"]

_SECONDS = 30.0
_FENCED = frozenset(
    {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.FENCED_INSTANCE_ID}
)
_COUNTED = {
    RAW.name: "raw",
    ORDERS_IN.name: "orders",
    POOLS_IN.name: "pools",
    EFFECTS.name: "refetch",
    DLQ.name: "dead",
}


class TakenOver(RuntimeError):
    """Another process polls this feed now."""


def records(name: str, polled: Polled) -> list[Outgoing]:
    """The records of one answer; ``name`` is the feed's. Raises ValueError where raw deliveries and translations don't pair."""
    out: list[Outgoing] = []
    for raw, translation in zip(polled.raw, polled.translations, strict=True):
        kept = _raw(raw)
        out.append(kept)
        if isinstance(translation, TranslationError):
            received = Received(raw.topic, raw.delivery_id, raw.headers)
            out.append(dead_letter(kept, received, raw.body, translation, f"{raw.channel}:{raw.account}"))
        else:
            out += canonical(translation)
    if polled.cursor is not None:
        out.append(Outgoing(CURSORS.name, name.encode(), polled.cursor, []))
    return out


def _raw(raw: RawDelivery) -> Outgoing:
    key = f"{raw.channel}:{raw.account}:{raw.delivery_id or raw.event_id}"
    return Outgoing(RAW.name, key.encode(), encode(raw), headers(raw))


class Ledger:
    """One feed's transactional producer. Its calls block: give it a thread of its own."""

    def __init__(self, bootstrap: str, name: str, extra: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.cursor: bytes | None = None
        self._kafka = {**(extra or {}), "bootstrap.servers": bootstrap}
        self._producer: Producer

    def _made(self) -> Producer:
        return Producer(
            {
                "client.id": f"wharf-poll-{self.name}",
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "linger.ms": 2,
                "message.max.bytes": 4 * 1024 * 1024,
                "transaction.timeout.ms": 20_000,
                **OUTLIVE,
                **self._kafka,
                "transactional.id": f"wharf-poll-{self.name}",
            },
            logger=logging.getLogger("wharf.kafka"),
        )

    def open(self) -> None:
        """Fence whoever polled the feed before, then read where it stood. Raises KafkaException.

        Each time with a new producer, for after a failure one that lost its leaders or its transaction may never find them again.
        """
        self._producer = self._made()
        self._producer.init_transactions(_SECONDS)
        self.cursor = read_cursors(self._kafka).get(self.name)

    def commit(self, polled: Polled) -> Counter[str]:
        """Write one answer; returns how many records of each sort. Raises TakenOver, or KafkaException with nothing written."""
        batch = records(self.name, polled)
        if polled.cursor == self.cursor:
            batch = [record for record in batch if record.topic != CURSORS.name]
        if batch:
            self._transaction(batch)
        self.cursor = self.cursor if polled.cursor is None else polled.cursor
        return Counter(_COUNTED[record.topic] for record in batch if record.topic in _COUNTED)

    def _transaction(self, batch: list[Outgoing]) -> None:
        try:
            self._producer.begin_transaction()
            for record in batch:
                self._produce(record)
            self._producer.commit_transaction(_SECONDS)
        except KafkaException as e:
            error: Any = e.args[0]
            if error.code() in _FENCED or error.fatal():
                raise TakenOver(f"{self.name}: another process polls this feed now ({error.str()})") from e
            self._producer.abort_transaction(_SECONDS)
            raise

    def _produce(self, record: Outgoing) -> None:
        while True:
            try:
                self._producer.produce(record.topic, record.value, record.key, headers=record.headers)
            except BufferError:  # the local queue is full: let deliveries through
                self._producer.poll(0.05)
            else:
                return


def read_cursors(kafka: Mapping[str, str]) -> dict[str, bytes]:
    """The last committed cursor of each feed. ``kafka``: librdkafka properties. Raises KafkaException: no cursor is taken for none because
    the topic has no leader at the moment."""
    return patiently(lambda: _read_cursors(kafka), _SECONDS)


def _read_cursors(kafka: Mapping[str, str]) -> dict[str, bytes]:
    reader = Consumer(
        {
            **kafka,
            "group.id": "wharf-poll-cursors",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        },
        logger=logging.getLogger("wharf.kafka"),
    )
    try:
        found = reader.list_topics(CURSORS.name, timeout=_SECONDS).topics[CURSORS.name]
        if found.error is not None:
            raise KafkaException(found.error)
        reader.assign([TopicPartition(CURSORS.name, partition, 0) for partition in found.partitions])
        return _last_values(reader, len(found.partitions))
    finally:
        reader.close()


def _last_values(reader: Any, partitions: int) -> dict[str, bytes]:
    cursors: dict[str, bytes] = {}
    ended = 0
    while ended < partitions:
        message = reader.poll(_SECONDS)
        if message is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{CURSORS.name} could not be read to its end"))
        error = message.error()
        if error is None:
            cursors[message.key().decode()] = message.value()
        elif error.code() == KafkaError._PARTITION_EOF:
            ended += 1
        elif not passing(error):
            raise KafkaException(error)
    return cursors
