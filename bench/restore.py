"""How long a worker takes to have its tables back: ``python -m bench.restore [--orders N] [--updates U] [--save]``.

The changelog of ``wharf.orders.table`` holds N open orders, each written U times (a compacted log, or one that still waits for it), in 4
partitions with their heads, as the runtime leaves it. Then ``wharf worker`` is started as a person would, and timed until the first
transaction of every partition is through: the process's start, joining the group, the restore with its check, and one record folded.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from bench.filling import PARTITIONS, fill, produce, producer
from bench.lives import order_upserted
from bench.results import cpu_seconds, machine, write
from ops.servers.kafka import EmbeddedKafka
from ops.servers.topics import create_topics
from schemas.codec import encode
from schemas.topics import ORDERS_IN, ORDERS_TABLE
from streams.app import GROUPS

_SECONDS = 400.0
_WHARF = Path(sys.executable).parent / "wharf"


def fill_and_ask(bootstrap: str, orders: int, updates: int) -> int:
    """The changelog, and an input record a partition, to show that the work goes on. Returns the changelog's bytes."""
    written = fill(bootstrap, orders, updates=updates)
    to = producer(bootstrap)
    for partition in range(PARTITIONS):
        upserted = order_upserted(orders + partition)
        produce(to, ORDERS_IN.name, upserted.order_key.encode(), encode(upserted), partition)
    to.flush(30)
    return written


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
        memory = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
        cpu = cpu_seconds(process.pid)
    finally:
        process.terminate()
        process.wait(60)
        asking.close()
    return {
        "seconds": round(seconds, 2),
        "CPU s": round(cpu or 0.0, 2),
        "slowest partition s": max(restored(log)),
        "peak MB": int(memory[1]) // 1024 if memory else None,
    }


def restored(log: Path) -> list[float]:
    """Seconds that each partition of the orders' table took, by the worker's log."""
    lines = (json.loads(line) for line in log.read_text().splitlines() if '"table restored"' in line)
    return [line["seconds"] for line in lines if line["table"] == ORDERS_TABLE.name]


def _moved(asking: Consumer) -> bool:
    try:
        found = asking.committed([TopicPartition(ORDERS_IN.name, partition) for partition in range(PARTITIONS)], 10.0)
    except KafkaException:  # the coordinator is busy
        return False
    return all(entry.offset > 0 for entry in found)


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
            written = fill_and_ask(kafka.bootstrap, args.orders, updates)
            print(f"restore: {written / 1e6:.0f} MB of changelog written", file=sys.stderr, flush=True)
            found = restart(kafka.bootstrap, Path(folder))
        row = {"orders": args.orders, "changelog records": args.orders * updates, "MB": round(written / 1e6), **found}
        rows.append({**row, "records/s": round(args.orders * updates / found["seconds"]), "load": machine()["load"][0]})
        print(rows[-1], flush=True)
    if args.save:
        write("restore", "restore: seconds from a worker's start to its first transaction", "s", rows)


if __name__ == "__main__":
    main()
