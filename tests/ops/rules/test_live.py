"""A change of rules, published by the command while a worker runs: taken up with no restart, and named by the decisions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from typer.testing import CliRunner

from domain.records.commands import OrderUpserted, StockReported
from domain.records.events import OrderEvent
from domain.records.record import uuid5
from domain.records.values import Address, Client, Delivery, Order, OrderLine
from ops.servers.topics import create_topics
from schemas.codec import decode, encode
from schemas.topics import ORDERS_EVENTS, ORDERS_IN, POOLS_IN
from wharf.cli import app

pytestmark = pytest.mark.kafka

WHARF = Path(sys.executable).parent / "wharf"
TRACE = "0af7651916cd43dd8448eb211c80319c"
DEPOT = "depots: [{id: a, country: NL}]\n"


def now() -> int:
    return time.time_ns() // 1_000_000


def placed(n: int, total: int, email: str, at: int) -> OrderUpserted:
    key = f"shopify:acme:{n}"
    where = Address("A", "", "S 1", "", "1011AA", "A", country="NL")
    lines = [OrderLine("1", "MUG", 1, unit_price=total)]
    order = Order(
        key, "shopify", "acme", str(n), f"#{n}", at, at, "EUR", "paid", lines,
        Client(email, email, shipping_address=where), Delivery(), total=total,
    )  # fmt: skip
    return OrderUpserted(
        uuid5("live", n, "o"), "OrderUpserted", at, "test", TRACE, key, f"order@{at}", f"d{n}", f"{n:016x}", order
    )


class Live:
    """One worker over one broker, and what it has said of each order."""

    def __init__(self, bootstrap: str, tmp: Path, process: subprocess.Popen[bytes]) -> None:
        self.tmp, self.process = tmp, process
        self.producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "live"})
        self.consumer.assign([TopicPartition(ORDERS_EVENTS.name, p, 0) for p in range(2)])
        self.events: list[OrderEvent] = []

    def send(self, n: int, total: int, email: str = "a@example.test", at: int = 0) -> None:
        record = placed(n, total, email, at or now())
        self.producer.produce(ORDERS_IN.name, encode(record), record.order_key.encode())
        assert self.producer.flush(20) == 0

    def wait(self, n: int, kind: str, like: Callable[[OrderEvent], bool] = lambda _: True) -> OrderEvent:
        """The order's event of this kind, as soon as it is there."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for e in self.events:
                if (e.order_key, e.type) == (f"shopify:acme:{n}", kind) and like(e):
                    return e
            assert self.process.poll() is None, (self.tmp / "log").read_text()[-3000:]
            message = self.consumer.poll(0.2)
            if message is not None and not message.error():
                self.events.append(decode(message.value()))  # type: ignore[arg-type]
        raise AssertionError([(e.order_key, e.type, e.reason) for e in self.events])

    def publish(self, text: str) -> None:
        file = self.tmp / "rules.yaml"
        file.write_text(text)
        found = CliRunner().invoke(app, ["rules", "publish", str(file), "--execute", "--json"], catch_exceptions=False)
        assert json.loads(found.stdout)["published"] is True


@pytest.fixture(scope="module")
def live(own_kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    create_topics(own_kafka, 2)
    tmp = tmp_path_factory.mktemp("live")
    config = {"WHARF_KAFKA": own_kafka, "WHARF_HOME": str(tmp), "WHARF_CONFIG": str(tmp / "wharf.yaml")}
    patch = pytest.MonkeyPatch()
    for name, value in config.items():
        patch.setenv(name, value)
    with (tmp / "log").open("wb") as out:
        process = subprocess.Popen([WHARF, "worker"], env={**os.environ, **config}, stdout=out, stderr=out)
    live = Live(own_kafka, tmp, process)
    live.publish("version: first\n" + DEPOT)
    stock = StockReported("s1", "StockReported", now(), "test", TRACE, "main", "s1", "COUNT", "a", "MUG", "new", 99, "")
    live.producer.produce(POOLS_IN.name, encode(stock), b"main")
    yield live
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    live.consumer.close()
    patch.undo()


def test_a_change_published_while_a_worker_runs_is_in_the_next_decisions(live: Live) -> None:
    live.send(1, total=90_000)
    assert live.wait(1, "ALLOCATED").rule_version == "first"
    live.publish(f"version: second\n{DEPOT}fraud: [{{name: large, when: total > 50000, reason: large}}]\n")
    live.send(2, total=90_000)
    held = live.wait(2, "HELD")
    assert (held.reason, held.rule_version) == ("FRAUD_RISK: fraud.large: large", "second")
    assert json.loads(held.decision)["because"] == ["fraud.large: large"]
    live.send(3, total=100)
    allocated = live.wait(3, "ALLOCATED")
    assert (allocated.rule_version, json.loads(allocated.decision)["rules"]) == ("second", "second")


def test_velocity_is_judged_by_the_pool_of_a_running_worker(live: Live) -> None:
    live.publish(f"version: third\n{DEPOT}fraud: [{{name: many, velocity: {{window_hours: 1, max_orders: 1}}}}]\n")
    live.send(11, total=100, email="b@example.test")
    live.wait(11, "ALLOCATED")
    live.send(12, total=100, email="b@example.test")
    assert live.wait(12, "HELD").reason == "FRAUD_RISK: fraud.many"


def test_a_version_for_later_comes_into_force_by_the_time_of_the_commands_and_may_be_withdrawn(live: Live) -> None:
    hour = 3_600_000
    later = datetime.fromtimestamp((now() + hour) / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    live.publish(f"version: ahead\neffective_from: {later}\n{DEPOT}fraud: [{{name: all, when: total > 0}}]\n")
    live.publish(f"version: far\neffective_from: 2099-01-01\n{DEPOT}")
    told = json.loads(_wharf("rules", "show", "--json"))
    assert (told["version"], [e["version"] for e in told["ahead"]]) == ("third", ["ahead", "far"])
    assert json.loads(_wharf("rules", "withdraw", "far", "--json"))["withdrawn"] is False
    assert json.loads(_wharf("rules", "withdraw", "far", "--execute", "--json"))["withdrawn"] is True
    states = {r["version"]: r["state"] for r in json.loads(_wharf("rules", "history", "--json"))["published"]}
    assert {k: states[k] for k in ("third", "ahead", "far")} == {
        "third": "in force",
        "ahead": "ahead",
        "far": "withdrawn",
    }
    live.send(21, total=100, email="c@example.test")
    assert live.wait(21, "ALLOCATED").rule_version == "third"
    live.send(22, total=100, email="d@example.test", at=now() + 2 * hour)  # as the channel's clock, so the fold's
    assert live.wait(22, "HELD").rule_version == "ahead"


def _wharf(*words: str) -> str:
    return CliRunner().invoke(app, [*words], catch_exceptions=False).stdout
