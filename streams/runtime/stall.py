"""A consumer that has silently stopped: records wait in a partition that is ours, and none of them comes.

librdkafka can lose a partition's leader for good when it once heard that there is none, as after a broker's restart (librdkafka #5430, #5153): the
member stays in its group, its heartbeats go on, and nothing is fetched any more. Only another process mends that. So what has been quiet for
long is looked at with a reader of its own, now and then; a record that this reader finds, and that has not come by the next look, is the proof.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from typing import Any

from confluent_kafka import KafkaError, TopicPartition

__all__ = ["StallWatch", "waiting"]

TP = tuple[str, int]
_SECONDS = 4.0


class StallWatch:
    """Ask ``stalled`` every few seconds, with the next offset expected of each partition that may be read now.

    ``find`` gives the first record there is at or after each offset (``waiting``); it runs in ``thread``. ``quiet_seconds``: how long nothing may come
    before that is asked; 0: never.
    """

    def __init__(
        self,
        find: Callable[[Mapping[TP, int]], Mapping[TP, int]],
        thread: Executor,
        clock: Callable[[], float],
        quiet_seconds: float,
    ) -> None:
        self._find = find
        self._thread = thread
        self._clock = clock
        self._quiet_seconds = quiet_seconds
        self._stands: dict[TP, tuple[int, float]] = {}
        self._found: dict[TP, int] = {}
        self._asked: Future[Mapping[TP, int]] | None = None
        self._drained = False

    def drained(self) -> None:
        """A poll gave all that was fetched: what is in the log and did not come was not merely waiting its turn."""
        self._drained = True

    def stalled(self, places: Iterable[tuple[TP, int]]) -> dict[TP, int]:
        """The partitions that have stopped, with the offset of a record that should have come."""
        if not self._quiet_seconds:
            return {}
        now = self._clock()
        here = dict(places)
        self._stands = {
            tp: old if (old := self._stands.get(tp)) and old[0] == at else (at, now) for tp, at in here.items()
        }
        # Found at an earlier look, so there was time for it to come.
        self._found = {tp: offset for tp, offset in self._found.items() if tp in here and here[tp] <= offset}
        if self._found:
            return self._found if self._drained else {}
        self._look(now)
        return {}

    def _look(self, now: float) -> None:
        if self._asked is not None:
            if self._asked.done():
                self._found = dict(self._asked.result()) if self._asked.exception() is None else {}
                self._asked, self._drained = None, False
            return
        quiet = {tp: at for tp, (at, since) in self._stands.items() if now - since > self._quiet_seconds}
        if quiet:
            self._stands |= {tp: (at, now) for tp, at in quiet.items()}  # not asked again before as long has passed
            self._asked = self._thread.submit(self._find, quiet)


def waiting(reader: Any, places: Mapping[TP, int], seconds: float = _SECONDS) -> dict[TP, int]:
    """The offset of the first record at or after each place, where there is one. ``reader``: a consumer without a group's assignment, with
    ``enable.partition.eof`` and read_committed; it is closed. What can't be read in time counts as nothing.
    """
    found: dict[TP, int] = {}
    left = set(places)
    deadline = time.monotonic() + seconds
    try:
        reader.assign([TopicPartition(*tp, at) for tp, at in places.items()])
        while left and time.monotonic() < deadline:
            for message in reader.consume(500, 0.1):
                tp = (message.topic(), message.partition())
                if message.error() is None and tp in left:
                    found[tp] = message.offset()
                elif message.error() is not None and message.error().code() != KafkaError._PARTITION_EOF:
                    continue
                left.discard(tp)
    finally:
        reader.close()
    return found
