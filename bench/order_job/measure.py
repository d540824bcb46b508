"""Runs one peer on a fresh broker and measures it from outside, by its committed offsets.

Fairness: the same topics of 4 partitions, the same input, the same fold, a full topic to begin with, and of each library that has them a run with
one and one with two threads or processes, of which the better counts. Commits: Kafka Streams every 100 ms (its default with
exactly_once_v2), ours whenever the last transaction is through (50–200 ms under lag), Quix every 5 s, Faust every 2.8 s (their
defaults, which favour them). Every producer compresses with lz4 where the peer can be told to.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from bench.results import cpu_seconds, machine
from ops.servers.kafka import EmbeddedKafka

from .codec import read_output
from .load import fill

__all__ = [
    "GROUP",
    "PARTITIONS",
    "PEERS",
    "SOURCE",
    "TABLE",
    "TARGET",
    "Mark",
    "Peer",
    "Result",
    "prepare",
    "run",
    "stop",
    "watch",
]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCE, TARGET, TABLE, GROUP = "bench.orders.in", "bench.orders.out", "bench.orders.table", "bench"
PARTITIONS = 4
WARM = 0.25
"""The first part of the load, which is not timed: start-up, assignment and the JVM's warm-up lie in it."""


Job = tuple[list[str], dict[str, str]]
"""A process to start: its command, and what its environment has on top of ours."""


@dataclass(frozen=True, slots=True)
class Peer:
    """``jobs`` from (bootstrap, scratch folder): a process each; ``guarantee`` as its documentation calls it; ``group``: peers of one library, of
    which the best counts."""

    name: str
    group: str
    guarantee: str
    jobs: Callable[[str, Path], list[Job]]
    events: int


@dataclass(frozen=True, slots=True)
class Result:
    """One peer's run.

    ``rate``: events consumed and committed a second after the warm part. ``cpu``, ``broker``: microseconds of CPU an event then, the peer's own
    (all its threads and processes) and the broker's; None where the system does not tell. A busy machine disturbs them less than the
    rate. ``lost`` and ``doubled`` outputs. ``load``: how many processes wanted a core in the last minute.
    """

    peer: str
    guarantee: str
    events: int
    seconds: float
    rate: float
    cpu: float | None
    broker: float | None
    lost: int
    doubled: int
    load: float


def bench_python() -> str:
    """The interpreter of the peers' own environment (``make bench-setup``)."""
    return str(Path(os.environ.get("WHARF_BENCH_VENV", ROOT / ".wharf" / "bench")) / "bin" / "python")


def _ours(processes: int) -> Callable[[str, Path], list[Job]]:
    def jobs(bootstrap: str, _: Path) -> list[Job]:
        command = [sys.executable, "-m", "bench.order_job.peers.ours", bootstrap, SOURCE, TARGET, TABLE, GROUP]
        return [([*command, str(slot)], {}) for slot in range(processes)]

    return jobs


def _streams(threads: int) -> Callable[[str, Path], list[Job]]:
    def jobs(bootstrap: str, scratch: Path) -> list[Job]:
        jars = HERE / "kafka_streams" / "target"
        command = ["java", "-Xmx2g", "-cp", f"{jars}/lib/*:{jars}/order-job-streams-1.jar", "wharfinger.bench.OrderJob"]
        arguments = [bootstrap, SOURCE, TARGET, GROUP, str(scratch / "state"), str(threads)]
        return [([*command, *arguments, *os.environ.get("WHARF_BENCH_STREAMS", STREAMS_TUNED).split()], {})]

    return jobs


STREAMS_TUNED = "producer.compression.type=lz4 producer.batch.size=131072"
"""What makes Kafka Streams quicker here than its defaults do (no compression, batches of 16 kB)."""


def _quix(bootstrap: str, scratch: Path) -> list[Job]:
    state = str(scratch / "state")
    return [([bench_python(), "-m", "bench.order_job.peers.quix_job", bootstrap, SOURCE, TARGET, GROUP, state], {})]


def _faust(bootstrap: str, scratch: Path) -> list[Job]:
    job = "|".join((bootstrap, SOURCE, TARGET, GROUP, str(scratch / "state")))
    return [([bench_python(), "-m", "bench.order_job.peers.faust_job", "worker", "-l", "warn"], {"ORDER_JOB": job})]


_ALL = (
    Peer("wharfinger", "wharfinger", "exactly-once", _ours(1), 1_000_000),
    Peer("wharfinger-2", "wharfinger", "exactly-once", _ours(2), 1_000_000),
    Peer("kafka-streams", "kafka-streams", "exactly_once_v2", _streams(1), 1_000_000),
    Peer("kafka-streams-2", "kafka-streams", "exactly_once_v2", _streams(2), 1_000_000),
    Peer("quix", "quix", "exactly-once", _quix, 300_000),
    Peer("faust", "faust", "at-least-once", _faust, 60_000),
)
PEERS = {peer.name: peer for peer in _ALL}


