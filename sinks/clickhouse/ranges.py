"""Which part of a batch still has to go into ClickHouse: a pure comparison of its offsets with the progress stored there.

After clickhouse-kafka-connect's ``RangeContainer``. Before an insert its bounds are stored (BEFORE), after it the same bounds
again (AFTER). So the stored range says: everything below ``first`` is in; the range itself is in (AFTER) or may be (BEFORE).
A range that may be in is inserted once more **with exactly the same bounds**, hence the same token and rows, and ClickHouse
drops it if it was. A range begins where reading began, not at its first record: offsets may be missing in it (transaction markers,
aborted records), and a range that began at its first record could not be found again from the offset after the one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Action", "Incomplete", "Rewind", "State", "Step", "Stored", "decide", "resume_at"]


class State(StrEnum):
    """What is known of the stored range."""

    BEFORE = "BEFORE"
    AFTER = "AFTER"


@dataclass(frozen=True, slots=True)
class Stored:
    """The progress of one partition: offsets ``first`` to ``last``, both included."""

    first: int
    last: int
    state: State


class Action(StrEnum):
    """What to do with a part of a batch."""

    SKIP = "SKIP"
    REPEAT = "REPEAT"
    INSERT = "INSERT"


@dataclass(frozen=True, slots=True)
class Step:
    """The records from offset ``first`` to ``last``, both included."""

    action: Action
    first: int
    last: int


class Rewind(Exception):
    """The batch begins inside a range whose insert is not known to have worked: read again from ``offset``."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"read again from offset {offset}")
        self.offset = offset


class Incomplete(Exception):
    """The batch ends inside a range that must be repeated whole: collect the records up to ``offset`` first."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"collect up to offset {offset}")
        self.offset = offset


def resume_at(stored: Stored | None) -> int | None:
    """The offset to read from; None: from the beginning, whatever a consumer group committed (the tables are new).

    AFTER [100..199] → 200. BEFORE [100..199] → 100.
    """
    if stored is None:
        return None
    return stored.first if stored.state is State.BEFORE else stored.last + 1


def decide(stored: Stored | None, first: int, last: int) -> tuple[Step, ...]:
    """The steps for the batch ``first`` to ``last`` of a partition, in order.

    Raises Rewind or Incomplete where a range that may be in can't be repeated as it was.
    """
    if stored is None:
        return (Step(Action.INSERT, first, last),)
    if stored.state is State.AFTER:
        return _after(stored.last, first, last)
    return _before(stored, first, last)


def _after(done: int, first: int, last: int) -> tuple[Step, ...]:
    if first > done:  # new: AFTER [100..199], batch [200..299]
        return (Step(Action.INSERT, first, last),)
    if last <= done:  # same, contained or earlier: AFTER [100..199], batch [100..199], [120..150] or [0..99]
        return (Step(Action.SKIP, first, last),)
    # overlapping: AFTER [100..199], batch [150..249]: 150..199 are in
    return (Step(Action.SKIP, first, done), Step(Action.INSERT, done + 1, last))


def _before(stored: Stored, first: int, last: int) -> tuple[Step, ...]:
    if last < stored.first:  # earlier: BEFORE [100..199], batch [0..99]
        return (Step(Action.SKIP, first, last),)
    if first > stored.first:  # BEFORE [100..199], batch [150..249] or [200..299]: 100..149 may be nowhere
        raise Rewind(stored.first)
    if last < stored.last:  # BEFORE [100..199], batch [100..149]: under another token it could double
        raise Incomplete(stored.last)
    # same or larger: BEFORE [100..199], batch [90..249]: 90..99 are in, 100..199 may be, 200..249 are new
    steps = [Step(Action.REPEAT, stored.first, stored.last)]
    if first < stored.first:
        steps.insert(0, Step(Action.SKIP, first, stored.first - 1))
    if last > stored.last:
        steps.append(Step(Action.INSERT, stored.last + 1, last))
    return tuple(steps)
