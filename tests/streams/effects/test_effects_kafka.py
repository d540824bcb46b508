"""The effects worker against a real broker and a real, unreliable WMS over HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from connectors.threepl.client import ThreePlClient
from connectors.threepl.config import ThreePl
from connectors.threepl.send import ThreePlSender
from domain.records.commands import EffectOutcome
from domain.records.effects import PickOrder
from domain.records.values import Address, PickLine
from ops.servers.kafka import EmbeddedKafka
from ops.servers.topics import create_topics
from schemas.codec import decode, encode
from schemas.headers import headers
from schemas.topics import DLQ, EFFECTS, EFFECTS_RETRY, ORDERS_IN
from streams.effects import Policy
from streams.effects.agent import effects_runtime
from streams.runtime import RuntimeConfig

pytestmark = pytest.mark.kafka

NOW = 1_763_906_788_000
TRACE = "0af7651916cd43dd8448eb211c80319c"
POLICY = Policy(base_ms=150, cap_ms=400, patience_ms=60, breaker_failures=1_000, wake_ms=100)


class Wms(ThreadingHTTPServer):
    """Takes pick orders by idempotency key. Each fails at first: 503, an answer that is lost after the work was done, or too slow."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: dict[str, str] = {}
        self.tries: Counter[str] = Counter()
        self.doubled: list[str] = []
        self.down = False
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Wms

    def do_POST(self) -> None:
        key = str(self.headers["Idempotency-Key"])
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        wms = self.server
        with wms.lock:
            wms.tries[key] += 1
            tries = wms.tries[key]
        fault = sum(key.encode()) % 4
        if wms.down or (fault == 0 and tries < 3):
            return self.answer(503, {"error": {"code": "busy", "message": "later"}})
        if body["lines"][0]["sku"] == "BAD":
            return self.answer(400, {"error": {"code": "invalid", "message": "lines[0].sku"}})
        with wms.lock:
            if wms.taken.setdefault(key, body["reference"]) != body["reference"]:
                wms.doubled.append(key)
        if fault == 1 and tries == 1:
            self.close_connection = True  # the work is done, the answer is lost
            return None
        if fault == 2 and tries == 1:
            time.sleep(0.3)
        return self.answer(201, {"id": f"po-{key}", "reference": body["reference"], "status": "ACCEPTED"})

    def answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def wms() -> Iterator[Wms]:
    server = Wms()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of its own: the agents' topics have fixed names."""
    with EmbeddedKafka(tmp_path_factory.mktemp("effects")) as server:
        create_topics(server.bootstrap, 2)
        yield server.bootstrap


def pick_order(n: int, target: str = "wms", sku: str = "A") -> PickOrder:
    key = f"shopify:acme:{n}"
    return PickOrder(
        f"effect-{n}", "PickOrder", NOW, "orders", TRACE, key, target, f"main/{key}/1", f"#{n}", [PickLine("1", sku, 1)],
        Address(name="A", country="NL"), "", "", "standard", "PostNL", NOW, NOW, 1, "",
    )  # fmt: skip


def write(bootstrap: str, effects: list[PickOrder]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    for e in effects:
        producer.produce(EFFECTS.name, encode(e), e.order_key.encode(), headers=headers(e))
    assert producer.flush(10) == 0


def read(bootstrap: str, topic: str) -> list[Any]:
    """All committed records of a topic."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.partition.eof": True})
    try:
        parts = reader.list_topics(topic, timeout=10).topics[topic].partitions
        reader.assign([TopicPartition(topic, p, 0) for p in parts])
        found, ended = [], 0
        while ended < len(parts):
            message = reader.poll(10)
            assert message is not None
            ended += message.error() is not None
            found += [] if message.error() else [message]
        return found
    finally:
        reader.close()


def outcomes(bootstrap: str) -> list[EffectOutcome]:
    return [o for o in (decode(m.value()) for m in read(bootstrap, ORDERS_IN.name)) if isinstance(o, EffectOutcome)]


@asynccontextmanager
async def worker(bootstrap: str, wms: Wms) -> AsyncIterator[None]:
    sender = ThreePlSender("wms", ThreePlClient(ThreePl(api_url=wms.url, timeout_seconds=5)))
    config = RuntimeConfig(bootstrap, "wharf-effects", now=lambda: NOW, session_timeout_ms=6_000)
    stop = asyncio.Event()
    task = asyncio.ensure_future(effects_runtime(config, {"wms": sender}, POLICY).run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait({task}, timeout=90)
        await sender.close()
    await task


async def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    ends = time.monotonic() + seconds
    for pause in repeat(0.2):
        if await asyncio.to_thread(condition):
            return
        assert time.monotonic() < ends, "not in time"
        await asyncio.sleep(pause)


async def test_every_effect_is_taken_once_through_faults_and_a_restart(bootstrap: str, wms: Wms) -> None:
    good = [pick_order(n) for n in range(60)]
    write(bootstrap, [*good, pick_order(97, sku="BAD"), pick_order(98, target="depot-x")])
    wms.down = True
    async with worker(bootstrap, wms):
        await until(lambda: sum(bool(m.key()) for m in read(bootstrap, EFFECTS_RETRY.name)) >= 61)
    wms.down = False  # the first worker is gone; what it left waiting is in the table
    async with worker(bootstrap, wms):
        await until(lambda: len(outcomes(bootstrap)) >= 62)
    told = outcomes(bootstrap)
    assert Counter(o.effect_id for o in told) == Counter([e.event_id for e in good] + ["effect-97", "effect-98"])
    assert {o.effect_id for o in told if not o.ok} == {"effect-97", "effect-98"}
    assert all(o.reference == f"po-{o.effect_id}" and o.allocation_id for o in told if o.ok)
    assert max(o.attempts for o in told) >= 3
    assert wms.taken == {e.event_id: e.allocation_id for e in good}
    assert wms.doubled == []
    letters = {m.key(): dict(m.headers()) for m in read(bootstrap, DLQ.name)}
    assert letters.keys() == {b"shopify:acme:97", b"shopify:acme:98"}
    assert b"400 invalid" in letters[b"shopify:acme:97"]["__connect.errors.exception.message"]
    assert b"threepl.depot-x" in letters[b"shopify:acme:98"]["__connect.errors.exception.message"]
    assert letters[b"shopify:acme:97"]["__connect.errors.topic"] == EFFECTS.name.encode()
