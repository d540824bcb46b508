"""Lanes: an order's effects for one target are carried out one after the other, all lanes side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import groupby

from .dispatcher import Desk, Job, Later, Result
from .pending import Pending

__all__ = ["Waiting", "due_lanes", "work"]

Lane = tuple[str, str]

_STALE_MS = 10_000


class Waiting:
    """The lanes that have an effect in a retry table of this process, by partition.

    It keeps a new effect from overtaking an earlier one of its order. Where another process has the table, the receiver sorts it
    out: a cancellation that comes before its pick order is refused and tried again.
    """

    def __init__(self, wall: Callable[[], int]) -> None:
        self._wall = wall
        self._lanes: dict[int, set[Lane]] = {}
        self._seen: dict[int, int] = {}

    def add(self, partition: int, lane: Lane) -> None:
        """An effect of the lane waits now."""
        self._lanes.setdefault(partition, set()).add(lane)
        self._seen[partition] = self._wall()

    def replace(self, partition: int, lanes: set[Lane]) -> None:
        """What waits in the partition, after a look at its table."""
        self._lanes[partition] = lanes
        self._seen[partition] = self._wall()

    def __contains__(self, lane: Lane) -> bool:
        # A partition that waits is looked at every second: one that was not has gone to another process.
        fresh = self._wall() - _STALE_MS
        return any(lane in lanes for entry, lanes in self._lanes.items() if self._seen[entry] >= fresh)


async def work(desk: Desk, jobs: Iterable[Job], held: Callable[[Job], bool] = lambda _: False) -> dict[str, Result]:
    """The results by effect id. After one that waits, the rest of its lane waits too; ``held``: its lane waits already."""
    by_lane = sorted(jobs, key=lambda job: job.lane)  # stable: within a lane the order stays
    lanes = [list(group) for _, group in groupby(by_lane, key=lambda job: job.lane)]
    results: dict[str, Result] = {}
    await asyncio.gather(*(_work_lane(desk, lane, results, held) for lane in lanes))
    return results


async def _work_lane(desk: Desk, lane: list[Job], results: dict[str, Result], held: Callable[[Job], bool]) -> None:
    waits = held(lane[0])
    for job in lane:
        if waits:
            results[job.effect.event_id] = Later(job, desk.wall(), "waits for an earlier effect of its order")
        elif job.effect.event_id not in results:  # the same effect can be in a batch twice
            result = results[job.effect.event_id] = await desk.work(job)
            waits = isinstance(result, Later)


def due_lanes(desk: Desk, waiting: Iterable[Pending]) -> list[Pending]:
    """Whole lanes whose oldest effect is due, as many as each target takes now. ``waiting``: oldest first."""
    lanes: dict[Lane, list[Pending]] = {}
    for pending in waiting:
        lanes.setdefault(pending.lane, []).append(pending)
    free: dict[str, int] = {}
    chosen: list[Pending] = []
    wall = desk.wall()
    for (_, target), lane in lanes.items():
        left = free.setdefault(target, desk.free(target))
        flying = desk.flying(lane[0].effect_id)
        # An answer that has come in is fetched, whatever the breaker says of its target; one that has not is not waited for.
        if flying is False:
            chosen += lane
        elif flying is None and lane[0].due <= wall and left > 0:
            free[target] -= 1
            chosen += lane
    return chosen
