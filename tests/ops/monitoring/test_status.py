"""`wharf status` on a real broker and a real ClickHouse."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from domain.records.commands import Tick
from ops.errors import UserError
from ops.monitoring import status
from ops.monitoring.backlog import FAR, Backlog, Place
from ops.processes.metrics import FeedMetrics, metrics_served, sink_metrics
from ops.processes.polling import Round
from ops.servers.endpoints import notes, publish
from ops.servers.kafka import EmbeddedKafka
from ops.servers.topics import create_topics
from schemas.codec import encode
from schemas.topics import DLQ, EFFECTS, ORDERS_IN
from sinks.clickhouse.migrate import migrate
from streams.runtime.health import Health
from streams.standing import Verdict
from wharf.cli import app
from wharf.commands.status import render

TICK = encode(Tick("0b0e7e2e-0000-5000-8000-000000000000", "Tick", 1, "worker", ""))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A Kafka of our own: the topics have their real names."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as server:
        create_topics(server.bootstrap, 2)
        producer = Producer({"bootstrap.servers": server.bootstrap, "transactional.id": "test"})
        producer.init_transactions()
        for n in range(3):  # three transactions: three markers that are no lag
            producer.begin_transaction()
            producer.produce(ORDERS_IN.name, b"x%d" % n, b"key", 0)
            producer.commit_transaction()
        producer.begin_transaction()
        producer.produce(ORDERS_IN.name, TICK, b"", 1)
        producer.produce(DLQ.name, b"bad", b"key", 0)
        producer.commit_transaction()
        group = Consumer({"bootstrap.servers": server.bootstrap, "group.id": "wharf-core"})
        group.commit(offsets=[TopicPartition(ORDERS_IN.name, 0, 2)], asynchronous=False)
        group.close()
        yield server.bootstrap


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A WHARF_HOME where nothing runs."""
    monkeypatch.setenv("WHARF_HOME", str(tmp_path))
    monkeypatch.delenv("WHARF_KAFKA", raising=False)
    monkeypatch.delenv("WHARF_CLICKHOUSE", raising=False)
    return tmp_path


def test_where_nothing_runs_it_says_what_to_start(home: Path) -> None:
    result = CliRunner().invoke(app, ["status"])
    assert isinstance(result.exception, UserError)
    assert "start `wharf up`" in str(result.exception)


@pytest.mark.kafka
def test_markers_and_ticks_are_no_lag(broker: str) -> None:
    with Backlog({"bootstrap.servers": broker}) as backlog:
        committed = backlog.committed("wharf-core")
        places = backlog.measure([Place(ORDERS_IN.name, n, committed.get((ORDERS_IN.name, n))) for n in (0, 1)])
    assert [(p.lag, p.exact) for p in places] == [(2, True), (0, True)]
    assert places[0].end == 6


@pytest.mark.kafka
def test_far_behind_the_offsets_are_told_and_said_to_be_no_count(broker: str) -> None:
    producer = Producer({"bootstrap.servers": broker})
    for n in range(FAR + 5):
        producer.produce(EFFECTS.name, b"%d" % n, b"key", 1)
        producer.poll(0)
    producer.flush(30)
    with Backlog({"bootstrap.servers": broker}) as backlog:
        [place] = backlog.measure([Place(EFFECTS.name, 1, None)])
    assert (place.lag, place.exact) == (FAR + 5, False)


