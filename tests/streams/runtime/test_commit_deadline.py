"""A transaction that does not end: librdkafka's call can hang past its own time-out (librdkafka #5511), so the worker counts the time itself."""

from __future__ import annotations

import time
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from streams.runtime.cycle import Committing, Cycle
from streams.runtime.errors import TransactionFailed


def cycle(future: Future[None], seconds: float = 0.2) -> Any:
    """A cycle that is committing, and nothing else."""
    made: Any = Cycle.__new__(Cycle)
    made.config = SimpleNamespace(commit_seconds=seconds, port=SimpleNamespace(monotonic=time.monotonic))
    made.health = SimpleNamespace(committed=lambda *_: None)
    made._failures = 0
    made._committing = Committing(future, [], {}, 0, time.monotonic())
    return made


async def test_a_transaction_that_never_ends_ends_the_worker() -> None:
    began = time.monotonic()
    with pytest.raises(TransactionFailed, match="did not end"):
        await cycle(Future()).settle()
    assert time.monotonic() - began < 60


async def test_one_that_ended_is_settled_and_one_that_failed_says_why() -> None:
    done: Future[None] = Future()
    done.set_result(None)
    settled = cycle(done)
    await settled.settle()
    assert settled._committing is None
    failed: Future[None] = Future()
    failed.set_exception(TransactionFailed("PRODUCER_FENCED"))
    with pytest.raises(TransactionFailed, match="PRODUCER_FENCED"):
        await cycle(failed).settle()


def test_a_rebalance_does_not_wait_for_it_for_ever() -> None:
    began = time.monotonic()
    cycle(Future())._await_commit()
    assert 0.1 < time.monotonic() - began < 60
