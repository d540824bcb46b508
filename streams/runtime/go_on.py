"""On without what is gone: an input that was cut, or deleted and made anew, no longer holds the place where its group stands.

The table is whole, only its place is moved: the head of its changelog and the group's offset, in one transaction. Nothing else is folded or
written. It must not run beside workers of the group.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.damage import cut
from schemas.patience import partition_counts, patiently

from .channel import AgentSpec
from .config import RuntimeConfig, admin_client, producer_properties, restore_properties
from .head import HEAD, Head
from .restore import read_changelog

__all__ = ["CutInput", "cut_inputs", "go_on"]


@dataclass(frozen=True, slots=True)
class CutInput:
    """One partition whose group stands at ``at``, while the log holds ``first`` up to before ``end``. ``head`` None: it has no table."""

    topic: str
    partition: int
    table: str | None
    head: Head | None
    at: int
    first: int
    end: int

    @property
    def why(self) -> str:
        """What is wrong, in words."""
        return cut(f"{self.topic}/{self.partition}", self.at, self.first, self.end)


def cut_inputs(config: RuntimeConfig, agents: Mapping[str, AgentSpec]) -> list[CutInput]:
    """Those inputs that don't hold what comes next. Raises KafkaException where Kafka does not come to answer."""
    return patiently(lambda: _look(config, agents))


def _look(config: RuntimeConfig, agents: Mapping[str, AgentSpec]) -> list[CutInput]:
    counts = partition_counts(admin_client(config))
    reader = Consumer({**restore_properties(config), "group.id": config.group})
    try:
        found = [
            _stand(config, reader, spec, port) for spec in agents.values() for port in range(counts.get(spec.topic, 0))
        ]
    finally:
        reader.close()
    return [one for one in found if one is not None and one.why]


def _stand(config: RuntimeConfig, reader: Consumer, spec: AgentSpec, number: int) -> CutInput | None:
    """Where the group stands; None where it has not begun. Kafka forgets a group's offset with a deleted topic, the table does not."""
    tp = TopicPartition(spec.topic, number)
    [committed] = reader.committed([tp], 30)
    first, end = reader.get_watermark_offsets(tp, timeout=30)
    head = None
    if spec.table is not None:
        packed = read_changelog(config, (spec.table, number), Event(), lambda share: None).get(HEAD)
        head = msgspec.msgpack.decode(packed, type=Head) if packed else None
    at = committed.offset if committed.offset >= 0 else head.offset if head else None
    return None if at is None else CutInput(spec.topic, number, spec.table, head, at, first, end)


def go_on(config: RuntimeConfig, inputs: list[CutInput], where: str) -> None:
    """Move the group to the first record there is (``first``) or behind the last (``end``), all partitions or none. Raises KafkaException."""
    producer = Producer(
        {**producer_properties(config), "transactional.id": f"{config.group}-rebuild"},
        logger=logging.getLogger("wharf.kafka"),
    )
    member = Consumer({**restore_properties(config), "group.id": config.group})
    try:
        producer.init_transactions(60)
        producer.begin_transaction()
        places = [TopicPartition(i.topic, i.partition, i.first if where == "first" else i.end) for i in inputs]
        for one, place in zip(inputs, places, strict=True):
            if one.table is not None and one.head is not None:
                head = Head(place.offset, one.head.count, one.head.total)
                producer.produce(one.table, msgspec.msgpack.encode(head), HEAD, one.partition)
        producer.send_offsets_to_transaction(places, member.consumer_group_metadata(), 60)
        producer.commit_transaction(60)
    finally:
        member.close()
