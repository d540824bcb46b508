"""The effects agent: read an intent, have its target's sender carry it out, publish what came of it.

A batch is worked concurrently, each lane (an order's effects for one target) in its order. What fails is tried again at once as long as
the batch has patience, then from ``wharf.effects.retry``, whose agent keeps the waiting effects in its table and looks at
them once a second: no partition ever stands still for a dead target. At the end of all attempts, or where none can
succeed, the effect goes to the DLQ and the order is told. Offsets, table and everything published are one transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from typing import cast, get_args

import structlog

from domain.commands import Tick
from domain.effects import Effect
from domain.errors import Rejected
from domain.record import uuid5
from schemas.codec import EncodeError, decode, encode
from schemas.headers import headers
from schemas.topics import DLQ, EFFECTS, EFFECTS_RETRY, EFFECTS_TABLE

from .runtime import Batch, Message, Output, Runtime, RuntimeConfig
from .runtime.dead_letter import VALUE_CONVERTER
from .sending import Desk, Failed, Job, Later, Policy, Result, Sender, publish
from .sending.pending import Pending, add, count, entries, from_message, remove, retry_headers, update

__all__ = ["EffectsAgent", "effects_runtime"]

log = structlog.get_logger(__name__)

_EFFECTS = get_args(Effect)
Lane = tuple[str, str]


def real_ms() -> int:
    """The machine's clock: waiting for others is done in real time, whatever clock the orders live by."""
    return time.time_ns() // 1_000_000


def effects_runtime(
    config: RuntimeConfig,
    senders: Mapping[str, Sender],
    policy: Policy | None = None,
    wall: Callable[[], int] = real_ms,
) -> Runtime:
    """A worker of the role ``effects``. ``config.now`` is the orders' clock; deferring and back-off go by ``wall``.

    ``senders``: target (``depot-a``, ``shopify:acme``) to what carries its effects out; closing them is the caller's.
    """
    runtime = Runtime(replace(config, dlq=DLQ.name, now=wall, batch_size=min(config.batch_size, 500)))
    agent = EffectsAgent(Desk(senders, policy or Policy(), config.now, wall), config.now, config.member)
    runtime.agent(EFFECTS.name)(agent.effects)
    runtime.agent(EFFECTS_RETRY.name, table=EFFECTS_TABLE.name, refold=False)(agent.effects_retry)
    return runtime


def _read(message: Message) -> Effect:
    record = decode(message.value)
    if not isinstance(record, _EFFECTS):
        raise Rejected("record.type", "value", f"{message.topic} carries no {type(record).__name__}")
    return cast("Effect", record)


