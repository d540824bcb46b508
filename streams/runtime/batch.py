"""What an agent is given: the records of its topic in one cycle, and everything it may do with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from types import TracebackType
from typing import Any

import structlog

from schemas.dead_letters import FOLD, VALUE_CONVERTER

from .dead_letter import dead_letter
from .message import Headers, Message, Output
from .table import Staged, Table, Trail

__all__ = ["Batch", "BatchLimits", "Record"]

log = structlog.get_logger(__name__)

_NONE = Message("", -1, -1, b"", b"", [], 0)
_PARTITION = attrgetter("partition")
_PLACE = attrgetter("partition", "offset")


class BatchLimits:
    """What a batch has to know of its worker: where dead letters go, who sends them, how large a record may be."""

    __slots__ = ("dlq", "max_bytes", "worker")

    def __init__(self, dlq: str = "wharf.dlq", worker: str = "", max_bytes: int = 1_000_000) -> None:
        self.dlq = dlq
        self.worker = worker
        self.max_bytes = max_bytes


class Record:
    """One record being worked on: its writes and outputs count when the ``with`` block ends well, all or none of them.

    An exception in the block dead-letters the record and is swallowed: the batch goes on. Records of one batch may be open at
    the same time (an agent that works them concurrently); where two of them write one key, the one closed last wins.
    """

    __slots__ = ("_batch", "_max_bytes", "_outputs", "_staged", "message", "stage", "table")

    table: Staged
    """The partition's table as this record sees it. Raises RuntimeError for an agent without a table."""

    def __init__(self, batch: Batch, message: Message, outputs: list[Output]) -> None:
        self._batch = batch
        self._max_bytes = batch.max_bytes
        self._outputs = outputs
        self._staged: Staged | None = None
        self.message = message
        self.stage = VALUE_CONVERTER
        """Named in a dead letter; ``decoded()`` moves it on."""

    def decoded(self) -> None:
        """The value was read; what fails from here on is the fold."""
        self.stage = FOLD

    def __getattr__(self, name: str) -> Staged:
        # Only asked while the slot is empty: most records of an agent without a table never get one.
        if name != "table":
            raise AttributeError(name)
        self.table = self._staged = Staged(self._batch.table(self.message.partition))
        return self.table

    def send(self, topic: str, key: bytes, value: bytes, headers: Headers, partition: int = -1) -> None:
        """Produce in this cycle's transaction. Raises ValueError for a record larger than Kafka takes."""
        if len(key) + len(value) > self._max_bytes:
            self._batch.output(topic, key, value, headers, partition)  # raises
        self._outputs.append(Output(topic, key, value, headers, partition))

    def __enter__(self) -> Record:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        if error is None:
            self._batch.accept(self.message, self._staged, self._outputs)
            return False
        # Out of memory says nothing of the record; a cancelled agent (not an Exception) is being stopped.
        if isinstance(error, MemoryError) or not isinstance(error, Exception):
            return False
        self._batch.dead_letter(self.message, error, self.stage)
        return True


