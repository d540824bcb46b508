"""Does an event cost more where there are more orders? ``python -m bench.growth [--base N] [--rounds R] [--kafka] [--save]``.

Workers of N, 4 N and 16 N open orders take turns, each with the same number of new orders from the first snapshot to delivered; medians over
the rounds, so that a busy machine slows all alike. The fold is the product's agents over their tables, seal and apply included, without Kafka.
With ``--kafka`` it is ``wharf worker`` itself, restored from changelogs of so many open orders, given new orders: records committed a second
and its CPU a record (which says more on a busy machine).
"""

from __future__ import annotations

import argparse
import gc
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from bench.filling import PARTITIONS, fill, produce, producer
from bench.lives import World, opening, order_upserted
from bench.order_job.measure import stop
from bench.results import cpu_seconds, write
from ops.servers.kafka import EmbeddedKafka
from ops.servers.topics import create_topics
from schemas.codec import encode
from schemas.topics import ORDERS_IN, POOLS_IN

TIMES = (1, 4, 16)
_ORDERS = 100
"""New orders a turn."""


def grown(orders: int) -> World:
    """A worker with so many open orders: their pick orders are out, the warehouse has not answered."""
    world = World(ship=False)
    world.place(range(orders))
    world.ship = True
    return world


def session(world: World, first: int) -> float:
    """Seconds of CPU a record, of both input topics."""
    folded, began = world.folded, time.process_time()
    world.place(range(first, first + _ORDERS))
    return (time.process_time() - began) / (world.folded - folded)


def through_kafka(orders: int, new: int) -> dict[str, Any]:
    """A worker of its own on a broker of its own; ``new`` orders with their stock, to the pool's answer."""
    with tempfile.TemporaryDirectory(prefix="wharf-bench-") as folder, EmbeddedKafka(Path(folder) / "kafka") as kafka:
        create_topics(kafka.bootstrap, PARTITIONS)
        records = _ask(kafka.bootstrap, orders, new)
        env = {
            **os.environ,
            "WHARF_KAFKA": kafka.bootstrap,
            "WHARF_HOME": folder,
            "WHARF_CONFIG": f"{folder}/wharf.yaml",
        }
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        log = Path(folder) / "worker.log"
        with log.open("wb") as out:
            command = [str(Path(sys.executable).parent / "wharf"), "worker", "--metrics-port", str(port)]
            process = subprocess.Popen(command, env=env, stdout=out, stderr=out)
        try:
            begun, ended = _watch(process, port, records, log)
        finally:
            stop([process])
    seconds, cpu, folded = (last - first for first, last in zip(begun, ended, strict=True))
    return {"rate": round(folded / seconds), "cpu": round(cpu / folded * 1e6, 1)}


def _ask(bootstrap: str, orders: int, new: int) -> int:
    """Fill the tables and the input. Returns how many records there will be: each order, its request, the pool's answer."""
    to, placed = producer(bootstrap), []
    orders_first, pools_first = opening()
    for partition in range(PARTITIONS):
        produce(to, ORDERS_IN.name, b"", encode(orders_first[0]), partition)
        produce(to, POOLS_IN.name, b"", encode(pools_first[0]), partition)
    for report in pools_first[1:]:
        produce(to, POOLS_IN.name, b"main", encode(report))
    to.produce(
        POOLS_IN.name,
        encode(pools_first[1]),
        b"main",
        on_delivery=lambda error, message: placed.append(message.partition()),
    )
    for number in range(10_000_000, 10_000_000 + new):
        upserted = order_upserted(number)
        produce(to, ORDERS_IN.name, upserted.order_key.encode(), encode(upserted))
    to.flush(60)
    fill(bootstrap, orders, pools=placed[0])
    return 2 * PARTITIONS + len(pools_first) + 3 * new


def _watch(process: Any, port: int, records: int, log: Path) -> tuple[list[float], list[float]]:
    """Seconds, CPU and records when the first were through, and when all are."""
    begun: list[float] | None = None
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline and process.poll() is None:
        folded = _folded(port)
        mark = [time.monotonic(), cpu_seconds(process.pid) or 0.0, folded]
        if begun is None and folded > records // 10:
            begun = mark
        if begun is not None and folded >= records:
            return begun, mark
        time.sleep(0.1)
    raise RuntimeError(f"the worker folded {_folded(port):.0f} of {records} records:\n{log.read_text()[-2000:]}")


def _folded(port: int) -> float:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:  # not up yet
        return 0.0
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("wharf_records_total{"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.growth", description=__doc__)
    parser.add_argument("--base", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--kafka", action="store_true")
    parser.add_argument("--new", type=int, default=3_000, help="orders given to the worker (--kafka)")
    args = parser.parse_args()
    if args.kafka:
        _kafka(args)
        return
    gc.set_threshold(50_000, 20, 100)
    worlds = {factor: grown(factor * args.base) for factor in TIMES}
    gc.collect()
    gc.freeze()
    taken: dict[int, list[float]] = {factor: [] for factor in TIMES}
    for number in range(args.rounds):
        for factor, world in worlds.items():
            taken[factor].append(session(world, 10_000_000 + number * _ORDERS))
    rows: list[dict[str, Any]] = []
    for factor, seconds in taken.items():
        against = statistics.median(one / this for one, this in zip(taken[1], seconds, strict=True))
        rows.append(
            {
                "orders": factor * args.base,
                "times": f"{factor}×",
                "rate": round(1 / statistics.median(seconds)),
                "to 1×": round(against, 3),
                "keys": sum(len(table) for table in worlds[factor].tables.values()),
            }
        )
        print(rows[-1], flush=True)
    if args.save:
        write(
            "growth", "growth: records folded a second of CPU, orders and pools", "records/s", rows, rounds=args.rounds,
            plot=["orders", "rate"],
        )  # fmt: skip


def _kafka(args: argparse.Namespace) -> None:
    found: dict[int, list[dict[str, Any]]] = {factor: [] for factor in TIMES}
    for _ in range(args.rounds):
        for factor in TIMES:
            found[factor].append(through_kafka(factor * args.base, args.new))
            print(factor * args.base, found[factor][-1], file=sys.stderr, flush=True)
    rows = []
    for factor, results in found.items():
        rate, cpu = (statistics.median(result[figure] for result in results) for figure in ("rate", "cpu"))
        to_first = statistics.median(
            first["cpu"] / result["cpu"] for first, result in zip(found[1], results, strict=True)
        )
        rows.append(
            {
                "orders": factor * args.base,
                "times": f"{factor}×",
                "rate": rate,
                "cpu": cpu,
                "to 1× by CPU": round(to_first, 3),
            }
        )
        print(rows[-1], flush=True)
    if args.save:
        write(
            "growth_kafka",
            "growth through Kafka: records committed a second, one worker",
            "records/s",
            rows,
            rounds=args.rounds,
        )


if __name__ == "__main__":
    main()
