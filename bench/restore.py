"""How long a worker takes to have its tables back: ``python -m bench.restore [--orders N] [--updates U] [--save]``.

The changelog of ``wharf.orders.table`` holds N open orders, each written U times (a compacted log, or one that still waits for it), in 4
partitions with their heads, as the runtime leaves it. Then ``wharf worker`` is started as a person would, and timed until the first
transaction of every partition is through: the process's start, joining the group, the restore with its check, and one record folded.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from bench.lives import open_orders, order_upserted
from bench.results import machine, write
from ops.embedded.kafka import EmbeddedKafka
from ops.embedded.topics import create_topics
from schemas.codec import encode
from schemas.topics import ORDERS_IN, ORDERS_TABLE
from streams.app import GROUPS
from streams.runtime.head import HEAD, Head, fingerprint

PARTITIONS = 4
_SECONDS = 400.0
_WHARF = Path(sys.executable).parent / "wharf"
_RESTORED = re.compile(r"table restored.*?keys=(\d+).*?seconds=([\d.]+)")


def fill(bootstrap: str, orders: int, updates: int) -> int:
    """Write the changelog, an input record a partition to show that it goes on, and the group's offsets before that. Returns the bytes."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 500_000,
        }
    )
    written = 0
    count, total = [0] * PARTITIONS, [0] * PARTITIONS
    for number, (_, key, value) in enumerate(row for row in open_orders(orders) if row[0] == ORDERS_IN.name):
        partition = number % PARTITIONS
        count[partition] += 1
        total[partition] += fingerprint(key, value)
        for _ in range(updates):
            _produce(producer, ORDERS_TABLE.name, key, value, partition)
            written += len(key) + len(value)
    for partition in range(PARTITIONS):
        head = Head(0, count[partition], total[partition] % (1 << 64))
        _produce(producer, ORDERS_TABLE.name, HEAD, msgspec.msgpack.encode(head), partition)
        upserted = order_upserted(orders + partition)
        _produce(producer, ORDERS_IN.name, upserted.order_key.encode(), encode(upserted), partition)
    if producer.flush(120):
        raise RuntimeError("the broker did not take the whole changelog within 120 s")
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": GROUPS["core"]})
    consumer.commit(offsets=[TopicPartition(ORDERS_IN.name, p, 0) for p in range(PARTITIONS)], asynchronous=False)
    consumer.close()
    return written


def _produce(producer: Any, topic: str, key: bytes, value: bytes, partition: int) -> None:
    while True:
        try:
            producer.produce(topic, value, key, partition)
        except BufferError:
            producer.poll(0.1)
        else:
            return


def restart(bootstrap: str, home: Path) -> dict[str, Any]:
    """Start a worker: seconds to its first transaction, of these in the restore (the slowest partition), its memory in MB."""
    log = home / "worker.log"
    env = {**os.environ, "WHARF_KAFKA": bootstrap, "WHARF_HOME": str(home), "WHARF_CONFIG": str(home / "wharf.yaml")}
    asking = Consumer({"bootstrap.servers": bootstrap, "group.id": GROUPS["core"]})
    began = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen([_WHARF, "worker"], env=env, stdout=out, stderr=out)
    try:
        while not _moved(asking):
            if process.poll() is not None or time.monotonic() - began > _SECONDS:
                raise RuntimeError(f"the worker did not come back:\n{log.read_text()[-3000:]}")
            time.sleep(0.05)
        seconds = time.monotonic() - began
        status = Path(f"/proc/{process.pid}/status")
        memory = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else None
    finally:
        process.terminate()
        process.wait(60)
        asking.close()
    restores = [(int(keys), float(s)) for keys, s in _RESTORED.findall(re.sub(r"\x1b\[\d*m", "", log.read_text()))]
    return {
        "seconds": round(seconds, 2),
        "slowest partition": max((s for keys, s in restores if keys), default=None),
        "peak MB": int(memory[1]) // 1024 if memory else None,
    }


def _moved(asking: Consumer) -> bool:
    try:
        found = asking.committed([TopicPartition(ORDERS_IN.name, p) for p in range(PARTITIONS)], 10.0)
    except KafkaException:  # the coordinator is busy
        return False
    return all(p.offset > 0 for p in found)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.restore", description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--updates", default="1", help="1,3: one run with each")
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for updates in map(int, args.updates.split(",")):
        with (
            tempfile.TemporaryDirectory(prefix="wharf-bench-") as folder,
            EmbeddedKafka(Path(folder) / "kafka") as kafka,
        ):
            create_topics(kafka.bootstrap, PARTITIONS)
            written = fill(kafka.bootstrap, args.orders, updates)
            print(f"restore: {written / 1e6:.0f} MB of changelog written", file=sys.stderr, flush=True)
            found = restart(kafka.bootstrap, Path(folder))
        row = {"orders": args.orders, "changelog records": args.orders * updates, "MB": round(written / 1e6), **found}
        rows.append({**row, "records/s": round(args.orders * updates / found["seconds"]), "load": machine()["load"][0]})
        print(rows[-1], flush=True)
    if args.save:
        write("restore", "restore: seconds from a worker's start to its first transaction", "s", rows)


if __name__ == "__main__":
    main()
