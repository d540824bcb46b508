"""How far the consumer groups are behind: the records that no one has worked yet.

The difference of two offsets would never become zero: a transaction's own marker takes an offset, and the worker writes the time
(``Tick``) all the while. So what lies between a group's committed offset and the end of the log is read and counted, ticks apart.
"""

from __future__ import annotations

from collections import Counter

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from .checks.log import decode

__all__ = ["committed", "lag"]

FAR = 2_000
"""Further behind than this the offsets alone are told: reading would take longer than it is true."""


def committed(bootstrap: str, internal: str = "wharf-demo") -> dict[str, list[TopicPartition]]:
    """The committed offsets of every group but our own (whose names begin with ``internal``)."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    groups = [g.group_id for g in admin.list_consumer_groups(request_timeout=10).result().valid]
    offsets = {}
    for group in groups:
        if group.startswith(internal):
            continue
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=10)
        offsets[group] = list(asked[group].result().topic_partitions)
    return offsets


def lag(bootstrap: str, internal: str = "wharf-demo") -> Counter[str]:
    """Unworked records by ``group topic``; empty means everyone is up to date. Raises KafkaException."""
    behind: Counter[str] = Counter()
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": internal + "-lag",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    try:
        for group, places in committed(bootstrap, internal).items():
            for place in places:
                number = _behind(consumer, place)
                if number:
                    behind[f"{group} {place.topic}"] += number
    finally:
        consumer.close()
    return behind


def _behind(consumer: Consumer, place: TopicPartition) -> int:
    low, high = consumer.get_watermark_offsets(place, timeout=10)
    start = max(place.offset, low)
    if start >= high:
        return 0
    if high - start > FAR:
        return int(high - start)
    consumer.assign([TopicPartition(place.topic, place.partition, start)])
    number = 0
    while True:
        for message in consumer.consume(500, timeout=1.0):
            error = message.error()
            if error is None:
                number += decode(message.value() or b"")[0] != "Tick"
            elif error.code() == KafkaError._PARTITION_EOF:
                return number
            else:
                raise KafkaException(error)
