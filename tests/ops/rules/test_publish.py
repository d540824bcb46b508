"""Rules and stock reach Kafka whole or not at all (one embedded broker)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from typer.testing import CliRunner

from domain.records.commands import RulesPublished, StockReported
from domain.rules.ruleset import Depot, RuleSet
from ops.errors import UserError
from ops.operator.stock import StockRow, report
from ops.rules.load import DEFAULTS, load
from ops.rules.publish import in_force, publish
from ops.servers.kafka import EmbeddedKafka
from ops.servers.topics import create_topics
from schemas.codec import decode
from schemas.topics import ORDERS_IN, POOLS_IN
from wharf.cli import app

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def broker(tmp_path_factory) -> Iterator[str]:
    """A broker of our own: these tests write to Wharfinger's own topics."""
    with EmbeddedKafka(tmp_path_factory.mktemp("rules")) as server:
        create_topics(server.bootstrap, 4)
        yield server.bootstrap


def _read(bootstrap: str, topic: str, partitions: int) -> list[tuple[int, object]]:
    """All committed records; markers of a commit are written a moment after it, so read on to the real end."""
    config = {"bootstrap.servers": bootstrap, "group.id": "t"}
    raw = Consumer({**config, "isolation.level": "read_uncommitted"})
    ends = {p: raw.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[1] for p in range(partitions)}
    raw.close()
    consumer = Consumer({**config, "isolation.level": "read_committed", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    found: list[tuple[int, object]] = []
    while ends:
        message = consumer.poll(20)
        assert message is not None, "Kafka did not answer"
        if not message.error():
            found.append((message.partition(), decode(message.value())))
        elif message.error().code() == KafkaError._PARTITION_EOF and message.offset() >= ends.get(
            message.partition(), 0
        ):
            ends.pop(message.partition(), None)
    consumer.close()
    return found


def test_published_rules_are_in_every_partition_that_decides_by_them(broker):
    rules = load(DEFAULTS)
    record = publish(broker, {}, rules, 1_000, "test")
    for topic in (ORDERS_IN, POOLS_IN):
        partitions = Counter(
            p
            for p, r in _read(broker, topic.name, 4)
            if isinstance(r, RulesPublished) and r.event_id == record.event_id
        )
        assert partitions == {0: 1, 1: 1, 2: 1, 3: 1}
    assert in_force(broker, {}) == (record, rules)


def test_a_record_that_fails_on_the_way_leaves_no_partition_with_the_new_rules(broker, monkeypatch):
    before = {t.name: len(_read(broker, t.name, 4)) for t in (ORDERS_IN, POOLS_IN)}
    calls = []

    def fail_late(record):
        calls.append(record)
        if len(calls) > 5:
            raise RuntimeError("the wire was cut")
        return b"\x00"

    monkeypatch.setattr("ops.rules.publish.encode", fail_late)
    with pytest.raises(RuntimeError):
        publish(broker, {}, RuleSet("half", depots=[Depot("a", "NL")]), 2_000, "test")
    monkeypatch.undo()
    publish(broker, {}, RuleSet("next", depots=[Depot("a", "NL")]), 3_000, "test")  # fences what is left of the first
    assert {t.name: len(_read(broker, t.name, 4)) for t in (ORDERS_IN, POOLS_IN)} == {
        k: n + 4 for k, n in before.items()
    }
    found = in_force(broker, {})
    assert found is not None
    assert found[0].version == "next"


def test_where_no_kafka_answers_the_error_says_so(monkeypatch):
    monkeypatch.setattr("ops.rules.publish.SECONDS", 0.5)
    with pytest.raises(UserError, match=r"127\.0\.0\.1:1 does not answer"):
        publish("127.0.0.1:1", {"log_level": "0"}, RuleSet("x"), 1, "test")


def test_a_stock_report_is_written_whole_under_its_pool(broker):
    rows = [StockRow("main", "depot-a", f"SKU-{n}", n) for n in range(1, 51)]
    told: list[int] = []
    reference = report(broker, {}, rows, "count", now=5_000, source="test", done=told.append)
    found = [r for _, r in _read(broker, POOLS_IN.name, 4) if isinstance(r, StockReported) and r.reference == reference]
    assert [(r.sku, r.qty, r.kind) for r in found] == [(f"SKU-{n}", n, "COUNT") for n in range(1, 51)]
    assert len({r.idempotency_key for r in found}) == 50
    assert told == [50]
    assert report(broker, {}, rows, "count", now=6_000, source="test") == reference


def test_the_publish_command_previews_then_acts_then_finds_nothing_to_do(broker, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("WHARF_KAFKA", broker)
    file = tmp_path / "rules.yaml"
    file.write_text("version: v7\ndepots: [{id: a, country: NL, safety_stock: 3}]\n")

    def run(*more: str) -> dict:
        result = CliRunner().invoke(app, ["rules", "publish", str(file), "--json", *more], catch_exceptions=False)
        return json.loads(result.stdout)

    assert (run()["published"], run()["published"]) == (False, False)
    done = run("--execute")
    assert done["published"] is True
    assert {"field": "depots.a.safety_stock", "before": 0, "after": 3} in done["changes"] or done["before"] is None
    assert run()["changes"] == []
    shown = json.loads(CliRunner().invoke(app, ["rules", "show", "--json"]).stdout)
    assert shown["version"] == "v7"
    assert msgspec.convert(shown["rules"], RuleSet) == load(file)
    file.write_text("version: v7\ndepots: [{id: a, country: NL, safety_stock: 4}]\n")
    with pytest.raises(UserError, match="v7 is in force with another content"):
        run("--execute")


def test_a_version_published_before_can_be_had_back(broker, monkeypatch):
    monkeypatch.setenv("WHARF_KAFKA", broker)

    def run(*words: str) -> dict:
        return json.loads(CliRunner().invoke(app, ["rules", *words, "--json"], catch_exceptions=False).stdout)

    for n, version in enumerate(("summer", "autumn")):
        publish(broker, {}, RuleSet(version, depots=[Depot("a", "NL", safety_stock=n)]), 10_000 + n, "test")
    change = {"field": "depots.a.safety_stock", "before": 1, "after": 0}
    assert run("rollback") == {"before": "autumn", "version": "summer", "published": False, "changes": [change]}
    assert run("history")["in_force"] == "autumn"
    assert run("rollback", "--execute")["published"] is True
    told = run("history")
    assert [r["version"] for r in told["published"]][-3:] == ["summer", "autumn", "summer"]
    assert told["published"][-1]["by"] == "wharf:rollback:autumn"
    found = in_force(broker, {})
    assert found is not None
    assert found[1].depots[0].safety_stock == 0
    with pytest.raises(UserError, match=r"there is no version winter to go back to; published: .*summer, autumn"):
        run("rollback", "winter")
    with pytest.raises(UserError, match="version summer is in force already"):
        run("rollback", "summer")
