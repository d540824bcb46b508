"""Bol's feeds: orders by what changed lately (and a daily sweep), returns by all that are not handled.

Cursors are JSON; a round gives its new cursor with its last page only, so a round that breaks off is done again. Repeats are
harmless: every fact has the same idempotency key each time. An order that is no longer listed is not a cancelled one: Bol
drops handled orders from the list after 48 hours.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx

from connectors.checks.customer import content_hash
from connectors.protocols import Polled, Translation, TranslationError
from domain.records.raw_delivery import RawDelivery

from .client import BolClient, read_json
from .orders import AMSTERDAM, Origin
from .translate import translate

__all__ = ["OrdersPoller", "ReturnsPoller", "pollers"]

MINUTE = 60_000
OVERLAP_MINUTES = 10
MAX_INTERVAL_MINUTES = 60
"""Bol's limit of ``change-interval-minute``; a longer gap is closed by whole days."""
MAX_DAYS = 90
"""``latest-change-date`` reaches three months back."""
PAGE_ROWS = 50
_MAX_SEEN = 5_000
_HANDLED_PAGES = 20

Seen = dict[str, str]
"""Id of a row → hash of it, from the last round: a row that says the same again is not fetched again."""


def _read(cursor: bytes | None) -> dict[str, Any]:
    return json.loads(cursor) if cursor else {}


def _write(**fields: Any) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


class _Feed:
    """What both feeds do: page through a list, fetch each row's thing by id, keep it raw and translated."""

    def __init__(self, account: str, client: BolClient, feed: str, every_seconds: float) -> None:
        self.account, self.client, self.feed = account, client, feed
        self.name = f"bol:{account}:{feed}"
        self.every_seconds = every_seconds

    async def _rows(self, params: dict[str, str | int]) -> AsyncIterator[list[dict[str, Any]]]:
        """Pages until one is not full. Raises httpx errors and, for an answer that is no list, TranslationError."""
        page = 1
        while True:
            answer = await self.client.get(f"/retailer/{self.feed}", f"/retailer/{self.feed}", {**params, "page": page})
            answer.raise_for_status()
            rows = read_json(answer).get(self.feed, [])
            yield rows
            if len(rows) < PAGE_ROWS:
                return
            page += 1

    async def _fetch(self, ids: list[str], now: int) -> Polled:
        answers = await asyncio.gather(*(self._one(text) for text in ids))
        raw: list[RawDelivery] = []
        translations: list[Translation | TranslationError] = []
        for resource_id, answer in zip(ids, answers, strict=True):
            raw.append(self._raw(resource_id, answer, now))
            try:
                translations.append(translate(self.feed, answer.content, self.account, now, raw[-1].trace))
            except TranslationError as e:
                translations.append(e)
        return Polled(raw=raw, translations=translations)

    async def _one(self, resource_id: str) -> httpx.Response:
        path = f"/retailer/{self.feed}/{resource_id}"
        answer = await self.client.get(f"/retailer/{self.feed}/{{id}}", path)
        if answer.status_code != 404:  # a 404's body says what is missing: it is kept and goes to the DLQ
            answer.raise_for_status()
        return answer

    def _raw(self, resource_id: str, answer: httpx.Response, now: int) -> RawDelivery:
        digest = content_hash(answer.content)
        event_id = Origin.event_id(f"{self.name}:{resource_id}", f"poll@{now}", digest)
        return RawDelivery(
            event_id=event_id,
            type="RawDelivery",
            time=now,
            source=f"bol:{self.account}/poll",
            trace=event_id.replace("-", ""),
            channel="bol",
            account=self.account,
            topic=self.feed,
            delivery_id=f"{resource_id}@{digest}",
            transport="poll",
            headers={
                k.lower(): v for k, v in answer.headers.items() if k.lower() in {"content-type", "date", "x-request-id"}
            },
            body=answer.content,
        )


