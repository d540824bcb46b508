"""The events topics into ClickHouse: collect, write, commit.

ClickHouse is the truth about what is in it: a partition is read from the progress stored there, whatever the consumer group
committed; the commits only let Kafka's tools show the lag. A ClickHouse that fails or stalls makes the sink wait, and Kafka
keeps what comes in the meantime.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from schemas.damage import unreadable
from schemas.kafka_clients import OUTLIVE

from . import progress
from .batches import Buffer, Key
from .dead_letters import DeadLetters
from .progress import Fenced, StateMismatch
from .ranges import Rewind, Stored, resume_at
from .rows import TABLES
from .writer import Writer, in_process

__all__ = ["GroupGuard", "Guard", "Limits", "LogDamaged", "Port", "Sink", "Stalled", "StateMismatch"]

_LOOK_SECONDS = 5.0
_FETCH = 5_000
_FATAL = (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID, KafkaError._AUTO_OFFSET_RESET)
"""After these a consumer reads nothing any more. A fatal error that comes as a record does not say of itself that it is one."""

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Port:
    """What the sink touches besides ClickHouse: Kafka's consumer, the clock (seconds), the wish to stop. The simulation puts its own here."""

    consumer: Callable[..., Any] = Consumer
    clock: Callable[[], float] = time.monotonic
    event: Callable[[], threading.Event] = threading.Event
    random: Callable[[int], int] = secrets.randbits


class LogDamaged(RuntimeError):
    """Records of the log can't be read: somebody has to act first."""


class Stalled(RuntimeError):
    """The consumer has silently stopped fetching: only a new process mends that."""


class Guard(Protocol):
    """Finds a consumer out that fetches nothing any more (`streams.runtime.stall.StallWatch`)."""

    def drained(self) -> None:
        """A poll gave all that was fetched."""
        ...

    def stalled(self, places: Iterable[tuple[Key, int]]) -> Mapping[Key, int]:
        """Asked now and then, with the next offset of each partition: those that have stopped."""
        ...


class GroupGuard(Protocol):
    """Finds out a sink that its group does not count on any more (`streams.standing.GroupWatch`)."""

    def stands(self, owned: int) -> str:
        """Asked now and then, with the number of partitions it has been given: why it stands still, or ``""``."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch is written, and how long a failed write waits (seconds).

    ``records``: the most of a batch whose records are decoded here, ``records_as_is`` where ClickHouse reads them itself. ``linger``: how long
    a batch collects; under lag (``consume`` comes back full) it collects on up to the most, for an insert costs the same for few.
    """

    records: int = 20_000
    records_as_is: int = 100_000
    linger: float = 1.0
    back_off: float = 0.25
    back_off_max: float = 15.0


