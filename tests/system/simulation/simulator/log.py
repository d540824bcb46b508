"""Kafka's log in memory: topics, partitions, transactions with their markers, what read_committed may see."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Entry", "Log", "Partition", "Transaction"]

TP = tuple[str, int]


class Entry(NamedTuple):
    """A record, or (``marker``) the end of a transaction. ``transaction`` 0: none."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    timestamp: int
    transaction: int = 0
    marker: str = ""


@dataclass
class Partition:
    """One partition. ``open``: transactions that have records here but no marker, and their first offset."""

    entries: list[Entry] = field(default_factory=list)
    open: dict[int, int] = field(default_factory=dict)
    aborted: set[int] = field(default_factory=set)

    @property
    def end(self) -> int:
        return len(self.entries)

    @property
    def stable(self) -> int:
        """The last stable offset: read_committed sees what lies before."""
        return min(self.open.values()) if self.open else len(self.entries)

    def committed(self, begin: int, limit: int) -> tuple[list[Entry], int]:
        """Up to ``limit`` records that a read_committed consumer gets from ``begin`` on, and where it then stands."""
        found: list[Entry] = []
        at, stable = begin, self.stable
        while at < stable and len(found) < limit:
            entry = self.entries[at]
            at += 1
            if not entry.marker and entry.transaction not in self.aborted:
                found.append(entry)
        while at < stable and (self.entries[at].marker or self.entries[at].transaction in self.aborted):
            at += 1
        return found, at


@dataclass
class Transaction:
    """One transaction: ``open``, then ``committed`` or ``aborted`` by the coordinator's decision, then marked partition by partition."""

    number: int
    began: float
    state: str = "open"
    partitions: list[TP] = field(default_factory=list)
    groups: dict[str, dict[TP, int]] = field(default_factory=dict)


class Log:
    """All topics."""

    def __init__(self) -> None:
        self.topics: dict[str, list[Partition]] = {}
        self.version = 0
        """Counts everything that a waiting consumer may want to hear of."""

    def create(self, topic: str, partitions: int) -> None:
        self.topics[topic] = [Partition() for _ in range(partitions)]

    def at(self, tp: TP) -> Partition:
        return self.topics[tp[0]][tp[1]]

    def place(self, topic: str, key: bytes | None, partition: int) -> int:
        """Where a record goes. Not murmur2: any fixed function of the key will do here."""
        return partition if partition >= 0 else zlib.crc32(key or b"") % len(self.topics[topic])

    def append(  # noqa: PLR0917
        self, tp: TP, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]], now: int, t: int = 0
    ) -> int:
        """Write a record; returns its offset."""
        p = self.at(tp)
        self.version += 1
        if t:
            p.open.setdefault(t, p.end)
        p.entries.append(Entry(p.end, key, value, headers, now, t))
        return p.end - 1

    def mark(self, tp: TP, t: Transaction, now: int) -> None:
        """Write a transaction's marker: its records are decided here."""
        p = self.at(tp)
        self.version += 1
        p.open.pop(t.number, None)
        if t.state == "aborted":
            p.aborted.add(t.number)
        p.entries.append(Entry(p.end, None, None, [], now, t.number, t.state))

    def records(self, topic: str) -> list[tuple[int, Entry]]:
        """Every committed record of a topic with its partition, in offset order within each."""
        return [(n, e) for n, p in enumerate(self.topics[topic]) for e in p.committed(0, p.end)[0]]
