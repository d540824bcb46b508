"""A ``wharf`` process that can be made to fail at a named point: ``python entry.py worker --slot 0`` is ``wharf worker --slot 0``.

It looks for a file that the harness puts at ``WHARF_FAULTS_ARM``: ``POINT COUNT`` there makes the COUNT-th passing of POINT fail, which is
SIGKILL to the process itself (or an error, or a stall, for the ``clickhouse-*`` points). The file is taken away first, so the next incarnation
lives. ``WHARF_FAULTS_OFF`` switches a guard of the product off, for the negative controls: ``dedupe``, ``transaction`` or ``token``. The product
knows nothing of all this.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

ARM = Path(os.environ.get("WHARF_FAULTS_ARM", "/nonexistent"))
OFF = os.environ.get("WHARF_FAULTS_OFF", "")
STALL_SECONDS = 4.0


def armed() -> str:
    """The point that is armed, or ``""``."""
    try:
        return ARM.read_text().split()[0]
    except (FileNotFoundError, IndexError):
        return ""


def take(point: str) -> bool:
    """Whether this passing of ``point`` is to fail; then the arming is used up."""
    try:
        name, count = ARM.read_text().split()
    except (FileNotFoundError, ValueError):
        return False
    if name != point:
        return False
    if int(count) > 1:
        ARM.write_text(f"{name} {int(count) - 1}")
        return False
    ARM.rename(ARM.with_suffix(".hit"))
    return True


def die_at(point: str) -> None:
    """kill -9 ourselves if this point is armed."""
    if take(point):
        os.kill(os.getpid(), signal.SIGKILL)


class Outlet:
    """A transactional producer that can die between any two of its calls."""

    consumer: Any = None

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._armed = ""
        self._produced = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def init_transactions(self, *args: Any) -> None:
        if OFF != "transaction":
            self._producer.init_transactions(*args)

    def begin_transaction(self) -> None:
        die_at("before-produce")
        self._armed, self._produced = armed(), 0
        if OFF != "transaction":
            self._producer.begin_transaction()

    def produce(self, *args: Any, **kwargs: Any) -> None:
        self._producer.produce(*args, **kwargs)
        self._produced += 1
        if self._armed == "mid-produce" and self._produced >= 2:
            self._producer.flush(5.0)
            die_at("mid-produce")

    def send_offsets_to_transaction(self, offsets: Any, *args: Any) -> None:
        if self._armed == "after-produce":
            self._producer.flush(5.0)
            die_at("after-produce")
        if OFF == "transaction":
            self._producer.flush(10.0)
            Outlet.consumer.commit(offsets=offsets, asynchronous=False)
        else:
            self._producer.send_offsets_to_transaction(offsets, *args)

    def commit_transaction(self, *args: Any) -> None:
        die_at("before-commit")
        if OFF == "transaction":
            self._producer.flush(10.0)
        else:
            self._producer.commit_transaction(*args)
        die_at("after-commit")


def worker_points() -> None:
    """Around every call of a worker's producer, and while a table is being restored."""
    from streams.runtime import port, restore

    plain_producer, plain_consumer = port.Librdkafka.producer, port.Librdkafka.consumer

    def producer(self: Any, properties: Any) -> Any:
        if OFF == "transaction":
            properties = {k: v for k, v in properties.items() if not k.startswith("transaction")}
        return Outlet(plain_producer(self, properties))

    def consumer(self: Any, properties: Any) -> Any:
        made = plain_consumer(self, properties)
        if "group.instance.id" in properties:
            Outlet.consumer = made
        return made

    plain_read = restore._read

    def read(reader: Any, tp: Any, target: int, content: Any, **more: Any) -> None:
        plain_read(reader, tp, target, content, **more)
        die_at("restore")

    port.Librdkafka.producer = producer  # type: ignore[method-assign]
    port.Librdkafka.consumer = consumer  # type: ignore[method-assign]
    restore._read = read


def sink_points() -> None:
    """Around every insert; a ClickHouse that fails before or after it took the rows, or stands still."""
    from sinks.clickhouse import progress, writer

    plain_insert, plain_store = writer.Writer._insert, progress.store

    def insert(self: Any, batch: Any) -> None:
        die_at("before-insert")
        if take("clickhouse-fails"):
            raise OSError("injected: ClickHouse refused the insert")
        if take("clickhouse-stalls"):
            time.sleep(STALL_SECONDS)
        if take("mid-insert"):
            threading.Timer(0.002, os.kill, (os.getpid(), signal.SIGKILL)).start()
        plain_insert(self, batch)
        die_at("after-insert")
        if take("clickhouse-fails-after"):
            raise OSError("injected: the answer of ClickHouse was lost")

    def store(client: Any, batches: Any, state: Any, owners: Any) -> None:
        plain_store(client, batches, state, owners)
        if state.value == "AFTER" and batches:
            die_at("after-progress")

    writer.Writer._insert = insert  # type: ignore[method-assign]
    progress.store = store
    if OFF == "token":
        writer.token = lambda _: str(uuid.uuid4())


def webhook_points() -> None:
    """Between Kafka's acknowledgement and the answer to the channel."""
    from connectors.webhooks import publisher

    plain = publisher.KafkaPublisher.publish

    async def publish(self: Any, records: Any) -> None:
        die_at("before-publish")
        await plain(self, records)
        die_at("acked")

    publisher.KafkaPublisher.publish = publish  # type: ignore[method-assign]


def main() -> None:
    """Run the command with its points."""
    command = sys.argv[1]
    if command == "worker":
        worker_points()
    elif command == "sink":
        sink_points()
    elif command == "webhooks":
        webhook_points()
    if OFF == "dedupe":
        from domain.order import aggregate as order

        order.admit = lambda session, fact: True  # type: ignore[attr-defined]
    from wharf.cli import main as wharf

    wharf()


if __name__ == "__main__":
    main()
