"""``make fuzz``: every property test, state machine and fuzzer explores anew, round after round, until the minutes are over.

Goes on after a finding; ends with 1 if there was one. Progress on stderr, on stdout what was found, one file a line.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
GRACE_SECONDS = 30.0
"""How long a round may take to end once its time is over: a test that shrinks does not hear at once."""
MACHINE_EXAMPLES = "100"
"""Histories a round of the machines that read ``WHARF_EXAMPLES``: a round's start takes seconds, its histories are what finds."""
GRAMMAR_SHARE = 0.2
"""Of the minutes, for a fuzzer that has a budget of its own (``WHARF_FUZZ_MINUTES``)."""
NO_TESTS, INTERRUPTED = 5, 2


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"fuzz: {text}\n")


def one_round(seed: int, seconds: float, told: argparse.Namespace) -> int:
    """Run all of them once with a seed, for ``seconds`` at the most; pytest's exit code, ``INTERRUPTED`` at the end of time."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.fuzz.plugin",
        "-m",
        "hypothesis or fuzz",
        "-p",
        "no:cacheprovider",
    ]
    command += [
        "--hypothesis-profile",
        "fuzz",
        "--hypothesis-seed",
        str(seed),
        "-o",
        "timeout=900",
        "--tb=no",
        "-q",
        *told.tests,
    ]
    minutes = told.minutes * GRAMMAR_SHARE
    own = {"WHARF_FUZZ_SEED": str(seed), "WHARF_FUZZ_FOUND": str(told.found), "WHARF_FUZZ_MINUTES": f"{minutes:g}"}
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env={"WHARF_EXAMPLES": MACHINE_EXAMPLES} | os.environ | own,
        stdout=sys.stderr,
        start_new_session=True,
    )
    try:
        return child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return stop(child)
    except KeyboardInterrupt:
        stop(child)
        raise


def stop(child: subprocess.Popen[bytes]) -> int:
    """End a round, with all it started."""
    child.send_signal(signal.SIGINT)
    try:
        child.wait(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return INTERRUPTED


def main() -> int:
    """Explore, tell, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of wall clock, in all")
    parser.add_argument("--seed", type=int, default=None, help="of the first round; none: a random one")
    parser.add_argument("--rounds", type=int, default=10**6, help="at the most")
    parser.add_argument("--found", type=Path, default=ROOT / ".wharf" / "fuzz", help="where findings are kept")
    parser.add_argument("tests", nargs="*", help="files or folders; none: all")
    told = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if told.seed is None else told.seed
    before = set(told.found.glob("test_*.py"))
    failed = explore(seed, told)
    found = sorted(set(told.found.glob("test_*.py")) - before)
    say(f"{len(found)} findings in {told.found}")
    sys.stdout.write("".join(f"{file}\n" for file in found))
    return 1 if found or failed else 0


def explore(seed: int, told: argparse.Namespace) -> bool:
    """Round after round; whether any ended with a failure."""
    end, rounds, failed = time.monotonic() + told.minutes * 60, 0, False
    while (left := end - time.monotonic()) > 1 and rounds < told.rounds:
        say(f"round {rounds + 1}, seed {seed}, {left:.0f} s left")
        code = one_round(seed, left, told)
        failed = failed or code not in {0, INTERRUPTED}
        if code == NO_TESTS:
            say("no such test explores")
            break
        rounds, seed = rounds + 1, seed + 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
