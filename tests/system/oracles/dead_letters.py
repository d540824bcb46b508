"""Poison in the log ends in the DLQ, once each, and nothing else does that could have been worked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lab.demo.checks.dead_letters import _too_late, cause
from lab.demo.checks.finding import Finding, found
from lab.demo.checks.log import Entry

__all__ = ["Place", "check"]

PROMISE = "every record that can't be worked is in the DLQ, once, and nothing else is"
Place = tuple[str, int, int]
"""Topic, partition, offset."""


def check(dlq: Iterable[Entry], poisoned: list[Place], cancelled: set[str]) -> Finding:
    """``cancelled``: orders that the channel has cancelled: a parcel that comes too late for it waits for a person, rightly."""
    there: Counter[Place] = Counter()
    violations = []
    letters = 0
    for e in dlq:
        letters += 1
        place = _place(e)
        there[place] += 1
        if place not in poisoned and not _too_late(e, cancelled):
            violations.append(f"{e.key} ({'/'.join(map(str, place))}): {cause(e)}")
    violations += [f"{p}: poison, not in the DLQ" for p in poisoned if not there[p]]
    violations += [f"{p}: {n} times in the DLQ" for p, n in there.items() if n > 1]
    return found("dead_letters", PROMISE, {"letters": letters, "poison": len(poisoned)}, violations)


def _place(e: Entry) -> Place:
    h = {k.removeprefix("__connect.errors."): v for k, v in e.headers.items()}
    return h.get("topic", ""), int(h.get("partition") or -1), int(h.get("offset") or -1)
