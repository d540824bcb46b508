"""Runs one peer on a fresh broker and measures it from outside, by its committed offsets."""

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

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from ops.embedded.kafka import EmbeddedKafka

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
    "watch",
]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCE, TARGET, TABLE, GROUP = "bench.orders.in", "bench.orders.out", "bench.orders.table", "bench"
PARTITIONS = 4
WARM = 0.25
"""The first part of the load, which is not timed: start-up, assignment and the JVM's warm-up lie in it."""


@dataclass(frozen=True, slots=True)
class Peer:
    """``command`` from (bootstrap, scratch folder); ``guarantee`` as its documentation calls it."""

    name: str
    guarantee: str
    command: Callable[[str, Path], tuple[list[str], dict[str, str]]]
    events: int


@dataclass(frozen=True, slots=True)
class Result:
    """``rate``: events consumed and committed a second after the warm part; ``cpu``: microseconds of the peer's own CPU time an event
    then (all its threads, the broker not counted; None where the system does not tell), which a busy machine disturbs less; ``lost``
    and ``doubled`` outputs."""

    peer: str
    guarantee: str
    events: int
    seconds: float
    rate: float
    cpu: float | None
    lost: int
    doubled: int


def bench_python() -> str:
    """The interpreter of the peers' own environment (``make bench-setup``)."""
    return str(Path(os.environ.get("WHARF_BENCH_VENV", ROOT / ".wharf" / "bench")) / "bin" / "python")


def _ours(bootstrap: str, _: Path) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, "-m", "bench.order_job.peers.ours", bootstrap, SOURCE, TARGET, TABLE, GROUP, "0"], {}


def _streams(bootstrap: str, scratch: Path) -> tuple[list[str], dict[str, str]]:
    jars = HERE / "kafka_streams" / "target"
    classpath = f"{jars}/lib/*:{jars}/order-job-streams-1.jar"
    threads = os.environ.get("WHARF_BENCH_STREAMS_THREADS", "1")
    return [
        "java", "-Xmx2g", "-cp", classpath, "wharfinger.bench.OrderJob",
        bootstrap, SOURCE, TARGET, GROUP, str(scratch / "state"), threads,
    ], {}  # fmt: skip


def _quix(bootstrap: str, scratch: Path) -> tuple[list[str], dict[str, str]]:
    state = str(scratch / "state")
    return [bench_python(), "-m", "bench.order_job.peers.quix_job", bootstrap, SOURCE, TARGET, GROUP, state], {}


def _faust(bootstrap: str, scratch: Path) -> tuple[list[str], dict[str, str]]:
    job = "|".join((bootstrap, SOURCE, TARGET, GROUP, str(scratch / "state")))
    return [bench_python(), "-m", "bench.order_job.peers.faust_job", "worker", "-l", "warning"], {"ORDER_JOB": job}


PEERS = {
    "wharfinger": Peer("wharfinger", "exactly-once", _ours, 1_000_000),
    "kafka-streams": Peer("kafka-streams", "exactly_once_v2", _streams, 1_000_000),
    "quix": Peer("quix", "exactly-once", _quix, 300_000),
    "faust": Peer("faust", "at-least-once", _faust, 60_000),
}


def run(peer: Peer, count: int, seed: int, timeout: float = 400.0) -> Result:
    """Fresh broker, full input, then the peer; timed between the warm part's commit and the last one. Raises RuntimeError where
    the peer dies or does not finish."""
    with tempfile.TemporaryDirectory(prefix="wharf-bench-") as folder, EmbeddedKafka(Path(folder) / "kafka") as kafka:
        scratch = Path(folder)
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        distinct = prepare(admin, kafka.bootstrap, count, seed)
        command, extra = peer.command(kafka.bootstrap, scratch)
        env = {**os.environ, "PYTHONPATH": str(ROOT), **extra}
        with (scratch / "peer.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=scratch, env=env, stdout=log, stderr=log)
            try:
                begun, ended = watch(kafka.bootstrap, process, count, timeout)
            except RuntimeError as e:
                tail = (scratch / "peer.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{peer.name}: {e}\n{tail}") from e
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
        seen, unique = _outputs(kafka.bootstrap)
    seconds, counted = ended.at - begun.at, ended.events - begun.events
    cpu = None if begun.cpu is None or ended.cpu is None else round((ended.cpu - begun.cpu) / counted * 1e6, 2)
    return Result(
        peer.name,
        peer.guarantee,
        count,
        round(seconds, 2),
        round(counted / seconds, 1),
        cpu,
        distinct - unique,
        seen - unique,
    )


def prepare(admin: AdminClient, bootstrap: str, count: int, seed: int) -> int:
    """Make the topics and the input. Returns the number of distinct events."""
    new = [NewTopic(name, PARTITIONS, 1) for name in (SOURCE, TARGET, "wharf.dlq")]
    new.append(NewTopic(TABLE, PARTITIONS, 1, config={"cleanup.policy": "compact"}))
    for made in admin.create_topics(new).values():
        made.result()
    return fill(bootstrap, SOURCE, count, seed)


def _committed(asking: Consumer) -> int:
    parts = [TopicPartition(SOURCE, p) for p in range(PARTITIONS)]
    try:
        return sum(max(p.offset, 0) for p in asking.committed(parts, 10.0))
    except KafkaException:  # the coordinator is not up yet
        return 0


@dataclass(frozen=True, slots=True)
class Mark:
    """A peer at one moment: seconds, events committed, seconds of CPU."""

    at: float
    events: int
    cpu: float | None


def _cpu(process: subprocess.Popen[bytes]) -> float | None:
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watch(bootstrap: str, process: subprocess.Popen[bytes], count: int, timeout: float) -> tuple[Mark, Mark]:
    """The peer when the warm part was passed, and when the last event was committed."""
    # A consumer that joins nothing asks for the group's offsets. The admin client's call for it can end the process
    # (librdkafka on NOT_COORDINATOR: confluent-kafka-python issue 1982).
    asking = Consumer({"bootstrap.servers": bootstrap, "group.id": GROUP})
    deadline = time.monotonic() + timeout
    begun: Mark | None = None
    while time.monotonic() < deadline:
        done = _committed(asking)
        mark = Mark(time.monotonic(), min(done, count), _cpu(process))
        if begun is None and done >= count * WARM:
            begun = mark
        if done >= count:
            if begun is None or count == begun.events:
                raise RuntimeError("everything was committed at once: the load is too small to time")
            return begun, mark
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode} after {done} of {count} events")
        time.sleep(0.05)
    raise RuntimeError(f"{_committed(asking)} of {count} events after {timeout:.0f} s")


def _outputs(bootstrap: str) -> tuple[int, int]:
    """Outputs in all and distinct ones, by a read_committed reader."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "check", "isolation.level": "read_committed"})
    parts = [TopicPartition(TARGET, p, 0) for p in range(PARTITIONS)]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    ends = {
        p.partition: f.result().offset for p, f in admin.list_offsets({t: OffsetSpec.latest() for t in parts}).items()
    }
    reader.assign(parts)
    seen, unique = 0, set()
    while any(p.offset < ends[p.partition] for p in reader.position(parts) if ends[p.partition]):
        for message in reader.consume(20_000, 1.0):
            if message.error() is None:
                seen += 1
                unique.add(read_output(message.value()).event_id)
    reader.close()
    return seen, len(unique)
