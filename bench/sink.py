"""The sink alone: ``python -m bench.sink [--short] [--save]``.

Order events as they come out of the worker (thirteen an order, about 330 bytes of Avro) lie in ``wharf.orders.events``; the sink reads them
(read_committed) and writes them into the embedded ClickHouse with its progress and insert tokens, until all are in. Rows are counted
afterwards. In the same run, the same records by way of decoded columns, which is what a ClickHouse server gets.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from confluent_kafka import Producer

from bench.results import write
from domain.records.events import OrderEvent
from domain.records.record import uuid5
from domain.records.values import EventLine
from ops.servers.clickhouse import Engine
from ops.servers.kafka import EmbeddedKafka
from ops.servers.topics import create_topics
from schemas.codec import encode
from schemas.topics import ORDERS_EVENTS
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.sink import Sink

__all__ = ["main"]

REACH = 300_000
NOW = 1_795_428_000_000
TYPES = (
    "PLACED", "ALLOCATION_REQUESTED", "ALLOCATED", "SUBMITTED", "ACCEPTED", "PICKED", "SHIPPED", "CHANNEL_NOTIFIED",
    "IN_TRANSIT", "OUT_FOR_DELIVERY", "DELIVERED", "COMPLETED", "DUPLICATE",
)  # fmt: skip


def events(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Key and value of ``count`` order events; a tenth of ALLOCATED's size is its decision."""
    chance = random.Random(f"sink/{seed}")
    decision = json.dumps(
        {"candidates": [{"depot": depot, "refused": "", "cost": 495} for depot in ("depot-a", "depot-b")]}
    )
    for ordinal in range(count):
        number, seq = ordinal // len(TYPES), ordinal % len(TYPES) + 1
        kind, order_id = TYPES[seq - 1], str(7_000_000_000_000 + number)
        key, at = f"shopify:bench:{order_id}", NOW + ordinal
        lines = [EventLine(f"{order_id}01", f"WH-{chance.randrange(1000, 1500)}", 1, 2999)]
        allocation = f"main/{key}/1" if seq > 2 else ""
        parcel = (f"{allocation}-s1", "PostNL", f"3S{ordinal:012d}") if seq > 6 else ("", "", "")
        event = OrderEvent(
            uuid5(key, seq, kind), kind, at, "orders", f"{number:032x}", key, seq, "shopify", "bench", order_id, kind, at, NOW,
            "NL", lines, seq > 6, allocation, parcel[0], "depot-a" if allocation else "", "standard", parcel[1], parcel[2],
            at + 86_400_000 if seq > 2 else None, at + 172_800_000 if seq > 2 else None, 2999, 495 if seq > 6 else 0, "EUR", "",
            "", "", False, "2026-11-23.1", decision if kind == "ALLOCATED" else "", "EUR",
        )  # fmt: skip
        yield key, encode(event)


def fill(bootstrap: str, count: int, seed: int) -> int:
    """Write them; gives their bytes."""
    create_topics(bootstrap, 2, topics=[ORDERS_EVENTS])
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "compression.type": "lz4",
            "linger.ms": 50,
            "queue.buffering.max.messages": 500_000,
        }
    )
    total = 0
    for number, (key, value) in enumerate(events(count, seed)):
        total += len(value)
        producer.produce(ORDERS_EVENTS.name, value, key)
        if not number % 20_000:
            producer.flush()
    producer.flush()
    return total


def measure(bootstrap: str, folder: Path, count: int, way: str) -> dict[str, Any]:
    """One run into a fresh ClickHouse, timed from the first batch that is in."""
    engine = Engine(folder)
    client = engine.client()
    migrate(client)
    with patch("sinks.clickhouse.sink.in_process", lambda _: way == "as they are"):
        sink = Sink({"bootstrap.servers": bootstrap}, client, group=f"bench-{way.replace(' ', '-')}")
    thread = threading.Thread(target=sink.run)
    thread.start()
    while not sink.written:
        time.sleep(0.005)
    began, cpu, first = time.monotonic(), _cpu(), sink.written
    while sink.written < count:
        time.sleep(0.005)
    took, used = time.monotonic() - began, _cpu() - cpu
    sink.stop()
    thread.join()
    ((there, different),) = client.query("SELECT count(), uniqExact(event_id) FROM order_events").result_rows
    client.close()
    engine.close()
    assert there >= count == different, f"{there} rows, {different} events, {count} expected"
    timed = count - first
    return {"way": way, "rows_s": round(timed / took), "cpu_us_a_row": round(used / timed * 1e6, 2), "rows": timed}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure, print, and with ``--save`` keep it for the page."""
    parser = argparse.ArgumentParser(prog="bench.sink", description=__doc__)
    parser.add_argument("--short", action="store_true", help="500,000 events instead of 2,000,000")
    parser.add_argument("--events", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    count = args.events or (500_000 if args.short else 2_000_000)
    rows = []
    with tempfile.TemporaryDirectory(prefix="wharf-bench-") as name:
        folder = Path(name)
        with EmbeddedKafka(folder / "kafka") as kafka:
            size = fill(kafka.bootstrap, count, args.seed) // count
            for way in ("as they are", "by columns"):
                rows.append(
                    {**measure(kafka.bootstrap, folder / way.replace(" ", "-"), count, way), "bytes_a_record": size}
                )
                print(json.dumps(rows[-1]), flush=True)
    if args.save:
        write(
            "sink", "order events from Kafka into the embedded ClickHouse", "rows/s", rows, seed=args.seed, reach=REACH
        )


if __name__ == "__main__":
    main()
