"""The whole product on one machine: ``python -m bench.product [--short] [--save] [--rate 667]``.

Signed Shopify webhooks in → order, allocation, pick orders to two WMSs over HTTP, their reports back as webhooks, the shop told of each
parcel → DELIVERED in ClickHouse. Broker, webhook server, workers, effects, sink, and the outside world that talks to them share the machine.
What is offered is fixed (open loop); what goes through is what reaches DELIVERED in ClickHouse. Also each process's CPU time an order,
which a busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.results import write
from bench.web.processes import rss_mb
from bench.web.site import Layout, Site, open_site, wait_quiet
from lab.demo.checks.clickhouse import ClickHouse

__all__ = ["main"]

REACH = 667
WARM = 1_000


@dataclass(slots=True)
class Progress:
    """What ClickHouse held at a time (seconds since the first timed order)."""

    at: list[float] = field(default_factory=list)
    delivered: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)


def _ask(site: Site, sql: str) -> int:
    return int(ClickHouse(site.clickhouse).value(sql) or 0)


def _delivered(site: Site) -> int:
    return _ask(site, "SELECT count() FROM wharf.order_events WHERE type = 'DELIVERED'")


def _events(site: Site) -> int:
    sql = (
        "SELECT sum(total_rows) FROM system.tables WHERE database = 'wharf' AND name IN ('order_events', 'pool_events')"
    )
    return _ask(site, sql)


def _follow(site: Site, total: int, begun: float, seconds: float) -> Progress:
    """Look once a second until all orders are delivered."""
    seen = Progress()

    def done() -> bool:
        seen.at.append(time.monotonic() - begun)
        seen.delivered.append(_delivered(site) - WARM)
        seen.events.append(_events(site))
        print(f"{seen.at[-1]:6.1f} s  {seen.delivered[-1]} of {total} delivered", file=sys.stderr, flush=True)
        time.sleep(1.0)
        return seen.delivered[-1] >= total

    wait_quiet(site, done, seconds)
    return seen


def _steady(seen: Progress, values: list[int], offered_seconds: float) -> float:
    """A second's worth between the first fifth and the end of the offered load (or of the work, if it took longer)."""
    last = len(seen.at) - 1
    first = next(index for index, at in enumerate(seen.at) if at >= offered_seconds / 5)
    end = max(
        first + 1,
        next((index for index, at in enumerate(seen.at) if seen.delivered[index] >= 0.95 * seen.delivered[last]), last),
    )
    end = min(end, last)
    return (values[end] - values[first]) / (seen.at[end] - seen.at[first])


def measure(site: Site, rate: float, seconds: float) -> dict[str, Any]:
    """A warm-up, then the timed orders until the last is delivered."""
    site.hammer(100, WARM / 100, 0).communicate(timeout=300)
    wait_quiet(site, lambda: _delivered(site) >= WARM, 300)
    before, meter, begun = _events(site), site.meter(), time.monotonic()
    hammer = site.hammer(rate, seconds, 1_000_000)
    total = int(rate * seconds)
    seen = _follow(site, total, begun, 120 + seconds * 6)
    told = json.loads(hammer.communicate(timeout=60)[0])
    took = seen.at[-1]
    return {
        "offered_s": rate,
        "orders": total,
        "delivered_s": round(_steady(seen, seen.delivered, seconds), 1),
        "events_s": round(_steady(seen, seen.events, seconds)),
        "all_in_s": round(took, 1),
        "events_an_order": round((seen.events[-1] - before) / total, 1),
        "answer_p99_ms": told["p99_ms"],
        "not_200": sum(count for status, count in told["statuses"].items() if status != "200"),
        "cpu_us_an_order": {**meter.per(total), "generator": told["generator_cpu_us"]},
        "rss_mb": {name: round(rss_mb(pid)) for name, pid in meter.pids.items()},
    }


def main() -> None:
    """Measure, print, and with ``--save`` keep it for the page."""
    parser = argparse.ArgumentParser(prog="bench.product", description=__doc__)
    parser.add_argument("--short", action="store_true", help="one minute instead of five")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long orders come in")
    parser.add_argument("--rate", type=float, default=REACH, help="orders a second that are offered")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--effects", type=int, default=1)
    parser.add_argument("--step", type=float, default=0.5, help="seconds between a WMS's reports")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--home", type=Path, default=None, help="keep logs here")
    args = parser.parse_args()
    seconds = args.seconds or (60.0 if args.short else 300.0)
    layout = Layout(workers=args.workers, effects=args.effects, step=args.step, seed=args.seed)
    with tempfile.TemporaryDirectory(prefix="wharf-bench-") as name, open_site(args.home or Path(name), layout) as site:
        row = measure(site, args.rate, seconds)
    print(json.dumps(row, indent=2))
    if args.save:
        table = [{k: v for k, v in row.items() if not isinstance(v, dict)}]
        cpu = row["cpu_us_an_order"]
        figure = f"whole product, webhook in → DELIVERED in ClickHouse, {args.workers} workers, one machine"
        write(
            "product", figure, "orders/s", table, seed=args.seed, reach=REACH, cpu_us_an_order=cpu, rss_mb=row["rss_mb"]
        )
        shares = [{"process": n, "cpu_us_an_order": us} for n, us in sorted(cpu.items(), key=lambda entry: -entry[1])]
        shares.append({"process": "all", "cpu_us_an_order": round(sum(cpu.values()), 1)})
        write("product_cpu", "whole product: CPU time an order by process", "µs", shares, seed=args.seed)


if __name__ == "__main__":
    main()