class EffectsAgent:
    """Both topics' agents. ``now``: the orders' clock in ms; ``worker`` names the process in dead letters."""

    def __init__(self, desk: Desk, now: Callable[[], int], worker: str) -> None:
        self._desk = desk
        self._now = now
        self._worker = worker
        self._waiting: dict[int, set[Lane]] = {}
        """Lanes with an effect in the retry table, by partition, as far as this process knows them."""

    async def effects(self, batch: Batch) -> None:
        """Work the intents of ``wharf.effects``."""
        jobs: list[tuple[Message, Job]] = []
        for message in batch:
            try:
                jobs.append((message, Job(_read(message))))
            except (ValueError, Rejected) as e:
                batch.dead_letter(message, e, VALUE_CONVERTER)
        results = await self._work(job for _, job in jobs)
        for message, job in jobs:
            result = results[job.effect.event_id]
            if isinstance(result, Later):
                values = (result.job.attempts, result.job.first_at, result.due, result.error)
                batch.send(EFFECTS_RETRY.name, message.key, message.value, retry_headers(message, *values))
            else:
                self._settle(batch, message, result)

    async def effects_retry(self, batch: Batch) -> None:
        """Keep what comes from ``wharf.effects.retry`` in the table; at a wake-up, try what is due."""
        before = {m.partition: count(batch.table(m.partition)) for m in batch.messages}
        woken: set[int] = set()
        for message in batch:
            if message.key:
                self._keep(batch, message)
            elif self._is_due(batch, message):
                woken.add(message.partition)
        await asyncio.gather(*(self._try_due(batch, partition) for partition in woken))
        for partition, waited in before.items():
            # While anything waits, one wake-up is under way; the first entry begins the chain, each wake-up continues it.
            if count(batch.table(partition)) and (partition in woken or not waited):
                self._wake_later(batch, partition)

    def _keep(self, batch: Batch, message: Message) -> None:
        with batch.record(message) as record:
            effect = _read(message)
            record.decoded()
            add(record.table, effect.event_id, from_message(message, effect.order_key, effect.target))
            self._waiting.setdefault(message.partition, set()).add((effect.order_key, effect.target))

    def _is_due(self, batch: Batch, wake: Message) -> bool:
        """Whether the wake-up's time has come; until then the partition stands still, a second at the most."""
        due = decode(wake.value).time
        if due <= self._desk.wall():
            return True
        batch.defer(wake, due)
        return False

    def _wake_later(self, batch: Batch, partition: int) -> None:
        due = self._desk.wall() + self._desk.policy.wake_ms
        event_id = uuid5(f"{EFFECTS_RETRY.name}/{partition}", due, "Tick")
        tick = Tick(event_id=event_id, type="Tick", time=due, source=self._worker, trace="")
        batch.send(EFFECTS_RETRY.name, b"", encode(tick), headers(tick), partition)

    async def _try_due(self, batch: Batch, partition: int) -> None:
        table = batch.table(partition)
        waiting = list(entries(table))
        self._waiting[partition] = {(p.order_key, p.target) for p in waiting}
        chosen = self._choose(waiting)
        results = await self._work(job for _, job in chosen)
        for pending, job in chosen:
            result = results[job.effect.event_id]
            if isinstance(result, Later):
                self._waits_on(batch, partition, pending, result)
            else:
                self._settle(batch, pending.message, result)
                remove(table, job.effect.event_id)

    def _waits_on(self, batch: Batch, partition: int, pending: Pending, result: Later) -> None:
        job = result.job
        kept = (job.attempts, job.first_at, result.due, result.error)
        if kept != (pending.attempts, pending.first_at, pending.due, pending.error):
            values = dict(zip(("attempts", "first_at", "due", "error"), kept, strict=True))
            update(batch.table(partition), job.effect.event_id, _replace(pending, values))

    def _choose(self, waiting: Iterable[Pending]) -> list[tuple[Pending, Job]]:
        """Whole lanes, oldest first, whose head is due, as many as each target takes now."""
        lanes: dict[Lane, list[Pending]] = {}
        for pending in waiting:
            lanes.setdefault((pending.order_key, pending.target), []).append(pending)
        free: dict[str, int] = {}
        chosen: list[tuple[Pending, Job]] = []
        wall = self._desk.wall()
        for (_, target), lane in lanes.items():
            left = free.setdefault(target, self._desk.free(target))
            effect = _read(lane[0].message)
            # An answer that has come in is fetched whatever the breaker says of its target.
            landed = self._desk.landed(effect.event_id)
            if landed or (lane[0].due <= wall and left > 0):
                free[target] -= not landed
                chosen += [(p, Job(_read(p.message), p.attempts, p.first_at)) for p in lane]
        return chosen

    async def _work(self, jobs: Iterable[Job]) -> dict[str, Result]:
        """The results by effect id: lanes side by side, each in its order."""
        by_lane = sorted(jobs, key=lambda j: j.lane)  # stable: within a lane the order stays
        lanes = [list(group) for _, group in groupby(by_lane, key=lambda j: j.lane)]
        results: dict[str, Result] = {}
        await asyncio.gather(*(self._work_lane(lane, results) for lane in lanes))
        return results

    async def _work_lane(self, lane: list[Job], results: dict[str, Result]) -> None:
        held = False
        for job in lane:
            if job.effect.event_id in results:  # the same effect twice in one batch
                continue
            if held or self._overtakes(job):
                results[job.effect.event_id] = Later(job, self._desk.wall(), "waits for an earlier effect of its order")
                continue
            result = results[job.effect.event_id] = await self._desk.work(job)
            held = isinstance(result, Later)

    def _overtakes(self, job: Job) -> bool:
        """Whether an earlier effect of its lane waits in a table of this process. (Where another process has it, the receiver
        sorts it out: a cancellation that comes before its pick order is refused and tried again.)"""
        return job.attempts == 0 and not job.first_at and any(job.lane in lanes for lanes in self._waiting.values())

    def _settle(self, batch: Batch, message: Message, result: Result) -> None:
        for output in self._outputs(message, result):
            batch.send(output.topic, output.key, output.value or b"", output.headers)
        if isinstance(result, Failed):
            batch.dead += 1

    def _outputs(self, message: Message, result: Result) -> list[Output]:
        now = self._now()
        if isinstance(result, Failed):
            log.error(
                "effect failed",
                target=result.job.effect.target,
                effect=result.job.effect.event_id,
                error=str(result.error),
            )
            return publish.failed(result, message, now, self._worker)
        try:
            return publish.done(result, now)
        except EncodeError as e:
            # It was carried out, but what the answer says can't be kept: the dead letter and the outcome say so.
            return publish.failed(Failed(result.job, e), message, now, self._worker)