class OrdersPoller(_Feed):
    """New and changed orders: ``change-interval-minute`` with an overlap; after a longer gap all listed ones and each day since."""

    def __init__(self, account: str, client: BolClient) -> None:
        super().__init__(account, client, "orders", client.account.poll_seconds)

    def _queries(self, state: dict[str, Any], now: int) -> list[dict[str, str | int]]:
        base: dict[str, str | int] = {"fulfilment-method": self.client.account.fulfilment_method, "status": "ALL"}
        until = state.get("until")
        today = datetime.fromtimestamp(now / 1000, AMSTERDAM).date()
        if until is None:
            return [base]
        minutes = -(-(now - until) // MINUTE) + OVERLAP_MINUTES
        last = datetime.fromtimestamp(until / 1000, AMSTERDAM).date()
        days = [last + timedelta(days=n) for n in range(min((today - last).days, MAX_DAYS) + 1)]
        sweep: list[dict[str, str | int]] = [{**base, "latest-change-date": day.isoformat()} for day in days]
        if minutes > MAX_INTERVAL_MINUTES:
            return [base, *sweep]
        # Once a day, after midnight in the Netherlands, the day that ended is looked at as a whole.
        nightly = sweep[:-1] if today != last else []
        return [{**base, "change-interval-minute": max(minutes, 1)}, *nightly]

    async def poll(self, cursor: bytes | None, now: int) -> AsyncIterator[Polled]:
        """One round. Raises httpx errors."""
        state = _read(cursor)
        before: Seen = state.get("seen", {})
        seen: Seen = {}
        for query in self._queries(state, now):
            async for rows in self._rows(query):
                marks = {str(row["orderId"]): content_hash(json.dumps(row, default=str)) for row in rows}
                changed = [item for item, mark in marks.items() if mark not in (before.get(item), seen.get(item))]
                seen.update(marks)
                if changed:
                    yield await self._fetch(changed, now)
        kept = dict(list(seen.items())[-_MAX_SEEN:])
        yield Polled(raw=[], translations=[], cursor=_write(until=now, seen=kept))


class ReturnsPoller(_Feed):
    """All returns that are not handled, and those handled since the last round (by anyone: Bol's own site, another system)."""

    def __init__(self, account: str, client: BolClient) -> None:
        super().__init__(account, client, "returns", client.account.poll_seconds)

    async def poll(self, cursor: bytes | None, now: int) -> AsyncIterator[Polled]:
        """One round. The first one only remembers what was handled before Wharfinger came. Raises httpx errors."""
        state = _read(cursor)
        before: Seen = state.get("open", {})
        before_handled: Seen = state.get("handled", {})
        open_ones: Seen = {}
        async for rows in self._rows({"handled": "false", "fulfilment-method": "FBR"}):
            marks = self._marks(rows)
            open_ones.update(marks)
            if changed := [item for item, mark in marks.items() if before.get(item) != mark]:
                yield await self._fetch(changed, now)
        handled: Seen = {}
        async for marks in self._handled(before_handled, first=cursor is None):
            news = [item for item, mark in marks.items() if before_handled.get(item) != mark and item not in handled]
            handled.update(marks)
            if news and cursor is not None:
                yield await self._fetch(news, now)
        kept = dict(list({**before_handled, **handled}.items())[-_MAX_SEEN:])
        yield Polled(raw=[], translations=[], cursor=_write(open=open_ones, handled=kept))

    async def _handled(self, before: Seen, first: bool) -> AsyncIterator[Seen]:
        """Pages of handled returns, newest first, until one tells nothing new."""
        page = 0
        async for rows in self._rows({"handled": "true", "fulfilment-method": "FBR"}):
            page += 1
            marks = self._marks(rows)
            yield marks
            if first or page >= _HANDLED_PAGES or all(before.get(item) == mark for item, mark in marks.items()):
                return

    @staticmethod
    def _marks(rows: list[dict[str, Any]]) -> Seen:
        return {str(row["returnId"]): content_hash(json.dumps(row, default=str)) for row in rows}


def pollers(account: str, client: BolClient) -> list[OrdersPoller | ReturnsPoller]:
    """All feeds of an account; each satisfies ``connectors.protocols.Poller``."""
    return [OrdersPoller(account, client), ReturnsPoller(account, client)]
