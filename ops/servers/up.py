"""Kafka, its topics and the sink, kept running."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from urllib.request import urlopen

import structlog

from ops.errors import UserError
from ops.private import own
from ops.servers.endpoints import (
    clickhouse_url,
    find,
    kafka_bootstrap,
    kafka_config,
    publish,
    withdraw,
    without_password,
)
from ops.servers.kafka import EmbeddedKafka
from ops.servers.signals import Stop
from ops.servers.token import FILE
from ops.servers.topics import create_topics
from ops.settings import Settings
from ops.supervisor import ProcessFailed, Spec, Supervisor

__all__ = ["Up"]

log = structlog.get_logger(__name__)
CRASH_LIMIT = 5


class Up:
    """A context: entered, everything serves; left, everything has stopped, the sink before the Kafka it reads.

    ``after_topics`` are called, in order, once Kafka serves and its topics are there (publishing first rules, say). Raises UserError where
    something can't start, and Stopped where ``stop`` was set before all was up.
    """

    def __init__(
        self,
        settings: Settings,
        kafka_port: int | None = None,
        clickhouse_port: int | None = None,
        *,
        after_topics: Sequence[Callable[[Settings], None]] = (),
        stop: Stop | None = None,
    ) -> None:
        self._stop = stop or Stop()
        self._settings = settings
        self._kafka = None if settings.kafka else EmbeddedKafka(settings.home, port=kafka_port)
        self._clickhouse_port = clickhouse_port
        self._after_topics = after_topics
        self._children: Supervisor | None = None

    def __enter__(self) -> Up:
        own(self._settings.home)
        try:
            if self._kafka:
                self._start_kafka(self._kafka)
            self._stop.check()
            kafka = kafka_bootstrap(self._settings)
            if made := create_topics(kafka, self._settings.partitions, self._settings.kafka_config):
                log.info("topics created", topics=made)
            for step in self._after_topics:
                step(self._settings)
                self._stop.check()
            self._children = Supervisor(self._settings.home / "logs", stop=self._stop)
            self._children.start(self._sink())
        except ProcessFailed as e:
            self.close()
            raise UserError(_last_words(e)) from e
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop all of it."""
        if self._children:
            self._children.stop_all()
        if self._kafka:
            withdraw(self._settings.home, "kafka")
            self._kafka.stop()

    def watch(self, stop: Stop) -> None:
        """Until ``stop``: start again what dies. Raises UserError where something keeps dying."""
        deaths = 0
        while not stop.wait(0.2):
            if self._children:
                try:
                    self._children.check()
                except ProcessFailed as e:
                    raise UserError(_last_words(e)) from e
            if self._kafka and self._kafka.pid is None:
                deaths += 1
                if deaths > CRASH_LIMIT:
                    raise UserError(f"Kafka keeps dying: see {self._kafka.log}")
                log.warning("Kafka died, starting it again", log=str(self._kafka.log))
                self._kafka.kill()  # reaps it and frees its lock
                self._start_kafka(self._kafka)

    def summary(self, as_json: bool) -> str:
        """Say where each server and note is."""
        kafka, clickhouse = kafka_bootstrap(self._settings), without_password(clickhouse_url(self._settings))
        if as_json:
            return json.dumps({"kafka": kafka, "clickhouse": clickhouse, "home": str(self._settings.home.absolute())})
        return (
            f"Kafka       {kafka}\n"
            f"ClickHouse  {clickhouse}   (database wharf, read-only)\n{self._reading(clickhouse)}"
            f"Logs        {self._settings.home.absolute() / 'logs'}\n"
            "Next        wharf worker, wharf webhooks, wharf kpi; Ctrl-C stops"
        )

    def _reading(self, clickhouse: str) -> str:
        """How people read the embedded one; a real server has its own users."""
        if self._settings.clickhouse:
            return ""
        token = (self._settings.home / FILE).absolute()
        return (
            f"            password: in {token}, for any user name (Grafana, JDBC, notebooks)\n"
            f"            curl -H \"X-ClickHouse-Key: $(cat '{token}')\" '{clickhouse}/?query=SELECT+*+FROM+orders'\n"
        )

    def _start_kafka(self, kafka: EmbeddedKafka) -> None:
        kafka.start()
        publish(self._settings.home, "kafka", bootstrap=kafka.bootstrap, broker_pid=kafka.pid)

    def _sink(self) -> Spec:
        arguments: tuple[str, ...] = (sys.executable, "-c", "from wharf.cli import main; main()", "sink")
        if self._clickhouse_port:
            arguments += ("--port", str(self._clickhouse_port))
        return Spec(
            "sink",
            arguments,
            env={"WHARF_KAFKA": kafka_config(self._settings)["bootstrap.servers"]},
            ready=self._clickhouse_ready,
            ready_seconds=120.0,
        )

    def _clickhouse_ready(self) -> bool:
        if self._settings.clickhouse:
            return True
        note = find(self._settings.home, "clickhouse")
        if note is None:
            return False
        try:
            with urlopen(f"{note['url']}/ping", timeout=2) as answer:  # noqa: S310  # our own note
                return bool(answer.status == 200)
        except OSError:
            return False


def _last_words(failure: ProcessFailed) -> str:
    said = [line for line in failure.last_lines.splitlines() if line.startswith("wharf: ")]
    return said[-1].removeprefix("wharf: ") if said else str(failure)
