"""The input partitions this process owns, each restoring or running, with its table and where it stands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from threading import Event

import structlog
from confluent_kafka import KafkaException

from schemas.damage import cut

from .config import RuntimeConfig
from .errors import KafkaFailed, LogDamaged, passing
from .head import BEGINNING
from .health import Health
from .message import TP
from .restore import Cancelled, Restored, restore_table
from .table import Table

__all__ = ["Partition", "Partitions"]

log = structlog.get_logger(__name__)

_LOOKS, _LOOK_SECONDS = 3, 1.0
GO_ON = (
    "Bring the topic back from a backup; or stop the workers and go on without what is gone, with `wharf replay state --execute --go-on first` "
    "(at the first record there is now) or `--go-on end` (behind the last)"
)


class Partition:
    """One owned partition: restoring, then to be started at ``start``, then running.

    ``next``: the input offset it expects; ``due``: set while it stands still for a deferred record.
    """

    __slots__ = ("cancelled", "due", "next", "restoring", "start", "table", "tp")

    def __init__(self, tp: TP) -> None:
        self.tp = tp
        self.cancelled = Event()
        self.restoring: Future[Restored] | None = None
        self.table: Table | None = None
        self.next = 0
        self.start: int | None = None
        self.due: int | None = None

    @property
    def running(self) -> bool:
        """Restored, started, and not waiting for a deferred record."""
        return self.restoring is None and self.start is None and self.due is None


class Partitions:
    """Follows the group's assignment: restores what comes, drops what goes.

    A table that goes is kept aside for a moment: an eager rebalance takes everything away and mostly gives it back, and where
    the group's committed offset still is the one the table stands at, nobody folded anything in between.
    """

    def __init__(
        self,
        config: RuntimeConfig,
        tables: Mapping[str, str | None],
        committed: Callable[[TP], int | None],
        health: Health,
        bounds: Callable[[TP], tuple[int, int]] = lambda tp: (0, sys.maxsize),
    ) -> None:
        self._config = config
        self._tables = tables
        self._committed = committed
        self._health = health
        self._bounds = bounds
        self._threads = config.port.threads(2, "wharf-restore")
        self._owned: dict[TP, Partition] = {}
        self._aside: dict[TP, Table] = {}

    def get(self, tp: TP) -> Partition | None:
        """The partition, if it is owned."""
        return self._owned.get(tp)

    @property
    def owned(self) -> int:
        """How many there are, restoring ones too."""
        return len(self._owned)

    def running(self) -> list[Partition]:
        """Those that may be worked on."""
        return [partition for partition in self._owned.values() if partition.running]

    def tables(self, topic: str) -> dict[int, Table] | None:
        """The running tables of an input topic, by partition; None where its agent has none."""
        if self._tables[topic] is None:
            return None
        return {
            partition.tp[1]: partition.table
            for partition in self._owned.values()
            if partition.tp[0] == topic and partition.table is not None
        }

    def all_restored(self) -> bool:
        """Whether nothing is being restored."""
        return all(partition.restoring is None for partition in self._owned.values())

    def settled(self) -> bool:
        """Whether nothing is being restored or started."""
        return all(partition.restoring is None and partition.start is None for partition in self._owned.values())

    def take(self, tps: Iterable[TP]) -> None:
        """Partitions were assigned: restore their tables, in threads."""
        for tp in tps:
            self._drop(tp)
            partition = self._owned[tp] = Partition(tp)
            partition.restoring = self._threads.submit(self._restore, partition, self._aside.pop(tp, None))

    def give(self, tps: Iterable[TP]) -> None:
        """Give up the partitions that were revoked."""
        for tp in tps:
            partition = self._drop(tp)
            if partition is not None and partition.table is not None and partition.restoring is None:
                self._aside[tp] = partition.table

    def to_start(self) -> list[tuple[Partition, int]]:
        """Those that are restored but not started, with the input offset to start at. Raises StateLost."""
        for partition in self._owned.values():
            future = partition.restoring
            if future is not None and future.done():
                partition.table, partition.start = future.result()
                partition.restoring = None
                if self.all_restored():
                    self._aside.clear()
        return [(p, p.start) for p in self._owned.values() if p.start is not None]

    def wake(self, now: int) -> None:
        """Have those whose deferred record is due started again."""
        for partition in self._owned.values():
            if partition.due is not None and partition.due <= now:
                partition.start, partition.due = partition.next, None

    def close(self) -> None:
        """Stop what is being restored."""
        for partition in self._owned.values():
            partition.cancelled.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _drop(self, tp: TP) -> Partition | None:
        partition = self._owned.pop(tp, None)
        if partition is not None:
            partition.cancelled.set()
            self._health.gone(tp)
        return partition

    def _restore(self, partition: Partition, aside: Table | None) -> Restored:
        """Again and again while brokers come and go: ending the process would mend nothing that waiting does not."""
        tp, tries = partition.tp, 0
        began = self._config.port.monotonic()
        while not partition.cancelled.is_set():
            try:
                restored = self._bring_back(partition, self._committed(tp), aside)
                self._check_input(partition, restored.start)
            except KafkaException as e:
                waited = self._config.port.monotonic() - began
                if not passing(e.args[0]) or waited > self._config.restore_patience_seconds:
                    raise KafkaFailed(f"could not restore {tp[0]}/{tp[1]}: {e.args[0].str()}") from e
                log.warning("restoring again", topic=tp[0], partition=tp[1], error=e.args[0].str())
                partition.cancelled.wait(min(0.1 * 2.0**tries, 2.0))
                tries += 1
            else:
                return restored
        raise Cancelled

    def _bring_back(self, partition: Partition, committed: int | None, aside: Table | None) -> Restored:
        tp = partition.tp
        changelog = self._tables[tp[0]]
        if changelog is None:
            return Restored(None, BEGINNING if committed is None else committed)
        if aside is not None and committed == aside.head.offset:
            return Restored(aside, committed)
        progress = partial(self._progress, tp)
        return restore_table(self._config, (changelog, tp[1]), committed, partition.cancelled, progress)

    def _check_input(self, partition: Partition, start: int) -> None:
        """Raise LogDamaged where the input does not hold what comes next. Looked at more than once: a broker that has just begun may not know its end yet."""
        why = ""
        for _ in range(_LOOKS):
            low, high = self._bounds(partition.tp)
            why = "" if start == BEGINNING else cut(f"input {partition.tp[0]}/{partition.tp[1]}", start, low, high)
            if not why:
                return
            partition.cancelled.wait(_LOOK_SECONDS)
        raise LogDamaged(f"{why}. {GO_ON}")

    def _progress(self, tp: TP, share: float) -> None:
        self._health.restore.labels(tp[0], tp[1]).set(share)
