"""``make sim``: many seeds of the simulation, over all cores. Progress on stderr, one JSON summary on stdout; ends with 1 on a violation.

One seed again, with every step on stderr: ``make sim FROM=SEED SEEDS=1 TRACE=1``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[3]))

from simulator.world import Outcome, World


def simulate(seed: int) -> Outcome:
    """One run."""
    return World(seed).run()


def outcomes(first: int, seeds: int, processes: int) -> Iterator[Outcome]:
    """The runs, as they end."""
    numbers = range(first, first + seeds)
    if processes == 1:
        yield from map(simulate, numbers)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(simulate, numbers, chunksize=8)


def again(seed: int) -> str:
    """The command that runs a seed again."""
    return f"make sim FROM={seed} SEEDS=1 TRACE=1"


def main() -> int:
    """Run, tell, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--trace", action="store_true", help="one seed: every step to stderr")
    args = parser.parse_args()
    if args.trace:
        return _trace(args.first)
    began, told, total = time.monotonic(), 0.0, Summary()
    for outcome in outcomes(args.first, args.seeds, min(args.processes, args.seeds)):
        total.add(outcome)
        if outcome.violations:
            _tell(f"seed {outcome.seed}: {outcome.violations[0]}\n  again: {again(outcome.seed)}")
        if time.monotonic() - told > 5:
            told = time.monotonic()
            _tell(f"{total.seeds}/{args.seeds} seeds, {told - began:.0f} s, {len(total.violations)} with violations")
    print(json.dumps(total.report(args.first, time.monotonic() - began), indent=1))  # noqa: T201
    return 1 if total.violations else 0


def _trace(seed: int) -> int:
    world = World(seed)
    world.kernel.watch = [_tell]
    outcome = world.run()
    _tell("\n".join([f"trace {outcome.trace}, {outcome.steps} steps", *outcome.violations]))
    return 1 if outcome.violations else 0


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


class Summary:
    """The sum over all runs."""

    def __init__(self) -> None:
        self.seeds = self.steps = self.inputs = self.sink_zombies = self.zombies = self.fenced = self.rebalances = 0
        self.virtual = 0.0
        self.crashes: Counter[str] = Counter()
        self.pauses: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.violations: list[dict[str, Any]] = []

    def add(self, o: Outcome) -> None:
        """Count a run."""
        self.seeds += 1
        self.steps += o.steps
        self.inputs += o.inputs
        self.sink_zombies += o.sink_zombies
        self.zombies += o.zombies
        self.fenced += o.fenced
        self.rebalances += o.rebalances
        self.virtual += o.seconds
        self.crashes += o.crashes
        self.pauses += o.pauses
        self.ends += o.ends
        if o.violations:
            self.violations.append({"seed": o.seed, "again": again(o.seed), "violations": o.violations[:10]})

    def report(self, first: int, seconds: float) -> dict[str, Any]:
        """As JSON."""
        return {
            "from": first,
            "seeds": self.seeds,
            "steps": self.steps,
            "deliveries": self.inputs,
            "virtual_hours": round(self.virtual / 3600, 1),
            "seconds": round(seconds, 1),
            "crashes": sum(self.crashes.values()),
            "crashes_by_boundary": dict(sorted(self.crashes.items())),
            "pauses": sum(self.pauses.values()),
            "pauses_by_boundary": dict(sorted(self.pauses.items())),
            "zombies": self.zombies,
            "rebalances": self.rebalances,
            "fenced": self.fenced,
            "ends": dict(sorted(self.ends.items())),
            "sink_zombies": self.sink_zombies,
            "violations": self.violations,
        }


if __name__ == "__main__":
    sys.exit(main())
