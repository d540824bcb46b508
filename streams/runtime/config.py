"""What a worker process is told, and the librdkafka properties that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.kafka_clients import OUTLIVE

from .port import LIBRDKAFKA, Port

__all__ = ["RuntimeConfig", "admin_client", "consumer_properties", "producer_properties", "restore_properties"]

TRANSACTION_TIMEOUT_MS = 10_000
"""An open transaction holds up every read_committed reader; this bounds how long a dead worker can."""


def _no_tick(topic: str, partition: int, now: int) -> bytes:
    raise ValueError(f"ticks are asked for on {topic}, but RuntimeConfig.tick is not set")


@dataclass(frozen=True, slots=True)
class RuntimeConfig:
    """One worker process.

    ``group`` and ``slot`` name it: the same slot started again takes its predecessor's partitions back and fences it.
    ``now`` gives UTC ms (it may run faster than the machine's clock). ``ticks``: topic to interval in ms of ``now``; the
    owner of a partition appends ``tick(topic, partition, now)`` with an empty key, at most every ``tick_gap_seconds`` of real time
    (a demonstration's clock runs hundreds of times as fast). ``stall_seconds``: so long nothing
    may come before that is looked into (`streams.runtime.stall`); ``standing_seconds``: so long the group may not count on the process (`streams.standing`);
    0: never looked at. ``commit_seconds``: a transaction that takes longer ends the process. ``batch_size``: the most records a cycle takes, under lag and
    where they are quick to fold (``pace``). ``kafka``: more librdkafka properties.
    """

    bootstrap: str
    group: str
    now: Callable[[], int]
    slot: int = 0
    kafka: Mapping[str, str] = field(default_factory=dict)
    dlq: str = "wharf.dlq"
    ticks: Mapping[str, int] = field(default_factory=dict)
    tick: Callable[[str, int, int], bytes] = _no_tick
    tick_gap_seconds: float = 0.5
    batch_size: int = 10_000
    poll_seconds: float = 0.1
    max_record_bytes: int = 1_000_000
    session_timeout_ms: int = 6_000
    max_poll_interval_ms: int = 300_000
    agent_timeout_seconds: float = 240.0
    stop_grace_seconds: float = 10.0
    max_failures: int = 5
    backoff_seconds: float = 0.2
    restore_patience_seconds: float = 120.0
    stall_seconds: float = 20.0
    standing_seconds: float = 20.0
    commit_seconds: float = 35.0
    metrics_port: int | None = None
    port: Port = LIBRDKAFKA

    @property
    def member(self) -> str:
        """The stable name of this process: ``group.instance.id`` and ``transactional.id``."""
        return f"{self.group}-{self.slot}"


def consumer_properties(config: RuntimeConfig) -> dict[str, Any]:
    """Static membership: a restart within the session time-out takes its partitions back without a rebalance.

    The assignor is an eager one on purpose: with ``cooperative-sticky`` librdkafka joins the next generation in the background, while
    a transaction with the last generation's metadata is under way, which then fails (ILLEGAL_GENERATION). An eager member joins
    only after it gave everything up in our callback. ``range`` moves the fewest partitions when a worker joins.
    """
    return {
        "bootstrap.servers": config.bootstrap,
        "group.id": config.group,
        "group.instance.id": config.member,
        "client.id": config.member,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",  # never a silent start from the beginning: where to read on is always said
        "check.crcs": True,  # a flipped bit is an error, not another record
        "partition.assignment.strategy": "range",
        "session.timeout.ms": config.session_timeout_ms,
        "heartbeat.interval.ms": max(config.session_timeout_ms // 4, 500),
        "max.poll.interval.ms": config.max_poll_interval_ms,
        "queued.min.messages": 50_000,
        "queued.max.messages.kbytes": 32_768,
        "fetch.wait.max.ms": 100,
        **OUTLIVE,
        **config.kafka,
    }


def producer_properties(config: RuntimeConfig) -> dict[str, Any]:
    """``murmur2_random`` puts a key where Java's producers put it; lz4 is cheap and every consumer reads it."""
    return {
        "bootstrap.servers": config.bootstrap,
        "client.id": config.member,
        "transactional.id": config.member,
        "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": 50,  # a commit flushes at once whatever it is: fewer and larger requests while a cycle is written
        # A transaction that follows another at once is told CONCURRENT_TRANSACTIONS while the last one's markers are written; librdkafka's own
        # 100 ms before it asks again were two thirds of a hop's latency (docs/benchmarks.md).
        "retry.backoff.ms": 2,
        "retry.backoff.max.ms": 250,
        "delivery.report.only.error": True,  # a transaction with a lost record can't be committed: nobody asks for the others
        "queue.buffering.max.messages": 500_000,
        "message.max.bytes": 4_000_000,
        **OUTLIVE,
        **config.kafka,
    }


def restore_properties(config: RuntimeConfig) -> dict[str, Any]:
    """A reader without a group for one changelog partition; it must see the end of it."""
    return {
        "bootstrap.servers": config.bootstrap,
        "client.id": f"{config.member}-restore",
        "group.id": f"{config.group}-restore",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "check.crcs": True,
        "queued.min.messages": 50_000,
        "fetch.message.max.bytes": 8_388_608,  # hundreds of MB come one after the other: fewer round trips
        "fetch.wait.max.ms": 10,  # the end is only known from an answer without records: do not wait half a second for it
        **OUTLIVE,
        **config.kafka,
    }


def admin_client(config: RuntimeConfig) -> Any:
    """Hold on to it while its futures run: they fail without it."""
    return config.port.admin({"bootstrap.servers": config.bootstrap, "log_level": 3, **config.kafka})
