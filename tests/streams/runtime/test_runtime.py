"""The runtime on a real broker: dead letters, aborts, restores, refusals, deferring, ticks, rebalances."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import job
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from streams.runtime import Batch, Runtime, StateLost
from streams.runtime.errors import AgentFailed, TopicsUnfit, TransactionFailed

pytestmark = pytest.mark.kafka

KEYS = [b"k%d" % i for i in range(20)]
RECORDS = [(key, b"x") for _ in range(10) for key in KEYS]


def written(kafka: str, names: job.Names, records: list[tuple[bytes, bytes]]) -> bool:
    return sum(map(len, job.numbers(kafka, names.output).values())) >= len(records)


async def fold(kafka: str, names: job.Names, running, records: list[tuple[bytes, bytes]], **changes) -> Runtime:
    """Run the counting job until all these records came out."""
    runtime = Runtime(job.config(kafka, names, **changes))
    job.counting(runtime, names)
    async with running(runtime):
        await job.until(lambda: written(kafka, names, records))
    return runtime


async def test_a_poison_record_goes_to_the_dlq_while_the_rest_goes_on(kafka: str, names: job.Names, running) -> None:
    records = [*RECORDS[:30], (b"k1", b"poison"), *RECORDS[30:60]]
    job.produce(kafka, names.input, records)
    good = [r for r in records if r[1] != b"poison"]
    runtime = await fold(kafka, names, running, good)
    assert job.numbers(kafka, names.output) == job.expected(good)
    [dead] = job.read_all(kafka, names.dlq)
    headers = dict(dead.headers())
    assert (dead.key(), dead.value(), headers["ce_id"]) == (b"k1", b"poison", b"e1")
    assert headers["__connect.errors.exception.message"] == b"poison"
    assert headers["__connect.errors.topic"] == names.input.encode()
    assert runtime.health.registry.get_sample_value("wharf_dead_letters_total", {"topic": names.input}) == 1


async def test_an_agent_that_raises_aborts_its_cycle_and_loses_and_doubles_nothing(
    kafka: str, names: job.Names, running
) -> None:
    job.produce(kafka, names.input, RECORDS)
    all_records = RECORDS + [(key, b"x") for key in KEYS]
    runtime = Runtime(job.config(kafka, names))
    failures = iter([True, True, False, True])

    @runtime.agent(names.input, table=names.table)
    async def count(batch: Batch) -> None:
        for message in batch:
            with batch.record(message) as record:
                number = int(record.table.get(message.key) or b"0") + 1
                record.table.put(message.key, b"%d" % number)
                record.send(names.output, message.key, b"%d" % number, [])
        if next(failures, False):
            raise RuntimeError("after everything was folded")

    async with running(runtime):
        await job.until(lambda: written(kafka, names, RECORDS))
        for key in KEYS:  # one by one, for at least two more cycles
            job.produce(kafka, names.input, [(key, b"x")])
        await job.until(lambda: written(kafka, names, all_records))
    assert job.numbers(kafka, names.output) == job.expected(all_records)
    assert runtime.health.registry.get_sample_value("wharf_agent_failures_total") == 3


async def test_an_agent_that_never_stops_raising_ends_the_process(kafka: str, names: job.Names) -> None:
    job.produce(kafka, names.input, RECORDS)
    runtime = Runtime(job.config(kafka, names, max_failures=3, backoff_seconds=0.01))

    @runtime.agent(names.input)
    async def broken(batch: Batch) -> None:
        raise RuntimeError("always")

    with pytest.raises(AgentFailed, match="3 times in a row"):
        await asyncio.wait_for(runtime.run(), 60)
    assert job.read_all(kafka, names.output) == []


async def test_a_restored_table_equals_the_one_that_was_left(kafka: str, names: job.Names, running) -> None:
    job.produce(kafka, names.input, RECORDS)
    await fold(kafka, names, running, RECORDS)
    more = [*RECORDS, *RECORDS]
    job.produce(kafka, names.input, RECORDS)
    await fold(kafka, names, running, more)
    assert job.numbers(kafka, names.output) == job.expected(more)


async def recreate(kafka: str, names: job.Names) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.delete_topics([names.table])[names.table].result(30)
    await job.until(lambda: names.table not in admin.list_topics(timeout=10).topics)
    new = next(t for t in names.all() if t.topic == names.table)

    def made() -> bool:
        return admin.create_topics([new])[names.table].exception(10) is None

    await job.until(made)
    await job.until(lambda: job.is_led(admin, names.table))


async def cut(kafka: str, names: job.Names) -> None:
    """Drop each partition's first record, as a retention set by mistake does: the head survives, one key does not."""
    admin = AdminClient({"bootstrap.servers": kafka})
    policy = ConfigEntry("cleanup.policy", "compact,delete", incremental_operation=AlterConfigOpType.SET)
    topic = ConfigResource(ResourceType.TOPIC, names.table, incremental_configs=[policy])
    admin.incremental_alter_configs([topic])[topic].result(30)
    for done in admin.delete_records([TopicPartition(names.table, p, 1) for p in range(job.PARTITIONS)]).values():
        done.result(30)


