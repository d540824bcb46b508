"""A table's way back when its changelog is lost: fold the input again up to where the group stands, and write only the changelog.

The folds are deterministic and their outputs are dropped: what they say was published when it was folded first. It must not run beside
workers of the group. Until it ends the changelog has no head, so that workers refuse to start on half of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from threading import Event
from typing import Any

import msgspec
from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec

from schemas.patience import passing, patiently

from .batch import Batch
from .channel import AgentSpec
from .config import RuntimeConfig, admin_client, producer_properties, restore_properties
from .errors import StateLost
from .head import HEAD
from .message import TP, Message
from .restore import check_content, read_changelog
from .table import Change, Table

__all__ = ["GroupActive", "PartitionPlan", "Rebuilt", "check_idle", "plan", "rebuild"]

_BATCH = 2_000
_CHUNK = 20_000
"""Changelog records a transaction: their sum must stay below the broker's time-out for transactions."""

Progress = Callable[[int], None]
"""Told how many input records were read since the last call."""


class GroupActive(Exception):
    """Workers of the group are running, or were killed less than a session time-out ago."""


@dataclass(frozen=True, slots=True)
class PartitionPlan:
    """What a rebuild would do with one partition of a table.

    ``first``: the oldest input offset there is, ``committed``: where the group stands (None: nowhere), ``keys``: what the changelog
    holds now, ``lost``: why a worker would refuse it (``""``: it would not), ``refold``: False where it is only emptied.
    """

    topic: str
    table: str
    partition: int
    first: int
    committed: int | None
    keys: int
    lost: str
    refold: bool

    @property
    def complete(self) -> bool:
        """Whether the input still reaches back to its beginning."""
        return self.first == 0 or not self.refold

    @property
    def records(self) -> int:
        """Input offsets to go through."""
        return max((self.committed or 0) - self.first, 0) if self.refold else 0


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it. ``rejected``: records that can't be folded, as they could not the first time."""

    plan: PartitionPlan
    keys: int
    folded: int
    rejected: int


def check_idle(config: RuntimeConfig) -> None:
    """Raise GroupActive while the group has members."""
    try:
        group = patiently(lambda: _group(config))
    except KafkaException as e:
        if e.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return
        raise
    if group.state not in (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD):
        members = ", ".join(sorted(member.group_instance_id or member.member_id for member in group.members))
        raise GroupActive(
            f"group {config.group} has members: {members}; stop them, or wait {config.session_timeout_ms} ms"
        )


def _group(config: RuntimeConfig) -> Any:
    admin = admin_client(config)
    [future] = admin.describe_consumer_groups([config.group], request_timeout=30).values()
    return future.result()


def plan(config: RuntimeConfig, agents: Mapping[str, AgentSpec]) -> list[PartitionPlan]:
    """Look at every table of the agents. Raises KafkaException where Kafka does not come to answer."""
    return patiently(lambda: _plan(config, agents))


def _plan(config: RuntimeConfig, agents: Mapping[str, AgentSpec]) -> list[PartitionPlan]:
    plans: list[PartitionPlan] = []
    admin = admin_client(config)
    reader = Consumer({**restore_properties(config), "group.id": config.group})
    try:
        for spec in agents.values():
            if spec.table is not None:
                count = len(admin.list_topics(spec.topic, timeout=30).topics[spec.topic].partitions)
                plans += [_plan_one(config, admin, reader, spec, partition) for partition in range(count)]
    finally:
        reader.close()
    return plans


def _plan_one(config: RuntimeConfig, admin: Any, reader: Any, spec: AgentSpec, number: int) -> PartitionPlan:
    tp = TopicPartition(spec.topic, number)
    [earliest] = admin.list_offsets({tp: OffsetSpec.earliest()}, request_timeout=30).values()
    [found] = reader.committed([tp], 30)
    committed = int(found.offset) if found.offset >= 0 else None
    table = spec.table or ""
    content = read_changelog(config, (table, number), Event(), lambda share: None)
    lost = ""
    try:
        check_content(f"{table}/{number}", content, committed)
    except StateLost as e:
        lost = str(e)
    return PartitionPlan(
        topic=spec.topic,
        table=table,
        partition=number,
        first=int(earliest.result().offset),
        committed=committed,
        keys=len(content),
        lost=lost,
        refold=spec.refold,
    )


async def rebuild(config: RuntimeConfig, spec: AgentSpec, todo: PartitionPlan, progress: Progress) -> Rebuilt:
    """Make one partition of a table anew and write it to its changelog."""
    offset = todo.committed or 0
    table = Table.empty(f"{todo.table}/{todo.partition}", offset, config.max_record_bytes)
    folded = rejected = 0
    if todo.records:
        folded, rejected = await _fold(config, spec, todo, table, progress)
    table.seal(offset)
    table.apply()
    _write(config, (todo.table, todo.partition), table, reset=todo.committed is None)
    return Rebuilt(todo, len(table), folded, rejected)


async def _fold(
    config: RuntimeConfig, spec: AgentSpec, todo: PartitionPlan, table: Table, progress: Progress
) -> tuple[int, int]:
    """Fold the input up to the committed offset; returns records folded and rejected."""
    end = todo.committed or 0
    reader = Consumer(restore_properties(config), logger=logging.getLogger("wharf.kafka"))
    folded = rejected = 0
    at = todo.first
    try:
        reader.assign([TopicPartition(todo.topic, todo.partition, todo.first)])
        while at < end:
            got = reader.consume(_BATCH, 0.05)
            messages = [Message.of(message) for message in got if message.error() is None and message.offset() < end]
            if messages:
                batch = Batch(todo.topic, messages, {todo.partition: table})
                await spec.function(batch)
                if batch.deferred:
                    raise RuntimeError(f"the agent of {spec.topic} defers records: register it with refold=False")
                table.seal(messages[-1].offset + 1)
                table.apply()
                folded, rejected = folded + len(messages), rejected + batch.dead
            reached = max(
                (message.offset() + (message.error() is None) for message in got if _counts(message)), default=at
            )
            progress(min(reached, end) - at)
            at = min(reached, end)
    finally:
        reader.close()
    return folded, rejected


def _counts(message: Any) -> bool:
    """Whether it tells how far the reader is: a record, or the end of the partition (whose last entries may be markers)."""
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF and not passing(error):
        raise KafkaException(error)
    return error is None or error.code() == KafkaError._PARTITION_EOF


def _write(config: RuntimeConfig, changelog: TP, table: Table, reset: bool) -> None:
    """The whole table, tombstones for what is no longer in it, and at the very end the head."""
    before = read_changelog(config, changelog, Event(), lambda share: None)
    content = dict(table.items())
    changes: list[Change] = [(HEAD, None)]
    changes += [(key, None) for key in before if key not in content and key != HEAD]
    changes += content.items()
    if not reset:  # without an offset of the group a head would contradict it
        changes.append((HEAD, msgspec.msgpack.encode(table.head)))
    properties = {
        **producer_properties(config),
        "transactional.id": f"{config.group}-rebuild",
        "transaction.timeout.ms": 300_000,
    }
    producer = Producer(properties, logger=logging.getLogger("wharf.kafka"))
    producer.init_transactions(60)
    left = iter(changes)
    while chunk := list(islice(left, _CHUNK)):
        producer.begin_transaction()
        for key, value in chunk:
            producer.produce(changelog[0], value, key, changelog[1])
        producer.commit_transaction(120)
