"""Make the topics of `schemas/topics.py`, as often as you like."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from ops.errors import UserError
from schemas.patience import partition_counts, passing, patiently
from schemas.topics import TOPICS, Topic

__all__ = ["create_topics", "served"]

SECONDS = 30.0
_NOT_MADE_YET = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC)
"""What brokers say of a topic that the controller has made a moment ago."""


def create_topics(
    bootstrap: str,
    partitions: int,
    extra_config: Mapping[str, str] | None = None,
    *,
    replication: int = -1,
    topics: Iterable[Topic] = TOPICS,
) -> list[str]:
    """Create what is missing and bring the configuration of the rest up to date; returns the names created.

    ``replication`` -1 is the brokers' own default; ``partitions`` is for the topics that don't fix their own count, ``extra_config`` are librdkafka properties (SASL, TLS).
    Raises UserError where brokers don't answer or refuse, or a topic has another number of partitions: keys would move to
    other partitions, away from their state.
    """
    config = {**(extra_config or {}), "bootstrap.servers": bootstrap, "log_level": 2}
    try:
        there = patiently(lambda: partition_counts(AdminClient(config), SECONDS), SECONDS)
    except KafkaException as e:
        raise UserError(f"Kafka at {bootstrap} does not answer: {e.args[0].str()}") from e
    wanted = list(topics)
    _same_partitions(wanted, there, partitions)
    made = _create(config, [topic for topic in wanted if topic.name not in there], partitions, replication)
    _configure(config, [topic for topic in wanted if topic.name in there])
    return made


def _count(topic: Topic, partitions: int) -> int:
    return topic.partitions or partitions


def _same_partitions(wanted: list[Topic], there: Mapping[str, int], partitions: int) -> None:
    for topic in wanted:
        has, wants = there.get(topic.name), _count(topic, partitions)
        if has is not None and has != wants:
            raise UserError(
                f"topic {topic.name} has {has} partitions, not {wants}: set WHARF_PARTITIONS={has}, or use another WHARF_HOME; "
                "more partitions would part the keys from their state"
            )


def _create(config: Mapping[str, Any], topics: list[Topic], partitions: int, replication: int) -> list[str]:
    if not topics:
        return []
    new = {
        topic.name: NewTopic(topic.name, _count(topic, partitions), replication, config=dict(topic.config))
        for topic in topics
    }
    made: list[str] = []

    def ask() -> None:
        """Make what is left; a topic that was made is not asked for again."""
        admin = AdminClient(dict(config))
        for name, done in admin.create_topics(list(new.values())).items() if new else ():
            made.extend([name] if _made(done) else [])
            del new[name]

    try:
        patiently(ask, SECONDS)
    except KafkaException as e:
        raise UserError(f"topic {next(iter(new))} can't be created: {e.args[0].str()}") from e
    _wait_led(config, topics, partitions)
    return made


def _wait_led(config: Mapping[str, Any], topics: list[Topic], partitions: int) -> None:
    """Until each partition's leader serves it: the controller answers before the brokers know, and a broker is named leader
    before it has made the log."""
    waiting = {
        TopicPartition(topic.name, partition) for topic in topics for partition in range(_count(topic, partitions))
    }
    deadline = time.monotonic() + SECONDS
    while True:
        admin = AdminClient(dict(config))  # a client that once heard of no leader asks nobody again for long
        waiting = {place for place in waiting if not _served(admin, place)}
        if not waiting:
            return
        if time.monotonic() > deadline:
            names = ", ".join(sorted({place.topic for place in waiting}))
            raise UserError(f"Kafka created {names} but no broker leads it: see the brokers' logs")
        time.sleep(0.05)


def served(config: Mapping[str, str], topics: Iterable[str]) -> bool:
    """Whether every partition of these topics has a leader that serves it now, as a client sees it that has just begun."""
    admin = AdminClient({**config, "log_level": 2})
    try:
        there = partition_counts(admin, 5)
        return all(
            _served(admin, TopicPartition(topic, partition)) for topic in topics for partition in range(there[topic])
        )
    except (KafkaException, UserError, KeyError):
        return False


def _served(admin: AdminClient, place: TopicPartition) -> bool:
    try:
        return bool(
            admin.list_offsets({place: OffsetSpec.latest()}, request_timeout=5)[place].result(SECONDS).offset >= 0
        )
    except KafkaException as e:
        if passing(e.args[0]) or e.args[0].code() in _NOT_MADE_YET:
            return False
        raise UserError(f"topic {place.topic}: {e.args[0].str()}") from e


def _made(done: Future[None]) -> bool:
    """False: another process was quicker. Raises KafkaException."""
    try:
        done.result(SECONDS)
    except KafkaException as e:
        if e.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise
    return True


def _configure(config: Mapping[str, Any], topics: list[Topic]) -> None:
    """Set what differs; settings that an operator added himself stay."""
    wants = {topic.name: topic.config for topic in topics if topic.config}
    if not wants:
        return
    try:
        patiently(lambda: _set_differing(AdminClient(dict(config)), wants), SECONDS)
    except KafkaException as e:
        raise UserError(f"the topics can't be configured: {e.args[0].str()}") from e


def _set_differing(admin: AdminClient, wants: Mapping[str, Mapping[str, str]]) -> None:
    changes = []
    for resource, got in admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in wants]).items():
        has = got.result(SECONDS)
        differ = [
            ConfigEntry(k, v, incremental_operation=AlterConfigOpType.SET)
            for k, v in wants[resource.name].items()
            if k not in has or has[k].value != v
        ]
        if differ:
            changes.append(ConfigResource(ResourceType.TOPIC, resource.name, incremental_configs=differ))
    for done in admin.incremental_alter_configs(changes).values() if changes else ():
        done.result(SECONDS)
