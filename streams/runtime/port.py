"""All that a worker touches outside itself: Kafka's clients, threads, the monotonic clock. The simulation puts its own here."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Protocol

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

__all__ = ["LIBRDKAFKA", "Librdkafka", "Port"]


class Port(Protocol):
    """The clients behave as confluent-kafka's; each takes librdkafka properties."""

    def consumer(self, properties: Mapping[str, Any]) -> Any:
        """Make a consumer with this configuration."""
        ...

    def producer(self, properties: Mapping[str, Any]) -> Any:
        """Make a transactional producer with this configuration."""
        ...

    def admin(self, properties: Mapping[str, Any]) -> Any:
        """Make an admin client with this configuration."""
        ...

    def threads(self, count: int, name: str) -> Executor:
        """Threads for calls that block; with ``count`` 1 they run in the order they were handed in."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        ...

    def age(self, message: Any) -> float:
        """Seconds since a record was written, by its own timestamp and the machine's clock: good for pacing, and for nothing else."""
        ...

    def spare_collector(self) -> None:
        """All that was allocated so far stays: the garbage collector need not look at it again."""
        ...


class Librdkafka:
    """Port to the real librdkafka and the real clock."""

    def consumer(self, properties: Mapping[str, Any]) -> Any:
        """Its log goes to ``wharf.kafka``."""
        return Consumer(dict(properties), logger=logging.getLogger("wharf.kafka"))

    def producer(self, properties: Mapping[str, Any]) -> Any:
        """Its log goes to ``wharf.kafka``."""
        return Producer(dict(properties), logger=logging.getLogger("wharf.kafka"))

    def admin(self, properties: Mapping[str, Any]) -> Any:
        """Hold on to it while its futures run: they fail without it."""
        return AdminClient(dict(properties))

    def threads(self, count: int, name: str) -> Executor:
        """Make a pool of threads."""
        return ThreadPoolExecutor(count, name)

    def monotonic(self) -> float:
        """Seconds of the process's own monotonic clock."""
        return time.monotonic()

    def age(self, message: Any) -> float:
        """The producers' clocks may differ."""
        return float(time.time() - message.timestamp()[1] / 1000)

    def spare_collector(self) -> None:
        """Freeze what is alive, so that the garbage collector skips it."""
        gc.collect()
        gc.freeze()


LIBRDKAFKA = Librdkafka()
