"""A process that its group does not count on any more is found out and ends; one that rightly owns nothing is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from typing import Any

import job  # by its path, as in conftest
import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from streams.runtime import Runtime
from streams.runtime.errors import KafkaFailed
from streams.runtime.port import Librdkafka
from streams.standing import GroupWatch, Look, Seen, Verdict, judge, look_at_group, suspicion

OUT = Look(settled=True, known=False, given=0, free=4)
WITHOUT = Look(settled=True, known=True, given=0, free=2)
STANDBY = Look(settled=True, known=True, given=0, free=0)
WORKS = Look(settled=True, known=True, given=3, free=0)
REBALANCE = Look(settled=False, known=True, given=0, free=4)


@pytest.mark.parametrize(
    ("owned", "look", "suspicious"),
    [
        pytest.param(0, OUT, True, id="the group does not know it"),
        pytest.param(3, OUT, True, id="the group does not know it, though it believes to own partitions"),
        pytest.param(0, WITHOUT, True, id="it owns nothing, and partitions are free"),
        pytest.param(0, WORKS, True, id="the group has given it partitions that it has not taken"),
        pytest.param(0, STANDBY, False, id="more workers than partitions"),
        pytest.param(3, WORKS, False, id="it works"),
        pytest.param(0, REBALANCE, False, id="a rebalance is under way"),
        pytest.param(0, None, False, id="the broker is away"),
    ],
)
def test_what_a_look_says_is_suspicious_or_legitimate(owned: int, look: Look | None, suspicious: bool) -> None:
    assert bool(suspicion(Seen(0.0, owned, look))) == suspicious


def history(*looks: Look | None, every: float = 5.0) -> list[Seen]:
    return [Seen(i * every, 0, look) for i, look in enumerate(looks)]


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        pytest.param([], Verdict.FINE, id="nothing seen yet"),
        pytest.param(history(*[OUT] * 5), Verdict.STANDS, id="20 seconds out of the group"),
        pytest.param(history(*[OUT] * 4), Verdict.SUSPICIOUS, id="15 seconds are not long enough"),
        pytest.param(history(OUT, OUT, every=20.0), Verdict.SUSPICIOUS, id="two looks are too few"),
        pytest.param(history(*[OUT, WITHOUT] * 3), Verdict.STANDS, id="one suspicion after another is one stand-still"),
        pytest.param(history(*[OUT] * 4, REBALANCE, *[OUT] * 3), Verdict.SUSPICIOUS, id="a rebalance begins anew"),
        pytest.param(history(*[OUT] * 4, None, *[OUT] * 3), Verdict.SUSPICIOUS, id="a broker that is away begins anew"),
        pytest.param(history(*[OUT] * 6, STANDBY), Verdict.FINE, id="it came back as a standby"),
        pytest.param(history(*[OUT] * 4, every=60.0), Verdict.SUSPICIOUS, id="a process that was stopped in between"),
        pytest.param(history(*[STANDBY] * 100), Verdict.FINE, id="a standby for ever"),
        pytest.param(history(*[None] * 100), Verdict.FINE, id="no broker for ever"),
    ],
)
def test_only_what_lasts_is_a_stand_still(seen: list[Seen], verdict: Verdict) -> None:
    assert judge(seen, 20.0) is verdict


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
    """A watch whose clock goes 1 s from turn to turn."""

    def __init__(self, seconds: float = 20.0) -> None:
        self.now = 0.0
        self.answer: Look | Exception = WORKS
        self.asked = 0
        self.watch = GroupWatch(self.ask, AtOnce(), lambda: self.now, seconds)

    def ask(self) -> Look:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def turns(self, n: int, answer: Look | Exception, owned: int = 0) -> str:
        self.answer = answer
        said = ""
        for _ in range(n):
            self.now += 1.0
            said = said or self.watch.stands(owned)
        return said


def test_a_watch_says_why_within_half_a_minute_and_asks_only_every_five_seconds() -> None:
    watched = Watched()
    assert watched.turns(60, WORKS, owned=3) == ""
    assert "does not know this process, and 4 partitions" in watched.turns(30, OUT)
    assert watched.watch.verdict is Verdict.STANDS
    assert watched.asked <= 19


def test_a_look_that_fails_is_no_proof_and_ends_what_was_suspicious() -> None:
    watched = Watched()
    assert watched.turns(15, OUT) == ""
    assert watched.turns(100, KafkaException(KafkaError(KafkaError._TIMED_OUT))) == ""
    assert watched.watch.verdict is Verdict.FINE


def test_a_watch_of_zero_seconds_never_asks() -> None:
    watched = Watched(0.0)
    assert watched.turns(60, OUT) == ""
    assert watched.asked == 0


class Forgetful(Librdkafka):
    """Its group consumer leaves the group underneath the worker once ``forget`` is set, and joins it never again."""

    def __init__(self) -> None:
        self.forget = False

    def consumer(self, properties: Mapping[str, Any]) -> Any:
        made = super().consumer(properties)
        return _Leaver(made, self) if "group.instance.id" in properties else made


class _Leaver:
    def __init__(self, consumer: Any, port: Forgetful) -> None:
        self._consumer, self._port, self._left = consumer, port, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def consume(self, n: int, timeout: float) -> Any:
        if self._port.forget and not self._left:
            self._left = True
            self._consumer.unsubscribe()
        return self._consumer.consume(n, timeout)


def look(kafka: str, names: job.Names, slot: int) -> Look:
    """Asked as the product asks: by a new client where the last one got no answer, as from a broker that is only making its offsets' topic."""
    admin = AdminClient({"bootstrap.servers": kafka})
    try:
        return look_at_group(admin, names.prefix, f"{names.prefix}-{slot}", [names.input])
    except KafkaException:
        return REBALANCE


