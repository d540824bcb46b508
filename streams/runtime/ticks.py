"""Time as an input: the owner of a partition appends the time to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from .message import TP, Message, Output

__all__ = ["Ticker"]


class Ticker:
    """Says which ticks are due.

    A partition gets its next tick only after the last one came back as input: under lag (or with a clock that runs a thousand times as
    fast) ticks never pile up.
    """

    def __init__(
        self,
        every_ms: Mapping[str, int],
        make: Callable[[str, int, int], bytes],
        gap_seconds: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._every = dict(every_ms)
        self._make = make
        self._gap = gap_seconds
        self._monotonic = monotonic
        self._not_before = 0.0
        self._last: dict[TP, int] = {}
        self._under_way: set[TP] = set()

    def due(self, owned: Iterable[TP], now: int) -> list[Output]:
        """The ticks to write now, for the partitions that are owned and restored."""
        if not self._every or self._monotonic() < self._not_before:
            return []
        return [
            Output(topic, b"", self._make(topic, partition, now), [], partition)
            for topic, partition in owned
            if topic in self._every and self._is_due((topic, partition), now)
        ]

    def wrote(self, ticks: Iterable[Output], now: int) -> None:
        """They go into the transaction that begins."""
        self._not_before = self._monotonic() + self._gap
        for tick in ticks:
            self._last[tick.topic, tick.partition] = now
            self._under_way.add((tick.topic, tick.partition))

    def saw(self, messages: Iterable[Message]) -> None:
        """Input of a ticked topic came in; an empty key is a tick's."""
        for message in messages:
            if not message.key:
                self._under_way.discard((message.topic, message.partition))

    def ticks(self, topic: str) -> bool:
        """Whether the topic has ticks."""
        return topic in self._every

    def forget(self, tp: TP) -> None:
        """The partition went to another worker."""
        self._last.pop(tp, None)
        self._under_way.discard(tp)

    def _is_due(self, tp: TP, now: int) -> bool:
        return tp not in self._under_way and now - self._last.get(tp, -(1 << 62)) >= self._every[tp[0]]
