"""Status polling finds what the webhooks did not tell, under the same keys."""

from __future__ import annotations

import json
from typing import Any

from connectors.protocols import Translation, TranslationError
from connectors.threepl.poll import StatusPoller
from connectors.threepl.send import ThreePlSender
from lab.simulators.threepl.pick_order import Rates
from lab.simulators.threepl.webhooks import Faults

Keys = set[tuple[str, str]]


def keys(translations: list[Translation]) -> Keys:
    return {(x.allocation_id, x.idempotency_key) for t in translations for x in (*t.pools, *t.orders)}


async def once(wms: Any, cursor: bytes | None) -> tuple[list[Translation], bytes]:
    found: list[Translation] = []
    last = None
    async for polled in StatusPoller("depot-a", wms.client, 1.0).poll(cursor, wms.now()):
        assert last is None, "a cursor comes last"
        for t in polled.translations:
            assert isinstance(t, Translation)
            found.append(t)
        assert len(polled.raw) == len(polled.translations)
        last = polled.cursor
    assert last is not None
    return found, last


async def send(wms: Any, pick: Any, n: int) -> None:
    sender = ThreePlSender("depot-a", wms.client)
    for i in range(n):
        assert (await sender.send(pick(i, skus=("WH-1", "WH-2")), 0)).ok


async def test_webhooks_and_polls_tell_the_same_facts(start: Any, pick: Any) -> None:
    rates = Rates(short=0.2, refuse_now=0, reject_later=0.1, late=0)
    async with start(rates=rates, faults=Faults(double=0.2, delay=0.2, drop=0, delay_minutes=5)) as wms:
        await send(wms, pick, 30)
        await wms.until_idle()
        polled, _ = await once(wms, None)
        assert keys([t for _, t in wms.deliveries]) == keys(polled)
        assert len(wms.deliveries) > len({i for i, _ in wms.deliveries}), "some came twice"


async def test_what_no_webhook_told_is_found(start: Any, pick: Any) -> None:
    async with start(faults=Faults(double=0, delay=0, drop=1.0)) as wms:
        await send(wms, pick, 3)
        await wms.until_idle()
        polled, _ = await once(wms, None)
        assert wms.deliveries == []
        assert [x.status for t in polled for x in t.orders].count("DELIVERED") == 3


async def test_pages_are_walked_while_rows_move_and_a_row_is_told_once(start: Any, pick: Any) -> None:
    async with start() as wms:
        await send(wms, pick, 130)
        cursor: bytes | None = None
        told: list[tuple[str, str]] = []
        while not wms.sim.progress()["idle"]:
            polled, cursor = await once(wms, cursor)
            told += [(x.allocation_id, x.idempotency_key) for t in polled for x in (*t.pools, *t.orders)]
        polled, cursor = await once(wms, cursor)
        told += [(x.allocation_id, x.idempotency_key) for t in polled for x in (*t.pools, *t.orders)]
        assert set(told) == keys([t for _, t in wms.deliveries])
        assert len(told) == len(set(told)), "the overlap tells nothing twice"


async def test_a_round_done_again_tells_the_same(start: Any, pick: Any) -> None:
    async with start() as wms:
        await send(wms, pick, 3)
        await wms.until_idle()
        first, cursor = await once(wms, None)
        again, _ = await once(wms, None)
        assert keys(first) == keys(again)
        quiet, _ = await once(wms, cursor)
        assert quiet == []


async def test_a_row_that_cant_be_read_does_not_stop_the_others(start: Any, pick: Any) -> None:
    async with start() as wms:
        await send(wms, pick, 2)
        await wms.until_idle()
        bad = wms.warehouse.orders["main/shopify:acme:0/1"]
        bad.reports[-1]["status"] = "TELEPORTED"
        seen: list[object] = []
        async for polled in StatusPoller("depot-a", wms.client, 1.0).poll(None, wms.now()):
            seen += polled.translations
        assert sorted(type(x).__name__ for x in seen) == ["Translation", "TranslationError"]
        assert next(x for x in seen if isinstance(x, TranslationError)).field == "status"


async def test_a_row_dated_ahead_hides_no_later_change(start: Any, pick: Any) -> None:
    async with start() as wms:
        await send(wms, pick, 2)
        await wms.until_idle()
        ahead = wms.warehouse.orders["main/shopify:acme:0/1"]
        ahead.updated_at = wms.now() + 365 * 86_400_000
        _, cursor = await once(wms, None)
        assert json.loads(cursor)["last"] <= wms.now()
        await ThreePlSender("depot-a", wms.client).send(pick(7, skus=("WH-1", "WH-2")), 0)
        await wms.until_idle()
        told, cursor = await once(wms, cursor)
        assert [x.status for t in told for x in t.orders].count("DELIVERED") == 1
        assert (await once(wms, cursor))[0] == [], "the row dated ahead is told once"


async def test_a_cursor_that_already_stands_ahead_comes_back(start: Any, pick: Any) -> None:
    async with start() as wms:
        await send(wms, pick, 1)
        await wms.until_idle()
        cursor = json.dumps({"last": wms.now() + 365 * 86_400_000, "seen": {}}).encode()
        _, cursor = await once(wms, cursor)
        assert json.loads(cursor)["last"] <= wms.now()
