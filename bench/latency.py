"""From a webhook to ALLOCATED: ``python -m bench.latency [--short] [--save] [--after]``.

Signed Shopify orders at a fixed rate (open loop: a late answer delays no later order), sent to ``wharf webhooks``; a read_committed
consumer sees ALLOCATED on ``wharf.orders.events``. The time is from when the delivery was due until the event could be read: the server,
Kafka's acknowledgement, three transactions (order, pool, order). Server, worker, broker, generator and consumer share this machine; what
follows ALLOCATED runs only with ``--after``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.results import write
from bench.web.hammer import percentile
from bench.web.site import Layout, Site, open_site, wait_quiet
from bench.web.watch import Watch

__all__ = ["main"]

RATES = (50, 200, 500)
REACH_MS = 200
WARM = 1_500
"""Orders before the timed ones: the JVM compiles its hot paths, partitions are assigned, caches fill."""


def measure(site: Site, watch: Watch, rate: float, seconds: float, begin: int) -> dict[str, Any]:
    """One rate."""
    file = site.home / f"sent-{begin}"
    meter = site.meter()
    hammer = site.hammer(rate, seconds, begin, file)
    out, _ = hammer.communicate(timeout=seconds * 10 + 120)
    told = json.loads(out)
    sent = {int(number): float(at) for number, at in (line.split() for line in file.read_text().splitlines())}
    _wait(site, watch, sent)
    cpu = meter.per(len(sent))
    times = sorted((watch.seen[number] - at) * 1000 for number, at in sent.items() if number in watch.seen)
    return {
        "orders_s": rate,
        "orders": len(sent),
        "p50_ms": round(percentile(times, 0.5), 1),
        "p99_ms": round(percentile(times, 0.99), 1),
        "max_ms": round(times[-1], 1) if times else None,
        "answer_p50_ms": told["p50_ms"],
        "answer_p99_ms": told["p99_ms"],
        "missing": len(sent) - len(times),
        "cpu_us_an_order": cpu,
    }


def _wait(site: Site, watch: Watch, sent: dict[int, float]) -> None:
    end = time.monotonic() + 60
    while not sent.keys() <= watch.seen.keys() and time.monotonic() < end:
        site.supervisor.check()
        time.sleep(0.05)


def main() -> None:
    """Measure, print, and with ``--save`` keep it for the page."""
    parser = argparse.ArgumentParser(prog="bench.latency", description=__doc__)
    parser.add_argument("--short", action="store_true", help="10 s a rate instead of 30")
    parser.add_argument("--after", action="store_true", help="with effects, WMS and sink running")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    seconds = 10.0 if args.short else 30.0
    layout = Layout(workers=args.workers, after=args.after, seed=args.seed)
    rows = []
    with tempfile.TemporaryDirectory(prefix="wharf-bench-") as name, open_site(Path(name), layout) as site:
        watch = Watch(site.kafka.bootstrap, "ALLOCATED")
        watch.start()
        warm = site.hammer(150, WARM / 150, 0)
        warm.communicate(timeout=180)
        wait_quiet(site, lambda: len(watch.seen) >= WARM, 180)
        for index, rate in enumerate(RATES, 1):
            rows.append(measure(site, watch, rate, seconds, index * 1_000_000))
            print(json.dumps(rows[-1]), flush=True)
        watch.stop()
    if args.save:
        table = [{k: v for k, v in row.items() if k != "cpu_us_an_order"} for row in rows]
        figure = f"webhook → ALLOCATED readable, {args.workers} worker(s){', all else running' if args.after else ''}"
        write("latency", figure, "ms", table, seed=args.seed, reach={"p99_ms_at_200": REACH_MS}, seconds=seconds,
              cpu_us_an_order={str(entry["orders_s"]): entry["cpu_us_an_order"] for entry in rows})  # fmt: skip


if __name__ == "__main__":
    main()
