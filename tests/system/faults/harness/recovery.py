"""How long the system takes to be whole again after each fault: until all that was in the log when it struck has been worked."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

__all__ = ["Recovery", "hanging"]

GROUPS = {
    "wharf-core": ("wharf.orders.in", "wharf.pools.in"),
    "wharf-effects": ("wharf.effects",),
    "wharf-sink": ("wharf.orders.events", "wharf.pools.events"),
}
TP = tuple[str, int]


@dataclass(slots=True)
class _Open:
    label: str
    began: float
    ends: dict[str, dict[TP, int]] = field(default_factory=dict)


class Recovery:
    """Ask ``look`` now and then; ``struck`` begins a measurement. ``behind`` is roughly how many records the workers are behind.

    A transaction's marker takes an offset that nobody commits, so a group counts as past an end once it is within ``SLACK`` of it:
    a time is exact to a few records.
    """

    SLACK = 2

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._readers: dict[str, Consumer] = {}
        self._connect()
        self._open: list[_Open] = []
        self._partitions: list[TP] = []
        self._lock = threading.Lock()
        self.seconds: list[tuple[str, float]] = []
        self.behind = 0

    def _connect(self) -> None:
        """A consumer a group that joins nothing: the admin client's own call for its offsets can take the process down."""
        self.close()
        quiet = {"bootstrap.servers": self._bootstrap, "log_level": 0, "enable.auto.commit": False}
        self._admin = AdminClient({"bootstrap.servers": self._bootstrap, "log_level": 0})
        self._readers = {group: Consumer({**quiet, "group.id": group}) for group in GROUPS}

    def struck(self, label: str, began: float) -> None:
        """A fault struck at ``began`` (monotonic)."""
        with self._lock:
            self._open.append(_Open(label, began))

    def look(self) -> None:
        """Compare. A broker that is away is looked at the next time."""
        try:
            ends = self._ends()
            stands = {group: self._committed(group) for group in GROUPS}
        except KafkaException:
            self._connect()  # a client that met a broker without leaders may not ask again for minutes
            return
        self.behind = sum(max(0, end - stands["wharf-core"].get(tp, 0)) for tp, end in ends["wharf-core"].items())
        now = time.monotonic()
        with self._lock:
            for one in list(self._open):
                if not one.ends:
                    one.ends = ends
                elif all(self._past(one.ends[g], stands[g]) for g in GROUPS):
                    self._close(one, now)

    def all_worked(self) -> None:
        """Nobody is behind any more: what is still open has recovered by now."""
        with self._lock:
            for one in list(self._open):
                self._close(one, time.monotonic())

    def _close(self, one: _Open, now: float) -> None:
        self._open.remove(one)
        self.seconds.append((one.label, round(now - one.began, 1)))

    def _past(self, ends: dict[TP, int], stands: dict[TP, int]) -> bool:
        return all(stands.get(tp, 0) >= end - self.SLACK for tp, end in ends.items() if end)

    def _ends(self) -> dict[str, dict[TP, int]]:
        if not self._partitions:
            there = self._admin.list_topics(timeout=5).topics
            self._partitions = [(t, p) for topics in GROUPS.values() for t in topics for p in there[t].partitions]
        asked = {TopicPartition(*tp): OffsetSpec.latest() for tp in self._partitions}
        found = {(p.topic, p.partition): f for p, f in self._admin.list_offsets(asked, request_timeout=5).items()}
        ends = {tp: int(f.result().offset) for tp, f in found.items()}
        return {group: {tp: n for tp, n in ends.items() if tp[0] in topics} for group, topics in GROUPS.items()}

    def _committed(self, group: str) -> dict[TP, int]:
        places = [TopicPartition(*tp) for tp in self._partitions if tp[0] in GROUPS[group]]
        there = self._readers[group].committed(places, timeout=5)
        return {(p.topic, p.partition): int(p.offset) for p in there if p.offset >= 0}

    def close(self) -> None:
        """Close the connections."""
        for reader in self._readers.values():
            reader.close()


def hanging(bootstrap: str) -> list[str]:
    """Partitions with a transaction that is still open: no read_committed reader gets past it."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    there = admin.list_topics(timeout=10).topics
    asked = {
        TopicPartition(t, p): OffsetSpec.latest() for t in there if t.startswith("wharf") for p in there[t].partitions
    }
    ends, stable = (
        {(p.topic, p.partition): f.result().offset for p, f in admin.list_offsets(asked, isolation_level=level).items()}
        for level in (IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED)
    )
    return [
        f"{t}/{p}: an open transaction at {stable[t, p]} of {ends[t, p]}" for t, p in ends if ends[t, p] != stable[t, p]
    ]
