"""What goes wrong, and when, by the seed alone. "When" is how many deliveries were confirmed: the same seed strikes at the same progress."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

__all__ = ["PROFILES", "Fault", "Profile", "plan"]

WORKER_POINTS = ("before-produce", "mid-produce", "after-produce", "before-commit", "after-commit", "restore", "random")
SINK_POINTS = ("before-insert", "mid-insert", "after-insert", "after-progress", "random")
WEBHOOK_POINTS = ("acked", "before-publish", "random")
CLICKHOUSE_POINTS = ("clickhouse-fails", "clickhouse-fails-after", "clickhouse-stalls")
FIRST, LAST = 0.04, 0.93
"""Share of the deliveries between which faults fall: after the last one there are still deliveries to come."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``at``: confirmed deliveries. ``target``: a process, or what is broken. ``count``: the how-many-th passing of ``point``."""

    number: int
    at: int
    kind: str
    target: str
    point: str = ""
    count: int = 1
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Profile:
    """How many faults of each kind. ``again``: the broker killed twice more while its clients rejoin; ``away``: for longer than sessions and
    transactions live; ``starts``: killed, and all that `wharf up` looks at asked at once. ``rebalances``: a worker joins or leaves (in pairs). ``touches``: how often an order changes without
    being another order, each told by a delivery or two.
    """

    workers: int = 3
    effects: int = 0
    sinks: int = 1
    webhooks: int = 1
    pollers: int = 0
    brokers: int = 1
    zombies: int = 1
    rebalances: int = 2
    clickhouse: int = 1
    poison: int = 2
    cut: int = 0
    deleted: int = 0
    again: int = 0
    away: int = 0
    starts: int = 0
    touches: int = 2

    @property
    def total(self) -> int:
        """All faults."""
        return sum(getattr(self, name) for name in self.__dataclass_fields__ if name != "touches")


PROFILES: Mapping[str, Profile] = {
    "none": Profile(0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    "short": Profile(again=1),
    "standard": Profile(14, 3, 6, 4, 1, 3, 2, 6, 4, 10, 1, 1, again=3, away=1, starts=2),
    "soak": Profile(60, 10, 20, 12, 3, 10, 5, 20, 12, 20, again=5, away=2, starts=4, touches=10),
}


def plan(seed: int, deliveries: int, profile: Profile, slots: int) -> list[Fault]:
    """The faults of a run, in order. ``slots``: workers that are always there; the joining one takes the next number."""
    chance = random.Random(f"faults/{seed}")
    loose = _kinds(profile, chance, slots)
    chance.shuffle(loose)
    loose = _in_pairs(loose, slots)
    span = (LAST - FIRST) * deliveries / max(1, len(loose))
    faults = []
    for i, fault in enumerate(loose):
        at = int(FIRST * deliveries + (i + chance.uniform(0.1, 0.9)) * span)
        faults.append(replace(fault, number=i + 1, at=at))
    return faults


def _kinds(profile: Profile, chance: random.Random, slots: int) -> list[Fault]:
    def some(n: int, kind: str, points: tuple[str, ...], target: str = "") -> list[Fault]:
        """Every point in turn, so that each is met before any is met twice."""
        start = chance.randrange(len(points))
        return [
            Fault(
                0,
                0,
                kind,
                target or f"worker-{chance.randrange(slots)}",
                points[(start + i) % len(points)],
                chance.randint(1, 4),
                round(chance.uniform(0.0, 2.0), 2),
            )
            for i in range(n)
        ]

    return [
        *some(profile.workers, "kill worker", WORKER_POINTS),
        *some(profile.effects, "kill effects", WORKER_POINTS, "effects"),
        *some(profile.sinks, "kill sink", SINK_POINTS, "sink"),
        *some(profile.webhooks, "kill webhooks", WEBHOOK_POINTS, "webhooks"),
        *some(profile.pollers, "kill poller", ("random",), "poll"),
        *some(profile.brokers, "kill broker", ("random",), "broker"),
        *some(profile.again, "broker again", ("twice more",), "broker"),
        *some(profile.away, "broker away", ("long",), "broker"),
        *some(profile.starts, "start on existing data", ("topics, rules, cursors",), "broker"),
        *some(profile.zombies, "zombie", ("random",)),
        *some(profile.rebalances, "rebalance", ("random",), f"worker-{slots}"),
        *some(profile.clickhouse, "clickhouse", CLICKHOUSE_POINTS, "sink"),
        *some(profile.poison, "poison", ("garbage", "unknown schema", "cut short", "wrong type", "empty"), "log"),
        *some(profile.cut, "changelog cut", ("wharf.pools.table",), "tables"),
        *some(profile.deleted, "changelog deleted", ("wharf.orders.table",), "tables"),
    ]


def _in_pairs(faults: list[Fault], slots: int) -> list[Fault]:
    """A worker joins, and leaves at the next rebalance."""
    done = []
    joined = False
    for fault in faults:
        if fault.kind == "rebalance":
            joined = not joined
            done.append(replace(fault, point="join" if joined else "leave"))
        else:
            done.append(fault)
    return done