class Sink:
    """Reads with the group ``group`` (read_committed) and writes through ``client`` until ``stop``.

    ``config``: librdkafka properties with ``bootstrap.servers``. ``instance``: this process's place in the group; with it a restart has its
    partitions back at once, without it only when Kafka misses a killed one (10 s). Run it in one thread; ``stop`` may be called from any.
    """

    def __init__(
        self,
        config: Mapping[str, str],
        client: Any,
        *,
        group: str = "wharf-sink",
        instance: str = "",
        limits: Limits | None = None,
        port: Port | None = None,
        guard: Guard | None = None,
        group_guard: GroupGuard | None = None,
    ) -> None:
        port = port or Port()
        self.limits = limits or Limits()
        self._client = client
        self._writer = Writer(client, DeadLetters(config, group))
        as_is = in_process(client)
        self._buffer = Buffer(decode=not as_is)
        self._most = self.limits.records_as_is if as_is else self.limits.records
        self._lagging = False
        self._stop = port.event()
        self._clock = port.clock
        self._random = port.random
        self._guard = guard
        self._group_guard = group_guard
        self._look_due = 0.0
        self._due = 0.0
        self._mine: list[TopicPartition] = []
        self._unplaced = False
        self.last_write: float | None = None
        """When the last batch went in (UTC seconds)."""
        self._consumer = port.consumer(
            {
                "group.id": group,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",  # never used: every assignment names its offsets
                "check.crcs": True,  # a flipped bit is an error, not another record
                "max.poll.interval.ms": 600_000,
                "session.timeout.ms": 10_000,
                "queued.max.messages.kbytes": 65_536,
                # It collects for longer than that anyway; a fetch for each transaction's few records is the broker's time and ours.
                "fetch.min.bytes": 65_536,
                "fetch.wait.max.ms": 250,
                **OUTLIVE,
                **({"group.instance.id": f"{group}-{instance}"} if instance else {}),
                **config,
            },
            logger=logging.getLogger("wharf.kafka"),
        )

    @property
    def owned(self) -> int:
        """Partitions it has been given."""
        return len(self._mine)

    @property
    def written(self) -> int:
        """Events written since the start, repeats too."""
        return self._writer.events

    @property
    def poison(self) -> int:
        """Dead letters since the start, repeats too."""
        return self._writer.poison

    def stop(self) -> None:
        """Let `run` end after the batch in hand."""
        self._stop.set()

    def run(self) -> None:
        """Read and write until `stop`; what is collected then is written if ClickHouse takes it at once.

        Raises StateMismatch, Stalled, and KafkaException where Kafka ends for good.
        """
        self._consumer.subscribe(sorted(TABLES), on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke)
        try:
            while not self._stop.is_set():
                self._collect()
                if self._is_due(self._buffer.records):
                    self._flush()
            self._write_rest()
        finally:
            self._consumer.close()

    def _is_due(self, records: int) -> bool:
        return records >= self._most or (records > 0 and not self._lagging and self._clock() >= self._due)

    def _collect(self) -> None:
        messages = []
        got = self._consumer.consume(_FETCH, 0.05)
        self._lagging = len(got) == _FETCH
        for message in got:
            if (error := message.error()) is None:
                messages.append(message)
            elif damage := unreadable(message):  # librdkafka would leave the whole batch out
                raise LogDamaged(damage)
            elif error.fatal() or error.code() in _FATAL:
                raise KafkaException(error)
            else:
                log.warning("kafka", error=error.str())
        if self._unplaced:  # that poll told what is ours
            self._unplaced, messages = False, []
            self._retry("reading the progress", lambda: self._place(self._mine))
        if messages and not self._buffer.records:
            self._due = self._clock() + self.limits.linger
        self._buffer.add(messages)
        if self._group_guard is not None and (why := self._group_guard.stands(len(self._mine))):
            raise Stalled(f"the consumer stands still: {why}")
        if self._guard is not None:
            self._look(self._guard, drained=len(got) < _FETCH)

    def _look(self, guard: Guard, drained: bool) -> None:
        if drained:
            guard.drained()
        if self._clock() >= self._look_due:
            self._look_due = self._clock() + _LOOK_SECONDS
            if stopped := guard.stalled(self._buffer.next().items()):
                raise Stalled(f"the consumer has stopped fetching: {stopped} are in the log and don't come")

    def _flush(self) -> None:
        started, records = self._clock(), self._buffer.records
        if self._retry("write", self._write):
            log.debug("written", records=records, seconds=round(self._clock() - started, 3))
        self._due = self._clock() + self.limits.linger

    def _write(self) -> bool:
        try:
            done = self._writer.write(self._buffer.batches())
        except Rewind:  # another sink took our partition and gave it back half-way
            self._place(self._mine)
            return True
        except Fenced as e:
            log.warning("fenced", error=str(e))
            self._buffer.clear()
            self._unplaced = True
            return True
        self._buffer.done(done)
        if done:
            self.last_write = time.time()
            offsets = [TopicPartition(batch.topic, batch.partition, batch.last + 1) for batch in done]
            self._consumer.commit(offsets=offsets, asynchronous=True)
        return True

    def _write_rest(self) -> None:
        try:
            self._write()
        except Exception as e:  # it stays in Kafka, and ClickHouse knows how far it is
            log.warning("the last batch waits for the next start", error=str(e))

    def _retry(self, what: str, action: Callable[[], T]) -> T | None:
        """Until it works or we are stopped (None). Every failure may have worked after all: the action looks again itself."""
        wait = self.limits.back_off
        while not self._stop.is_set():
            try:
                return action()
            except StateMismatch:
                raise
            except Exception as e:
                log.warning(f"{what} failed, waiting", seconds=wait, error=str(e)[:500])
                self._stop.wait(wait)
                wait = min(wait * 2, self.limits.back_off_max)
        return None

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # The broker is asked nothing in here: confluent-kafka aborts the process when its calls are nested (CallState_get).
        consumer.assign([])
        self._mine, self._unplaced = partitions, True

    def _place(self, partitions: list[TopicPartition]) -> bool:
        progress.claim_source(self._client, str(self._consumer.list_topics(timeout=30).cluster_id))
        self._writer.claim([(place.topic, place.partition) for place in partitions], self._random(32))
        stored = progress.load(self._client)
        self._consumer.assign([self._position((place.topic, place.partition), stored) for place in partitions])
        log.info(
            "reading",
            partitions={f"{place.topic}/{place.partition}": place.offset for place in self._consumer.assignment()},
        )
        return True

    def _position(self, key: Key, stored: Mapping[Key, Stored]) -> TopicPartition:
        offset = resume_at(stored.get(key))
        if offset is None:
            self._buffer.place(key, 0)
            return TopicPartition(*key, OFFSET_BEGINNING)
        self._buffer.place(key, offset)
        low, high = self._consumer.get_watermark_offsets(TopicPartition(*key), timeout=30)
        if offset > high:
            raise StateMismatch(
                f"ClickHouse holds {key[0]}/{key[1]} up to offset {offset - 1}, but the topic ends at {high}: it was made anew "
                "since; use another database or WHARF_HOME"
            )
        if offset < low:
            log.error("lost to retention", topic=key[0], partition=key[1], missing_from=offset, missing_to=low - 1)
            offset = low
        return TopicPartition(*key, offset)

    def _revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._buffer.drop([(place.topic, place.partition) for place in partitions])
        self._mine = []
