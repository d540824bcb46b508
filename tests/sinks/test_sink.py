"""The sink on a real Kafka: killed, stalled and fed with poison."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from domain.records.events import OrderEvent, PoolEvent
from lab.demo.checks.clickhouse import ClickHouse
from ops.servers.endpoints import embedded_clickhouse
from ops.servers.kafka import EmbeddedKafka
from ops.servers.topics import create_topics
from schemas import codec
from schemas.topics import DLQ, ORDERS_EVENTS, POOLS_EVENTS
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.progress import StateMismatch
from sinks.clickhouse.sink import Limits, Sink
from tests.sinks.events import order_event, pool_event, units

pytestmark = pytest.mark.kafka
SCRIPT = Path(__file__).with_name("crashing_sink.py")
REPOSITORY = Path(__file__).parents[2]
PARTITIONS = 2


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of this module's own: the sink's topics have fixed names."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as server:
        yield server.bootstrap


@pytest.fixture
def broker(own: str) -> Iterator[str]:
    """The broker with the sink's topics, empty."""
    topics = [ORDERS_EVENTS, POOLS_EVENTS, DLQ]
    create_topics(own, PARTITIONS, topics=topics)
    yield own
    admin = AdminClient({"bootstrap.servers": own})
    for deleted in admin.delete_topics([t.name for t in topics]).values():
        deleted.result(20)
    wait_until(lambda: not {t.name for t in topics} & set(admin.list_topics(timeout=10).topics))


class Feed:
    """Events in transactions, some aborted, as a worker writes them."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "transactional.id": "feed",
                "partitioner": "murmur2_random",
                "linger.ms": 5,
            }
        )
        self._producer.init_transactions()
        self.orders: list[OrderEvent] = []
        self.pools: list[PoolEvent] = []

    def send(self, orders: int, pools: int, aborted: int = 3) -> None:
        start = len(self.orders)
        new = [
            order_event(str(i // 4), i % 4 + 1, "PLACED", lines=[units("1", "A", 1)])
            for i in range(start, start + orders)
        ]
        moves = [pool_event(len(self.pools) + i + 1) for i in range(pools)]
        self._transaction([order_event("never", i + 1, "PLACED") for i in range(aborted)], [], commit=False)
        self._transaction(new, moves, commit=True)
        self.orders += new
        self.pools += moves

    def _transaction(self, orders: list[OrderEvent], pools: list[PoolEvent], commit: bool) -> None:
        self._producer.begin_transaction()
        for o in orders:
            self._producer.produce(ORDERS_EVENTS.name, codec.encode(o), o.order_key.encode())
        for p in pools:
            self._producer.produce(POOLS_EVENTS.name, codec.encode(p), p.pool.encode())
        if commit:
            self._producer.commit_transaction()
        else:
            self._producer.flush()
            self._producer.abort_transaction()


def wait_until(holds: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


class SinkProcess:
    """``crashing_sink.py`` with its own WHARF_HOME, asked over HTTP as anyone would."""

    def __init__(self, home: Path, bootstrap: str) -> None:
        self._home = home
        self._env = {**os.environ, "WHARF_HOME": str(home), "WHARF_KAFKA": bootstrap, "PYTHONPATH": str(REPOSITORY)}
        self._env.pop("WHARF_CLICKHOUSE", None)

    def start(self, place: str, n: int, *more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(SCRIPT), place, str(n), *more], env=self._env)

    def crash(self, place: str, n: int, *more: str) -> None:
        assert self.start(place, n, *more).wait(60) == -signal.SIGKILL

    def value(self, sql: str) -> int:
        url = embedded_clickhouse(self._home)
        return int(ClickHouse(url, timeout=20).value(sql)) if url else -1


def test_kill_9_at_every_step_of_a_write_leaves_each_event_exactly_once(broker: str, tmp_path: Path) -> None:
    feed, sink = Feed(broker), SinkProcess(tmp_path, broker)
    for place, n in [("before-insert", 1), ("after-insert", 2), ("after-progress", 1)]:
        feed.send(orders=150, pools=20)
        sink.crash(place, n)
    feed.send(orders=150, pools=20)
    process = sink.start("never", 0)
    try:
        # Without FINAL: the rows as inserted, so that a double would show.
        wait_until(lambda: sink.value("SELECT count() FROM order_events") >= len(feed.orders))
        wait_until(lambda: sink.value("SELECT count() FROM pool_events") >= len(feed.pools))
        assert sink.value("SELECT count() FROM order_events") == len(feed.orders) == 600
        assert sink.value("SELECT uniqExact(event_id) FROM order_events") == 600
        assert sink.value("SELECT count() FROM pool_events") == len(feed.pools) == 80
        assert sink.value("SELECT uniqExact(event_id) FROM pool_events") == 80
        assert sink.value("SELECT countIf(order_id = 'never') FROM order_events") == 0
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_negative_control_without_tokens_the_same_check_sees_the_doubles(broker: str, tmp_path: Path) -> None:
    feed, sink = Feed(broker), SinkProcess(tmp_path, broker)
    feed.send(orders=50, pools=0)
    sink.crash("after-insert", 1, "no-token")
    process = sink.start("never", 0, "no-token")
    try:
        wait_until(lambda: sink.value("SELECT uniqExact(event_id) FROM order_events") == 50)
        assert sink.value("SELECT count() FROM order_events") > 50
        assert sink.value("SELECT count() FROM order_events FINAL") == 50
    finally:
        process.kill()
        process.wait()


class Running:
    """A sink in a thread of this process."""

    def __init__(self, bootstrap: str, client: Any) -> None:
        self.sink = Sink(
            {"bootstrap.servers": bootstrap}, client, instance="0", limits=Limits(linger=0.1, back_off=0.02)
        )
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.sink.run()
        except BaseException as e:
            self.error = e

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.sink.stop()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def wait_end(self) -> None:
        self._thread.join(30)


class Flaky:
    """A ClickHouse that refuses, or applies an insert and loses its answer, until ``heal``."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.failures = 0
        self.healthy = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def insert(self, *args: Any, **options: Any) -> Any:
        return self._perhaps(self._client.insert, *args, **options)

    def command(self, *args: Any, **options: Any) -> Any:
        return self._perhaps(self._client.command, *args, **options)

    def _perhaps(self, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if self.healthy:
            return call(*args, **options)
        self.failures += 1
        if self.failures % 2:
            call(*args, **options)
        raise OSError("connection reset")


def test_a_failing_clickhouse_is_waited_for_and_nothing_is_lost_or_doubled(broker: str, clickhouse: Any) -> None:
    migrate(clickhouse)
    feed, client = Feed(broker), Flaky(clickhouse)
    feed.send(orders=40, pools=4)
    with Running(broker, client):
        wait_until(lambda: client.failures > 6)
        feed.send(orders=40, pools=4)
        client.healthy = True
        wait_until(lambda: clickhouse.command("SELECT count() FROM order_events") >= 80)
        wait_until(lambda: clickhouse.command("SELECT count() FROM pool_events") >= 8)
    assert clickhouse.query("SELECT count(), uniqExact(event_id) FROM order_events").result_rows == [(80, 80)]
    assert clickhouse.query("SELECT count(), uniqExact(event_id) FROM pool_events").result_rows == [(8, 8)]


def test_poison_goes_to_the_dlq_and_the_rest_goes_on(broker: str, clickhouse: Any) -> None:
    migrate(clickhouse)
    feed = Feed(broker)
    producer = Producer({"bootstrap.servers": broker})
    producer.produce(ORDERS_EVENTS.name, b"not avro", b"k", headers=[("ce_id", b"1")], partition=0)
    producer.produce(ORDERS_EVENTS.name, codec.encode(pool_event(1)), b"wrong type", partition=1)
    producer.produce(ORDERS_EVENTS.name, None, b"tombstone", partition=1)
    producer.flush()
    feed.send(orders=20, pools=0)
    with Running(broker, clickhouse):
        wait_until(lambda: clickhouse.command("SELECT count() FROM order_events") == 20)
        letters = _letters(broker, 3)
    by_key = {m.key(): (m.value(), dict(m.headers() or [])) for m in letters}
    assert set(by_key) == {b"k", b"wrong type", b"tombstone"}
    value, headers = by_key[b"k"]
    assert value == b"not avro"
    assert headers["ce_id"] == b"1"
    assert headers["__connect.errors.topic"] == ORDERS_EVENTS.name.encode()
    assert (headers["__connect.errors.partition"], headers["__connect.errors.offset"]) == (b"0", b"0")
    assert headers["wharf.error.code"] == b"magic"
    assert b"PoolEvent" in by_key[b"wrong type"][1]["__connect.errors.exception.message"]


def _letters(bootstrap: str, n: int) -> list[Any]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "letters"})
    consumer.assign([TopicPartition(DLQ.name, p, 0) for p in range(PARTITIONS)])
    got: list[Any] = []
    wait_until(lambda: bool(got.extend(consumer.consume(10, 0.2)) or len(got) >= n))
    consumer.close()
    return got


