"""Polling behind the webhooks: what Shopify never sent, or sent while nobody listened.

REST ``orders.json`` and not GraphQL: its rows are byte for byte the bodies that webhooks carry, so that one translation makes the same
facts under the same keys, and a polled order that a webhook already told is a duplicate. (REST orders are "legacy" for apps in Shopify's
store, which must use GraphQL; a merchant's own custom app, which this is, may go on using them.)
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec

from connectors.checks.customer import content_hash
from connectors.protocols import Polled, Translation, TranslationError
from domain.records.raw_delivery import RawDelivery
from domain.records.record import uuid5

from .client import ShopifyClient
from .fields import millis
from .translate import translate

__all__ = ["OrdersPoller", "pollers"]

HOUR = 3_600_000
OVERLAP_MS = 10 * 60_000
"""Orders can become visible out of the order of their ``updated_at``."""
SWEEP_MS = 48 * HOUR
PAGE_ROWS = 250
_MAX_SEEN = 5_000
TOPIC = "orders/updated"


class _Page(msgspec.Struct, frozen=True):
    orders: list[msgspec.Raw]


class _Row(msgspec.Struct, frozen=True):
    id: int
    updated_at: str


_PAGE: msgspec.json.Decoder[_Page] = msgspec.json.Decoder(_Page)
_ROW: msgspec.json.Decoder[_Row] = msgspec.json.Decoder(_Row)


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _mark(row: msgspec.Raw) -> tuple[str, int]:
    """Id and version of a row; version 0 where it can't be read: its translation will say why, and the DLQ keep it."""
    try:
        read = _ROW.decode(row)
        return str(read.id), millis(read.updated_at, "updated_at")
    except (msgspec.DecodeError, TranslationError):
        return content_hash(bytes(row)), 0


class OrdersPoller:
    """Orders by ``updated_at``, oldest first. The cursor moves with every page, so a round that breaks off goes on where it was.

    Cursor (JSON): ``since``: the latest ``updated_at`` taken (ms); ``seen``: order id → ``updated_at`` within the overlap, so that the
    overlap does not tell everything again; ``day``: the UTC day of the last sweep. The first round and, once a day, the
    first after midnight UTC look back 48 hours, whatever was seen.
    """

    feed = "orders"

    def __init__(self, account: str, client: ShopifyClient) -> None:
        self.account, self.client = account, client
        self.name = f"shopify:{account}:{self.feed}"
        self.every_seconds = client.account.poll_seconds

    async def poll(self, cursor: bytes | None, now: int) -> AsyncIterator[Polled]:
        """One round. Raises httpx errors."""
        state: dict[str, Any] = json.loads(cursor) if cursor else {}
        day = _iso(now)[:10]
        sweep = state.get("day") != day
        since: int = now - SWEEP_MS if sweep else state["since"] - OVERLAP_MS
        if sweep:
            since = min(since, state.get("since", since) - OVERLAP_MS)
        before: dict[str, int] = {} if sweep else state.get("seen", {})
        seen, latest = dict(before), int(state.get("since", since))
        async for rows in self._pages(since):
            marks = [_mark(row) for row in rows]
            news = [(row, i) for row, (i, v) in zip(rows, marks, strict=True) if not v or seen.get(i) != v]
            seen.update((i, v) for i, v in marks if v)
            latest = max([latest, *(v for _, v in marks)])
            kept = {k: v for k, v in seen.items() if v >= latest - OVERLAP_MS}
            # The day counts as swept only with the round's end.
            at = {"since": latest, "seen": dict(list(kept.items())[-_MAX_SEEN:]), "day": state.get("day", "")}
            yield self._polled([raw for raw, _ in news], [i for _, i in news], now, at if not sweep else None)
        kept = {k: v for k, v in seen.items() if v >= latest - OVERLAP_MS}
        yield Polled([], [], _write({"since": latest, "seen": dict(list(kept.items())[-_MAX_SEEN:]), "day": day}))

    async def _pages(self, since: int) -> AsyncIterator[list[msgspec.Raw]]:
        """Pages by the Link header. Of its URL only ``page_info`` is used: nothing is fetched from where an answer points."""
        params: dict[str, str | int] = {
            "status": "any",
            "updated_at_min": _iso(since),
            "order": "updated_at asc",
            "limit": PAGE_ROWS,
        }
        while True:
            answer = await self.client.get("orders.json", params)
            answer.raise_for_status()
            try:
                yield _PAGE.decode(answer.content).orders
            except msgspec.DecodeError as e:
                raise httpx.DecodingError(f"orders.json: {e}", request=answer.request) from e
            following = answer.links.get("next", {}).get("url", "")
            page_info = httpx.URL(following).params.get("page_info") if following else None
            if not page_info:
                return
            params = {"limit": PAGE_ROWS, "page_info": page_info}

    def _polled(self, rows: list[msgspec.Raw], ids: list[str], now: int, cursor: dict[str, Any] | None) -> Polled:
        raw: list[RawDelivery] = []
        translations: list[Translation | TranslationError] = []
        for row, order_id in zip(rows, ids, strict=True):
            delivery = self._raw(bytes(row), order_id, now)
            raw.append(delivery)
            try:
                translations.append(
                    translate(
                        TOPIC,
                        delivery.body,
                        self.account,
                        now,
                        delivery.trace,
                        transport="poll",
                        services=self.client.account.services,
                    )
                )
            except TranslationError as e:
                translations.append(e)
        return Polled(raw, translations, _write(cursor) if cursor else None)

    def _raw(self, body: bytes, order_id: str, now: int) -> RawDelivery:
        event_id = uuid5(f"{self.name}:{order_id}", now, "poll")
        return RawDelivery(
            event_id=event_id,
            type="RawDelivery",
            time=now,
            source=f"shopify:{self.account}/poll",
            trace=event_id.replace("-", ""),
            channel="shopify",
            account=self.account,
            topic=TOPIC,
            delivery_id=f"poll/{order_id}@{now}",
            transport="poll",
            headers={},
            body=body,
        )


def _write(state: dict[str, Any]) -> bytes:
    return json.dumps(state, sort_keys=True, separators=(",", ":")).encode()


def pollers(account: str, client: ShopifyClient) -> list[OrdersPoller]:
    """All feeds of an account; each satisfies ``connectors.protocols.Poller``."""
    return [OrdersPoller(account, client)]
