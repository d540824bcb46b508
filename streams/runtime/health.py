"""How the worker does: kept in memory, and served for Prometheus where a port is configured (localhost only)."""

from __future__ import annotations

import time
from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from streams.standing import Verdict

from .message import TP

__all__ = ["Health"]


class Health:
    """Counters and gauges of one worker, in a registry of their own."""

    def __init__(self, member: str) -> None:
        registry = self.registry = CollectorRegistry()
        labels = ["topic", "partition"]
        self.records = Counter("wharf_records", "Input records committed", ["topic"], registry=registry)
        self.outputs = Counter("wharf_outputs", "Records produced, changelogs not counted", registry=registry)
        self.dead = Counter("wharf_dead_letters", "Records sent to the DLQ", ["topic"], registry=registry)
        self.cycles = Counter("wharf_cycles", "Transactions committed", registry=registry)
        self.failures = Counter("wharf_agent_failures", "Cycles dropped because an agent raised", registry=registry)
        self.commit = Histogram("wharf_commit_seconds", "Length of a transaction", registry=registry)
        self.lag = Gauge("wharf_lag", "Input records not yet committed", labels, registry=registry)
        self.restore = Gauge("wharf_restore_progress", "Share of the changelog read, 0 to 1", labels, registry=registry)
        self.keys = Gauge("wharf_table_keys", "Keys in the table", labels, registry=registry)
        self.last_commit = Gauge(
            "wharf_last_commit_timestamp_seconds", "When the last transaction ended", registry=registry
        )
        self.owned = Gauge("wharf_owned_partitions", "Partitions this process has been given", registry=registry)
        self.standing = Gauge(
            "wharf_standing_still", "0 fine, 1 looked into, 2 out of its group: it ends", registry=registry
        )
        Gauge("wharf_worker", "Always 1", ["member"], registry=registry).labels(member).set(1)

    def serve(self, port: int) -> None:
        """Answer Prometheus on localhost."""
        start_http_server(port, addr="127.0.0.1", registry=self.registry)

    def committed(self, records: dict[str, int], outputs: int, seconds: float) -> None:
        """A transaction is through."""
        for topic, n in records.items():
            self.records.labels(topic).inc(n)
        self.outputs.inc(outputs)
        self.cycles.inc()
        self.commit.observe(seconds)
        self.last_commit.set(time.time())

    def stands(self, tp: TP, lag: int, keys: int | None) -> None:
        """How far a partition is."""
        self.lag.labels(tp[0], tp[1]).set(lag)
        if keys is not None:
            self.keys.labels(tp[0], tp[1]).set(keys)

    def in_group(self, owned: int, verdict: Verdict) -> None:
        """Where the process stands in its group."""
        self.owned.set(owned)
        self.standing.set(list(Verdict).index(verdict))

    def gone(self, tp: TP) -> None:
        """The partition went to another worker."""
        for gauge in (self.lag, self.restore, self.keys):
            with suppress(KeyError):  # it had none yet
                gauge.remove(tp[0], tp[1])
