"""``wharf rules simulate`` over a real Kafka: it reads what workers wrote, partition by partition, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from typer.testing import CliRunner

from bench.simulate import DEPOTS, RULES, Maker
from domain.records.commands import PoolCommand, RulesPublished, Tick
from domain.rules.ruleset import Rate, RuleSet, Wave
from lab.whatif.history import save
from ops.servers.topics import create_topics
from schemas.codec import encode
from schemas.headers import headers
from schemas.topics import POOLS_EVENTS, POOLS_IN
from wharf.cli import app

pytestmark = pytest.mark.kafka

PARTITIONS = 3
HOME = 1
"""The partition of the pool; the others hold rules and ticks only, as they do where a merchant has one pool."""


def later(command: PoolCommand, body: RuleSet, at: int, n: int) -> RulesPublished:
    text = msgspec.json.encode(body).decode()
    return RulesPublished(f"r{n}", "RulesPublished", at, "t", command.trace, "default", body.version, text)


@pytest.fixture(scope="module")
def past(own_kafka: str) -> Maker:
    """150 orders; the day after their last one, rules are published that send everything elsewhere: in every partition."""
    create_topics(own_kafka, PARTITIONS)
    maker = Maker(150, days=3, skus=30)
    maker.make()
    end = maker.inputs[-1]
    only = msgspec.structs.replace(RULES, version="last", depots=[DEPOTS[1]])
    producer = Producer({"bootstrap.servers": own_kafka, "transactional.id": "past"})
    producer.init_transactions()
    producer.begin_transaction()
    for p in range(PARTITIONS):
        mine = maker.inputs if p == HOME else [c for c in maker.inputs if isinstance(c, Tick | RulesPublished)]
        for c in [*mine, later(end, only, end.time + 86_400_000, p)]:
            producer.produce(POOLS_IN.name, encode(c), b"main", partition=p, headers=headers(c))
    for i, e in enumerate(maker.events):  # of those with a header, and of one without, the type is known
        producer.produce(POOLS_EVENTS.name, encode(e), b"main", partition=HOME, headers=headers(e) if i else None)
    producer.commit_transaction(30)
    producer.begin_transaction()
    producer.produce(POOLS_IN.name, b"never happened", b"main", partition=HOME)
    producer.flush(20)
    producer.abort_transaction(30)
    return maker


def ends(bootstrap: str) -> list[int]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "ends"})
    topics = consumer.list_topics(timeout=20).topics
    names = sorted(t for t in topics if t.startswith("wharf."))
    found = [consumer.get_watermark_offsets(TopicPartition(t, p))[1] for t in names for p in topics[t].partitions]
    consumer.close()
    return found


def simulate(tmp_path: Path, *options: str) -> dict[str, object]:
    depots = [msgspec.structs.replace(d, rates=[Rate(100)]) if d.id == "de-1" else d for d in DEPOTS]
    cheap = msgspec.structs.replace(RULES.routing, preferences=["cost"])
    file = tmp_path / "new.json"
    waves = msgspec.structs.replace(
        RULES.bundling, enabled=True, waves=[Wave(times=["15:00"])]
    )  # they need the pool's own ticks
    new = msgspec.structs.replace(RULES, version="new", depots=depots, routing=cheap, bundling=waves)
    file.write_bytes(msgspec.json.encode(new))
    command = ["rules", "simulate", "--rules", str(file), "--json", *options]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_it_reads_kafka_as_it_reads_a_log_and_writes_nothing(
    past: Maker, own_kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHARF_KAFKA", own_kafka)
    monkeypatch.setenv("WHARF_HOME", str(tmp_path))
    before, kept = ends(own_kafka), tmp_path / "kept.log"
    found = simulate(tmp_path, "--save-log", str(kept))
    assert ends(own_kafka) == before
    assert (
        found["old_rules_agree_with_the_log"] == 1.0
    )  # whichever partition Kafka gives first: its rules are not the pool's yet
    assert found["old"]["orders"] == 150  # type: ignore[index]
    assert found["moved_orders"] > 20  # type: ignore[operator]
    plain = tmp_path / "plain.log"
    save(plain, past.events, past.inputs)
    for same in (kept, plain):
        other = simulate(tmp_path, "--log", str(same))
        assert [other[k] == found[k] for k in ("old", "new", "moves", "reasons", "moved_orders")] == [True] * 5
    assert found["seconds"] < 30  # type: ignore[operator]  # not a time-out for each partition
