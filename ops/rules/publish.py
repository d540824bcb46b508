"""Put rules in force: one Kafka transaction over every partition that decides by them, so they are never half applied."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from domain.records.commands import RulesPublished
from domain.records.record import uuid5
from domain.rules.ruleset import RuleSet
from domain.rules.versions import Edition, RuleBook
from ops.errors import UserError
from schemas.codec import decode, encode
from schemas.headers import headers
from schemas.patience import partition_counts, patiently
from schemas.topics import ORDERS_IN, POOLS_IN, RULES

from .effective_date import effective_ms

__all__ = ["NAME", "book", "history", "in_force", "of_edition", "publish", "rules_of", "withdraw"]

NAME = "default"
"""The name of the one rule set; what is otherwise for a channel or pool stands in it."""

SECONDS = 30.0


def publish(
    bootstrap: str, kafka_config: Mapping[str, str], rule_set: RuleSet, now: int, source: str
) -> RulesPublished:
    """Write ``RulesPublished`` to every partition of orders.in and pools.in and to wharf.rules, all or none.

    ``rule_set`` is a checked one, in force at once or from its ``effective_from`` on; ``now``: UTC ms; ``source``: who
    publishes. A second publisher at the same time is fenced: its transaction fails as a whole. Raises UserError where a topic is missing or Kafka does not take it.
    """
    body = msgspec.json.encode(rule_set).decode()
    record = _record(rule_set.version, body, now, source, effective_ms(rule_set))
    _write(bootstrap, kafka_config, record)
    return record


def withdraw(bootstrap: str, kafka_config: Mapping[str, str], version: str, now: int, source: str) -> RulesPublished:
    """Take back a version that was published for later, in the same way as one is published."""
    record = _record(version, "", now, source, 0)
    _write(bootstrap, kafka_config, record)
    return record


def _write(bootstrap: str, kafka_config: Mapping[str, str], record: RulesPublished) -> None:
    config = {**kafka_config, "bootstrap.servers": bootstrap}
    partitions = {t.name: _partitions(config, t.name) for t in (ORDERS_IN, POOLS_IN, RULES)}
    try:
        producer = patiently(lambda: _producer(config), SECONDS)
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


def _producer(config: Mapping[str, str]) -> Producer:
    """Ready for its transaction; a publisher that was there before is fenced."""
    producer = Producer({**config, "transactional.id": "wharf-rules-publish", "transaction.timeout.ms": 10_000})
    producer.init_transactions(SECONDS)
    return producer


def _record(version: str, body: str, now: int, source: str, effective_from: int) -> RulesPublished:
    digest = hashlib.sha256(body.encode()).hexdigest()
    event_id = uuid5(f"rules:{NAME}:{version}:{digest}", now, "RulesPublished")
    trace = secrets.token_hex(16)
    return RulesPublished(event_id, "RulesPublished", now, source, trace, NAME, version, body, effective_from)


def _partitions(config: Mapping[str, str], topic: str) -> int:
    try:
        counts = patiently(lambda: partition_counts(AdminClient(dict(config)), SECONDS), SECONDS)
    except KafkaException as e:
        raise UserError(f"Kafka at {config['bootstrap.servers']} does not answer: {e.args[0].str()}") from e
    if not counts.get(topic):
        raise UserError(f"the topic {topic} is not there: `wharf up` makes it")
    return counts[topic]


def in_force(
    bootstrap: str, kafka_config: Mapping[str, str], now: int | None = None
) -> tuple[RulesPublished, RuleSet] | None:
    """The rules in force at ``now`` (UTC ms; none: the last published for at once), with the record that brought them; None before any."""
    published = history(bootstrap, kafka_config)
    current = book(published, published[-1].time if now is None and published else now or 0).current
    if current is None:
        return None
    record = of_edition(published, current)
    return record, rules_of(record)


def of_edition(published: list[RulesPublished], edition: Edition) -> RulesPublished:
    """The record that brought a version of the book."""
    return next(
        record for record in reversed(published) if record.version == edition.version and record.body == edition.body
    )


def book(published: list[RulesPublished], now: int) -> RuleBook:
    """What is in force and what is ahead at ``now`` (UTC ms), by the records published in turn."""
    found = RuleBook()
    for record in published:
        found = found.at(record.time).publish(record)
    return found.at(now)


def rules_of(record: RulesPublished) -> RuleSet:
    """The rule set that a record brought."""
    return msgspec.json.decode(record.body, type=RuleSet)


def history(bootstrap: str, kafka_config: Mapping[str, str]) -> list[RulesPublished]:
    """Every publishing that is still kept, the one in force last. Of each version the last one is kept for ever."""
    config = {**kafka_config, "bootstrap.servers": bootstrap}
    _partitions(config, RULES.name)
    try:
        return patiently(lambda: _history(config), SECONDS)
    except KafkaException as e:
        raise UserError(f"{RULES.name}: {e.args[0].str()}; try again, and see the brokers' logs if it stays so") from e


def _history(config: Mapping[str, str]) -> list[RulesPublished]:
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
    return int(admin.list_offsets({place: OffsetSpec.latest()}, request_timeout=SECONDS)[place].result().offset)


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
            raise KafkaException(error)
        elif record := _rules(message.value()):
            found.setdefault(record.event_id, record)
    raise UserError(f"{RULES.name}: an open transaction is in the way, or Kafka does not answer; try again")


def _rules(value: bytes | None) -> RulesPublished | None:
    record = decode(value) if value else None
    return record if isinstance(record, RulesPublished) and record.name == NAME else None
