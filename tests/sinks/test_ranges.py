from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse.ranges import Action, Incomplete, Rewind, State, Step, Stored, decide, resume_at

AFTER = Stored(100, 199, State.AFTER)
BEFORE = Stored(100, 199, State.BEFORE)


def skip(first: int, last: int) -> Step:
    return Step(Action.SKIP, first, last)


def insert(first: int, last: int) -> Step:
    return Step(Action.INSERT, first, last)


def repeat(first: int, last: int) -> Step:
    return Step(Action.REPEAT, first, last)


@pytest.mark.parametrize(
    ("stored", "first", "last", "steps"),
    [
        pytest.param(None, 5, 9, [insert(5, 9)], id="nothing stored"),
        pytest.param(AFTER, 200, 299, [insert(200, 299)], id="after: new"),
        pytest.param(AFTER, 205, 299, [insert(205, 299)], id="after: new behind a transaction marker"),
        pytest.param(AFTER, 100, 199, [skip(100, 199)], id="after: same"),
        pytest.param(AFTER, 120, 150, [skip(120, 150)], id="after: contained"),
        pytest.param(AFTER, 0, 99, [skip(0, 99)], id="after: earlier"),
        pytest.param(AFTER, 0, 199, [skip(0, 199)], id="after: earlier and same"),
        pytest.param(AFTER, 150, 249, [skip(150, 199), insert(200, 249)], id="after: overlapping"),
        pytest.param(AFTER, 0, 249, [skip(0, 199), insert(200, 249)], id="after: larger on both sides"),
        pytest.param(BEFORE, 0, 99, [skip(0, 99)], id="before: earlier"),
        pytest.param(BEFORE, 100, 199, [repeat(100, 199)], id="before: same"),
        pytest.param(BEFORE, 100, 249, [repeat(100, 199), insert(200, 249)], id="before: longer"),
        pytest.param(BEFORE, 90, 199, [skip(90, 99), repeat(100, 199)], id="before: begins earlier"),
        pytest.param(
            BEFORE, 90, 249, [skip(90, 99), repeat(100, 199), insert(200, 249)], id="before: larger on both sides"
        ),
    ],
)
def test_a_batch_is_split_by_what_is_stored(stored: Stored | None, first: int, last: int, steps: list[Step]) -> None:
    assert list(decide(stored, first, last)) == steps


@pytest.mark.parametrize(("first", "last"), [(150, 199), (150, 249), (200, 299)])
def test_a_batch_that_misses_the_start_of_an_open_range_rewinds_to_it(first: int, last: int) -> None:
    with pytest.raises(Rewind) as e:
        decide(BEFORE, first, last)
    assert e.value.offset == 100


@pytest.mark.parametrize(("first", "last"), [(100, 150), (90, 198)])
def test_a_batch_that_ends_inside_an_open_range_has_to_grow(first: int, last: int) -> None:
    with pytest.raises(Incomplete) as e:
        decide(BEFORE, first, last)
    assert e.value.offset == 199


def test_reading_resumes_after_a_finished_range_and_at_the_start_of_an_open_one() -> None:
    assert (resume_at(None), resume_at(AFTER), resume_at(BEFORE)) == (None, 200, 100)


class Table:
    """ClickHouse's dedupe: a token seen before is dropped, whatever rows come with it."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.tokens: set[tuple[int, int]] = set()

    def insert(self, first: int, last: int, log: list[int]) -> None:
        if (first, last) not in self.tokens:
            self.tokens.add((first, last))
            self.rows += [o for o in log if first <= o <= last]


@given(
    offsets=st.sets(st.integers(0, 60), min_size=1),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=30),
    crashes=st.lists(st.integers(0, 4), max_size=30),
)
def test_every_record_is_in_once_wherever_crashes_fall_and_however_batches_are_cut(
    offsets: set[int], sizes: list[int], crashes: list[int]
) -> None:
    log = sorted(offsets)
    table, stored = Table(), None
    for n in range(500):
        start = resume_at(stored) or 0
        rest = [o for o in log if o >= start]
        if not rest:
            break
        steps = _steps(stored, start, rest, sizes[n % len(sizes)])
        stored = _cycle(table, stored, log, steps, crashes[n] if n < len(crashes) else 99)
    assert table.rows == log


def _steps(stored: Stored | None, start: int, rest: list[int], size: int) -> list[Step]:
    while True:
        try:
            return [s for s in decide(stored, start, rest[:size][-1]) if s.action is not Action.SKIP]
        except Incomplete:
            size += 1


def _cycle(table: Table, stored: Stored | None, log: list[int], steps: list[Step], crash: int) -> Stored | None:
    """One batch, killed before its ``crash``-th action; returns what is stored then."""
    done = 0
    for step in steps:
        if step.action is Action.INSERT:
            if done == crash:
                return stored
            done, stored = done + 1, Stored(step.first, step.last, State.BEFORE)
        if done == crash:
            return stored
        table.insert(step.first, step.last, log)
        done += 1
        if done == crash:
            return stored
        done, stored = done + 1, Stored(step.first, step.last, State.AFTER)
    return stored
