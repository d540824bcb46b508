"""When each order's event could be read: a read_committed consumer of ``wharf.orders.events`` in a thread."""

from __future__ import annotations

import threading
import time
from collections import Counter

from confluent_kafka import Consumer, TopicPartition

from bench.web.deliveries import order_number
from schemas.topics import ORDERS_EVENTS

__all__ = ["Watch"]


class Watch(threading.Thread):
    """``seen``: order number → epoch seconds of its first event of type ``kind``; ``kinds``: how many of each type.

    The type is read from the record's header and the order from its key, so that watching costs a few microseconds an event.
    """

    def __init__(self, bootstrap: str, kind: str) -> None:
        super().__init__(name="watch", daemon=True)
        self.kind = kind.encode()
        self.seen: dict[int, float] = {}
        self.kinds: Counter[str] = Counter()
        self._ended = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "bench-watch",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 10,
                "log_level": 0,
            }
        )
        topic = ORDERS_EVENTS.name
        partitions = self._consumer.list_topics(topic, timeout=20).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])

    def run(self) -> None:
        """Until ``stop``."""
        while not self._ended.is_set():
            messages = self._consumer.consume(2_000, 0.005)
            now = time.time()
            for message in messages:
                if message.error() is None:
                    self._note(message, now)
        self._consumer.close()

    def _note(self, message: object, now: float) -> None:
        kind = next(value for name, value in message.headers() if name == "ce_type").rpartition(b".")[2]  # type: ignore[attr-defined]
        self.kinds[kind.decode()] += 1
        if kind == self.kind:
            self.seen.setdefault(order_number(message.key().decode()), now)  # type: ignore[attr-defined]

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self.join(10)
