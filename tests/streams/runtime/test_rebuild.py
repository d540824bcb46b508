"""A lost table comes back from its input, and nothing but the changelog is written on the way."""

from __future__ import annotations

import asyncio
from threading import Event

import job
import pytest
from confluent_kafka.admin import AdminClient
from test_runtime import RECORDS, fold, recreate, written

from streams.runtime import Runtime, StateLost
from streams.runtime.rebuild import GroupActive, check_idle, plan, rebuild
from streams.runtime.restore import read_changelog

pytestmark = pytest.mark.kafka


def table(kafka: str, names: job.Names) -> dict[bytes, bytes]:
    config = job.config(kafka, names)
    content: dict[bytes, bytes] = {}
    for p in range(job.PARTITIONS):
        found = read_changelog(config, (names.table, p), Event(), lambda share: None)
        content |= {(k if k[:1] != b"\x00" else b"%d" % p + k): v for k, v in found.items()}
    return content


async def test_a_lost_table_is_rebuilt_as_it_was_without_any_output(kafka: str, names: job.Names, running) -> None:
    poisoned = [*RECORDS, (b"k1", b"poison"), *RECORDS]
    job.produce(kafka, names.input, poisoned)
    runtime = await fold(kafka, names, running, poisoned[1:])
    before = table(kafka, names)
    outputs, dead = len(job.read_all(kafka, names.output)), len(job.read_all(kafka, names.dlq))
    await recreate(kafka, names)
    await job.until(lambda: idle(runtime))
    plans = await asyncio.to_thread(plan, runtime.config, runtime.agents)
    assert all(p.complete and "wharf replay state" in p.lost for p in plans)
    assert sum(p.records for p in plans) >= len(poisoned)
    done = [await rebuild(runtime.config, runtime.agents[p.topic], p, lambda n: None) for p in plans]
    assert table(kafka, names) == before
    assert (sum(r.folded for r in done), sum(r.rejected for r in done)) == (len(poisoned), 1)
    assert (len(job.read_all(kafka, names.output)), len(job.read_all(kafka, names.dlq))) == (outputs, dead)
    # And a worker goes on from there.
    job.produce(kafka, names.input, RECORDS)
    await fold(kafka, names, running, [*poisoned[1:], *RECORDS])
    good = [r for r in poisoned if r[1] != b"poison"]
    assert job.numbers(kafka, names.output) == job.expected([*good, *RECORDS])


def idle(runtime: Runtime) -> bool:
    try:
        check_idle(runtime.config)
    except GroupActive:
        return False
    return True


async def test_nothing_is_rebuilt_beside_a_running_worker(kafka: str, names: job.Names, running) -> None:
    runtime = Runtime(job.config(kafka, names))
    job.counting(runtime, names)
    job.produce(kafka, names.input, RECORDS)
    async with running(runtime):
        await job.until(lambda: written(kafka, names, RECORDS))
        with pytest.raises(GroupActive, match=f"{names.prefix}-0"):
            await asyncio.to_thread(check_idle, runtime.config)


async def test_a_rebuild_that_was_broken_off_leaves_a_table_that_workers_refuse(
    kafka: str, names: job.Names, running
) -> None:
    job.produce(kafka, names.input, RECORDS)
    runtime = await fold(kafka, names, running, RECORDS)
    [todo, *_] = [p for p in await asyncio.to_thread(plan, runtime.config, runtime.agents) if p.keys]
    await asyncio.to_thread(tombstone_head, kafka, todo.table, todo.partition)  # its first transaction, and no more
    again = Runtime(job.config(kafka, names))
    job.counting(again, names)
    with pytest.raises(StateLost, match="no head"):
        await asyncio.wait_for(again.run(), 60)


def tombstone_head(kafka: str, topic: str, partition: int) -> None:
    from confluent_kafka import Producer

    from streams.runtime.head import HEAD

    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topic, None, HEAD, partition)
    assert producer.flush(10) == 0


def test_an_input_that_was_cut_is_said_to_be_incomplete(kafka: str, names: job.Names) -> None:
    from confluent_kafka import TopicPartition

    job.produce(kafka, names.input, RECORDS)
    admin = AdminClient({"bootstrap.servers": kafka})
    for done in admin.delete_records([TopicPartition(names.input, 0, 1)]).values():
        done.result(30)
    runtime = Runtime(job.config(kafka, names))
    job.counting(runtime, names)
    plans = plan(runtime.config, runtime.agents)
    assert [p.complete for p in plans] == [False, True, True, True]
