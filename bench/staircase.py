"""Where an event's time goes: ``python -m bench.staircase [--events N] [--seed S] [--save]``.

Plain loops over one librdkafka consumer, each with one thing more than the last, and at the end the runtime itself. Microseconds of
the process's CPU an event, all its threads together.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from bench.order_job.codec import BenchOutput, read_event, write_output
from bench.order_job.fold import OrderRow, StockRow, apply
from bench.order_job.measure import GROUP, PARTITIONS, SOURCE, TABLE, TARGET, prepare, stop, watch
from bench.results import write
from ops.servers.kafka import EmbeddedKafka

_CHUNK = 5_000
_encode = msgspec.msgpack.encode
_order_row = msgspec.msgpack.Decoder(OrderRow).decode
_stock_row = msgspec.msgpack.Decoder(StockRow).decode

Step = Callable[[list[Any]], None]


class State:
    """The tables as plain dicts, and the keys written since the last chunk."""

    def __init__(self) -> None:
        self.rows: list[dict[bytes, bytes]] = [{} for _ in range(PARTITIONS)]
        self.dirty: list[set[bytes]] = [set() for _ in range(PARTITIONS)]

    def fold(self, message: Any) -> BenchOutput | None:
        """One event."""
        event, rows = read_event(message.value()), self.rows[message.partition()]
        key, sku = message.key(), b"\x01" + event.sku.encode()
        held, units = rows.get(key), rows.get(sku)
        order = _order_row(held) if held else OrderRow(seen=[])
        shelf = _stock_row(units) if units else StockRow()
        output = apply(event, order, shelf)
        if output is not None:
            rows[key], rows[sku] = _encode(order), _encode(shelf)
            self.dirty[message.partition()].update((key, sku))
        return output


def steps(bootstrap: str) -> dict[str, Step]:
    """Each does all that the one before it does."""
    folding, producing = State(), State()
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 5,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
            "enable.idempotence": True,
        }
    )

    def produce(messages: list[Any]) -> None:
        for message in messages:
            output = producing.fold(message)
            if output is not None:
                producer.produce(TARGET, write_output(output), message.key())
        for number, keys in enumerate(producing.dirty):
            for key in keys:
                producer.produce(TABLE, producing.rows[number][key], key, number)
            keys.clear()
        producer.flush(60)

    def decode(messages: list[Any]) -> None:
        for message in messages:
            read_event(message.value())

    def state(messages: list[Any]) -> None:
        for message in messages:
            folding.fold(message)

    return {
        "consume": lambda messages: None,
        "+ decode": decode,
        "+ state": state,
        "+ produce": produce,
    }


def climb(bootstrap: str, step: Step, count: int) -> tuple[float, float]:
    """Wall and CPU microseconds an event, after the first chunk."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "stairs", "queued.min.messages": 50_000})
    reader.assign([TopicPartition(SOURCE, number, 0) for number in range(PARTITIONS)])
    seen, begun, timed = 0, (0.0, 0.0), 0
    while seen < count:
        messages = [message for message in reader.consume(_CHUNK, 0.05) if message.error() is None]
        step(messages)
        if not seen:
            begun = time.monotonic(), time.process_time()
        else:
            timed += len(messages)
        seen += len(messages)
    wall, cpu = time.monotonic() - begun[0], time.process_time() - begun[1]
    reader.close()
    return wall / timed * 1e6, cpu / timed * 1e6


def ours(bootstrap: str, count: int) -> tuple[float, float]:
    """The runtime."""
    command = [sys.executable, "-m", "bench.order_job.peers.ours", bootstrap, SOURCE, TARGET, TABLE, GROUP, "0"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        begun, ended = watch(bootstrap, [process], None, count, 300)
    finally:
        stop([process])
    events = ended.events - begun.events
    return (ended.at - begun.at) / events * 1e6, ((ended.cpu or 0.0) - (begun.cpu or 0.0)) / events * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.staircase", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="wharf-bench-") as folder, EmbeddedKafka(Path(folder)) as kafka:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        prepare(admin, kafka.bootstrap, args.events, args.seed)
        whole = ours(kafka.bootstrap, args.events)  # first: it would refuse a changelog that the plain loops wrote to
        measured = {name: climb(kafka.bootstrap, step, args.events) for name, step in steps(kafka.bootstrap).items()}
        measured["+ transaction: the runtime"] = whole
    for name, (wall, cpu) in measured.items():
        rows.append({"step": name, "cpu": round(cpu, 2), "wall": round(wall, 2)})
        print(f"{name:30} {cpu:8.2f} µs CPU {wall:8.2f} µs")
    if args.save:
        write("staircase", "staircase: microseconds an event", "µs", rows, seed=args.seed, events=args.events)


if __name__ == "__main__":
    main()
