"""Crashes and pauses, aimed by the seed at named step boundaries; the supervisor that starts again what ended."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

from .kernel import Actor, Kernel, Process

__all__ = ["USUAL", "Chaos", "Supervisor"]

USUAL = {
    "before consume": 120, "after consume": 60, "before join": 3, "before assign": 3, "before revoke": 2, "before lost": 1,
    "before committed": 8, "after committed": 8, "before init": 3, "after init": 3, "before begin": 50, "before produce": 40,
    "after produce": 40, "before send_offsets": 50, "after send_offsets": 50, "before commit": 50, "after commit": 50,
    "wharf-outlet done": 50, "overlay applied": 50, "wharf-intake done": 150, "wharf-restore done": 10, "before restore": 6,
    "before sink query": 25, "after sink query": 25, "before sink insert": 20, "after sink insert": 20,
    "before sink progress": 40, "after sink progress": 40, "before offset commit": 20, "after offset commit": 20,
    "before outside call": 8, "after outside call": 8,
}  # fmt: skip
"""The step boundaries, and about how often a run comes by each: an aimed fault picks one of these visits."""


def _pause(r: random.Random) -> float:
    """Seconds. Between the session time-out (6) and the transaction's (10) only the group's generation fences a zombie."""
    return 6.1 + r.random() * 3.7 if r.random() < 0.5 else 0.5 + r.random() * 14


class Chaos:
    """``aims``: boundary and visit → 0 to crash there, or seconds to stand still. ``focus``: only at these boundaries, as many as may be."""

    def __init__(self, kernel: Kernel, faults: int, focus: Sequence[str] = ()) -> None:
        r = kernel.random
        self._kernel = kernel
        self._visits: Counter[str] = Counter()
        self.crashes: Counter[str] = Counter()
        self.pauses: Counter[str] = Counter()
        self.zombies = 0
        self.aims: dict[tuple[str, int], float] = {}
        for _ in range(faults if focus else r.randrange(faults + 1)):
            label = r.choice(focus or list(USUAL))
            visit = 1 + int(r.random() ** 1.5 * USUAL[label])
            self.aims[label, visit] = 0.0 if r.random() < 0.75 else _pause(r)

    def at(self, process: Process, label: str) -> None:
        """A process comes by a boundary."""
        self._visits[label] += 1
        seconds = self.aims.pop((label, self._visits[label]), None)
        if seconds is None:
            return
        if seconds == 0.0:
            self.crashes[label] += 1
            self._kernel.note(process.name, "CRASH", label)
            process.die()
        else:
            self.pauses[label] += 1
            self.zombies += seconds > 6
            self._kernel.note(process.name, "PAUSE", label, seconds)
            process.paused_until, process.silent_since = self._kernel.now + seconds, self._kernel.now

    def calm(self) -> None:
        """No more faults."""
        self.aims.clear()


class Supervisor(Actor):
    """Starts a slot again some time after its process ended. A slot whose process stands still may get a second one."""

    name = "supervisor"

    def __init__(self, kernel: Kernel, start: dict[str, Callable[[], Process]]) -> None:
        self._kernel = kernel
        self._start = start
        self._next: dict[str, float] = {}
        self.slots: dict[str, Process | None] = {}
        self.starts = 0
        self._doubled: set[str] = set()

    def hire(self, slot: str, when: float) -> None:
        """Start the slot at a virtual time."""
        self.slots[slot] = None
        self._next[slot] = when

    def dismiss(self, slot: str) -> None:
        """Never start it again."""
        self.slots.pop(slot, None)
        self._next.pop(slot, None)

    @property
    def whole(self) -> bool:
        """Every slot has a process that runs."""
        return all(p is not None and not p.dead and p.paused_until is None for p in self.slots.values())

    def due(self) -> float | None:
        for slot, p in self.slots.items():
            if slot in self._next:
                continue
            if p is None or p.dead:
                r = self._kernel.random
                self._next[slot] = self._kernel.now + (r.random() * 0.5 if r.random() < 0.7 else r.random() * 9)
            elif p.paused_until is not None and p.name not in self._doubled:
                self._doubled.add(p.name)
                if self._kernel.random.random() < 0.4:  # somebody thinks it is dead: a zombie in the making
                    self._next[slot] = self._kernel.now + self._kernel.random.random() * 4
        return min(self._next.values(), default=None)

    def step(self) -> None:
        slot = min(self._next, key=lambda s: self._next[s])
        del self._next[slot]
        self.starts += 1
        self.slots[slot] = self._start[slot]()
