"""A consumer that fetches nothing any more is found out, and one that is merely slow or idle is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from typing import Any

import job  # by its path, as in conftest
import pytest
from confluent_kafka import Producer

from streams.runtime import Runtime
from streams.runtime.errors import KafkaFailed
from streams.runtime.message import TP
from streams.runtime.port import Librdkafka
from streams.runtime.stall import StallWatch

A, B = ("in", 0), ("in", 1)


class AtOnce(Executor):
    """Runs what it is given at once."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as e:
            future.set_exception(e)
        return future


class Watched:
    """A watch whose clock goes 5 s from look to look, over a log with a record at each offset below ``end``."""

    def __init__(self, **end: int) -> None:
        self.now = 0.0
        self.end = end
        self.asked: list[Mapping[TP, int]] = []
        self.watch = StallWatch(self.find, AtOnce(), lambda: self.now, 20.0)

    def find(self, places: Mapping[TP, int]) -> dict[TP, int]:
        self.asked.append(dict(places))
        return {tp: at for tp, at in places.items() if at < self.end.get("ab"[tp[1]], 0)}

    def looks(self, n: int, *, drained: bool = True, **at: int) -> dict[TP, int]:
        found: dict[TP, int] = {}
        for _ in range(n):
            self.now += 5.0
            if drained:
                self.watch.drained()
            found = found or self.watch.stalled([(A, at["a"]), *([(B, at["b"])] if "b" in at else [])])
        return found


def test_a_record_that_is_in_the_log_and_does_not_come_is_a_stall() -> None:
    watched = Watched(a=9)
    assert watched.looks(5, a=7) == {}
    assert watched.looks(4, a=7) == {A: 7}


def test_an_idle_partition_is_asked_about_now_and_then_and_is_no_stall() -> None:
    watched = Watched(a=7)
    assert watched.looks(60, a=7) == {}
    assert 5 <= len(watched.asked) <= 15


def test_a_partition_that_moves_is_never_asked_about() -> None:
    watched = Watched(a=10_000, b=3)
    for at in range(50):
        assert watched.looks(1, a=at, b=3) == {}
    assert all(A not in places for places in watched.asked)


def test_a_record_that_comes_in_the_meantime_is_no_stall() -> None:
    watched = Watched(a=9)
    assert watched.looks(6, a=7) == {}
    assert watched.looks(1, a=9) == {}
    assert watched.looks(20, a=9) == {}


def test_a_record_behind_a_long_queue_is_no_stall() -> None:
    watched = Watched(a=9, b=100)
    assert watched.looks(40, drained=False, a=7, b=50) == {}


class Deaf(Librdkafka):
    """Its group consumer gives nothing after the first record: librdkafka without a leader."""

    def consumer(self, properties: Mapping[str, Any]) -> Any:
        made = super().consumer(properties)
        return Ear(made) if "group.instance.id" in properties else made


class Ear:
    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._heard = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def consume(self, n: int, timeout: float) -> list[Any]:
        got = self._consumer.consume(n, timeout)
        if self._heard:
            return []
        self._heard += len(got)
        return got


@pytest.mark.kafka
async def test_a_worker_whose_consumer_has_stopped_ends_so_that_another_can_start(
    kafka: str, names: job.Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.runtime.cycle._HEALTH_SECONDS", 0.2)
    runtime = Runtime(job.config(kafka, names, port=Deaf(), stall_seconds=0.5))

    heard = asyncio.Event()

    @runtime.agent(names.input)
    async def quiet(batch: Any) -> None:
        heard.set()

    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(names.input, b"1", b"k", 0)
    producer.flush()
    task = asyncio.ensure_future(runtime.run(asyncio.Event()))
    await asyncio.wait_for(heard.wait(), 120)
    producer.produce(names.input, b"2", b"k", 0)
    producer.flush()
    with pytest.raises(KafkaFailed, match="stopped fetching"):
        await asyncio.wait_for(task, 120)
