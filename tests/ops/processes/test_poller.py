"""Feeds with a book in memory: intervals, back-off, stopping, and one feed's failure that is nobody else's."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from connectors.protocols import Polled
from ops.processes.poll_ledger import TakenOver
from ops.processes.polling import Feed, Round, poll_all, poll_once

NOW = 1_763_906_788_000


class Book:
    """Keeps what is committed."""

    def __init__(self, cursor: bytes | None = None, taken_over_after: int = 1_000_000) -> None:
        self.cursor: bytes | None = None
        self.stored = cursor
        self.pages: list[Polled] = []
        self.left = taken_over_after

    def open(self) -> None:
        self.cursor = self.stored

    def commit(self, polled: Polled) -> Counter[str]:
        if len(self.pages) >= self.left:
            raise TakenOver("x: another process polls this feed now")
        self.pages.append(polled)
        self.cursor = polled.cursor or self.cursor
        return Counter({"raw": 1})


class Busy(Exception):
    def __init__(self, retry_after: float) -> None:
        super().__init__("429")
        self.retry_after = retry_after


class Poller:
    """Gives pages of a script; an exception in it is raised."""

    def __init__(self, name: str, script: Callable[[int], list[Polled | Exception]], every: float = 0.01) -> None:
        self.name = name
        self.every_seconds = every
        self.script = script
        self.rounds: list[tuple[bytes | None, int]] = []

    async def poll(self, cursor: bytes | None, now: int) -> AsyncIterator[Polled]:
        self.rounds.append((cursor, now))
        for page in self.script(len(self.rounds)):
            await asyncio.sleep(0)
            if isinstance(page, Exception):
                raise page
            yield page


def page(cursor: bytes | None = None) -> Polled:
    return Polled([], [], cursor)


def feed(poller: Poller, book: Book | None = None) -> Feed:
    return Feed(poller, book or Book(), lambda: NOW, random.Random(1))


async def test_a_round_begins_at_the_stored_cursor_and_commits_page_by_page() -> None:
    poller, book = Poller("bol:acme:orders", lambda _: [page(), page(b"2")]), Book(b"1")
    told: list[Round] = []
    rounds = await poll_once([feed(poller, book)], told.append, asyncio.Event())
    assert poller.rounds == [(b"1", NOW)]
    assert [p.cursor for p in book.pages] == [None, b"2"]
    assert rounds == told
    assert (told[0].pages, told[0].written, told[0].ok) == (2, Counter({"raw": 2}), True)


async def test_the_round_after_a_failure_begins_at_the_last_committed_cursor() -> None:
    script: list[list[Polled | Exception]] = [[page(b"1"), OSError("reset")], [page(b"2")]]
    poller = Poller("bol:acme:orders", lambda n: script[n - 1])
    one = feed(poller)
    first, second = await one.look(asyncio.Event()), await one.look(asyncio.Event())
    assert (first.ok, first.pages, first.error) == (False, 1, "OSError: reset")
    assert second.ok
    assert [c for c, _ in poller.rounds] == [None, b"1"]


async def test_failures_in_a_row_back_off_and_a_success_ends_it() -> None:
    poller = Poller("x:y:z", lambda n: [OSError("down")] if n <= 6 else [], every=60)
    one = feed(poller)
    pauses = []
    for _ in range(7):
        await one.look(asyncio.Event())
        pauses.append(one.pause())
    for i, pause in enumerate(pauses[:6]):
        assert 2**i <= pause <= 2**i * 1.2
    assert 54 <= pauses[6] <= 66


async def test_the_back_off_has_an_end() -> None:
    one = feed(Poller("x:y:z", lambda _: [OSError("down")], every=60))
    one.failures = 50
    assert one.pause() <= 720


async def test_the_other_sides_word_on_when_to_come_back_counts() -> None:
    one = feed(Poller("x:y:z", lambda _: [Busy(90.0)]))
    await one.look(asyncio.Event())
    assert 90 <= one.pause() <= 108


async def test_a_failing_feed_backs_off_alone() -> None:
    stop = asyncio.Event()
    bad = Poller("bol:acme:orders", lambda _: [OSError("down")])
    good = Poller("shopify:acme:orders", lambda n: stop.set() or [] if n >= 20 else [page()])
    told: list[Round] = []
    await asyncio.wait_for(poll_all([feed(bad), feed(good)], told.append, stop), 10)
    assert len(bad.rounds) == 1
    assert len(good.rounds) == 20
    assert Counter(r.ok for r in told) == {True: 20, False: 1}


async def test_stopping_ends_a_round_after_a_whole_page() -> None:
    stop, book = asyncio.Event(), Book()
    poller = Poller("x:y:z", lambda _: [page(bytes([i])) for i in range(100)])
    one = feed(poller, book)
    commit = book.commit

    def stopping(polled: Polled) -> Counter[str]:
        if len(book.pages) == 2:
            stop.set()
        return commit(polled)

    book.commit = stopping  # type: ignore[method-assign]
    done = await one.look(stop)
    assert (done.pages, done.ok) == (3, True)


async def test_a_feed_taken_over_ends_and_the_others_go_on() -> None:
    stop = asyncio.Event()
    lost = Poller("bol:acme:orders", lambda _: [page()])
    kept = Poller("shopify:acme:orders", lambda n: stop.set() or [] if n >= 10 else [page()])
    await asyncio.wait_for(poll_all([feed(lost, Book(taken_over_after=1)), feed(kept)], lambda _: None, stop), 10)
    assert len(kept.rounds) == 10


async def test_once_all_feeds_are_taken_over_polling_ends_with_the_reason() -> None:
    lost = Poller("bol:acme:orders", lambda _: [page()])
    with pytest.raises(TakenOver):
        await asyncio.wait_for(poll_all([feed(lost, Book(taken_over_after=3))], lambda _: None, asyncio.Event()), 10)
    assert len(lost.rounds) == 4


async def test_a_bug_in_a_poller_is_a_failed_round() -> None:
    done = await feed(Poller("x:y:z", lambda _: [ZeroDivisionError("oops")])).look(asyncio.Event())
    assert done.report()["error"] == "ZeroDivisionError: oops"
