"""Does an event cost more where there are more orders? ``python -m bench.growth [--base N] [--rounds R] [--kafka] [--save]``.

Workers of N, 4 N and 16 N open orders take turns, each with the same number of new orders from the first snapshot to delivered; medians over
the rounds, so that a busy machine slows all alike. The fold is the product's agents over their tables, seal and apply included, without Kafka.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from typing import Any

from bench.lives import World
from bench.results import write

TIMES = (1, 4, 16)
_ORDERS = 100
"""New orders a turn."""


def grown(orders: int) -> World:
    """A worker with so many open orders: their pick orders are out, the warehouse has not answered."""
    world = World(ship=False)
    world.place(range(orders))
    world.ship = True
    return world


def turn(world: World, first: int) -> float:
    """Seconds of CPU a record, of both input topics."""
    folded, began = world.folded, time.process_time()
    world.place(range(first, first + _ORDERS))
    return (time.process_time() - began) / (world.folded - folded)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.growth", description=__doc__)
    parser.add_argument("--base", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    gc.set_threshold(50_000, 20, 100)
    worlds = {n: grown(n * args.base) for n in TIMES}
    gc.collect()
    gc.freeze()
    taken: dict[int, list[float]] = {n: [] for n in TIMES}
    for number in range(args.rounds):
        for n, world in worlds.items():
            taken[n].append(turn(world, 10_000_000 + number * _ORDERS))
    rows: list[dict[str, Any]] = []
    for n, seconds in taken.items():
        against = statistics.median(one / this for one, this in zip(taken[1], seconds, strict=True))
        rows.append(
            {
                "orders": n * args.base,
                "times": f"{n}×",
                "rate": round(1 / statistics.median(seconds)),
                "to 1×": round(against, 3),
                "keys": sum(len(t) for t in worlds[n].tables.values()),
            }
        )
        print(rows[-1], flush=True)
    if args.save:
        write(
            "growth", "growth: records folded a second of CPU, orders and pools", "records/s", rows, rounds=args.rounds,
            plot=["orders", "rate"],
        )  # fmt: skip


if __name__ == "__main__":
    main()
