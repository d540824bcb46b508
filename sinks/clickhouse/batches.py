"""What was read of each partition and is not yet in ClickHouse, in order of its offsets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from confluent_kafka import Message

from domain.record import Record
from schemas import codec

from .rows import TABLES

__all__ = ["Batch", "Buffer", "Key", "Poison"]

Key = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True)
class Poison:
    """A record that is no event of its topic, and why."""

    message: Message
    error: ValueError


@dataclass(slots=True)
class Batch:
    """Records of one partition.

    ``first`` is where reading began (not the first record: transaction markers take offsets too), ``last`` the last record's
    offset, poison counted. So ranges join without a gap, and reading again from ``first`` gives the same range.
    """

    topic: str
    partition: int
    first: int
    last: int = -1
    offsets: list[int] = field(default_factory=list)
    events: list[Record] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """Topic and partition."""
        return self.topic, self.partition

    def add(self, message: Message) -> None:
        """Take the next record. Its offset must be above ``last``."""
        offset = message.offset()
        try:
            event = codec.decode(message.value() or b"")
            if type(event) is not TABLES[self.topic].record:
                raise codec.DecodeError("topic", type(event).__name__, f"is not what {self.topic} carries")  # noqa: TRY301
        except codec.DecodeError as e:
            self.poison.append(Poison(message, e))
        else:
            self.offsets.append(offset)
            self.events.append(event)
        self.last = offset

    def cut(self, first: int, last: int) -> Batch:
        """The part from offset ``first`` to ``last``, both included."""
        low, high = bisect_right(self.offsets, first - 1), bisect_right(self.offsets, last)
        bad = [p for p in self.poison if first <= (p.message.offset() or 0) <= last]
        return Batch(self.topic, self.partition, first, last, self.offsets[low:high], self.events[low:high], bad)


class Buffer:
    """The batches being collected."""

    def __init__(self) -> None:
        self._batches: dict[Key, Batch] = {}
        self._positions: dict[Key, int] = {}

    def place(self, key: Key, position: int) -> None:
        """Begin the partition at ``position``; what was collected of it is forgotten."""
        self._batches.pop(key, None)
        self._positions[key] = position

    def add(self, messages: Iterable[Message]) -> None:
        """Take records, each partition's in order."""
        for m in messages:
            key = (str(m.topic()), int(m.partition()))
            position = self._positions.get(key)
            if position is None or int(m.offset()) < position:  # fetched before a rebalance took or moved the partition
                continue
            if key not in self._batches:
                self._batches[key] = Batch(*key, first=position)
            self._batches[key].add(m)

    @property
    def records(self) -> int:
        """How many records wait."""
        return sum(len(b.events) + len(b.poison) for b in self._batches.values())

    def batches(self) -> list[Batch]:
        """All of them, by topic and partition."""
        return [self._batches[k] for k in sorted(self._batches)]

    def done(self, batches: Iterable[Batch]) -> None:
        """These are in ClickHouse: the next begin behind them."""
        for b in batches:
            self.place(b.key, b.last + 1)

    def drop(self, keys: Iterable[Key]) -> None:
        """These partitions are no longer ours."""
        for k in keys:
            self._batches.pop(k, None)
            self._positions.pop(k, None)
