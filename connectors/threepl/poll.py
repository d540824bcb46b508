"""Status polling: what a lost webhook would have said. Same facts, same keys."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from connectors.base import Polled, Translation, TranslationError
from connectors.checks.customer import content_hash
from domain.raw import RawDelivery
from domain.record import uuid5

from .client import ThreePlClient
from .payload import Page, Row, iso, read
from .translate import row_facts, translate_row

__all__ = ["OVERLAP_MS", "StatusPoller"]

OVERLAP_MS = 600_000
"""Each round looks ten minutes behind the last row seen: a 3PL may show an update later than its time says."""
FIRST_LOOK_MS = 7 * 86_400_000
KEPT_ROWS = 2_000

Seen = dict[str, tuple[int, int, int]]
"""Reference → when its row last changed, its reports and scans then."""


class StatusPoller:
    """The pick orders that changed. The cursor is the 3PL's own time of the last row seen, with the rows of the overlap.

    Pages are walked by time, not by number: rows move to the end while they change, and a numbered page would skip some.
    """

    def __init__(self, name: str, client: ThreePlClient, every_seconds: float) -> None:
        self.account, self.client, self.every_seconds = name, client, every_seconds
        self.name = f"threepl:{name}:statuses"

    async def poll(self, cursor: bytes | None, now: int) -> AsyncIterator[Polled]:
        """One round. Raises httpx errors, and TranslationError where an answer is no page at all."""
        state: dict[str, Any] = json.loads(cursor) if cursor else {"last": now - FIRST_LOOK_MS, "seen": {}}
        newest, seen = int(state["last"]), dict(state["seen"])
        since, number, more = newest - OVERLAP_MS, 1, True
        while more:
            rows, more = await self._page(since, number)
            news = [(body, row) for body, row in rows if isinstance(row, TranslationError) or _changed(row, seen)]
            if news:
                yield self._polled(news, seen, now)
            good = [row for _, row in rows if isinstance(row, Row)]
            seen.update({r.reference: _mark(r) for r in good})
            last = max((_mark(r)[0] for r in good), default=since)
            since, number = (last, 1) if last > since else (since, number + 1)
            newest = max(newest, last)
        state = {"last": newest, "seen": _kept(seen, newest - OVERLAP_MS)}
        yield Polled(raw=[], translations=[], cursor=json.dumps(state, separators=(",", ":")).encode())

    async def _page(self, since: int, number: int) -> tuple[list[tuple[bytes, Row | TranslationError]], bool]:
        answer = await self.client.get("/pick-orders", {"updated_since": iso(since), "page": number})
        page = read(Page, answer.content)
        rows: list[tuple[bytes, Row | TranslationError]] = []
        for raw in page.pick_orders:
            body = bytes(raw)
            try:
                rows.append((body, read(Row, body)))
            except TranslationError as e:
                rows.append((body, e))
        return rows, page.next_page is not None

    def _polled(self, news: list[tuple[bytes, Row | TranslationError]], seen: Seen, now: int) -> Polled:
        raws = [self._raw(body, now) for body, _ in news]
        return Polled(
            raw=raws,
            translations=[
                self._translated(row, seen, now, raw.trace) for (_, row), raw in zip(news, raws, strict=True)
            ],
        )

    def _translated(
        self, row: Row | TranslationError, seen: Seen, now: int, trace: str
    ) -> Translation | TranslationError:
        if isinstance(row, TranslationError):
            return row
        _, reports, scans = seen.get(row.reference, (0, 0, 0))
        try:
            return translate_row(row, self.account, now, trace, known=(reports, scans))
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
            topic="pick_order.polled",
            delivery_id=digest,
            transport="poll",
            headers={},
            body=body,
        )


def _mark(row: Row) -> tuple[int, int, int]:
    reports, scans = row_facts(row)
    return round(row.updated_at.timestamp() * 1000), len(reports), len(scans)


def _kept(seen: Seen, since: int) -> Seen:
    """The rows of the overlap, and some more: a row that changes after it was forgotten tells its whole history again."""
    latest = sorted(seen.items(), key=lambda x: x[1][0], reverse=True)
    return {k: v for i, (k, v) in enumerate(latest) if i < KEPT_ROWS or v[0] >= since}


def _changed(row: Row, seen: Seen) -> bool:
    return tuple(seen.get(row.reference, ())) != _mark(row)
