"""The runtime, the domain and the sink under crashes at every step boundary, in virtual time; see docs/simulation.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from simulator.breakages import Breakages
from simulator.faults import USUAL
from simulator.kernel import Crashed, Kernel, Stuck
from simulator.log import Log, Transaction
from simulator.oracles import read
from simulator.world import World

RUN = Path(__file__).parent / "run.py"
SEEDS = 200


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    """What two hundred seeds came to."""
    done = subprocess.run([sys.executable, RUN, "--seeds", str(SEEDS)], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.timeout(600)
def test_two_hundred_seeds_keep_every_promise(summary: dict[str, Any]) -> None:
    assert summary["seeds"] == SEEDS
    assert summary["violations"] == []


@pytest.mark.timeout(600)
def test_the_seeds_reach_every_step_boundary_and_every_way_to_end(summary: dict[str, Any]) -> None:
    """Two hundred seeds aim about eight hundred faults at thirty boundaries; one that none hits was renamed or is never passed."""
    hit = summary["crashes_by_boundary"].keys() | summary["pauses_by_boundary"].keys()
    assert USUAL.keys() - hit == set()
    assert summary["crashes"] > 300
    assert summary["zombies"] > 50
    assert summary["fenced"] > 10
    assert summary["rebalances"] > 2 * SEEDS


def test_a_seed_gives_the_same_trace_again_also_in_another_process() -> None:
    here = World(11).run()
    assert World(11).run().trace == here.trace
    code = f"import sys; sys.path.insert(0, {str(RUN.parent)!r}); from simulator.world import World; print(World(11).run().trace)"
    env = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(RUN.parents[3])}
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert there.stdout.strip() == here.trace
    assert World(12).run().trace != here.trace


def test_without_faults_nothing_crashes_and_all_is_delivered() -> None:
    world = World(3, faults=0)
    outcome = world.run()
    assert outcome.violations == []
    assert not outcome.crashes
    assert not outcome.ends
    assert world.ledger.shipped


CONTROLS = {
    "no_dedupe": (),
    "no_transaction": ("before send_offsets", "before commit", "after produce"),
    "offsets_outside": ("after send_offsets", "before commit"),
    "no_generation": ("before send_offsets", "before begin", "after produce"),
    "stable_end": ("after consume", "wharf-intake done", "wharf-outlet done"),
    "no_progress": ("after sink insert", "before sink progress"),
    "no_insert_token": ("after sink insert",),
    "no_owner": ("after sink query", "before sink progress", "before sink insert"),
    "forgetful_warehouse": ("after outside call",),
}
"""Guard switched off → where the faults are aimed so that it is needed soon."""
FIRST_SEED = {"stable_end": 80}
"""Needed only where a crash leaves a transaction open right before a restore: of the first seeds, 94 is one."""


@pytest.mark.parametrize(("guard", "focus"), CONTROLS.items(), ids=CONTROLS.keys())
def test_with_a_guard_switched_off_the_oracles_find_a_violation(guard: str, focus: tuple[str, ...]) -> None:
    first = FIRST_SEED.get(guard, 0)
    for seed in range(first, first + 40):
        if World(seed, breakages=Breakages(**{guard: True}), focus=focus).run().violations:
            return
    pytest.fail(f"40 seeds without {guard} and nothing was found: an oracle is blind, or the fault never happens")


def test_outputs_of_a_dead_workers_transaction_are_seen_by_nobody() -> None:
    log = Log()
    log.create("t", 1)
    log.append(("t", 0), b"a", b"1", [], 0)
    log.append(("t", 0), b"b", b"2", [], 0, t=1)
    log.append(("t", 0), b"c", b"3", [], 0)
    p = log.topics["t"][0]
    assert [e.key for e in p.committed(0, 9)[0]] == [b"a"]  # what lies behind an open transaction waits
    log.mark(("t", 0), Transaction(1, 0.0, "aborted"), 0)
    assert [e.key for e in p.committed(0, 9)[0]] == [b"a", b"c"]
    assert p.committed(0, 9)[1] == 4  # the marker takes an offset


@pytest.fixture
def kernel() -> Kernel:
    return Kernel(1)


def test_a_killed_process_runs_nothing_more(kernel: Kernel) -> None:
    process = kernel.process("p")
    done: list[str] = []

    def work() -> None:
        try:
            kernel.point(process, "one")
            done.append("one")
            kernel.point(process, "two")
            done.append("two")
        except Crashed:
            done.append("unwound")
            raise

    process.start_job("job", work)
    kernel.chaos = lambda p, label: p.die() if label == "two" else None
    kernel.run(lambda: not kernel.processes and not kernel.graves, 100)
    assert done == ["one", "unwound"]


def test_a_process_that_waits_for_ever_is_told_as_stuck(kernel: Kernel) -> None:
    process = kernel.process("p")
    process.start_job("job", lambda: kernel.wait(process, lambda: False))
    with pytest.raises(Stuck, match="nothing can ever run"):
        kernel.run(lambda: False, 100)


def test_the_oracles_reader_refuses_what_is_not_in_the_wire_format() -> None:
    with pytest.raises(ValueError, match="not ours"):
        read(b"\x00nonsense")
