"""``wharf poll``: every feed on its own interval, each answer in one Kafka transaction; a feed that fails backs off alone."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Protocol

import structlog
from confluent_kafka import KafkaException

from connectors.protocols import Polled, Poller

from .poll_ledger import TakenOver

__all__ = ["Feed", "Round", "poll_all", "poll_once"]

log = structlog.get_logger(__name__)

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 600.0


class Book(Protocol):
    """Where a feed's answers go (``ops.processes.poll_ledger.Ledger``)."""

    cursor: bytes | None

    def open(self) -> None:
        """Take the feed over and read where it stood."""
        ...

    def commit(self, polled: Polled) -> Counter[str]:
        """Write one answer, all or nothing."""
        ...


@dataclass(slots=True)
class Round:
    """One look at a feed. ``written``: records by sort (raw, orders, pools, refetch, dead); ``error``: why it broke off, or ``""``."""

    feed: str
    pages: int = 0
    written: Counter[str] = field(default_factory=Counter)
    error: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it went through."""
        return not self.error

    def report(self) -> dict[str, object]:
        """As JSON shows it."""
        return {**asdict(self), "written": dict(self.written), "seconds": round(self.seconds, 3), "ok": self.ok}


class Feed:
    """A poller with the book it writes to. ``now``: the orders' clock in ms; waiting is done in real time."""

    def __init__(self, poller: Poller, book: Book, now: Callable[[], int], rng: random.Random | None = None) -> None:
        self.poller = poller
        self.book = book
        self.failures = 0
        """In a row."""
        self._now = now
        # Jitter keeps the feeds of many accounts, and of many restarts, apart.
        self._rng = rng or random.Random()
        self._opened = False
        self._retry_after = 0.0

    @property
    def name(self) -> str:
        """Name of the feed: ``connector:account:feed``."""
        return self.poller.name

    async def look(self, stop: asyncio.Event) -> Round:
        """One round from the cursor on; ends early, after a whole page, once ``stop`` is set. Raises TakenOver and nothing else."""
        done, began = Round(self.name), time.monotonic()
        try:
            if not self._opened:
                await asyncio.to_thread(self.book.open)
                self._opened = True
            await self._pages(done, stop)
        except TakenOver:
            raise
        except Exception as e:
            self.failures += 1
            self._opened = self._opened and not isinstance(e, KafkaException)
            self._retry_after = float(getattr(e, "retry_after", None) or 0.0)
            done.error = f"{type(e).__name__}: {e}"
        else:
            self.failures = 0
        done.seconds = time.monotonic() - began
        return done

    async def _pages(self, done: Round, stop: asyncio.Event) -> None:
        async with aclosing(self.poller.poll(self.book.cursor, self._now())) as pages:  # type: ignore[type-var]  # they are generators
            async for page in pages:
                done.written += await asyncio.to_thread(self.book.commit, page)
                done.pages += 1
                if stop.is_set():
                    return

    def pause(self) -> float:
        """Seconds to the next look: the interval, or the back-off after failures; the other side's own word counts for more."""
        every: float = self.poller.every_seconds
        if self.failures:
            longest = max(every, _LONGEST_PAUSE)
            every = max(min(_FIRST_PAUSE * 2 ** (self.failures - 1), longest), self._retry_after)
            return every * self._rng.uniform(1.0, 1.2)
        return every * self._rng.uniform(0.9, 1.1)


Told = Callable[[Round], None]


async def poll_once(feeds: Sequence[Feed], told: Told, stop: asyncio.Event) -> list[Round]:
    """One round of every feed. Raises TakenOver."""

    async def one(feed: Feed) -> Round:
        done = await feed.look(stop)
        told(done)
        return done

    return list(await asyncio.gather(*(one(f) for f in feeds)))


async def poll_all(feeds: Sequence[Feed], told: Told, stop: asyncio.Event) -> None:
    """Every feed on its interval until ``stop`` is set. Raises TakenOver once other processes have taken all of them over."""
    results = await asyncio.gather(*(_keep_polling(feed, told, stop) for feed in feeds), return_exceptions=True)
    others = [result for result in results if isinstance(result, BaseException) and not isinstance(result, TakenOver)]
    if others:
        raise others[0]
    taken = [result for result in results if isinstance(result, TakenOver)]
    if taken and len(taken) == len(feeds):
        raise taken[0]


async def _keep_polling(feed: Feed, told: Told, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            done = await feed.look(stop)
        except TakenOver as e:
            log.warning("feed taken over by another process", feed=feed.name, reason=str(e))
            raise
        told(done)
        pause = feed.pause()
        if not done.ok:
            log.warning("feed failed", feed=feed.name, error=done.error, times=feed.failures, again_in=round(pause, 1))
        try:
            async with asyncio.timeout(pause):
                await stop.wait()
        except TimeoutError:
            continue