@pytest.mark.kafka
async def test_a_worker_that_lost_its_group_ends_so_that_another_can_start(kafka: str, names: job.Names) -> None:
    port = Forgetful()
    runtime = Runtime(job.config(kafka, names, port=port, standing_seconds=5.0))
    job.counting(runtime, names)
    task = asyncio.ensure_future(runtime.run(asyncio.Event()))
    await job.until(lambda: look(kafka, names, 0).given == 4)
    port.forget = True
    with pytest.raises(KafkaFailed, match="stands still: the group does not know this process, and 4 partitions"):
        await asyncio.wait_for(task, 60)
    assert runtime.health.registry.get_sample_value("wharf_standing_still") == 2
    second = Runtime(job.config(kafka, names, standing_seconds=5.0))
    job.counting(second, names)
    stop = asyncio.Event()
    again = asyncio.ensure_future(second.run(stop))
    await job.until(lambda: look(kafka, names, 0).given == 4)
    stop.set()
    await again


@pytest.mark.kafka
async def test_a_worker_without_a_partition_of_its_own_stands_by_and_does_not_end(kafka: str, running: Any) -> None:
    names = job.Names("standby")
    admin = AdminClient({"bootstrap.servers": kafka})
    for done in admin.create_topics([NewTopic(names.input, 1, 1), NewTopic(names.dlq, 1, 1)]).values():
        done.result(30)
    runtimes = [Runtime(job.config(kafka, names, slot=slot, standing_seconds=5.0)) for slot in (0, 1)]
    for runtime in runtimes:

        @runtime.agent(names.input)
        async def quiet(batch: Any) -> None:
            return None

    async with running(runtimes[0]) as first, running(runtimes[1]) as second:
        await job.until(
            lambda: (
                [look(kafka, names, 0).known, look(kafka, names, 1).known, look(kafka, names, 0).free]
                == [True, True, 0]
            )
        )
        await asyncio.sleep(9)
        assert not first.done()
        assert not second.done()
        assert sorted(look(kafka, names, slot).given for slot in (0, 1)) == [0, 1]
