"""Kafka's producer for asyncio: ``publish`` returns once the brokers have every record, and not before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from connectors.outgoing import Outgoing
from schemas.kafka_clients import OUTLIVE

__all__ = ["Backlog", "KafkaPublisher", "NotPublished", "Publisher", "TooLarge"]

_LOG = structlog.get_logger()
_POLL_SECONDS, _IDLE_SECONDS = 0.002, 0.1
"""How often delivery reports are fetched: while records are under way, and else (errors of the client come that way too)."""
_STOP_SECONDS = 10.0


class NotPublished(Exception):
    """Not, or not in time, acknowledged. Some records may still arrive: a repeat must be harmless."""


class Backlog(NotPublished):
    """Kafka takes records more slowly than they come; try again later."""


class TooLarge(NotPublished):
    """A record is larger than its topic takes: no repeat will help."""


class Publisher(Protocol):
    """Interface to where verified deliveries are published."""

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Return once all are acknowledged. Raises NotPublished."""
        ...

    @property
    def healthy(self) -> bool:
        """False once nothing can be published any more."""
        ...


class _Batch:
    """The records of one ``publish`` that still wait for their acknowledgement."""

    __slots__ = ("error", "future", "left")

    def __init__(self, left: int, future: asyncio.Future[None]) -> None:
        self.left = left
        self.future = future
        self.error: KafkaError | None = None


class KafkaPublisher:
    """An idempotent producer (acks=all) whose delivery reports the event loop fetches every few milliseconds.

    A thread that waits for them would take the interpreter's lock from the loop for each: a tenth of the server's time.
    The queue is bounded in bytes and in time: a full queue is ``Backlog`` at once, a late acknowledgement ``NotPublished`` after
    ``deadline`` seconds. After a fatal producer error it stays unhealthy: start the process again.
    """

    def __init__(self, config: Mapping[str, Any], *, deadline: float = 4.0) -> None:
        """``config``: librdkafka properties with ``bootstrap.servers``."""
        self._deadline = deadline
        self._fatal = ""
        self._under_way = 0
        self._failing_since: float | None = None
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.TimerHandle | None = None
        self._producer = Producer(
            {
                # A request holds the records of one partition: at 2 ms nearly every delivery made two of its own, and the broker's time went into those.
                "linger.ms": 5,
                "compression.type": "lz4",
                "message.max.bytes": 4 * 1024 * 1024,
                "queue.buffering.max.kbytes": 128 * 1024,
                "delivery.timeout.ms": 10_000,
                "log_level": 2,
                **OUTLIVE,
                **config,
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "error_cb": self._on_error,
            }
        )

    @property
    def healthy(self) -> bool:
        """False after a fatal producer error."""
        return not self._fatal

    @property
    def reason(self) -> str:
        """Why it is not healthy."""
        return self._fatal

    @property
    def failing_seconds(self) -> float:
        """How long every record has failed; 0 while they are acknowledged, or none is sent."""
        return 0.0 if self._failing_since is None else time.monotonic() - self._failing_since

    def start(self) -> None:
        """Begin fetching delivery reports, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._poll()

    async def stop(self) -> None:
        """Wait for what is under way (10 s at most), then end."""
        end = time.monotonic() + _STOP_SECONDS
        while len(self._producer) and time.monotonic() < end:
            self._producer.poll(0)
            await asyncio.sleep(_POLL_SECONDS)
        self._stopped = True
        if self._next:
            self._next.cancel()

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Return once all records are acknowledged by all in-sync replicas. Raises NotPublished."""
        if self._loop is None or self._fatal:
            raise NotPublished(self._fatal or "the publisher has not been started")
        if not records:
            return
        batch = _Batch(len(records), self._loop.create_future())
        self._produce(records, batch)
        try:
            async with asyncio.timeout(self._deadline):
                await batch.future
        except TimeoutError as e:
            raise NotPublished(f"Kafka did not acknowledge within {self._deadline:g} s") from e
        if batch.error is not None:
            kind = TooLarge if batch.error.code() == KafkaError.MSG_SIZE_TOO_LARGE else NotPublished
            raise kind(batch.error.str())

    def _produce(self, records: Sequence[Outgoing], batch: _Batch) -> None:
        def report(error: KafkaError | None, _: Any) -> None:
            batch.error = batch.error or error
            if error is None:
                self._failing_since = None
            elif self._failing_since is None and error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
                self._failing_since = time.monotonic()
            batch.left -= 1
            self._under_way -= 1
            if batch.left == 0 and not batch.future.done():
                batch.future.set_result(None)

        for record in records:
            try:
                self._producer.produce(
                    record.topic, key=record.key, value=record.value, headers=record.headers, on_delivery=report
                )
            except BufferError as e:
                raise Backlog("the queue to Kafka is full") from e
            except KafkaException as e:
                error: KafkaError = e.args[0]
                kind = TooLarge if error.code() == KafkaError.MSG_SIZE_TOO_LARGE else NotPublished
                raise kind(error.str()) from e
            self._under_way += 1
        self._hurry()

    def _poll(self) -> None:
        """Fetch reports, and come back."""
        self._producer.poll(0)
        if self._loop and not self._stopped:
            pause = _POLL_SECONDS if self._under_way else _IDLE_SECONDS
            self._next = self._loop.call_later(pause, self._poll)

    def _hurry(self) -> None:
        """Records are under way: do not wait until the end of an idle pause."""
        if self._loop and self._next and self._next.when() > self._loop.time() + _POLL_SECONDS:
            self._next.cancel()
            self._next = self._loop.call_later(_POLL_SECONDS, self._poll)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal = error.str()
        _LOG.warning("kafka", code=error.name(), reason=error.str(), fatal=error.fatal())
