"""An input that was cut, deleted or damaged is refused with the way out, and never read from its beginning in silence."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import job
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from test_rebuild import idle
from test_runtime import RECORDS, fold

from ops.errors import UserError
from ops.monitoring.backlog import Backlog, Place
from ops.recovery.replay import move_on, prepare
from ops.servers.kafka import EmbeddedKafka
from schemas.damage import cut
from streams.runtime.go_on import cut_inputs, go_on


@pytest.mark.parametrize(
    ("at", "low", "high", "said"),
    [
        pytest.param(711, 0, 40, "the log ends at 40", id="deleted and made anew"),
        pytest.param(5, 9, 40, "4 offsets were deleted before they were worked", id="cut from below"),
        pytest.param(9, 9, 40, "", id="at the first record there is"),
        pytest.param(40, 9, 40, "", id="at the end"),
        pytest.param(0, 0, 0, "", id="an empty log"),
    ],
)
def test_a_group_can_go_on_only_within_the_log(at: int, low: int, high: int, said: str) -> None:
    assert said in cut("in/0", at, low, high)
    assert bool(said) == bool(cut("in/0", at, low, high))


async def refused(kafka: str, names: job.Names) -> str:
    """What a worker process says as it ends: in this process its consumer would live on in the group."""
    script = Path(__file__).parent / "job.py"
    environment = {**os.environ, "PYTHONPATH": str(script.parents[3])}
    command = [sys.executable, str(script), kafka, names.prefix, "0"]
    worker = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
    _, said = await asyncio.wait_for(worker.communicate(), 60)
    assert worker.returncode
    return said.decode()


async def make_anew(kafka: str, names: job.Names) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.delete_topics([names.input])[names.input].result(30)
    await job.until(lambda: names.input not in admin.list_topics(timeout=10).topics)
    [new] = [t for t in names.all() if t.topic == names.input]
    admin.create_topics([new])[names.input].result(30)
    await job.until(lambda: job.is_led(admin, names.input))


@pytest.mark.kafka
async def test_an_input_that_was_made_anew_is_refused_and_gone_on_in_with_the_table_kept(
    kafka: str, names: job.Names, running: Any
) -> None:
    job.produce(kafka, names.input, RECORDS)
    runtime = await fold(kafka, names, running, RECORDS)
    await make_anew(kafka, names)
    said = await refused(kafka, names)
    assert f"input {names.input}/" in said
    assert "it was cut, or deleted and made anew" in said
    assert "wharf replay state --execute --go-on first" in said
    await job.until(lambda: idle(runtime))
    inputs = await asyncio.to_thread(cut_inputs, runtime.config, runtime.agents)
    assert {i.end for i in inputs} == {0}
    with pytest.raises(UserError, match="--go-on first"):  # no rebuild folds what is not there, and none waits for it
        await asyncio.to_thread(prepare, runtime)
    preview = await asyncio.to_thread(move_on, runtime, "first", False)
    assert all("would go on at 0" in line for line in preview)
    assert await asyncio.to_thread(cut_inputs, runtime.config, runtime.agents) == inputs
    await asyncio.to_thread(move_on, runtime, "first", True)
    assert await asyncio.to_thread(cut_inputs, runtime.config, runtime.agents) == []
    job.produce(kafka, names.input, RECORDS)
    await fold(kafka, names, running, [*RECORDS, *RECORDS])
    assert job.numbers(kafka, names.output) == job.expected([*RECORDS, *RECORDS])


@pytest.mark.kafka
async def test_records_deleted_before_they_were_worked_are_refused_and_named(
    kafka: str, names: job.Names, running: Any
) -> None:
    job.produce(kafka, names.input, RECORDS)
    runtime = await fold(kafka, names, running, RECORDS)
    producer = Producer({"bootstrap.servers": kafka})
    for value in (b"lost", b"lost", b"kept"):
        producer.produce(names.input, value, b"new", 0)
        producer.flush(20)
    admin = AdminClient({"bootstrap.servers": kafka})
    [end] = admin.list_offsets({TopicPartition(names.input, 0): OffsetSpec.latest()}).values()
    for done in admin.delete_records([TopicPartition(names.input, 0, end.result().offset - 1)]).values():
        done.result(30)
    assert "2 offsets were deleted before they were worked" in await refused(kafka, names)
    with Backlog({"bootstrap.servers": kafka}) as backlog:
        at = backlog.committed(names.prefix)[names.input, 0]
        [place] = backlog.measure([Place(names.input, 0, at)])
    assert "2 offsets were deleted" in place.trouble
    await job.until(lambda: idle(runtime))
    inputs = await asyncio.to_thread(cut_inputs, runtime.config, runtime.agents)
    assert [(i.partition, i.at + 2) for i in inputs] == [(0, inputs[0].first)]
    await asyncio.to_thread(go_on, runtime.config, inputs, "first")
    await fold(kafka, names, running, [*RECORDS, (b"new", b"kept")])
    assert job.numbers(kafka, names.output)[b"new"] == [1]


@pytest.mark.kafka
async def test_flipped_bytes_are_named_with_their_place_by_the_worker_and_by_the_status(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path) as server:
        names = job.Names("flipped")
        job.create(server.bootstrap, names)
        producer = Producer({"bootstrap.servers": server.bootstrap})
        for value in (b"good", b"to be damaged", b"good"):  # a batch each
            producer.produce(names.input, value, b"k1", 0)
            producer.flush(20)
        server.stop()
        [segment] = (tmp_path / "kafka" / "data" / f"{names.input}-0").glob("*.log")
        content = segment.read_bytes()
        segment.write_bytes(content.replace(b"to be damaged", b"to be dambged"))
        server.start()
        said = await refused(server.bootstrap, names)
        with Backlog({"bootstrap.servers": server.bootstrap}) as backlog:
            [place] = backlog.measure([Place(names.input, 0, None)])
    assert f"{names.input}/0: the log can't be read at offset 1" in said
    assert "bring the partition's files back from a replica or a backup" in said
    assert place.trouble.startswith(f"{names.input}/0: the log can't be read at offset 1")
    assert place.lag > 0
    assert not place.exact
