"""What was read of each partition and is not yet in ClickHouse, in order of its offsets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from confluent_kafka import Message

from domain.records.record import Record
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

    ``messages``: records that nobody has decoded; then ``offsets`` are theirs, and there are no ``events`` until ``read``.
    """

    topic: str
    partition: int
    first: int
    last: int = -1
    offsets: list[int] = field(default_factory=list)
    events: list[Record] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """Topic and partition that the batch is of."""
        return self.topic, self.partition

    def take(self, message: Message) -> None:
        """Take the next record as it is. Its offset must be above ``last``."""
        self.last = int(message.offset())
        self.offsets.append(self.last)
        self.messages.append(message)

    def read(self) -> None:
        """Decode what was taken."""
        messages, self.messages, self.offsets = self.messages, [], []
        last = self.last
        for message in messages:
            self.add(message)
        self.last = last

    def add(self, message: Message) -> None:
        """Take and decode the next record. Its offset must be above ``last``."""
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
        parts = self.offsets[low:high], self.events[low:high], bad, self.messages[low:high]
        return Batch(self.topic, self.partition, first, last, *parts)


class Buffer:
    """The batches being collected. ``decode`` False: records are taken as they are (`Batch.take`)."""

    def __init__(self, decode: bool = True) -> None:
        self._decode = decode
        self._batches: dict[Key, Batch] = {}
        self._positions: dict[Key, int] = {}

    def place(self, key: Key, position: int) -> None:
        """Begin the partition at ``position``; what was collected of it is forgotten."""
        self._batches.pop(key, None)
        self._positions[key] = position

    def add(self, messages: Iterable[Message]) -> None:
        """Take records, each partition's in order."""
        topic, partition = None, -1
        position: int | None = None
        for message in messages:
            if message.partition() != partition or message.topic() != topic:  # they come in runs
                topic, partition = message.topic(), message.partition()
                key = (str(topic), int(partition))
                position = self._positions.get(key)
            if (
                position is None or message.offset() < position
            ):  # fetched before a rebalance took or moved the partition
                continue
            batch = self._batches.get(key)
            if batch is None:
                batch = self._batches[key] = Batch(*key, first=position)
            if self._decode:
                batch.add(message)
            else:
                batch.take(message)

    @property
    def records(self) -> int:
        """How many records wait."""
        return sum(len(batch.offsets) + len(batch.poison) for batch in self._batches.values())

    def batches(self) -> list[Batch]:
        """All of them, by topic and partition."""
        return [self._batches[k] for k in sorted(self._batches)]

    def done(self, batches: Iterable[Batch]) -> None:
        """These are in ClickHouse: the next begin behind them."""
        for batch in batches:
            self.place(batch.key, batch.last + 1)

    def clear(self) -> None:
        """Forget all, also where each partition stands."""
        self._batches.clear()
        self._positions.clear()

    def next(self) -> dict[Key, int]:
        """The offset from which each of our partitions is still to come."""
        return {
            k: self._batches[k].last + 1 if k in self._batches else position for k, position in self._positions.items()
        }

    def drop(self, keys: Iterable[Key]) -> None:
        """These partitions are no longer ours."""
        for k in keys:
            self._batches.pop(k, None)
            self._positions.pop(k, None)
