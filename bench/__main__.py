"""``python -m bench [NAME …] [--short]``: the benchmarks named (all without a name), each kept in ``bench/results``, and the page written anew.
With ``--short`` about a minute each, and nothing is kept.

A new benchmark takes one line in ``BENCHMARKS``, a pair of ``<!-- result -->`` marks in docs/benchmarks.md for its table, and a ``main()`` that
takes ``--save`` (``bench.results.write``) and whatever options its line names.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import NamedTuple

from bench import results

__all__ = ["BENCHMARKS", "Benchmark"]


class Benchmark(NamedTuple):
    """``module`` is run with ``full`` and ``--save``, or with ``short``."""

    module: str
    full: tuple[str, ...] = ()
    short: tuple[str, ...] = ()


BENCHMARKS = {
    "order-job": Benchmark("bench.order_job", ("--rounds", "3"), ("--short",)),
    "restore": Benchmark("bench.restore", (), ("--orders", "200000")),
    "memory": Benchmark("bench.memory", (), ("--orders", "200000")),
    "growth": Benchmark("bench.growth", (), ("--base", "500", "--rounds", "9")),
    "growth-kafka": Benchmark(
        "bench.growth",
        ("--kafka", "--base", "60000", "--rounds", "3"),
        ("--kafka", "--base", "3000", "--new", "1000", "--rounds", "1"),
    ),
    "staircase": Benchmark("bench.staircase", (), ("--events", "100000")),
    "codec": Benchmark("bench.codec"),
    "fold": Benchmark("bench.fold", (), ("--short",)),
    "webhooks": Benchmark("bench.webhooks", (), ("--short",)),
    "sink": Benchmark("bench.sink", (), ("--short",)),
    "latency": Benchmark("bench.latency", (), ("--short",)),
    "product": Benchmark("bench.product", (), ("--short",)),
    "simulate": Benchmark("bench.simulate", (), ("--orders", "20000")),
}


def run(name: str, short: bool) -> int:
    """Run one in a process of its own; its exit code."""
    found = BENCHMARKS[name]
    print(f"bench: {name}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", found.module, *(found.short if short else (*found.full, "--save"))]
    return subprocess.run(command, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--short", action="store_true", help="about a minute each")
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - BENCHMARKS.keys()):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    failed = [name for name in args.names or BENCHMARKS if run(name, args.short)]
    if not args.short:
        results.main()
    if failed:
        print(f"bench: {', '.join(failed)} did not end well", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
