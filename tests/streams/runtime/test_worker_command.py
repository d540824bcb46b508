"""`wharf worker`, `wharf dlq` and `wharf replay` as a person runs them: real topics, real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import facts
import job
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from ops.errors import UserError
from ops.servers.topics import create_topics
from schemas.codec import decode, encode
from schemas.topics import DLQ, EFFECTS, ORDERS_EVENTS, ORDERS_IN, POOLS_IN
from wharf.cli import app

pytestmark = pytest.mark.kafka

WHARF = Path(sys.executable).parent / "wharf"
ORDERS = 20


@pytest.fixture(scope="module")
def environment(own_kafka: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    create_topics(own_kafka, 2)
    home = tmp_path_factory.mktemp("home")
    return {**os.environ, "WHARF_KAFKA": own_kafka, "WHARF_HOME": str(home), "WHARF_CONFIG": str(home / "wharf.yaml")}


@pytest.fixture(scope="module")
def worked(own_kafka: str, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Orders, stock, rules and one poison record, worked by one worker that was then told to stop; its log."""
    log = tmp_path_factory.mktemp("worker") / "log"
    producer = Producer({"bootstrap.servers": own_kafka, "partitioner": "murmur2_random"})
    for topic in (ORDERS_IN.name, POOLS_IN.name):
        for partition in range(2):
            producer.produce(topic, encode(facts.rules()), b"", partition)
    producer.produce(POOLS_IN.name, encode(facts.stock(ORDERS)), b"main")
    producer.produce(ORDERS_IN.name, b"nonsense", facts.order_key(1).encode(), headers=[("ce_id", b"e1")])
    for n in range(1, ORDERS + 1):
        producer.produce(ORDERS_IN.name, encode(facts.upserted(n)), facts.order_key(n).encode())
    assert producer.flush(20) == 0
    with log.open("wb") as out:
        process = subprocess.Popen([WHARF, "worker", "--slot", "3"], env=environment, stdout=out, stderr=out)
    wait(lambda: len(picks(own_kafka)) >= ORDERS, process, log)
    process.send_signal(signal.SIGTERM)
    assert process.wait(90) == 0, log.read_text()[-3000:]
    return log


def wait(done: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while not done():
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.2)


def picks(own_kafka: str) -> list[Any]:
    return [m for m in job.read_all(own_kafka, EFFECTS.name) if decode(m.value()).type == "PickOrder"]


def wharf(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([WHARF, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60)


def dlq(environment: dict[str, str], *arguments: str) -> str:
    """The command within this process: starting one takes a second each."""
    result = CliRunner().invoke(app, ["dlq", *arguments], env=environment)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_every_order_is_placed_allocated_and_sent_to_its_depot_once(own_kafka: str, worked: Path) -> None:
    events = [decode(m.value()) for m in job.read_all(own_kafka, ORDERS_EVENTS.name)]
    wanted = sorted(facts.order_key(n) for n in range(1, ORDERS + 1))
    for kind in ("PLACED", "ALLOCATED"):
        assert sorted(e.order_key for e in events if e.type == kind) == wanted
    assert sorted(m.key().decode() for m in picks(own_kafka)) == wanted


def test_its_log_is_json_and_names_the_dead_letter_without_its_content(worked: Path) -> None:
    lines = [json.loads(line) for line in worked.read_text().splitlines()]
    [dead] = [line for line in lines if line["event"] == "dead letter"]
    assert (dead["topic"], dead["code"]) == (ORDERS_IN.name, "magic")
    assert lines[-1]["event"] == "worker stopped"


def test_a_dead_letter_is_listed_shown_and_redriven_once(
    own_kafka: str, environment: dict[str, str], worked: Path
) -> None:
    [row] = json.loads(dlq(environment, "list", "--json"))["dead_letters"]
    assert (row["topic"], row["key"], row["code"]) == (ORDERS_IN.name, facts.order_key(1), "magic")
    shown = json.loads(dlq(environment, "show", row["id"], "--json"))
    assert (shown["value"], shown["headers"]["ce_id"]) == ("nonsense", "e1")
    preview = dlq(environment, "redrive")
    assert "Nothing was changed" in preview
    assert json.loads(dlq(environment, "redrive", "--json"))["executed"] is False
    before = len(job.read_all(own_kafka, ORDERS_IN.name))
    for redriven in ([row["id"]], []):
        done = json.loads(dlq(environment, "redrive", "--execute", "--json"))
        assert done == {"executed": True, "redriven": redriven, "refused": {}}
    after = job.read_all(own_kafka, ORDERS_IN.name)
    assert len(after) == before + 1
    [again] = [dict(m.headers()) for m in after if m.headers() and "wharf.redriven.from" in dict(m.headers())]
    assert again["ce_id"] == b"e1"
    assert not any(name.startswith("__connect") for name in again)
    assert json.loads(dlq(environment, "list", "--json")) == {"dead_letters": []}
    assert len(job.read_all(own_kafka, DLQ.name)) == 1


def test_an_id_that_is_not_there_is_an_error_with_the_way_out(environment: dict[str, str], worked: Path) -> None:
    with pytest.raises(UserError, match="wharf dlq list"):
        dlq(environment, "show", "0:9999")


def test_replaying_the_state_previews_and_then_makes_the_same_tables(environment: dict[str, str], worked: Path) -> None:
    deadline = time.monotonic() + 90
    while (preview := wharf(environment, "replay", "state")).returncode == 2:  # the worker's session runs out
        assert "has members: wharf-core-3" in preview.stderr
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert "Nothing was changed" in preview.stdout
    done = wharf(environment, "replay", "state", "--execute", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["partitions"]
    assert {row["table"] for row in rows} == {"wharf.orders.table", "wharf.pools.table"}
    assert all(row["lost"] == "" and row["keys"] == row["keys_before"] for row in rows)
    assert sum(row["rejected"] for row in rows) == 1