@pytest.mark.parametrize("harm", [recreate, cut], ids=["changelog-deleted", "changelog-cut"])
async def test_a_worker_refuses_to_start_on_a_changelog_that_lost_something(
    kafka: str, names: job.Names, running, harm
) -> None:
    job.produce(kafka, names.input, [(key, b"x") for key in KEYS])
    await fold(kafka, names, running, [(key, b"x") for key in KEYS])
    await harm(kafka, names)
    runtime = Runtime(job.config(kafka, names))
    job.counting(runtime, names)
    with pytest.raises(StateLost, match="wharf replay state"):
        await asyncio.wait_for(runtime.run(), 60)


async def test_a_deferred_record_stops_its_partition_until_it_is_due(kafka: str, names: job.Names, running) -> None:
    job.produce(kafka, names.input, [(b"a", b"%d" % i) for i in range(6)])
    runtime = Runtime(job.config(kafka, names))
    seen: list[tuple[bytes, int]] = []
    due = 0

    @runtime.agent(names.input)
    async def wait(batch: Batch) -> None:
        nonlocal due
        due = due or job.now() + 1_500  # from the first batch on: a busy machine may take seconds to get that far
        for message in batch:
            if message.value == b"3" and job.now() < due:
                batch.defer(message, due)
                continue
            with batch.record(message) as record:
                seen.append((message.value, job.now()))
                record.send(names.output, message.key, message.value, [])

    async with running(runtime):
        await job.until(lambda: len(job.read_all(kafka, names.output)) >= 6)
    assert [v for v, _ in seen] == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert seen[2][1] < due <= seen[3][1]
    assert [m.value() for m in job.read_all(kafka, names.output)] == [v for v, _ in seen]


async def test_the_owner_of_a_partition_writes_the_time_into_it(kafka: str, names: job.Names, running) -> None:
    runtime = Runtime(
        job.config(
            kafka,
            names,
            ticks={names.input: 200},
            tick=lambda topic, partition, now: b"%d" % now,
            tick_gap_seconds=0.0,
        )
    )
    seen: dict[int, list[int]] = {p: [] for p in range(job.PARTITIONS)}

    @runtime.agent(names.input)
    async def clock(batch: Batch) -> None:
        for message in batch:
            seen[message.partition].append(int(message.value))

    async with running(runtime):
        await job.until(lambda: all(len(times) >= 3 for times in seen.values()))
    for times in seen.values():
        assert all(b - a >= 200 for a, b in pairwise(times))


async def test_partitions_move_between_two_workers_without_loss(kafka: str, names: job.Names, running) -> None:
    first, second = (Runtime(job.config(kafka, names, slot=s)) for s in (0, 1))
    job.counting(first, names)
    job.counting(second, names)
    total: list[tuple[bytes, bytes]] = []

    async def more() -> None:
        job.produce(kafka, names.input, RECORDS)
        total.extend(RECORDS)
        await job.until(lambda: written(kafka, names, total))

    def keys_of(runtime: Runtime) -> float:
        return runtime.health.records.labels(names.input)._value.get()

    async with running(first):
        await more()
        async with running(second):
            while keys_of(second) == 0:
                await more()
        await more()  # the second left without a word: static members do; its session runs out
    assert job.numbers(kafka, names.output) == job.expected(total)


async def test_a_second_worker_in_the_same_slot_fences_the_first(kafka: str, names: job.Names, running) -> None:
    first, second = (Runtime(job.config(kafka, names)) for _ in range(2))
    job.counting(first, names)
    job.counting(second, names)
    job.produce(kafka, names.input, RECORDS)
    fenced = asyncio.ensure_future(first.run())
    await job.until(lambda: written(kafka, names, RECORDS))
    async with running(second):
        job.produce(kafka, names.input, RECORDS)
        await job.until(lambda: written(kafka, names, [*RECORDS, *RECORDS]) and fenced.done())
    with pytest.raises(TransactionFailed):  # Fenced where the consumer or producer was told so first
        await fenced
    assert job.numbers(kafka, names.output) == job.expected([*RECORDS, *RECORDS])


async def test_a_missing_topic_is_named_before_anything_starts(kafka: str, names: job.Names) -> None:
    runtime = Runtime(job.config(kafka, names))
    runtime.agent(f"{names.prefix}.nowhere")(lambda batch: asyncio.sleep(0))
    with pytest.raises(TopicsUnfit, match=r"nowhere .*wharf up"):
        await runtime.run()
