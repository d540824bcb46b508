"""Prometheus metrics of a process on localhost, and a note in ``{home}/endpoints.json`` that says where, for `wharf status`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ops.errors import UserError
from streams.standing import Verdict

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from ops.processes.polling import Round
    from sinks.clickhouse.sink import Sink

__all__ = ["PREFIX", "FeedMetrics", "metrics_served", "sink_metrics"]

PREFIX = "process/"
"""Notes on our processes: ``process/core-0``."""


@contextmanager
def metrics_served(
    home: Path, name: str, registry: CollectorRegistry, port: int | None = None, *, host: str = "127.0.0.1"
) -> Iterator[str]:
    """Serve ``registry`` while the block lasts; gives the URL. ``port`` None: any free one. Raises UserError where it is taken."""
    from prometheus_client import start_http_server

    from ops.servers.endpoints import publish, withdraw

    try:
        server, thread = start_http_server(port or 0, addr=host, registry=registry)
    except OSError as e:
        raise UserError(f"--metrics-port {port}: {e.strerror or e}: choose another") from e
    # The note is for this machine: whoever listens everywhere is also here.
    near = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104  # compared, not bound
    url = f"http://{f'[{near}]' if ':' in near else near}:{server.server_port}/metrics"
    publish(home, PREFIX + name, metrics=url)
    try:
        yield url
    finally:
        withdraw(home, PREFIX + name)
        server.shutdown()
        server.server_close()
        thread.join(5)


def sink_metrics(sink: Sink, standing: Callable[[], Verdict]) -> CollectorRegistry:
    """What a sink has written since its start, and where it stands in its group."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

    class Collector:
        def collect(self) -> Iterator[Metric]:
            yield CounterMetricFamily("wharf_sink_rows", "Events written to ClickHouse", value=sink.written)
            yield CounterMetricFamily("wharf_dead_letters", "Records sent to the DLQ", value=sink.poison)
            yield GaugeMetricFamily(
                "wharf_last_commit_timestamp_seconds", "When the last batch went in", value=sink.last_write or 0
            )
            yield GaugeMetricFamily("wharf_owned_partitions", "Partitions it has been given", value=sink.owned)
            yield GaugeMetricFamily(
                "wharf_standing_still",
                "0 fine, 1 looked into, 2 out of its group: it ends",
                value=list(Verdict).index(standing()),
            )

    registry = CollectorRegistry()
    registry.register(Collector())
    return registry


class FeedMetrics:
    """What `wharf poll` counts, by feed."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge

        self.registry = registry = CollectorRegistry()
        self._rounds = Counter("wharf_poll_rounds", "Looks at a feed", ["feed", "outcome"], registry=registry)
        self._records = Counter("wharf_poll_records", "Records written, by sort", ["feed", "sort"], registry=registry)
        self._seconds = Gauge("wharf_poll_seconds", "How long the last look took", ["feed"], registry=registry)
        self._last = Gauge("wharf_last_commit_timestamp_seconds", "When a look last went through", registry=registry)

    def looked(self, done: Round) -> None:
        """Count a look at a feed."""
        self._rounds.labels(done.feed, "ok" if done.ok else "failed").inc()
        for sort, count in done.written.items():
            self._records.labels(done.feed, sort).inc(count)
        self._seconds.labels(done.feed).set(done.seconds)
        if done.ok:
            self._last.set_to_current_time()
