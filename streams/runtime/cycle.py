"""The loop of a worker: one cycle, one transaction.

poll → fold (the agents) → wait for the last transaction → seal → commit in a thread, while the next batch is polled and folded

The next fold reads the table under the writes that are being committed. That is safe because there is no way on from a failed
commit: the process ends, and nothing it folded since was seen by anyone. Partitions are given up only from inside a poll, when
nothing is being folded, and only after the running commit has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import structlog
from confluent_kafka import KafkaException

from streams.runtime.stall import StallWatch, waiting
from streams.standing import GroupWatch, Look, look_at_group

from .batch import Batch, BatchLimits
from .channel import AgentSpec, BatchChannel
from .config import RuntimeConfig, admin_client, restore_properties
from .errors import AgentFailed, AgentStuck, KafkaFailed, TransactionFailed
from .health import Health
from .intake import Intake, Polled
from .message import NO_HEADERS, TP, Message, Output
from .outlet import Outlet, Sealed
from .pace import Pace
from .partitions import Partition, Partitions
from .table import Table
from .ticks import Ticker

__all__ = ["Committing", "Cycle"]

log = structlog.get_logger(__name__)

_HEALTH_SECONDS = 5.0
_LATE_SECONDS, _COLLECT_SECONDS = 0.12, 0.1
"""Once a record has waited so long for its turn, a cycle first collects for so long."""


class Committing:
    """A transaction under way, and what to do once it is through."""

    __slots__ = ("began", "future", "outputs", "records", "tables")

    def __init__(
        self, future: Future[None], tables: list[Table], records: dict[str, int], outputs: int, began: float
    ) -> None:
        self.future = future
        self.tables = tables
        self.records = records
        self.outputs = outputs
        self.began = began


class Cycle:
    """Polls, has the agents fold, commits. Consumer and producer have a thread each."""

    def __init__(
        self,
        config: RuntimeConfig,
        agents: Mapping[str, tuple[AgentSpec, BatchChannel]],
        health: Health,
        *,
        outlet: Outlet,
        stopping: asyncio.Event,
    ) -> None:
        self.config = config
        self.agents = agents
        self.health = health
        self._outlet = outlet
        self._stopping = stopping
        self._reading = config.port.threads(1, "wharf-intake")
        self._writing = config.port.threads(1, "wharf-outlet")
        self._intake = Intake(config, list(agents), self._await_commit)
        tables = {topic: spec.table for topic, (spec, _) in agents.items()}
        self._partitions = Partitions(config, tables, self._intake.committed, health, self._intake.bounds)
        self._ticker = Ticker(config.ticks, config.tick, config.tick_gap_seconds, config.port.monotonic)
        self._limits = BatchLimits(config.dlq, config.member, config.max_record_bytes)
        self._probing = config.port.threads(1, "wharf-probe")
        self._stalls = StallWatch(self._waiting, self._probing, config.port.monotonic, config.stall_seconds)
        self._standing = GroupWatch(self._group, self._probing, config.port.monotonic, config.standing_seconds)
        self._admin: Any = None
        self._committing: Committing | None = None
        self._pace = Pace(config.batch_size)
        self._failures = 0
        self._late = False
        self._health_due = 0.0
        self._frozen = False

    async def turn(self) -> None:
        """Run one cycle: one Kafka transaction at most."""
        if self._late:
            # Nobody is served at once any more: a transaction costs the broker the same for few records as for many, so let more come.
            await asyncio.sleep(_COLLECT_SECONDS)
        wait = 0.01 if self._committing or not self._partitions.settled() else self.config.poll_seconds
        size = self._pace.size
        polled = await self._read(self._intake.poll, size, wait)
        if len(polled.messages) < size:
            self._stalls.drained()
        if polled.messages:
            self._late = len(polled.messages) < size and self.config.port.age(polled.messages[0]) > _LATE_SECONDS
        await self._rebalance(polled)
        if self._committing is not None and self._committing.future.done():
            await self.settle()
        batches = self._batches(polled)
        ticks = self._ticks()
        if (batches or ticks) and await self._fold(batches):
            await self.settle()
            await self._commit(batches, ticks, polled.metadata)
        await self._look_after()

    async def _rebalance(self, polled: Polled) -> None:
        if polled.revoked:
            log.info("partitions revoked", partitions=polled.revoked)
            await self.settle()
            self._partitions.give(polled.revoked)
            for tp in polled.revoked:
                self._ticker.forget(tp)
        if polled.assigned:
            log.info("partitions assigned", partitions=polled.assigned)
            self._partitions.take(polled.assigned)
        self._partitions.wake(self.config.now())
        for partition, start in self._partitions.to_start():
            if await self._read(self._intake.start, partition.tp, start):
                partition.start, partition.next = None, max(start, 0)

    def _batches(self, polled: Polled) -> list[Batch]:
        """The records by topic. What belongs to a partition that stands still will be read again: start() seeks."""
        by_topic: dict[str, list[Message]] = {}
        messages: list[Message] = []
        topic, number, partition = "", -1, None
        for message in polled.messages:  # confluent-kafka's, whose accessors are calls
            if message.partition() != number or message.topic() != topic:  # they come in runs
                topic, number = message.topic(), message.partition()
                partition = self._running(topic, number)
                messages = by_topic.setdefault(topic, []) if partition is not None else []
            offset = message.offset()
            if partition is None or offset < partition.next:
                continue
            partition.next = offset + 1
            messages.append(
                Message(
                    topic,
                    number,
                    offset,
                    message.key() or b"",
                    message.value() or b"",
                    message.headers() or NO_HEADERS,
                    message.timestamp()[1],
                )
            )
        return [
            Batch(t, messages, self._partitions.tables(t), self._limits) for t, messages in by_topic.items() if messages
        ]

    def _running(self, topic: str, number: int) -> Partition | None:
        partition = self._partitions.get((topic, number))
        return partition if partition is not None and partition.running else None

    def _ticks(self) -> list[Output]:
        return self._ticker.due((partition.tp for partition in self._partitions.running()), self.config.now())

    async def _fold(self, batches: list[Batch]) -> bool:
        """Have the agents work. False: an agent raised, everything of this cycle is dropped and will be read again."""
        seconds, began = self.config.agent_timeout_seconds, self.config.port.monotonic()
        # All are waited for, also when one raised: none may write into a table whose cycle was dropped.
        work = asyncio.gather(
            *(self.agents[batch.topic][1].work(batch, seconds) for batch in batches), return_exceptions=True
        )
        await self._while_running(work)
        if not work.done():
            work.cancel()
            log.warning("stopped in the middle of a cycle, which is dropped", topics=[batch.topic for batch in batches])
            return False
        errors = [result for result in work.result() if isinstance(result, BaseException)]
        if not errors:
            self._pace.took(sum(map(len, batches)), self.config.port.monotonic() - began)
            return True
        await self._failed(next((e for e in errors if isinstance(e, AgentStuck)), errors[0]))
        await self._undo(batches)
        return False

    async def _while_running(self, work: asyncio.Future[Any]) -> None:
        """Wait for the agents; once the worker is to stop, only for the grace time."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        first: set[asyncio.Future[Any]] = {work, stopping}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not work.done():
            await asyncio.wait({work}, timeout=self.config.stop_grace_seconds)

    async def _failed(self, error: BaseException) -> None:
        if isinstance(error, AgentStuck) or not isinstance(error, Exception):
            raise error
        self._failures += 1
        self.health.failures.inc()
        log.error("an agent raised: the cycle is dropped", times=self._failures, exc_info=error)
        if self._failures >= self.config.max_failures:
            raise AgentFailed(f"an agent raised {self._failures} times in a row, the last time {error!r}") from error

    async def _undo(self, batches: list[Batch]) -> None:
        for batch in batches:
            for number, offset in batch.first_offsets().items():
                partition = self._partitions.get((batch.topic, number))
                if partition is None:
                    continue
                partition.next = offset
                if partition.table is not None:
                    partition.table.drop()
                await self._read(self._intake.seek, partition.tp, offset)
        if self._failures:
            pause = self.config.backoff_seconds * 2 ** (self._failures - 1)
            await asyncio.wait({asyncio.ensure_future(self._stopping.wait())}, timeout=min(pause, 10.0))

    async def _commit(self, batches: list[Batch], ticks: list[Output], metadata: Any) -> None:
        """Seal the cycle and begin its transaction."""
        sealed = Sealed(metadata=metadata)
        tables: list[Table] = []
        records: dict[str, int] = {}
        for batch in batches:
            sealed.outputs += batch.outputs
            records[batch.topic] = len(batch)
            if batch.dead:
                self.health.dead.labels(batch.topic).inc(batch.dead)
            if self._ticker.ticks(batch.topic):
                self._ticker.saw(batch.messages)
            firsts = batch.first_offsets()
            for number, offset in batch.next_offsets().items():
                moved = offset != firsts[number]
                await self._move(batch, number, offset, moved, sealed=sealed, tables=tables)
        if ticks:
            sealed.outputs += ticks
            self._ticker.wrote(ticks, self.config.now())
        if sealed:
            future = self._writing.submit(self._outlet.commit, sealed)
            self._committing = Committing(future, tables, records, len(sealed.outputs), self.config.port.monotonic())

    async def _move(
        self, batch: Batch, number: int, offset: int, moved: bool, *, sealed: Sealed, tables: list[Table]
    ) -> None:
        """Add one partition's progress to the transaction; stand still where a record was deferred."""
        partition = self._partitions.get((batch.topic, number))
        if partition is None:
            raise RuntimeError(f"{batch.topic}/{number} was folded but is not owned")
        deferred = batch.deferred.get(number)
        if deferred is not None:
            partition.next, partition.due = deferred
            await self._read(self._intake.pause, partition.tp, offset)
        if not moved and not (partition.table and partition.table.dirty):
            return
        sealed.move(batch.topic, number, offset)
        spec = self.agents[batch.topic][0]
        if spec.table is not None and partition.table is not None:
            sealed.changelog.append((spec.table, number, partition.table.seal(offset)))
            tables.append(partition.table)

    async def settle(self) -> None:
        """Wait for the running transaction; only now are its writes the table's. Raises TransactionFailed."""
        committing = self._committing
        if committing is None:
            return
        committed = asyncio.wrap_future(committing.future)
        left = committing.began + self.config.commit_seconds - self.config.port.monotonic()
        await asyncio.wait({committed}, timeout=max(left, 0.1))
        if not committed.done():
            # The broker has long aborted it; a call of librdkafka can hang past its own time-out (librdkafka #5511).
            raise TransactionFailed(f"a transaction did not end within {self.config.commit_seconds:.0f} s")
        committed.result()
        self._committing = None
        for table in committing.tables:
            table.apply()
        self._failures = 0
        self.health.committed(committing.records, committing.outputs, self.config.port.monotonic() - committing.began)

    def _await_commit(self) -> None:
        """Called in the intake's thread before partitions are given up; how the commit ended is for ``settle`` to say."""
        committing = self._committing
        if committing is not None:
            with suppress(TimeoutError):
                committing.future.exception(self.config.commit_seconds)

    async def _look_after(self) -> None:
        """Now and then: the gauges; once all is restored: keep the collector away from what lives for ever."""
        if not self._frozen and self._partitions.running() and self._partitions.all_restored():
            self._frozen = True
            self.config.port.spare_collector()
        owned = self._partitions.owned
        if why := self._standing.stands(owned):
            self.health.in_group(owned, self._standing.verdict)
            raise KafkaFailed(f"the consumer stands still: {why}")
        if self.config.port.monotonic() < self._health_due:
            return
        self.health.in_group(owned, self._standing.verdict)
        self._health_due = self.config.port.monotonic() + _HEALTH_SECONDS
        for partition in self._partitions.running():
            end = await self._read(self._intake.end, partition.tp)
            self.health.stands(
                partition.tp, max(end - partition.next, 0), None if partition.table is None else len(partition.table)
            )
        if stopped := self._stalls.stalled((partition.tp, partition.next) for partition in self._partitions.running()):
            raise KafkaFailed(f"the consumer has stopped fetching: {stopped} are in the log and don't come")

    def _waiting(self, places: Mapping[TP, int]) -> Mapping[TP, int]:
        return waiting(self.config.port.consumer(restore_properties(self.config)), places)

    def _group(self) -> Look:
        """Runs in the probe's thread. A client that met a broker without leaders may not ask again for minutes: the next look has a new one."""
        admin, self._admin = self._admin or admin_client(self.config), None
        found = look_at_group(admin, self.config.group, self.config.member, list(self.agents))
        self._admin = admin
        return found

    async def _read(self, call: Any, *args: Any) -> Any:
        """A call of the consumer, in its thread. Raises KafkaFailed."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reading, call, *args)
        except KafkaException as e:
            raise KafkaFailed(f"{call.__name__}{args}: {e.args[0].name()}: {e.args[0].str()}") from e

    async def close(self) -> None:
        """Wait for the running transaction and leave. Raises TransactionFailed."""
        await self.settle()
        await self._read(self._intake.close)

    def shut_down(self) -> None:
        """Let go of the threads."""
        self._partitions.close()
        self._reading.shutdown(wait=False)
        self._probing.shutdown(wait=False, cancel_futures=True)
        self._writing.shutdown(wait=False)