def test_a_new_database_is_filled_from_the_beginning_whatever_the_group_committed(
    broker: str, clickhouse: Any, engine: Any
) -> None:
    migrate(clickhouse)
    Feed(broker).send(orders=10, pools=0)
    with Running(broker, clickhouse):
        wait_until(lambda: clickhouse.command("SELECT count() FROM order_events") == 10)
    other = engine.client("another")
    migrate(other)
    with Running(broker, other):
        wait_until(lambda: other.command("SELECT count() FROM order_events") == 10)
    other.close()


def test_progress_of_another_kafka_stops_the_sink_with_the_way_out(broker: str, clickhouse: Any) -> None:
    migrate(clickhouse)
    clickhouse.insert("sink_source", [["elsewhere"]], column_names=["cluster_id"])
    with Running(broker, clickhouse) as running:
        running.wait_end()
    assert isinstance(running.error, StateMismatch)
    assert "use another database" in str(running.error)


def test_up_serves_everything_and_stops_clean_on_sigterm(tmp_path: Path) -> None:
    env = {**os.environ, "WHARF_HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, "-c", "from wharf.cli import main; main()", "up", "--json"],
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    where = json.loads(process.stdout.readline())
    question = f"{where['clickhouse']}/?query=SELECT+count()+FROM+orders"
    with pytest.raises(HTTPError, match="401"):
        urlopen(question, timeout=20)  # noqa: S310
    key = {"X-ClickHouse-Key": (tmp_path / "clickhouse.token").read_text().strip()}
    with urlopen(Request(question, headers=key), timeout=20) as answer:  # noqa: S310
        assert answer.read() == b"0\n"
    kpi = subprocess.run(
        [sys.executable, "-c", "from wharf.cli import main; main()", "kpi", "--json"],
        env=env,
        capture_output=True,
        check=True,
    )
    assert json.loads(kpi.stdout)["kpi_turnaround"] == []
    process.terminate()
    assert process.wait(30) == 0
    assert json.loads((tmp_path / "endpoints.json").read_text()) == {}
