"""Back-off and breaker: pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.effects import Policy
from streams.effects.breaker import Breaker

POLICY = Policy(base_ms=100, cap_ms=10_000, breaker_failures=3, breaker_ms=1_000, breaker_cap_ms=4_000)


@given(effect_id=st.text(max_size=40), attempts=st.integers(1, 10_000))
def test_a_pause_lies_between_half_and_the_whole_of_its_step_and_is_always_the_same(
    effect_id: str, attempts: int
) -> None:
    step = min(100 * 2 ** (attempts - 1), 10_000)
    pause = POLICY.pause(effect_id, attempts)
    assert step / 2 <= pause <= step
    assert pause == POLICY.pause(effect_id, attempts)


def test_the_effects_of_an_outage_do_not_come_back_together() -> None:
    pauses = {POLICY.pause(f"effect-{i}", 6) for i in range(200)}
    assert len(pauses) > 150


def test_the_default_policy_tries_for_hours() -> None:
    policy = Policy()
    assert 4 < sum(policy.pause("effect", n) for n in range(1, policy.attempts)) / 3_600_000 < 10


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_probe_through() -> None:
    breaker = Breaker(POLICY)
    assert [breaker.failed(0), breaker.failed(0), breaker.failed(0)] == [False, False, True]
    assert breaker.free(999, 16) == 0
    assert breaker.free(1_000, 16) == 1
    breaker.begin()
    assert breaker.free(1_000, 16) == 0, "one probe at a time"
    breaker.answered()
    assert breaker.free(1_000, 16) == 16


@pytest.mark.parametrize(
    ("probes", "until"), [(1, 3_000), (2, 7_000), (3, 11_000)], ids=["twice", "four times", "the cap"]
)
def test_each_failed_probe_doubles_the_pause_up_to_the_cap(probes: int, until: int) -> None:
    breaker = Breaker(POLICY)
    for _ in range(3):
        breaker.failed(0)
    for _ in range(probes):
        breaker.begin()
        breaker.failed(breaker.open_until)
    assert breaker.open_until == until


def test_failures_that_began_before_it_opened_count_once() -> None:
    breaker = Breaker(POLICY)
    for _ in range(16):
        breaker.failed(10)
    assert breaker.open_until == 1_010


def test_an_answer_between_failures_keeps_it_closed() -> None:
    breaker = Breaker(POLICY)
    for _ in range(10):
        breaker.failed(0)
        breaker.failed(0)
        breaker.answered()
    assert breaker.free(0, 16) == 16
