"""Put rules in force: one Kafka transaction over every partition that decides by them, so they are never half applied."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from domain.commands import RulesPublished
from domain.record import uuid5
from domain.rules import RuleSet
from ops.errors import UserError
from schemas.codec import decode, encode
from schemas.headers import headers
from schemas.topics import ORDERS_IN, POOLS_IN, RULES

__all__ = ["NAME", "history", "in_force", "publish", "rules_of"]

NAME = "default"
"""The name of the one rule set; a set per pool or channel will have its own."""

SECONDS = 30.0


def publish(
    bootstrap: str, kafka_config: Mapping[str, str], rule_set: RuleSet, now: int, source: str
) -> RulesPublished:
    """Write ``RulesPublished`` to every partition of orders.in and pools.in and to wharf.rules, all or none.

    ``rule_set`` is a checked one; ``now``: UTC ms; ``source``: who publishes. A second publisher at the same time is fenced: its
    transaction fails as a whole. Raises UserError where a topic is missing or Kafka does not take it.
    """
    config = {**kafka_config, "bootstrap.servers": bootstrap}
    record = _record(rule_set, now, source)
    partitions = {t.name: _partitions(config, t.name) for t in (ORDERS_IN, POOLS_IN, RULES)}
    producer = Producer({**config, "transactional.id": "wharf-rules-publish", "transaction.timeout.ms": 10_000})
    try:
        producer.init_transactions(SECONDS)
        producer.begin_transaction()
        for topic, count in partitions.items():
            for partition in range(count):
                producer.produce(topic, encode(record), NAME.encode(), partition=partition, headers=headers(record))
        # Compaction keeps the last record of a key: under a key of its own every version can be had back.
        of_version = f"{NAME}@{record.version}".encode()
        producer.produce(RULES.name, encode(record), of_version, partition=0, headers=headers(record))
        producer.commit_transaction(SECONDS)
    except KafkaException as e:
        # An open transaction ends by itself (transaction.timeout.ms) or with the next publisher, and is never seen.
        raise UserError(f"the rules were not published, nothing changed: {e.args[0].str()}; try again") from e
    return record


def _record(rule_set: RuleSet, now: int, source: str) -> RulesPublished:
    body = msgspec.json.encode(rule_set).decode()
    digest = hashlib.sha256(body.encode()).hexdigest()
    event_id = uuid5(f"rules:{NAME}:{rule_set.version}:{digest}", now, "RulesPublished")
    return RulesPublished(event_id, "RulesPublished", now, source, secrets.token_hex(16), NAME, rule_set.version, body)


def _partitions(config: Mapping[str, str], topic: str) -> int:
    try:
        found = AdminClient(dict(config)).list_topics(topic, timeout=SECONDS).topics[topic]
    except KafkaException as e:
        raise UserError(f"Kafka at {config['bootstrap.servers']} does not answer: {e.args[0].str()}") from e
    if found.error or not found.partitions:
        raise UserError(f"the topic {topic} is not there: `wharf up` makes it")
    return len(found.partitions)


def in_force(bootstrap: str, kafka_config: Mapping[str, str]) -> tuple[RulesPublished, RuleSet] | None:
    """The rules last published, with the record that brought them; None before any."""
    published = history(bootstrap, kafka_config)
    return (published[-1], rules_of(published[-1])) if published else None


def rules_of(record: RulesPublished) -> RuleSet:
    """The rule set that a record brought."""
    return msgspec.json.decode(record.body, type=RuleSet)


def history(bootstrap: str, kafka_config: Mapping[str, str]) -> list[RulesPublished]:
    """Every publishing that is still kept, the one in force last. Of each version the last one is kept for ever."""
    config = {**kafka_config, "bootstrap.servers": bootstrap}
    _partitions(config, RULES.name)
    end = _end(config)
    consumer = Consumer(
        {
            **config,
            "group.id": "wharf-rules-show",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        return _read(consumer, end)
    finally:
        consumer.close()


def _end(config: Mapping[str, str]) -> int:
    """The end of the topic, transactions that are just being committed included."""
    place = TopicPartition(RULES.name, 0)
    # Not the consumer's watermarks: of a topic that was just made it asks the wrong broker for long.
    admin = AdminClient(dict(config))  # has to outlive the answer
    try:
        return int(admin.list_offsets({place: OffsetSpec.latest()}, request_timeout=SECONDS)[place].result().offset)
    except KafkaException as e:
        raise UserError(f"{RULES.name}: {e.args[0].str()}") from e


def _read(consumer: Consumer, end: int) -> list[RulesPublished]:
    """Read the topic (one partition, compacted) to its end: a commit becomes visible a moment after it was made."""
    consumer.assign([TopicPartition(RULES.name, 0, 0)])
    found: dict[str, RulesPublished] = {}  # each stands there twice, as the last one and as its version's
    while (message := consumer.poll(SECONDS)) is not None:
        error = message.error()
        if error and error.code() == KafkaError._PARTITION_EOF:
            if message.offset() >= end:
                return list(found.values())
        elif error:
            raise UserError(f"{RULES.name}: {error.str()}")
        elif record := _rules(message.value()):
            found.setdefault(record.event_id, record)
    raise UserError(f"{RULES.name}: an open transaction is in the way, or Kafka does not answer; try again")


def _rules(value: bytes | None) -> RulesPublished | None:
    record = decode(value) if value else None
    return record if isinstance(record, RulesPublished) and record.name == NAME else None
