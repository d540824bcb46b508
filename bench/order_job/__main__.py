"""``python -m bench.order_job [--events N] [--peers a,b] [--rounds R] [--short] [--seed S] [--rounds-file FILE] [--save]``: runs the peers in
turn; rates and ratios.

``--save`` keeps the result as ``bench/results/order_job.json``. With a rounds file each round is added to it and the medians are over all the
rounds it holds, so that they can be run at several times.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from bench.results import write

from .measure import PEERS, run

Round = dict[str, dict[str, Any]]
"""Results by peer."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.order_job")
    parser.add_argument("--events", type=int, default=0, help="events a peer (default: each peer's own)")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument(
        "--rounds",
        type=int,
        default=1,
        help="each peer this often, in turn; medians are shown; 0: only what the file holds",
    )
    parser.add_argument("--short", action="store_true", help="a quarter of each peer's own events")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--rounds-file", type=Path)
    args = parser.parse_args()
    rounds: list[Round] = _kept(args.rounds_file)
    for _ in range(args.rounds):
        rounds.append({name: _run(name, args) for name in args.peers.split(",")})
        if args.rounds_file:
            args.rounds_file.write_text("".join(json.dumps(one) + "\n" for one in rounds))
    rows = [_row(name, [one for one in rounds if name in one]) for name in PEERS if any(name in one for one in rounds)]
    print(json.dumps(rows, indent=2))
    if args.save:
        more = {"seed": args.seed, "rounds": rounds, "plot": ["peer", "rate"]}
        path = write("order_job", "order job: events a second, broker on the same machine", "events/s", rows, **more)
        print(f"kept as {path}", file=sys.stderr)


def _kept(path: Path | None) -> list[Round]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path and path.is_file() else []


def _run(name: str, args: argparse.Namespace) -> dict[str, Any]:
    peer = PEERS[name]
    print(f"order job: {name} …", file=sys.stderr, flush=True)
    events = args.events or peer.events
    result = dataclasses.asdict(run(peer, events // 4 if args.short else events, args.seed))
    print(json.dumps(result), file=sys.stderr, flush=True)
    return result


def _best(one: Round) -> dict[str, Any] | None:
    """Ours of a round, the better of one process and two."""
    ours = [row for name, row in one.items() if PEERS[name].group == "wharfinger"]
    return max(ours, key=lambda row: row["rate"], default=None)


def _row(name: str, rounds: list[Round]) -> dict[str, Any]:
    """Medians. ``ratio`` and ``cpu_ratio``: how many times as fast, and with how much less CPU (the broker's too), ours did it: medians of
    the rounds' own."""
    found = [one[name] for one in rounds]
    pairs = [(best, one[name]) for one in rounds if (best := _best(one)) is not None]
    ratios = [ours["rate"] / this["rate"] for ours, this in pairs]
    lighter = [_all_cpu(this) / _all_cpu(ours) for ours, this in pairs if _all_cpu(ours) and _all_cpu(this)]
    return {
        "peer": name,
        "guarantee": found[-1]["guarantee"],
        "events": found[-1]["events"],
        "rate": round(statistics.median(entry["rate"] for entry in found)),
        "cpu": _median([entry["cpu"] for entry in found if entry["cpu"]]),
        "broker": _median([entry["broker"] for entry in found if entry["broker"]]),
        "ratio": _median(ratios),
        "cpu_ratio": _median(lighter),
        "lost": sum(entry["lost"] for entry in found),
        "doubled": sum(entry["doubled"] for entry in found),
        "load": _median([entry["load"] for entry in found]),
        "rounds": len(found),
    }


def _all_cpu(result: dict[str, Any]) -> float:
    return (result["cpu"] or 0.0) + (result["broker"] or 0.0)


def _median(values: list[float]) -> float | None:
    return round(statistics.median(values), 2) if values else None


if __name__ == "__main__":
    main()
