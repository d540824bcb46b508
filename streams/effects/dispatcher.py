"""The desk hands effects to the senders of their targets and says what came of each.

Delivery is at least once, always under the effect's own id: after a crash between the answer and the commit the same effect is sent
again with the same idempotency key, and that it counts once is the receiver's part (docs/contract.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from domain.records.effects import Effect, Sent

from .breaker import Breaker
from .policy import Policy

__all__ = ["Desk", "Done", "Failed", "Job", "Later", "NoConnection", "Result", "Sender"]

log = structlog.get_logger(__name__)

_ROUNDS = 10
"""Effects that are handed in for a slot at a time."""
_FORGOTTEN_MS = 600_000
"""An answer nobody came for: its effect's partition went to another worker, which sends again."""


class Sender(Protocol):
    """Carries out the effects of one target (``connectors.protocols.Sender``)."""

    async def send(self, effect: Effect, now: int) -> Sent:
        """One attempt, with ``effect.event_id`` as the idempotency key."""
        ...


class NoConnection(LookupError):
    """No sender for a target; the message names what to configure."""

    code = "effect.target"
    field = "target"

    def __init__(self, target: str) -> None:
        kind, _, account = target.partition(":")
        entry = f"channels.{kind}.{account}" if account else f"threepl.{target}"
        if kind == "label":
            entry = f"carriers.{account}"
        elif kind == "message":
            entry = f"messages.{account}"
        super().__init__(f"no connection for the target {target!r}: add {entry} to wharf.yaml, then redrive")


class SendFailed(RuntimeError):
    """No attempt succeeded, or none can."""

    code = "effect.failed"
    field = "target"


@dataclass(frozen=True, slots=True)
class Job:
    """An effect to carry out, and what was tried so far. ``first_at``: ms of the first attempt, 0 before it."""

    effect: Effect
    attempts: int = 0
    first_at: int = 0

    @property
    def lane(self) -> tuple[str, str]:
        """Effects of one order for one target keep their order; one that names no order yet goes alone."""
        return self.effect.order_key or self.effect.event_id, self.effect.target


@dataclass(frozen=True, slots=True)
class Done:
    """Outcome of an effect that was carried out."""

    job: Job
    sent: Sent


