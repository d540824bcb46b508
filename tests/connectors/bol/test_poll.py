"""The feeds against the simulated Bol: nothing missed, nothing told twice under another name."""

from __future__ import annotations

import json
from typing import Any

from connectors.bol.poll import OrdersPoller, ReturnsPoller
from connectors.protocols import Translation
from domain.records.commands import OrderCancelled, OrderUpserted, ReturnReported

MINUTE = 60_000
HOUR = 60 * MINUTE


async def once(poller: Any, cursor: bytes | None, now: int) -> tuple[list[Any], bytes]:
    """One round: its facts, and the cursor that comes with the last page."""
    facts: list[Any] = []
    last = None
    async for polled in poller.poll(cursor, now):
        assert last is None, "a cursor comes last"
        assert len(polled.raw) == len(polled.translations)
        for t in polled.translations:
            assert isinstance(t, Translation)
            facts += t.orders
        last = polled.cursor
    assert last is not None
    return facts, last


async def test_all_pages_of_the_first_round_come_with_their_details(start: Any) -> None:
    async with start(limits={"GET /retailer/orders": 200, "GET /retailer/orders/{id}": 500}) as bol:
        ids = bol.place(120)
        facts, _ = await once(OrdersPoller("acme", bol.client), None, bol.now())
        assert sorted(f.order.order_id for f in facts) == sorted(ids)
        assert {f.order.lines[0].sku[:3] for f in facts} == {"WH-"}


async def test_a_quiet_round_fetches_no_order_again(start: Any) -> None:
    async with start() as bol:
        bol.place(3)
        poller = OrdersPoller("acme", bol.client)
        _, cursor = await once(poller, None, bol.now())
        facts, _ = await once(poller, cursor, bol.now() + 5 * MINUTE)
        assert facts == []


async def test_a_round_done_again_from_the_same_cursor_tells_the_same_facts(start: Any) -> None:
    async with start() as bol:
        poller = OrdersPoller("acme", bol.client)
        _, cursor = await once(poller, None, bol.now())
        bol.place(3)
        first, _ = await once(poller, cursor, bol.now())
        again, _ = await once(poller, cursor, bol.now())
        assert len(first) == 3
        assert [(x.idempotency_key, x.content_hash, x.event_id) for x in first] == [
            (x.idempotency_key, x.content_hash, x.event_id) for x in again
        ]


async def test_a_change_within_the_overlap_is_told_and_a_regret_with_it(start: Any) -> None:
    async with start() as bol:
        ids = bol.place(2)
        poller = OrdersPoller("acme", bol.client)
        _, cursor = await once(poller, None, bol.now())
        order = bol.sim.market.orders[ids[0]]
        bol.sim.market._regret(order, order.items[0])
        facts, _ = await once(poller, cursor, bol.now())
        assert [type(x) for x in facts] == [OrderUpserted, OrderCancelled]
        assert {x.order_key for x in facts} == {f"bol:acme:{ids[0]}"}


async def test_after_a_gap_of_a_day_the_days_between_are_looked_at(start: Any) -> None:
    async with start() as bol:
        poller = OrdersPoller("acme", bol.client)
        begin = bol.now()
        _, cursor = await once(poller, None, begin)
        ids = bol.place(1)
        order = bol.sim.market.orders[ids[0]]
        for item in order.items:
            item.shipped = item.qty
            item.touch(bol.now())
        later = begin + 60 * HOUR  # the handled order has left the list
        bol.sim.now = lambda: later
        facts, _ = await once(poller, cursor, later)
        assert [x.order.order_id for x in facts] == ids


async def test_an_order_that_is_no_longer_listed_says_nothing(start: Any) -> None:
    async with start() as bol:
        ids = bol.place(1)
        poller = OrdersPoller("acme", bol.client)
        _, cursor = await once(poller, None, bol.now())
        del bol.sim.market.orders[ids[0]]
        facts, _ = await once(poller, cursor, bol.now())
        assert facts == []


def test_the_interval_covers_the_gap_with_an_overlap_and_never_more_than_an_hour() -> None:
    class Client:
        account = type("A", (), {"fulfilment_method": "FBR", "poll_seconds": 600.0})

    poller = OrdersPoller("acme", Client())  # type: ignore[arg-type]
    noon = 1_774_000_000_000 // 86_400_000 * 86_400_000 + 12 * HOUR

    def queries(gap_minutes: int) -> list[dict[str, Any]]:
        state = json.loads(json.dumps({"until": noon}))
        return [dict(q) for q in poller._queries(state, noon + gap_minutes * MINUTE)]

    assert [q["change-interval-minute"] for q in queries(10)] == [20]
    assert [q["change-interval-minute"] for q in queries(50)] == [60]
    long = queries(51)
    assert "change-interval-minute" not in long[0]
    assert [q["latest-change-date"] for q in long[1:]] == ["2026-03-20"]
    night = queries(11 * 60 + 1)
    assert [q.get("latest-change-date") for q in night] == [None, "2026-03-20", "2026-03-21"]


def test_after_a_dutch_midnight_the_day_that_ended_is_swept() -> None:
    class Client:
        account = type("A", (), {"fulfilment_method": "FBR", "poll_seconds": 600.0})

    poller = OrdersPoller("acme", Client())  # type: ignore[arg-type]
    before_midnight = 1_774_047_000_000  # 2026-03-20T22:50Z = 23:50 in Amsterdam
    found = poller._queries({"until": before_midnight}, before_midnight + 20 * MINUTE)
    assert [q.get("latest-change-date") for q in found] == [None, "2026-03-20"]


async def test_open_returns_are_told_once_and_again_when_handled(start: Any) -> None:
    async with start() as bol:
        ids = bol.place(2)
        market = bol.sim.market
        for order_id in ids:
            order = market.orders[order_id]
            market._announce(order, order.items[0], 1)
        poller = ReturnsPoller("acme", bol.client)
        facts, cursor = await once(poller, None, bol.now())
        assert {x.order_key for x in facts} == {f"bol:acme:{x}" for x in ids}
        assert all(isinstance(x, ReturnReported) and x.status == "approved" and x.tracking_number for x in facts)
        again, cursor = await once(poller, cursor, bol.now())
        assert again == []
        rma = next(iter(market.rmas.values()))
        rma.results.append(("RETURN_RECEIVED", 1, bol.now()))
        handled, _ = await once(poller, cursor, bol.now())
        assert [(x.rma_id, x.status) for x in handled if x.status == "handled"] == [(rma.id, "handled")]