class Batch:
    """The records of one topic in one cycle, oldest first within each partition.

    Iterating skips what lies behind a deferred record. Whatever is sent or written here becomes visible with the cycle's
    transaction, or never. An exception that leaves the agent drops the whole cycle; it is tried again from the committed offsets.
    """

    def __init__(
        self, topic: str, messages: list[Message], tables: Mapping[int, Table] | None, limits: BatchLimits | None = None
    ) -> None:
        self.topic = topic
        self.messages = messages
        self.outputs: list[Output] = []
        self.deferred: dict[int, tuple[int, int]] = {}
        """Partition to the first deferred offset and when it is due (ms of the runtime's clock)."""
        self.dead = 0
        self.finished: asyncio.Future[None] | None = None
        self._tables = tables
        self._limits = limits or BatchLimits()
        self._handled: dict[int, int] = {}

    def __iter__(self) -> Iterator[Message]:
        for message in self.messages:
            if message.partition not in self.deferred:
                yield message

    def __len__(self) -> int:
        return len(self.messages)

    def record(self, message: Message) -> Record:
        """Work on one record: ``with batch.record(message) as record:``."""
        return Record(self, message, [])

    def each(self, work: Callable[[Record], None]) -> None:
        """Work on the records one after the other, each as in ``with batch.record(message)``, at a third of what that costs.

        The record that ``work`` is given is the same object each time: do not keep it.
        """
        for number, run in groupby(self.messages, _PARTITION):
            self._run(number, run, None if self._tables is None else Trail(self._tables[number]), work)

    def _run(self, number: int, run: Iterator[Message], trail: Trail | None, work: Callable[[Record], None]) -> None:
        """Records of one partition."""
        outputs, deferred, handled = self.outputs, self.deferred, self._handled
        record = Record(self, _NONE, outputs)
        steps: list[Any] = []
        if trail is not None:
            record.table, steps = trail, trail.steps
        for message in run:
            if deferred and number in deferred:
                return
            record.message, record.stage = message, VALUE_CONVERTER
            mark = len(outputs)
            try:
                work(record)
            except MemoryError:  # says nothing of the record
                raise
            except Exception as e:
                del outputs[mark:]
                if trail is not None:
                    trail.undo()
                self.dead_letter(message, e, record.stage)
            else:
                if deferred:
                    self._done(message)
                else:
                    handled[number] = message.offset
            if steps:
                steps.clear()

    @property
    def max_bytes(self) -> int:
        """The largest record Kafka takes, key and value."""
        return self._limits.max_bytes

    def first_offsets(self) -> dict[int, int]:
        """Per partition the input offset that the cycle found it at."""
        return dict(map(_PLACE, reversed(self.messages)))

    def table(self, partition: int) -> Table:
        """A partition's table, written without regard to single records. Raises RuntimeError for an agent without a table."""
        if self._tables is None:
            raise RuntimeError(f"the agent of {self.topic} has no table")
        return self._tables[partition]

    def send(self, topic: str, key: bytes, value: bytes, headers: Headers, partition: int = -1) -> None:
        """Produce in this cycle's transaction. Raises ValueError for a record larger than Kafka takes."""
        self.outputs.append(self.output(topic, key, value, headers, partition))

    def dead_letter(self, message: Message, error: BaseException, stage: str = FOLD) -> None:
        """Send the record to the DLQ with its cause, in this cycle's transaction."""
        limits = self._limits
        self._done(message)
        _log_dead(message, error, stage)
        self.dead += 1
        self.outputs.append(
            dead_letter(limits.dlq, message, error, stage, worker=limits.worker, max_bytes=limits.max_bytes)
        )

    def defer(self, message: Message, until_ms: int) -> None:
        """Not now: the partition stands still until ``until_ms`` and then begins with this record again.

        Raises ValueError where a later record of the partition was already worked on: it would be worked on twice.
        """
        if self._handled.get(message.partition, -1) >= message.offset:
            raise ValueError(
                f"{self.topic}/{message.partition}: a record from offset {message.offset} on is already done"
            )
        offset, due = self.deferred.get(message.partition, (message.offset, until_ms))
        self.deferred[message.partition] = (message.offset, until_ms) if message.offset <= offset else (offset, due)

    def output(self, topic: str, key: bytes, value: bytes, headers: Headers, partition: int) -> Output:
        """Check what is to be produced."""
        if len(key) + len(value) > self._limits.max_bytes:
            raise ValueError(f"{len(value)} bytes for {topic} are more than the {self._limits.max_bytes} Kafka takes")
        return Output(topic, key, value, headers, partition)

    def accept(self, message: Message, staged: Staged | None, outputs: list[Output]) -> None:
        """A record was folded whole (called by ``Record``)."""
        self._done(message)
        if staged is not None and staged.writes:
            self.table(message.partition).merge(staged.writes)
        self.outputs.extend(outputs)

    def next_offsets(self) -> dict[int, int]:
        """Per partition the input offset that the cycle leaves it at."""
        offsets = {partition: last + 1 for partition, last in dict(map(_PLACE, self.messages)).items()}
        return offsets | {partition: offset for partition, (offset, _) in self.deferred.items()}

    def _done(self, message: Message) -> None:
        number, offset = message.partition, message.offset
        if self.deferred and offset >= self.deferred.get(number, (offset + 1, 0))[0]:
            raise RuntimeError(f"{self.topic}/{number}: offset {offset} lies behind a deferred record")
        if self._handled.get(number, -1) < offset:
            self._handled[number] = offset


def _log_dead(message: Message, error: BaseException, stage: str) -> None:
    """Without the error's text, which may quote personal data: that is in the DLQ, whose listing masks it."""
    log.warning(
        "dead letter",
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        stage=stage,
        error=type(error).__name__,
        code=getattr(error, "code", ""),
        field=getattr(error, "field", ""),
        traceparent=next((v.decode(errors="replace") for k, v in message.headers if k == "traceparent"), ""),
    )
