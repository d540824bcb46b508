"""``python -m bench.order_job [--events N] [--peers a,b] [--seed S]``: runs the peers one after another and prints rates and ratios."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from .measure import PEERS, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.order_job")
    parser.add_argument("--events", type=int, default=0, help="events a peer (default: each peer's own)")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    results = []
    for name in args.peers.split(","):
        peer = PEERS[name]
        result = run(peer, args.events or peer.events, args.seed)
        print(json.dumps(dataclasses.asdict(result)), file=sys.stderr, flush=True)
        results.append(result)
    ours = next((r.rate for r in results if r.peer == "wharfinger"), None)
    rows = [{**dataclasses.asdict(r), "ratio": round(ours / r.rate, 2) if ours else None} for r in results]
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
