"""A process that stands still in health: it runs and answers, but its group does not count on it, and partitions wait that nobody owns.

After a broker's restarts librdkafka can lose its place in the group and never join again: its heartbeat says fine, nothing comes, for ever. Only
the group's coordinator knows, so it is asked, with a client of its own. What is rightly without partitions (more workers than
partitions, a rebalance under way, a broker that is away) is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException

from schemas.patience import partition_counts

__all__ = ["GroupWatch", "Look", "Seen", "Verdict", "judge", "look_at_group", "suspicion"]

LOOK_SECONDS = 5.0
_LEAST = 3
"""Looks in a row: one alone may have fallen into a moment between two states."""


class Verdict(StrEnum):
    """What a series of looks comes to."""

    FINE = "fine"
    SUSPICIOUS = "suspicious"
    STANDS = "stands still"


@dataclass(frozen=True, slots=True)
class Look:
    """What the coordinator says. ``settled``: no rebalance is under way; ``known``: the member is in the group; ``given``: partitions that are
    the member's; ``free``: partitions of its topics that nobody owns.
    """

    settled: bool
    known: bool
    given: int
    free: int


@dataclass(frozen=True, slots=True)
class Seen:
    """One moment: ``at`` in seconds, ``owned`` partitions as the process itself believes, ``look`` None where no broker answered."""

    at: float
    owned: int
    look: Look | None


def suspicion(seen: Seen) -> str:
    """Why this moment, should it last, is a stand-still; ``""`` where it is legitimate."""
    look = seen.look
    if look is None or not look.settled:
        return ""
    if not look.known:
        return f"the group does not know this process, and {look.free} partitions of its topics are owned by nobody"
    if not look.given and look.free:
        return f"it owns no partition, though {look.free} of its topics' are owned by nobody"
    if look.given and not seen.owned:
        return f"the group has given it {look.given} partitions, and it has taken none of them"
    return ""


def judge(history: Sequence[Seen], seconds: float) -> Verdict:
    """What was seen, oldest first: a stand-still is one suspicion after the other for ``seconds``. A moment that is legitimate, or a gap of
    more than ``seconds`` between two looks, begins anew.
    """
    run: list[Seen] = []
    for seen in history:
        if run and seen.at - run[-1].at > seconds:
            run = []
        run = [*run, seen] if suspicion(seen) else []
    if len(run) >= _LEAST and run[-1].at - run[0].at >= seconds:
        return Verdict.STANDS
    return Verdict.SUSPICIOUS if run else Verdict.FINE


class GroupWatch:
    """Ask ``stands`` as often as you like: the group is looked at every 5 s by ``ask``, in ``thread``. ``seconds``: how long a suspicion has to
    last; 0: never asked.
    """

    def __init__(
        self,
        ask: Callable[[], Look],
        thread: Executor,
        clock: Callable[[], float],
        seconds: float,
        every: float = LOOK_SECONDS,
    ) -> None:
        self._ask = ask
        self._thread = thread
        self._clock = clock
        self._seconds = seconds
        self._every = min(every, seconds / 4)
        self._due = 0.0
        self._asked: Future[Look] | None = None
        self._history: list[Seen] = []
        self.verdict = Verdict.FINE

    def stands(self, owned: int) -> str:
        """Why the process stands still; ``""`` while it does not. ``owned``: partitions it has been given, restoring ones too."""
        if not self._seconds:
            return ""
        now = self._clock()
        if self._asked is not None and self._asked.done():
            self._saw(Seen(now, owned, None if self._asked.exception() else self._asked.result()))
            self._asked = None
        if self._asked is None and now >= self._due:
            self._due = now + self._every
            self._asked = self._thread.submit(self._ask)
        return suspicion(self._history[-1]) if self.verdict is Verdict.STANDS else ""

    def _saw(self, seen: Seen) -> None:
        # A legitimate moment makes all that was before it irrelevant.
        self._history = [*self._history, seen] if suspicion(seen) else []
        self.verdict = judge(self._history, self._seconds)


def look_at_group(admin: Any, group: str, member: str, topics: Sequence[str], seconds: float = 4.0) -> Look:
    """Ask the coordinator. ``member``: ``group.instance.id`` or ``client.id``. Raises KafkaException where it does not answer in time.

    By a client of its own: the consumer's own calls may be what is broken, and must not be made from a rebalance callback.
    """
    counts = partition_counts(admin, seconds)
    places = {(topic, place) for topic in topics for place in range(counts.get(topic, 0))}
    try:
        found = admin.describe_consumer_groups([group], request_timeout=seconds)[group].result(seconds + 1)
    except KafkaException as e:
        if e.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return Look(settled=True, known=False, given=0, free=len(places))
        raise
    owned = {m: _places(m) for m in found.members}
    mine = [m for m in found.members if member in (m.group_instance_id, m.client_id)]
    return Look(
        settled=found.state in (ConsumerGroupState.STABLE, ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD),
        known=bool(mine),
        given=sum(len(owned[m]) for m in mine),
        free=len(places.difference(*owned.values())),
    )


def _places(member: Any) -> set[tuple[str, int]]:
    given = member.assignment.topic_partitions if member.assignment else []
    return {(place.topic, place.partition) for place in given}
