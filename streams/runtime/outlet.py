"""The transactional producer: one for the process. A cycle's outputs, changelog and offsets become visible together or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from .config import TRANSACTION_TIMEOUT_MS, RuntimeConfig, producer_properties
from .errors import Fenced, TransactionFailed
from .message import Headers, Output
from .table import Change

__all__ = ["Outlet", "Sealed"]

_FENCED = (
    KafkaError._FENCED,
    KafkaError._FATAL,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
)
_PATIENCE = TRANSACTION_TIMEOUT_MS / 1000 + 5


@dataclass(slots=True)
class Sealed:
    """All that one transaction holds. ``metadata``: the group's, as of the poll that gave the input (KIP-447)."""

    outputs: list[Output] = field(default_factory=list)
    changelog: list[tuple[str, int, list[Change]]] = field(default_factory=list)
    offsets: list[Any] = field(default_factory=list)
    metadata: Any = None

    def move(self, topic: str, partition: int, offset: int) -> None:
        """Commit the input offset."""
        self.offsets.append(TopicPartition(topic, partition, offset))

    def __bool__(self) -> bool:
        return bool(self.outputs or self.changelog or self.offsets)


class Outlet:
    """Writes transactions, one at a time, in one thread."""

    def __init__(self, config: RuntimeConfig) -> None:
        self._producer = config.port.producer(producer_properties(config))

    def open(self) -> None:
        """Fence the predecessor in this slot and end its open transaction. Raises TransactionFailed."""
        with _Failing("init_transactions"):
            self._producer.init_transactions(60.0)

    def commit(self, sealed: Sealed) -> None:
        """Write one transaction. Raises Fenced or TransactionFailed: then the process must end."""
        producer = self._producer
        with _Failing("transaction"):
            producer.begin_transaction()
            self._produce(sealed.outputs)
            for topic, partition, changes in sealed.changelog:
                self._write(topic, partition, changes)
            if sealed.offsets:
                producer.send_offsets_to_transaction(sealed.offsets, sealed.metadata, _PATIENCE)
            producer.commit_transaction(_PATIENCE)

    def _produce(self, outputs: list[Output]) -> None:
        produce = self._producer.produce
        for out in outputs:
            try:
                if out.headers:
                    produce(out.topic, out.value, out.key, out.partition, headers=out.headers)
                else:
                    produce(out.topic, out.value, out.key, out.partition)
            except BufferError:
                self._patiently(out.topic, out.value, out.key, out.partition, out.headers)

    def _write(self, topic: str, partition: int, changes: list[Change]) -> None:
        produce = self._producer.produce
        for key, value in changes:
            try:
                produce(topic, value, key, partition)
            except BufferError:
                self._patiently(topic, value, key, partition, [])

    def _patiently(self, topic: str, value: bytes | None, key: bytes, partition: int, headers: Headers) -> None:
        """The local queue is full: let deliveries through."""
        while True:
            self._producer.poll(0.05)
            try:
                self._producer.produce(topic, value, key, partition, headers=headers)
            except BufferError:
                continue
            return


class _Failing:
    """Turn confluent-kafka's errors into ours."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, tb: object) -> None:
        if not isinstance(error, KafkaException):
            return
        cause = error.args[0]
        if cause.code() in _FENCED or cause.fatal():
            moved = cause.code() in (KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID)
            why = "the group moved its partitions on" if moved else "another worker runs in the same slot of this group"
            raise Fenced(f"{self._what}: {why} ({cause.name()}: {cause.str()})") from error
        raise TransactionFailed(f"{self._what}: {cause.name()}: {cause.str()}") from error
