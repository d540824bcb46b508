"""The sink process: ClickHouse (embedded, or the one of WHARF_CLICKHOUSE) and what fills it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from secrets import token_hex
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog

from ops.errors import UserError
from ops.private import own
from ops.processes.metrics import metrics_served, sink_metrics
from ops.servers.endpoints import kafka_config, publish, withdraw
from ops.servers.signals import Stop
from ops.settings import Settings
from streams.runtime.stall import StallWatch, waiting
from streams.standing import GroupWatch, Look, look_at_group

__all__ = ["run_sink"]

log = structlog.get_logger(__name__)

STALL_SECONDS = 20.0
"""Nothing for so long is looked into; see `streams.runtime.stall`."""


def run_sink(
    settings: Settings,
    stop: Stop,
    *,
    port: int | None = None,
    slot: int | None = None,
    ready: Callable[[str], None],
) -> None:
    """Fill ClickHouse until ``stop`` is set. ``ready`` is called with its URL once it can be queried.

    ``port``: of the embedded HTTP interface. ``slot``: which of several sinks on one server this is (the embedded one is alone). Raises UserError where Kafka or ClickHouse can't be used as they are.
    """
    from sinks.clickhouse.migrate import MigrationError, migrate
    from sinks.clickhouse.progress import StateMismatch
    from sinks.clickhouse.sink import LogDamaged, Sink

    own(settings.home)
    config = kafka_config(settings)
    with _clickhouse(settings, port) as (client, url, published):
        try:
            if applied := migrate(client):
                log.info("migrated", migrations=applied)
            published()
            alone = 0 if not settings.clickhouse else None
            place = alone if slot is None else slot
            instance = "" if place is None else str(place)
            member = f"wharf-sink-{instance or token_hex(4)}"
            looks = ThreadPoolExecutor(1, "wharf-look")
            standing = _group_watch(config, member, looks)
            sink = Sink(
                {**config, "client.id": member},
                client,
                instance=instance,
                guard=_guard(config, looks),
                group_guard=standing,
            )
            threading.Thread(target=_stop_with, args=(stop, sink.stop), name="stopper", daemon=True).start()
            ready(url)
            name = f"sink-{place or 0}"
            with metrics_served(settings.home, name, sink_metrics(sink, lambda: standing.verdict)):
                sink.run()
        except (LogDamaged, MigrationError, StateMismatch) as e:
            raise UserError(str(e)) from e


def _guard(config: Mapping[str, str], looks: ThreadPoolExecutor) -> StallWatch:
    """Ends a sink whose consumer silently fetches nothing any more; its supervisor then starts another."""
    from confluent_kafka import Consumer

    properties = {"group.id": "wharf-sink-look", "isolation.level": "read_committed", "enable.auto.commit": False}

    def find(places: Mapping[tuple[str, int], int]) -> Mapping[tuple[str, int], int]:
        return waiting(Consumer({**properties, "enable.partition.eof": True, "log_level": 0, **config}), places)

    return StallWatch(find, looks, time.monotonic, STALL_SECONDS)


def _group_watch(config: Mapping[str, str], member: str, looks: ThreadPoolExecutor) -> GroupWatch:
    """Ends a sink that its group does not count on any more, while partitions wait that nobody owns."""
    from confluent_kafka.admin import AdminClient

    from sinks.clickhouse.rows import TABLES

    def look() -> Look:
        return look_at_group(AdminClient({**config, "log_level": 0}), "wharf-sink", member, sorted(TABLES))

    return GroupWatch(look, looks, time.monotonic, STALL_SECONDS)


def _stop_with(stop: Stop, end: Callable[[], None]) -> None:
    stop.wait()
    end()


@contextmanager
def _clickhouse(settings: Settings, port: int | None) -> Iterator[tuple[Any, str, Callable[[], None]]]:
    """A client that may write, the URL for readers, and what to call once the tables are there."""
    if settings.clickhouse:
        yield _server_client(settings.clickhouse), settings.clickhouse, lambda: None
        return
    from ops.servers.clickhouse import Engine, ReadOnlyServer
    from ops.servers.ports import kept_port

    engine = Engine(settings.home)
    client = engine.client()
    server = ReadOnlyServer(engine, kept_port(engine.directory / "port", port))
    try:
        _listen(server)
        yield client, server.url, lambda: publish(settings.home, "clickhouse", url=server.url)
    finally:
        withdraw(settings.home, "clickhouse")
        server.stop()
        client.close()
        engine.close()


def _listen(server: Any) -> None:
    try:
        server.start()
    except OSError as e:
        raise UserError(f"port {server.port} for ClickHouse is taken: choose another with --port ({e})") from e


def _server_client(dsn: str) -> Any:
    """A client on a real server, whose database is made if it is missing."""
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError

    database = unquote(urlsplit(dsn).path.strip("/")) or "wharf"
    # One request after another on one session is a server's rule: no session then, we set nothing that needs it.
    options: dict[str, Any] = {"autogenerate_session_id": False, "send_receive_timeout": 60, "connect_timeout": 10}
    try:
        try:
            return clickhouse_connect.get_client(dsn=dsn, database=database, **options)
        except ClickHouseError as e:
            if "UNKNOWN_DATABASE" not in str(e) and "code: 81" not in str(e).lower():
                raise
        with clickhouse_connect.get_client(dsn=dsn, database="default", **options) as maker:
            maker.command(f"CREATE DATABASE IF NOT EXISTS `{database.replace('`', '')}`")
        return clickhouse_connect.get_client(dsn=dsn, database=database, **options)
    except ClickHouseError as e:
        raise UserError(f"WHARF_CLICKHOUSE: {urlsplit(dsn).hostname}: {str(e)[:300]}") from e
