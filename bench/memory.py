"""What open orders weigh in a worker: ``python -m bench.memory [--orders N] [--save]``. The resident memory before and after N orders' rows
were put into the two tables, as a restore leaves them."""

from __future__ import annotations

import argparse
import gc
import os
from pathlib import Path
from typing import Any

from bench.lives import open_orders
from bench.results import write
from schemas.topics import ORDERS_IN, POOLS_IN
from streams.runtime.head import Head
from streams.runtime.table import Table


def resident() -> int:
    """Bytes of this process in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def weigh(topic: str, orders: int) -> dict[str, Any]:
    """One table's share."""
    for _ in open_orders(1):  # what the bench itself needs is there before the first measure
        pass
    gc.collect()
    before = resident()
    content = {key: value for at, key, value in open_orders(orders) if at == topic}
    table = Table(f"{topic}/0", content, Head(0, len(content)))
    gc.collect()
    grown = resident() - before
    payload = sum(len(k) + len(v) for k, v in table.items())
    return {
        "table": topic,
        "keys": len(table),
        "bytes an order": round(payload / orders),
        "memory an order": round(grown / orders),
        "MB": round(grown / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.memory", description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    rows = [weigh(topic, args.orders) for topic in (ORDERS_IN.name, POOLS_IN.name)]
    for row in rows:
        print(row, flush=True)
    if args.save:
        write("memory", f"memory: {args.orders:,} open orders in one worker", "MB", rows)


if __name__ == "__main__":
    main()
