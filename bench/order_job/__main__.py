"""``python -m bench.order_job [--events N] [--peers a,b] [--rounds R] [--short] [--seed S] [--save]``: runs the peers in turn; rates and ratios.

``--save`` keeps the result as ``bench/results/order_job.json``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
from typing import Any

from bench.results import write

from .measure import PEERS, Result, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.order_job")
    parser.add_argument("--events", type=int, default=0, help="events a peer (default: each peer's own)")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--rounds", type=int, default=1, help="each peer this often, in turn; medians are shown")
    parser.add_argument("--short", action="store_true", help="a quarter of each peer's own events")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    names = args.peers.split(",")
    results: dict[str, list[Result]] = {name: [] for name in names}
    for _ in range(args.rounds):
        for name in names:
            peer = PEERS[name]
            print(f"order job: {name} …", file=sys.stderr, flush=True)
            result = run(peer, args.events or (peer.events // 4 if args.short else peer.events), args.seed)
            print(json.dumps(dataclasses.asdict(result)), file=sys.stderr, flush=True)
            results[name].append(result)
    rows = [_row(found, results.get("wharfinger", [])) for found in results.values()]
    print(json.dumps(rows, indent=2))
    if args.save:
        more = {"seed": args.seed, "rounds": args.rounds, "plot": ["peer", "rate"]}
        path = write("order_job", "order job: events a second, broker on the same machine", "events/s", rows, **more)
        print(f"kept as {path}", file=sys.stderr)


def _row(found: list[Result], ours: list[Result]) -> dict[str, Any]:
    """Medians. ``ratio`` and ``cpu_ratio``: how many times as fast, and with how much less CPU, ours did it (medians of the rounds' own)."""
    last = found[-1]
    cpus = [r.cpu for r in found if r.cpu]
    return {
        "peer": last.peer,
        "guarantee": last.guarantee,
        "events": last.events,
        "rate": statistics.median(r.rate for r in found),
        "cpu": statistics.median(cpus) if cpus else None,
        "ratio": round(statistics.median(o.rate / r.rate for o, r in zip(ours, found, strict=True)), 2)
        if ours
        else None,
        "cpu_ratio": round(
            statistics.median(r.cpu / o.cpu for o, r in zip(ours, found, strict=True) if r.cpu and o.cpu), 2
        )
        if ours and cpus
        else None,
        "lost": sum(r.lost for r in found),
        "doubled": sum(r.doubled for r in found),
    }


if __name__ == "__main__":
    main()
