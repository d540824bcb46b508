"""Against a real broker: an answer of 2xx means the records are there, and no broker means no 2xx."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.outgoing import Outgoing
from connectors.webhooks.publisher import KafkaPublisher, NotPublished, TooLarge
from connectors.webhooks.renewing import RenewingPublisher
from ops.processes.webhooks import KafkaWatch, look
from ops.servers.endpoints import kafka_config, publish, withdraw
from ops.servers.topics import create_topics
from ops.settings import Settings
from schemas.codec import decode
from schemas.topics import DLQ, EFFECTS, ORDERS_IN, POOLS_IN, RAW

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def broker(kafka: str) -> str:
    topics = (RAW, DLQ, EFFECTS, ORDERS_IN, POOLS_IN)
    there = AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics
    missing = [t for t in topics if t.name not in there]
    create_topics(kafka, 2, topics=missing)
    for topic in topics:
        end = time.monotonic() + 120
        while True:  # a new partition's leader is not everywhere known at once
            try:
                count(kafka, topic.name)
                break
            except KafkaException:
                assert time.monotonic() < end
                time.sleep(0.2)
    return kafka


def count(broker: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "unused"})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    total = sum(consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in partitions)
    consumer.close()
    return total


def values(broker: str, topic: str, skip: int) -> list[Any]:
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "unused", "auto.offset.reset": "earliest"})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    messages, end = [], time.monotonic() + 60
    while len(messages) < count(broker, topic) and time.monotonic() < end:
        messages += consumer.consume(100, 0.2)
    consumer.close()
    messages.sort(key=lambda m: m.timestamp()[1])
    return [decode(m.value()) for m in messages[skip:]]


async def test_an_answer_of_200_means_kafka_has_the_delivery_and_its_facts(web: SimpleNamespace, broker: str) -> None:
    before = {t: count(broker, t) for t in (RAW.name, ORDERS_IN.name, DLQ.name)}
    publisher = KafkaPublisher({"bootstrap.servers": broker})
    async with web.serving(publisher) as server, web.posting(server) as post:
        answers = await asyncio.gather(
            *(post(web.order(id=i, admin_graphql_api_id=None), x_shopify_event_id=f"ev-{i}") for i in range(50)),
            post(web.order(total_price="?")),
            post(web.order(), secret="wrong"),
            post(b"{"),
        )
        assert [a.status_code for a in answers] == [200] * 51 + [401, 400]
        after = {t: count(broker, t) for t in before}
    assert {t: after[t] - before[t] for t in before} == {RAW.name: 51, ORDERS_IN.name: 50, DLQ.name: 1}
    keys = {f.order_key for f in values(broker, ORDERS_IN.name, 0) if f.source == "shopify:acme/webhook"}
    assert {f"shopify:acme:{i}" for i in range(50)} <= keys


async def test_a_delivery_of_nearly_two_megabytes_fits(web: SimpleNamespace, broker: str) -> None:
    publisher = KafkaPublisher({"bootstrap.servers": broker})
    noise = "".join(chr(0x4E00 + i * 7919 % 20_000) for i in range(600_000))
    async with web.serving(publisher) as server, web.posting(server) as post:
        assert (await post(web.order(note=noise))).status_code in (200, 413)
        assert (await post(web.order(note="x" * 1_900_000))).status_code == 200


async def test_without_a_broker_the_answer_is_503_within_the_deadline(web: SimpleNamespace) -> None:
    publisher = KafkaPublisher({"bootstrap.servers": "127.0.0.1:1"}, deadline=0.5)
    async with web.serving(publisher) as server, web.posting(server) as post:
        started = time.monotonic()
        answer = await post(web.order())
        assert answer.status_code == 503
        assert time.monotonic() - started < 60  # librdkafka's own deadline is five minutes
        assert int(answer.headers["retry-after"]) >= 1
        publisher._producer.purge()


async def test_a_full_queue_is_a_backlog_at_once(web: SimpleNamespace) -> None:
    publisher = KafkaPublisher(
        {"bootstrap.servers": "127.0.0.1:1", "queue.buffering.max.messages": 1, "linger.ms": 0}, deadline=0.3
    )
    async with web.serving(publisher) as server, web.posting(server) as post:
        answers = [await post(web.order()) for _ in range(2)]
        assert [a.status_code for a in answers] == [503, 503]
        assert answers[-1].json()["error"] == "backlog"
        publisher._producer.purge()


async def test_a_record_beyond_the_topics_limit_is_told_apart(broker: str) -> None:
    publisher = KafkaPublisher({"bootstrap.servers": broker})
    publisher.start()
    with pytest.raises(TooLarge):
        await publisher.publish([Outgoing(RAW.name, b"k", b"x" * 5_000_000, [])])
    await publisher.stop()


async def test_a_producer_that_fails_while_kafka_serves_others_is_replaced(broker: str) -> None:
    def make(config: Mapping[str, str]) -> KafkaPublisher:
        timeout = {} if bootstrap == broker else {"delivery.timeout.ms": "300"}
        return KafkaPublisher({**config, "bootstrap.servers": bootstrap, **timeout}, deadline=10.0)

    bootstrap = "127.0.0.1:1"
    publisher = RenewingPublisher({"bootstrap.servers": broker}, make)
    publisher.start()
    with pytest.raises(NotPublished):
        await publisher.publish([Outgoing(RAW.name, b"k", b"x", [])])
    assert 0 < publisher.failing_seconds < 5
    await look(publisher, {"bootstrap.servers": "127.0.0.1:1"})
    assert publisher.failing_seconds, "nobody is served: it is Kafka, and a new producer would do no better"
    bootstrap = broker
    await look(publisher, {"bootstrap.servers": broker})
    assert publisher.healthy
    assert publisher.failing_seconds == 0
    await publisher.publish([Outgoing(RAW.name, b"k", b"x", [])])
    await publisher.stop()


async def test_a_server_whose_kafka_goes_away_waits_and_follows_it_to_another_port(
    tmp_path: Path, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WHARF_KAFKA", raising=False)
    publish(tmp_path, "kafka", bootstrap="127.0.0.1:1")
    settings = Settings(home=tmp_path)
    publisher = RenewingPublisher(
        kafka_config(settings), lambda c: KafkaPublisher({**c, "delivery.timeout.ms": "5000"}, deadline=6.0)
    )
    publisher.start()
    watch = KafkaWatch(settings, publisher)
    withdraw(tmp_path, "kafka")
    for _ in range(3):
        await watch.look()
    with pytest.raises(NotPublished):
        await publisher.publish([Outgoing(RAW.name, b"k", b"x", [])])
    assert publisher.healthy
    publish(tmp_path, "kafka", bootstrap=broker)
    await watch.look()
    await publisher.publish([Outgoing(RAW.name, b"k", b"x", [])])
    await publisher.stop()


async def test_an_acknowledgement_ends_what_was_failing(broker: str) -> None:
    publisher = KafkaPublisher({"bootstrap.servers": broker})
    publisher._failing_since = time.monotonic() - 60
    publisher.start()
    await publisher.publish([Outgoing(RAW.name, b"k", b"x", [])])
    assert publisher.failing_seconds == 0.0
    await publisher.stop()