@dataclass(frozen=True, slots=True)
class Later:
    """To be tried again, not before ``due`` (ms). ``job`` counts the attempts that were made."""

    job: Job
    due: int
    error: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It goes to the DLQ."""

    job: Job
    error: Exception


Result = Done | Later | Failed


class _Target:
    """A sender with its slots and its breaker."""

    def __init__(self, sender: Sender, policy: Policy) -> None:
        self.sender = sender
        self.breaker = Breaker(policy)
        self.slots = asyncio.Semaphore(policy.slots)


@dataclass(frozen=True, slots=True)
class _Flight:
    """An attempt under way; kept where its batch does not wait for it."""

    task: asyncio.Task[Sent]
    target: str
    began: int


class Desk:
    """``now``: the clock of orders, for senders; ``wall``: real ms, for everything that waits."""

    def __init__(
        self, senders: Mapping[str, Sender], policy: Policy, now: Callable[[], int], wall: Callable[[], int]
    ) -> None:
        self.policy = policy
        self.wall = wall
        self._now = now
        self._targets = {name: _Target(sender, policy) for name, sender in senders.items()}
        self._flights: dict[str, _Flight] = {}

    def free(self, target: str) -> int:
        """How many effects may be handed in for the target now. One without a connection is tried at once: to fail."""
        found = self._targets.get(target)
        many = self.policy.slots * _ROUNDS
        return many if found is None else found.breaker.free(self.wall(), 0 if self._silent(target) else many)

    def flying(self, effect_id: str) -> bool | None:
        """Of an attempt that a batch did not wait for: whether it is still under way. None: there is no such attempt."""
        flight = self._flights.get(effect_id)
        return None if flight is None else not flight.task.done()

    async def work(self, job: Job) -> Result:
        """Carry out one effect: the first attempts, as far as they fit into the patience, then ``Later``."""
        deadline = self.wall() + 2 * self.policy.patience_ms
        while True:
            result = await self._attempt(job, deadline)
            if not isinstance(result, Later) or result.job.attempts == job.attempts or result.due >= deadline:
                return result
            await asyncio.sleep(max(result.due - self.wall(), 0) / 1000)
            job = result.job

    async def _attempt(self, job: Job, deadline: int) -> Result:
        target = self._targets.get(job.effect.target)
        if target is None:
            return Failed(job, NoConnection(job.effect.target))
        if not job.first_at:
            job = replace(job, first_at=self.wall())
        effect_id = job.effect.event_id
        flight = self._flights.pop(effect_id, None) or await self._start(job, target, deadline)
        if flight is None:
            return Later(job, self._turned_away(job, target), "waits for its target")
        await asyncio.wait({flight.task}, timeout=self.policy.patience_ms / 1000)
        if flight.task.done():
            return self._judge(job, flight.task.result())
        self._keep(effect_id, flight)
        return Later(job, self.wall() + self.policy.wake_ms, "no answer yet")

    async def _start(self, job: Job, target: _Target, deadline: int) -> _Flight | None:
        """Begin an attempt, once there is a slot. None: there is none in time, or the target is silent or left alone."""
        name = job.effect.target
        if not target.breaker.free(self.wall(), 1) or self._silent(name):
            return None
        try:
            async with asyncio.timeout((deadline - self.wall()) / 1000):
                await target.slots.acquire()
        except TimeoutError:
            return None
        if not target.breaker.free(self.wall(), 1):  # it opened while this one waited
            target.slots.release()
            return None
        target.breaker.begin()
        return _Flight(asyncio.create_task(self._send(target, job.effect)), name, self.wall())

    def _silent(self, target: str) -> bool:
        """Whether all the target's slots are taken by attempts that nobody waits for any more."""
        held = sum(flight.target == target and not flight.task.done() for flight in self._flights.values())
        return held >= self.policy.slots

    async def _send(self, target: _Target, effect: Effect) -> Sent:
        try:
            sent = await target.sender.send(effect, self._now())
        except Exception as e:
            # A sender that raises has a bug or met an answer nobody thought of: retried, and in the DLQ at the end.
            log.exception("a sender raised", target=effect.target, effect=effect.event_id)
            sent = Sent(ok=False, error=f"{type(e).__name__}: {e}")
        finally:
            target.slots.release()
        if sent.ok or sent.permanent:
            target.breaker.answered()
        elif target.breaker.failed(self.wall()):
            log.warning("a target is left alone for a while", target=effect.target, error=sent.error)
        return sent

    def _judge(self, job: Job, sent: Sent) -> Result:
        job = replace(job, attempts=job.attempts + 1)
        if sent.ok:
            return Done(job, sent)
        if sent.permanent:
            return Failed(job, SendFailed(sent.error))
        wall = self.wall()
        if job.attempts >= self.policy.attempts or wall - job.first_at >= self.policy.give_up_ms:
            return Failed(job, SendFailed(f"given up after {job.attempts} attempts: {sent.error}"))
        pause = self.policy.pause(job.effect.event_id, job.attempts)
        return Later(job, wall + max(pause, round((sent.retry_after or 0) * 1000)), sent.error)

    def _turned_away(self, job: Job, target: _Target) -> int:
        """When to come back to a target that has no slot or an open breaker."""
        return max(self.wall(), target.breaker.open_until) + self.policy.pause(job.effect.event_id, 1)

    def _keep(self, effect_id: str, flight: _Flight) -> None:
        """Remember an attempt that goes on without its batch, and forget those whose answer nobody came for."""
        self._flights[effect_id] = flight
        old = self.wall() - _FORGOTTEN_MS
        for key in [k for k, f in self._flights.items() if f.task.done() and f.began < old]:
            del self._flights[key]

    def close(self) -> None:
        """Give up the attempts under way; the next worker makes them again, under the same ids."""
        for flight in self._flights.values():
            flight.task.cancel()
