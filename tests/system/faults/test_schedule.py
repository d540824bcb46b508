"""The schedule: by the seed alone, everything asked for, and nothing after the load."""

from __future__ import annotations

from collections import Counter

import pytest
from harness.schedule import LAST, PROFILES, WORKER_POINTS, plan


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_seed_gives_the_same_faults_every_time(name: str) -> None:
    assert plan(7, 10_000, PROFILES[name], 2) == plan(7, 10_000, PROFILES[name], 2)
    assert len(plan(7, 10_000, PROFILES[name], 2)) == PROFILES[name].total


def test_another_seed_gives_others() -> None:
    assert plan(7, 10_000, PROFILES["soak"], 2) != plan(8, 10_000, PROFILES["soak"], 2)


def test_faults_come_in_the_order_of_progress_and_end_before_the_load_does() -> None:
    faults = plan(3, 200_000, PROFILES["soak"], 2)
    assert [f.at for f in faults] == sorted(f.at for f in faults)
    assert 0 < faults[0].at < faults[-1].at <= LAST * 200_000


def test_the_soak_reaches_what_the_promise_is_measured_by() -> None:
    kinds = Counter(f.kind for f in plan(1, 200_000, PROFILES["soak"], 2))
    least = {
        "kill worker": 60,
        "kill broker": 10,
        "kill sink": 20,
        "rebalance": 20,
        "zombie": 5,
        "broker again": 5,
        "broker away": 2,
    }
    assert {kind: n for kind, n in least.items() if kinds[kind] < n} == {}


def test_every_point_of_a_worker_is_met() -> None:
    points = Counter(f.point for f in plan(1, 200_000, PROFILES["soak"], 2) if f.kind == "kill worker")
    assert set(points) == set(WORKER_POINTS)
    assert min(points.values()) >= 8


def test_a_worker_that_joined_leaves_before_it_joins_again() -> None:
    moves = [f.point for f in plan(5, 50_000, PROFILES["soak"], 2) if f.kind == "rebalance"]
    assert moves == ["join", "leave"] * (len(moves) // 2)


def test_every_profile_that_kills_kills_the_broker_again_while_its_clients_rejoin() -> None:
    for name in ("short", "standard", "soak"):
        assert any(f.kind == "broker again" for f in plan(1, 10_000, PROFILES[name], 2))
