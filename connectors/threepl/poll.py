"""Status polling: what a lost webhook would have said. Same facts, same keys."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import msgspec

from connectors.checks.customer import content_hash
from connectors.protocols import Polled, Translation, TranslationError
from domain.records.raw_delivery import RawDelivery
from domain.records.record import uuid5

from .client import ThreePlClient
from .payload import Page, ReturnPage, ReturnRow, Row, iso, read
from .returns import translate_return_row
from .translate import row_facts, translate_row

__all__ = ["OVERLAP_MS", "ReturnsPoller", "StatusPoller"]

OVERLAP_MS = 600_000
"""Each round looks ten minutes behind the last row seen: a 3PL may show an update later than its time says."""
FIRST_LOOK_MS = 7 * 86_400_000
KEPT_ROWS = 2_000

Seen = dict[str, tuple[int, int, int]]
"""Reference → when its row last changed, its reports and scans then."""

Read = Row | ReturnRow


class _Feed:
    """A list of rows in the order of their last change.

    The cursor is the 3PL's own time of the last row seen, with the rows of the overlap; never past our own clock, or one row dated
    ahead would hide every change until then. Pages are walked by time, not by number: rows move to the end while they change, and a
    numbered page would skip some.
    """

    feed: str
    path: str
    topic: str

    def __init__(self, name: str, client: ThreePlClient, every_seconds: float) -> None:
        self.account, self.client, self.every_seconds = name, client, every_seconds
        self.name = f"threepl:{name}:{self.feed}"

    async def poll(self, cursor: bytes | None, now: int) -> AsyncIterator[Polled]:
        """One round. Raises httpx errors, and TranslationError where an answer is no page at all."""
        state: dict[str, Any] = json.loads(cursor) if cursor else {"last": now - FIRST_LOOK_MS, "seen": {}}
        newest, seen = min(int(state["last"]), now), dict(state["seen"])
        since, number, more = newest - OVERLAP_MS, 1, True
        while more:
            rows, more = await self._page(since, number)
            news = [(body, row) for body, row in rows if isinstance(row, TranslationError) or self._changed(row, seen)]
            if news:
                yield self._polled(news, seen, now)
            good = [row for _, row in rows if not isinstance(row, TranslationError)]
            seen.update({self._id(r): self._mark(r) for r in good})
            last = max((self._mark(r)[0] for r in good), default=since)
            since, number = (last, 1) if last > since else (since, number + 1)
            newest = max(newest, min(last, now))
        state = {"last": newest, "seen": _kept(seen, newest - OVERLAP_MS)}
        yield Polled(raw=[], translations=[], cursor=json.dumps(state, separators=(",", ":")).encode())

    async def _page(self, since: int, number: int) -> tuple[list[tuple[bytes, Read | TranslationError]], bool]:
        answer = await self.client.get(self.path, {"updated_since": iso(since), "page": number})
        raws, more = self._raws(answer.content)
        rows: list[tuple[bytes, Read | TranslationError]] = []
        for raw in raws:
            body = bytes(raw)
            try:
                rows.append((body, self._read(body)))
            except TranslationError as e:
                rows.append((body, e))
        return rows, more

    def _raws(self, body: bytes) -> tuple[list[msgspec.Raw], bool]:
        raise NotImplementedError

    def _read(self, body: bytes) -> Read:
        raise NotImplementedError

    def _id(self, row: Any) -> str:
        raise NotImplementedError

    def _mark(self, row: Any) -> tuple[int, int, int]:
        raise NotImplementedError

    def _translate(self, row: Any, known: tuple[int, int], now: int, trace: str) -> Translation:
        raise NotImplementedError

    def _polled(self, news: list[tuple[bytes, Read | TranslationError]], seen: Seen, now: int) -> Polled:
        raws = [self._raw(body, now) for body, _ in news]
        return Polled(
            raw=raws,
            translations=[
                self._translated(row, seen, now, raw.trace) for (_, row), raw in zip(news, raws, strict=True)
            ],
        )

    def _translated(
        self, row: Read | TranslationError, seen: Seen, now: int, trace: str
    ) -> Translation | TranslationError:
        if isinstance(row, TranslationError):
            return row
        _, reports, scans = seen.get(self._id(row), (0, 0, 0))
        try:
            return self._translate(row, (reports, scans), now, trace)
        except TranslationError as e:
            return e

    def _raw(self, body: bytes, now: int) -> RawDelivery:
        digest = content_hash(body)
        event_id = uuid5(self.name, now, digest)
        return RawDelivery(
            event_id=event_id,
            type="RawDelivery",
            time=now,
            source=f"threepl:{self.account}/poll",
            trace=event_id.replace("-", ""),
            channel="threepl",
            account=self.account,
            topic=self.topic,
            delivery_id=digest,
            transport="poll",
            headers={},
            body=body,
        )

    def _changed(self, row: Any, seen: Seen) -> bool:
        return tuple(seen.get(self._id(row), ())) != self._mark(row)


class StatusPoller(_Feed):
    """The pick orders that changed."""

    feed, path, topic = "statuses", "/pick-orders", "pick_order.polled"

    def _raws(self, body: bytes) -> tuple[list[msgspec.Raw], bool]:
        page = read(Page, body)
        return page.pick_orders, page.next_page is not None

    def _read(self, body: bytes) -> Row:
        return read(Row, body)

    def _id(self, row: Row) -> str:
        return row.reference

    def _mark(self, row: Row) -> tuple[int, int, int]:
        reports, scans = row_facts(row)
        return _ms(row.updated_at), len(reports), len(scans)

    def _translate(self, row: Row, known: tuple[int, int], now: int, trace: str) -> Translation:
        return translate_row(row, self.account, now, trace, known=known)


class ReturnsPoller(_Feed):
    """The return receipts that changed. A 3PL that has no such list (404, 405, 501) is taken to have no returns."""

    feed, path, topic = "returns", "/returns", "return.polled"

    async def _page(self, since: int, number: int) -> tuple[list[tuple[bytes, Read | TranslationError]], bool]:
        try:
            return await super()._page(since, number)
        except httpx.HTTPStatusError as e:
            if e.response.status_code in {404, 405, 501}:
                return [], False
            raise

    def _raws(self, body: bytes) -> tuple[list[msgspec.Raw], bool]:
        page = read(ReturnPage, body)
        return page.returns, page.next_page is not None

    def _read(self, body: bytes) -> ReturnRow:
        return read(ReturnRow, body)

    def _id(self, row: ReturnRow) -> str:
        return row.receipt_id

    def _mark(self, row: ReturnRow) -> tuple[int, int, int]:
        return _ms(row.updated_at), len(row.received), len(row.inspections)

    def _translate(self, row: ReturnRow, known: tuple[int, int], now: int, trace: str) -> Translation:
        fresh = msgspec.structs.replace(row, received=row.received[known[0] :], inspections=row.inspections[known[1] :])
        return translate_return_row(fresh, self.account, now, trace)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _kept(seen: Seen, since: int) -> Seen:
    """The rows of the overlap, and some more: a row that changes after it was forgotten tells its whole history again."""
    latest = sorted(seen.items(), key=lambda found: found[1][0], reverse=True)
    return {k: v for i, (k, v) in enumerate(latest) if i < KEPT_ROWS or v[0] >= since}