@pytest.mark.kafka
def test_the_report_names_lag_members_progress_and_dead_letters(
    broker: str, home: Path, clickhouse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHARF_KAFKA", broker)
    monkeypatch.setattr("ops.servers.endpoints.clickhouse_url", lambda settings: "http://127.0.0.1:1")
    monkeypatch.setattr("ops.servers.endpoints.clickhouse_client", lambda settings: _Borrowed(clickhouse))
    migrate(clickhouse)
    names = ["topic", "kafka_partition", "first_offset", "last_offset", "state", "version"]
    clickhouse.insert("sink_progress", [["wharf.orders.events", 0, 0, 9, "AFTER", 19]], column_names=names)
    result = CliRunner().invoke(app, ["status", "--json"])
    found = json.loads(result.stdout)
    assert result.exit_code == 1  # no worker runs
    assert found["kafka"]["ok"]
    assert found["clickhouse"]["progress"] == [
        {"topic": "wharf.orders.events", "partition": 0, "first": 0, "last": 9, "state": "AFTER"}
    ]
    groups = {g["group"]: g for g in found["groups"]}
    assert groups["wharf-core"]["lag"] == 2
    assert groups["wharf-sink"]["partitions"][0]["position"] == 10
    assert found["dead_letters"] == 1
    text = CliRunner().invoke(app, ["status"]).stdout
    assert "1 broker" in text
    assert "none: start `wharf worker --role core`" in text
    assert "wharf dlq list" in text


class _Borrowed:
    """The fixture's client, not closed by who is given it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __enter__(self) -> Any:
        return self._client

    def __exit__(self, *_: object) -> None:
        return None


@pytest.mark.kafka
def test_a_member_is_shown_with_its_partitions(broker: str) -> None:
    properties = {"bootstrap.servers": broker, "group.id": "wharf-effects", "group.instance.id": "wharf-effects-0"}
    consumer = Consumer(properties)
    consumer.subscribe([EFFECTS.name])
    while not consumer.assignment():
        consumer.poll(0.1)
    with Backlog({"bootstrap.servers": broker}) as backlog:
        state, members = backlog.members("wharf-effects")
    consumer.close()
    assert state == "stable"
    assert [(m["member"], m["partitions"]) for m in members] == [("wharf-effects-0", 2)]


def test_a_workers_metrics_tell_its_restore_and_last_commit(home: Path) -> None:
    health = Health("wharf-core-0")
    health.restore.labels("wharf.orders.in", 0).set(0.25)
    health.committed({"wharf.orders.in": 3}, 4, 0.01)
    health.dead.labels("wharf.orders.in").inc(2)
    with metrics_served(home, "core-0", health.registry) as url:
        assert notes(home)["process/core-0"]["pid"] == os.getpid()
        told = status.read_metrics(url)
    assert told["restore"] == {"wharf.orders.in/0": 0.25}
    assert told["last_commit"] > 1_700_000_000
    assert told["dead_letters"] == 2
    assert notes(home) == {}


def test_a_process_that_does_not_answer_is_shown_as_such(home: Path) -> None:
    publish(home, "process/core-0", metrics="http://127.0.0.1:9/metrics")
    assert status.read_metrics("http://127.0.0.1:9/metrics")["error"]


def test_a_taken_port_is_an_error_that_names_the_option(home: Path) -> None:
    with metrics_served(home, "a", CollectorRegistry()) as url:
        port = int(url.split(":")[2].split("/")[0])
        with pytest.raises(UserError, match="--metrics-port"), metrics_served(home, "b", CollectorRegistry(), port):
            pytest.fail("it served")


def test_sink_and_poller_have_metrics_too(home: Path) -> None:
    class Wrote:
        written, poison, last_write, owned = 7, 1, 1_790_000_000.0, 2

    with metrics_served(home, "sink-0", sink_metrics(Wrote(), lambda: Verdict.FINE)) as url:
        told = status.read_metrics(url)
    assert (told["last_commit"], told["dead_letters"]) == (1_790_000_000.0, 1)
    feeds = FeedMetrics()
    feeds.looked(Round("bol:acme:orders"))
    with metrics_served(home, "poll", feeds.registry) as url:
        assert status.read_metrics(url)["last_commit"]


def test_a_restore_under_way_and_a_silent_process_are_readable() -> None:
    found = {
        "kafka": {"bootstrap": "k:1", "ok": False, "brokers": 0, "error": "timed out"},
        "clickhouse": {"url": "", "ok": False, "error": "no ClickHouse runs", "progress": []},
        "groups": [],
        "dead_letters": None,
        "processes": [
            {"process": "core-0", "pid": 7, "last_commit": None, "restore": {"t/0": 0.5, "t/1": 1.0}, "dead_letters": 0, "standing": False, "error": ""}
        ],
    }  # fmt: skip
    text = "\n".join(render(found))
    assert "does not answer: timed out" in text
    assert "t/0 50%" in text
    assert "t/1" not in text
    assert not status.healthy(found)


def of_group(**changes: Any) -> dict[str, Any]:
    """A report of one group with a worker process, and nothing wrong."""
    place = {"topic": "wharf.effects", "partition": 0, "position": 5, "end": 5, "lag": 0, "exact": True, "trouble": ""}
    group = {
        "group": "wharf-effects",
        "state": "stable",
        "members": [{"member": "wharf-effects-0", "partitions": 1}],
        "unowned": [],
        "lag": 0,
        "partitions": [place | changes.pop("place", {})],
    }
    running = {
        "process": "effects-0",
        "pid": 7,
        "last_commit": None,
        "restore": {},
        "dead_letters": 0,
        "standing": True,
        "error": "",
    }
    return {
        "kafka": {"bootstrap": "k:1", "ok": True, "brokers": 1, "error": ""},
        "clickhouse": {"url": "c", "ok": True, "error": "", "progress": []},
        "groups": [group | changes],
        "dead_letters": 0,
        "processes": [running],
    }  # fmt: skip


def test_a_process_that_runs_out_of_its_group_is_named_with_the_way_out() -> None:
    assert status.healthy(of_group())
    found = of_group(members=[], state="empty", unowned=["wharf.effects/0"])
    text = "\n".join(render(found))
    assert "none, though effects-0 runs: who stands still ends by himself within a minute" in text
    assert "`kill 7`" in text
    assert "out of its group" in text
    assert not status.healthy(found)


def test_a_partition_that_nobody_owns_is_named_beside_the_workers() -> None:
    found = of_group(unowned=["wharf.effects/0"])
    assert "! owned by nobody: wharf.effects/0" in "\n".join(render(found))
    assert not status.healthy(found)


def test_a_damaged_log_is_told_in_place_of_lag_0() -> None:
    found = of_group(
        place={"trouble": "wharf.effects/0: the group stands at offset 711, but the log ends at 40", "exact": False}
    )
    text = "\n".join(render(found))
    assert "! wharf.effects/0: the group stands at offset 711" in text
    assert "~0" in text
    assert not status.healthy(found)
