"""The effects agent: read an intent, have its target's sender carry it out, publish what came of it.

A batch is worked concurrently, each lane (an order's effects for one target) in its order. What fails is tried again at once as long as
the batch has patience, then from ``wharf.effects.retry``, whose agent keeps the waiting effects in its table and looks at
them once a second: no partition ever stands still for a dead target. At the end of all attempts, or where none can
succeed, the effect goes to the DLQ and the order is told. Offsets, table and everything published are one transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast, get_args

import msgspec
import structlog

from domain.errors import Rejected
from domain.records.commands import Tick
from domain.records.effects import Effect
from domain.records.record import uuid5
from schemas.codec import decode, encode
from schemas.dead_letters import VALUE_CONVERTER
from schemas.headers import headers
from schemas.topics import DLQ, EFFECTS, EFFECTS_RETRY, EFFECTS_TABLE
from streams.runtime import Batch, Message, Runtime, RuntimeConfig

from . import Desk, Done, Failed, Job, Later, Policy, Sender, lanes, pending
from . import outcomes as publish

__all__ = ["EffectsAgent", "effects_runtime"]

log = structlog.get_logger(__name__)

_EFFECTS = get_args(Effect)
_BATCH = 250
"""Effects a cycle: few enough that one cycle takes seconds even where every target is slow."""


def _real_ms() -> int:
    """Waiting for others is done in real time, whatever clock the orders live by."""
    return time.time_ns() // 1_000_000


def effects_runtime(
    config: RuntimeConfig,
    senders: Mapping[str, Sender],
    policy: Policy | None = None,
    wall: Callable[[], int] = _real_ms,
) -> Runtime:
    """A worker of the role ``effects``. ``config.now`` is the orders' clock; deferring and back-off go by ``wall``.

    ``senders``: target (``depot-a``, ``shopify:acme``) to what carries its effects out; closing them is the caller's.
    """
    runtime = Runtime(replace(config, dlq=DLQ.name, now=wall, batch_size=_BATCH))
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
        self._waiting = lanes.Waiting(desk.wall)

    async def effects(self, batch: Batch) -> None:
        """Work the intents of ``wharf.effects``."""
        jobs: dict[str, tuple[Message, Job]] = {}
        for message in batch:
            try:
                effect = _read(message)
            except (ValueError, Rejected) as e:
                batch.dead_letter(message, e, VALUE_CONVERTER)
            else:
                jobs.setdefault(effect.event_id, (message, Job(effect)))
        results = await lanes.work(self._desk, (job for _, job in jobs.values()), lambda job: job.lane in self._waiting)
        for effect_id, (message, _) in jobs.items():
            result = results[effect_id]
            if isinstance(result, Later):
                values = (result.job.attempts, result.job.first_at, result.due, result.error)
                kept = pending.retry_headers(message, *values)
                batch.send(EFFECTS_RETRY.name, message.key, message.value, kept)
            else:
                self._settle(batch, message, result)

    async def effects_retry(self, batch: Batch) -> None:
        """Keep what comes from ``wharf.effects.retry`` in the table; at a wake-up, try what is due."""
        waited = {m.partition: pending.count(batch.table(m.partition)) for m in batch.messages}
        woken: set[int] = set()
        for message in batch:
            if message.key:
                self._keep(batch, message)
            elif self._is_due(batch, message):
                woken.add(message.partition)
        await asyncio.gather(*(self._try_due(batch, partition) for partition in woken))
        for partition, before in waited.items():
            # While anything waits, one wake-up is under way: the first entry begins the chain, each wake-up continues it.
            if pending.count(batch.table(partition)) and (partition in woken or not before):
                self._wake_later(batch, partition)

    def _keep(self, batch: Batch, message: Message) -> None:
        with batch.record(message) as record:
            job = Job(_read(message))
            record.decoded()
            pending.add(record.table, pending.from_message(message, job))
            self._waiting.add(message.partition, job.lane)

    def _is_due(self, batch: Batch, wake: Message) -> bool:
        """Whether the wake-up's time has come; until then the partition stands still, a second at the most."""
        try:
            due = decode(wake.value).time
        except ValueError as e:
            batch.dead_letter(wake, e, VALUE_CONVERTER)
            return False
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
        waiting = list(pending.entries(table))
        due = lanes.due_lanes(self._desk, waiting)
        results = await lanes.work(self._desk, (Job(_read(p.message), p.attempts, p.first_at) for p in due))
        for entry in due:
            result = results[entry.effect_id]
            if isinstance(result, Later):
                self._waits_on(batch, partition, entry, result)
            else:
                self._settle(batch, entry.message, result)
                pending.remove(table, entry)
        left = (p for p in waiting if isinstance(results.get(p.effect_id), Later | None))
        self._waiting.replace(partition, {p.lane for p in left})

    def _waits_on(self, batch: Batch, partition: int, entry: pending.Pending, result: Later) -> None:
        job = result.job
        tried = msgspec.structs.replace(
            entry, attempts=job.attempts, first_at=job.first_at, due=result.due, error=result.error
        )
        # One that was only held back stays as it is: an outage must not rewrite everything that waits each second.
        if (tried.attempts, tried.first_at) != (entry.attempts, entry.first_at):
            pending.update(batch.table(partition), tried)

    def _settle(self, batch: Batch, message: Message, result: Done | Failed) -> None:
        """Publish what came of it."""
        now = self._now()
        if isinstance(result, Done):
            try:
                done = publish.done(result, now)
                batch.outputs += [
                    batch.output(outcome.topic, outcome.key, outcome.value or b"", outcome.headers, outcome.partition)
                    for outcome in done
                ]
            except ValueError as e:
                # It was carried out, but what its answer says can't be kept (no valid text, too large): that is a dead letter.
                result = Failed(result.job, e)
            else:
                return
        effect = result.job.effect
        log.error("an effect failed", target=effect.target, effect=effect.event_id, error=str(result.error))
        batch.dead += 1
        batch.outputs += publish.failed(result, message, now, self._worker)