def run(peer: Peer, count: int, seed: int, timeout: float = 400.0) -> Result:
    """Fresh broker, full input, then the peer; timed between the warm part's commit and the last one. Raises RuntimeError where
    the peer dies or does not finish."""
    with tempfile.TemporaryDirectory(prefix="wharf-bench-") as folder, EmbeddedKafka(Path(folder) / "kafka") as kafka:
        scratch = Path(folder)
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 2})
        distinct = prepare(admin, kafka.bootstrap, count, seed)
        with (scratch / "peer.log").open("wb") as log:
            started = [_start(job, scratch, log) for job in peer.jobs(kafka.bootstrap, scratch)]
            try:
                begun, ended = watch(kafka.bootstrap, started, kafka.pid, count, timeout)
            except RuntimeError as e:
                tail = (scratch / "peer.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{peer.name}: {e}\n{tail}") from e
            finally:
                stop(started)
        seen, unique = _outputs(kafka.bootstrap)
    seconds, counted = ended.at - begun.at, ended.events - begun.events
    return Result(
        peer=peer.name,
        guarantee=peer.guarantee,
        events=count,
        seconds=round(seconds, 2),
        rate=round(counted / seconds, 1),
        cpu=_micros(begun.cpu, ended.cpu, counted),
        broker=_micros(begun.broker, ended.broker, counted),
        lost=distinct - unique,
        doubled=seen - unique,
        load=machine()["load"][0],
    )


def _start(job: Job, scratch: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    command, extra = job
    env = {**os.environ, "PYTHONPATH": str(ROOT), **extra}
    return subprocess.Popen(command, cwd=scratch, env=env, stdout=log, stderr=log)


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """End them, in good order if they can."""
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _micros(begun: float | None, ended: float | None, events: int) -> float | None:
    return None if begun is None or ended is None else round((ended - begun) / events * 1e6, 2)


def prepare(admin: AdminClient, bootstrap: str, count: int, seed: int) -> int:
    """Make the topics and the input. Returns the number of distinct events."""
    new = [NewTopic(name, PARTITIONS, 1) for name in (SOURCE, TARGET, "wharf.dlq")]
    new.append(NewTopic(TABLE, PARTITIONS, 1, config={"cleanup.policy": "compact"}))
    for made in admin.create_topics(new).values():
        made.result()
    return fill(bootstrap, SOURCE, count, seed)


def _committed(asking: Consumer) -> int:
    parts = [TopicPartition(SOURCE, partition) for partition in range(PARTITIONS)]
    try:
        return sum(max(partition.offset, 0) for partition in asking.committed(parts, 10.0))
    except KafkaException:  # the coordinator is not up yet
        return 0


@dataclass(frozen=True, slots=True)
class Mark:
    """One moment: seconds, events committed, seconds of CPU of the peer and of the broker."""

    at: float
    events: int
    cpu: float | None
    broker: float | None


def watch(
    bootstrap: str, processes: list[subprocess.Popen[bytes]], broker: int | None, count: int, timeout: float
) -> tuple[Mark, Mark]:
    """The peer when the warm part was passed, and when the last event was committed."""
    # A consumer that joins nothing asks for the group's offsets. The admin client's call for it can end the process
    # (librdkafka on NOT_COORDINATOR: confluent-kafka-python issue 1982).
    asking = Consumer({"bootstrap.servers": bootstrap, "group.id": GROUP})
    deadline = time.monotonic() + timeout
    begun: Mark | None = None
    while time.monotonic() < deadline:
        done = _committed(asking)
        used = [cpu_seconds(running.pid) for running in processes]
        cpu = None if None in used else sum(usage or 0.0 for usage in used)
        mark = Mark(time.monotonic(), min(done, count), cpu, cpu_seconds(broker) if broker else None)
        if begun is None and done >= count * WARM:
            begun = mark
        if done >= count:
            if begun is None or count == begun.events:
                raise RuntimeError("everything was committed at once: the load is too small to time")
            return begun, mark
        for process in processes:
            if process.poll() is not None:
                raise RuntimeError(f"it ended with {process.returncode} after {done} of {count} events")
        time.sleep(0.1)
    raise RuntimeError(f"{_committed(asking)} of {count} events after {timeout:.0f} s")


def _outputs(bootstrap: str) -> tuple[int, int]:
    """Outputs in all and distinct ones, by a read_committed reader."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "check", "isolation.level": "read_committed"})
    parts = [TopicPartition(TARGET, partition, 0) for partition in range(PARTITIONS)]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    ends = {
        partition.partition: future.result().offset
        for partition, future in admin.list_offsets({part: OffsetSpec.latest() for part in parts}).items()
    }
    reader.assign(parts)
    seen, unique = 0, set()
    while any(
        partition.offset < ends[partition.partition]
        for partition in reader.position(parts)
        if ends[partition.partition]
    ):
        for message in reader.consume(20_000, 1.0):
            if message.error() is None:
                seen += 1
                unique.add(read_output(message.value()).event_id)
    reader.close()
    return seen, len(unique)
