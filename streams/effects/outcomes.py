"""What an effect leaves behind: its outcome, the facts in its answer, or its dead letter."""

from __future__ import annotations

from collections.abc import Iterator

from domain.records.commands import EffectOutcome, RulesPublished, Tick
from domain.records.effects import ChannelRefetch, Effect
from domain.records.record import Record as Fact
from domain.records.record import uuid5
from schemas.codec import encode
from schemas.dead_letters import FOLD
from schemas.headers import headers
from schemas.topics import DLQ, ORDERS_IN, POOLS_IN
from streams.runtime import Message, Output
from streams.runtime.dead_letter import dead_letter

from .dispatcher import Done, Failed, Job

__all__ = ["done", "failed"]


def done(result: Done, now: int) -> list[Output]:
    """The outcome and the facts. Raises EncodeError for a fact that can't be written."""
    sent = result.sent
    outputs = list(_outcome(result.job, now, ok=True, reference=sent.reference))
    # Rules and ticks belong to whole partitions: an answer from outside has no business with them.
    outputs += [
        _output(ORDERS_IN.name, order.order_key, order)
        for order in sent.orders
        if not isinstance(order, RulesPublished | Tick)
    ]
    outputs += [
        _output(POOLS_IN.name, pool.pool, pool) for pool in sent.pools if not isinstance(pool, RulesPublished | Tick)
    ]
    return outputs


def failed(result: Failed, message: Message, now: int, worker: str) -> list[Output]:
    """The dead letter, with the effect as it lay on its topic, and the outcome that tells the order."""
    letter = dead_letter(DLQ.name, message, result.error, FOLD, worker=worker)
    return [letter, *_outcome(result.job, now, ok=False, error=str(result.error))]


def _outcome(job: Job, now: int, *, ok: bool, reference: str = "", error: str = "") -> Iterator[Output]:
    """One, but for a re-fetch: what it fetched is its outcome, and its order may be unknown yet."""
    effect: Effect = job.effect
    if isinstance(effect, ChannelRefetch):
        return
    outcome = EffectOutcome(
        # The same attempt made again after a crash has the same id; one after a redrive that ends otherwise has not.
        event_id=uuid5(effect.event_id, job.attempts, f"EffectOutcome/{'ok' if ok else 'failed'}"),
        type="EffectOutcome",
        time=now,
        source="effects",
        trace=effect.trace,
        order_key=effect.order_key,
        effect_id=effect.event_id,
        kind=type(effect).__name__,
        target=effect.target,
        ok=ok,
        attempts=job.attempts,
        reference=reference,
        error=error,
        allocation_id=getattr(effect, "allocation_id", ""),
    )
    yield _output(ORDERS_IN.name, effect.order_key, outcome)


def _output(topic: str, key: str, fact: Fact) -> Output:
    return Output(topic, key.encode(), encode(fact), headers(fact))
