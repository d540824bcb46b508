"""The simulated shop against our own connector: webhooks, polling and the Admin API over real HTTP."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest

from connectors.outgoing import Outgoing
from connectors.protocols import Translation
from connectors.shopify.client import ShopifyClient
from connectors.shopify.config import ShopifyAccount
from connectors.shopify.poll import OrdersPoller
from connectors.shopify.receiver import ShopifyReceiver
from connectors.shopify.send import ShopifySender
from connectors.webhooks.app import create_app
from connectors.webhooks.server import AppServer
from domain.records.commands import OrderCancelled, OrderUpserted
from domain.records.effects import ChannelCancel, ChannelRefetch, ChannelShipment
from domain.records.values import LineQty
from lab.simulators.shopify.command import ShopFaults, ShopifyConfig
from lab.simulators.shopify.server import ShopifySimulator
from lab.simulators.timeline import serving
from schemas.codec import decode

SPEED = 6000
START = 1_795_000_000_000


class Recorder:
    healthy = True

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def publish(self, records: Sequence[Outgoing]) -> None:
        self.records += records

    def facts(self, kind: type) -> list[object]:
        return [f for r in self.records if r.topic == "wharf.orders.in" and isinstance(f := decode(r.value), kind)]


def fast_clock() -> int:
    return START + int((time.monotonic() - BEGAN) * 1000 * SPEED)


BEGAN = time.monotonic()


@asynccontextmanager
async def shop(
    config: ShopifyConfig, now: Callable[[], int] = fast_clock
) -> AsyncIterator[tuple[ShopifySimulator, ShopifyClient]]:
    simulator = ShopifySimulator(config, now)
    async with serving(simulator.app()) as url:
        client = ShopifyClient(ShopifyAccount(api_url=url, token="simulated", secrets=["simulated"]))
        yield simulator, client
        await client.close()


async def until_placed(simulator: ShopifySimulator) -> None:
    """All orders of a shop that places them at once are there."""
    async with asyncio.timeout(120):
        while len(simulator.shop.orders) < simulator.config.orders:  # noqa: ASYNC110 — as below
            await asyncio.sleep(0.01)


async def until_done(simulator: ShopifySimulator, seconds: float = 120) -> None:
    async with asyncio.timeout(seconds):
        while not simulator.progress()["done"]:  # noqa: ASYNC110 — the simulator has no event to wait for
            await asyncio.sleep(0.05)


async def test_what_webhooks_lose_the_poll_finds_and_what_both_tell_has_one_name() -> None:
    recorder = Recorder()
    receivers = {("shopify", "acme"): ShopifyReceiver("acme", ["simulated"])}
    server = AppServer(create_app(receivers, recorder, fast_clock), "127.0.0.1", 0)
    await server.start()
    config = ShopifyConfig(
        orders=120, over_minutes=120, webhook_url=f"{server.url}/webhooks/shopify/acme", faults=ShopFaults(never=0.2)
    )
    async with shop(config) as (simulator, client):
        await until_done(simulator)
        polled = [p async for p in OrdersPoller("acme", client).poll(None, fast_clock())]
        ledger = simulator.ledger
    await server.stop()

    assert not [r for r in recorder.records if r.topic == "wharf.dlq"]
    pushed = [f for f in recorder.facts(OrderUpserted) if isinstance(f, OrderUpserted)]
    found = [f for p in polled for t in p.translations if isinstance(t, Translation) for f in t.orders]
    from_poll = {f.order_key: f for f in found if isinstance(f, OrderUpserted)}
    everything = {f"shopify:acme:{e['order']}" for e in ledger.entries("order")}
    assert len(everything) == 120
    assert {f.order_key for f in pushed} < everything, "some webhooks never came"
    assert set(from_poll) == everything

    same = [f for f in pushed if f.idempotency_key == from_poll[f.order_key].idempotency_key]
    assert len(same) > 50
    assert all(f.content_hash == from_poll[f.order_key].content_hash for f in same)
    cancelled = {f"shopify:acme:{e['order']}" for e in ledger.entries("cancelled")}
    assert {f.order_key for f in found if isinstance(f, OrderCancelled)} == cancelled

    times = Counter(e["webhook"] for e in ledger.entries("answered") if e["status"] == 200)
    assert sum(n > 1 for n in times.values()) > 10, "webhooks come twice"


async def test_the_same_seed_places_the_same_orders() -> None:
    async def bodies() -> list[object]:
        async with shop(ShopifyConfig(orders=20, over_minutes=0)) as (simulator, _):
            await until_placed(simulator)
            return [(e["order"], e["lines"], e["total"]) for e in simulator.ledger.entries("order")]

    assert await bodies() == await bodies() != []


async def test_a_poll_pages_on_where_it_was_and_does_not_tell_the_overlap_again() -> None:
    now = [START]
    async with shop(ShopifyConfig(orders=300, over_minutes=0, throttle=0.0), lambda: now[0]) as (simulator, client):
        await until_placed(simulator)
        poller = OrdersPoller("acme", client)
        first = [p async for p in poller.poll(None, START)]
        assert [len(p.raw) for p in first] == [250, 50, 0]
        assert [p.cursor is None for p in first] == [True, True, False], "a sweep counts with its end"
        next(iter(simulator.shop.orders.values())).touch(START)
        again = [p async for p in poller.poll(first[-1].cursor, START)]
        assert [len(p.raw) for p in again] == [0, 1, 0], "what is changed comes again, and alone"
        now[0] = START + 24 * 3_600_000
        swept = [p async for p in poller.poll(again[-1].cursor, now[0])]
        assert sum(len(p.raw) for p in swept) >= 300, "once a day 48 hours are looked at again"


def shipment(order: object, tracking: str = "3STEST", **changes: object) -> ChannelShipment:
    fields: dict[str, object] = {
        "event_id": "e1",
        "type": "ChannelShipment",
        "time": 1,
        "source": "orders",
        "trace": "0" * 32,
        "order_key": f"shopify:acme:{order.id}",  # type: ignore[attr-defined]
        "target": "shopify:acme",
        "channel_order_id": str(order.id),  # type: ignore[attr-defined]
        "allocation_id": "main/x/1",
        "shipment_id": "s1",
        "lines": [LineQty(str(x.id), x.product.sku, x.qty) for x in order.lines],  # type: ignore[attr-defined]
        "carrier": "PostNL",
        "tracking_number": tracking,
        "tracking_url": "https://track.example/1",
        "shipped_at": 1,
    }
    return ChannelShipment(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture
def quiet() -> ShopifyConfig:
    return ShopifyConfig(orders=40, over_minutes=0, throttle=0.0)


def calm(simulator: ShopifySimulator, **wanted: bool) -> object:
    """An order to which nothing else happens; ``two``: at two locations."""
    for o in simulator.shop.orders.values():
        s = o.story
        places = len({x.place for x in o.lines})
        if not s.cancelled_after and not s.part_after and (places == 2) == wanted.get("two", False):
            return o
    raise AssertionError("no such order in this seed")


@pytest.mark.parametrize("two", [False, True], ids=["one location", "two locations"])
@pytest.mark.parametrize("tracking", ["3STEST", ""], ids=["tracked", "untracked"])
async def test_a_shipment_told_twice_is_fulfilled_once(quiet: ShopifyConfig, tracking: str, two: bool) -> None:
    async with shop(quiet) as (simulator, client):
        await until_placed(simulator)
        order, sender = calm(simulator, two=two), ShopifySender("acme", client)
        first = await sender.send(shipment(order, tracking), 1)
        again = await sender.send(shipment(order, tracking), 2)
        assert (first.ok, again.ok) == (True, True), (first, again)
        assert set(first.reference.split()) == set(again.reference.split())
        assert len(order.fulfilments) == 1 + two  # type: ignore[attr-defined]
        assert simulator.ledger.violations() == []
        more = await sender.send(shipment(order, "OTHER"), 3)
        assert not more.ok
        assert more.permanent


async def test_a_shipment_that_broke_off_between_two_locations_is_completed(quiet: ShopifyConfig) -> None:
    async with shop(quiet) as (simulator, client):
        await until_placed(simulator)
        order, sender = calm(simulator, two=True), ShopifySender("acme", client)
        half = [(x.id, x.qty) for x in order.lines if x.place == 0]  # type: ignore[attr-defined]
        simulator.shop.fulfil(order, half, {"number": "3STEST"})  # type: ignore[arg-type]
        assert (await sender.send(shipment(order), 1)).ok
        assert all(x.remaining == 0 for x in order.lines)  # type: ignore[attr-defined]


def cancel(order: object, lines: list[LineQty]) -> ChannelCancel:
    return ChannelCancel(
        event_id="e2",
        type="ChannelCancel",
        time=1,
        source="orders",
        trace="0" * 32,
        order_key="",
        target="shopify:acme",
        channel_order_id=str(order.id),  # type: ignore[attr-defined]
        lines=lines,
        reason="unfillable",
    )


async def test_a_cancelled_order_is_cancelled_once(quiet: ShopifyConfig) -> None:
    async with shop(quiet) as (simulator, client):
        await until_placed(simulator)
        sender, whole = ShopifySender("acme", client), calm(simulator)
        assert (await sender.send(cancel(whole, []), 1)).ok
        assert (await sender.send(cancel(whole, []), 2)).ok
        assert whole.cancel_reason == "inventory"  # type: ignore[attr-defined]
        assert simulator.shop.counts["cancelled"] == 1


async def test_a_signal_is_fetched_and_told_as_a_snapshot(quiet: ShopifyConfig) -> None:
    async with shop(quiet) as (simulator, client):
        await until_placed(simulator)
        order = calm(simulator)
        sender = ShopifySender("acme", client)

        def refetch(resource: str, number: int) -> ChannelRefetch:
            return ChannelRefetch("e3", "ChannelRefetch", 1, "x", "0" * 32, "", "shopify:acme", resource, str(number))

        for resource, number in (("order", order.id), ("fulfillment_order", order.id * 10)):  # type: ignore[attr-defined]
            sent = await sender.send(refetch(resource, number), 5)
            assert sent.ok, sent
            assert [f.order_key for f in sent.orders] == [f"shopify:acme:{order.id}"]  # type: ignore[attr-defined]
        for resource, number in (("order", 1), ("nonsense", 1), ("return", 1)):
            sent = await sender.send(refetch(resource, number), 5)
            assert (sent.ok, sent.permanent) == (False, True), (resource, sent)


async def test_throttling_and_a_dead_shop_are_tried_again(quiet: ShopifyConfig) -> None:
    account = ShopifyAccount(api_url="http://127.0.0.1:1", token="x", secrets=[])
    dead = ShopifySender("acme", ShopifyClient(account))
    sent = await dead.send(cancel(type("O", (), {"id": 1})(), []), 1)
    assert (sent.ok, sent.permanent) == (False, False)
    await dead.close()

    def slow_down(request: httpx.Request) -> httpx.Response:
        cost = {"requestedQueryCost": 60, "throttleStatus": {"currentlyAvailable": 10, "restoreRate": 50}}
        errors = [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]
        return httpx.Response(200, json={"errors": errors, "extensions": {"cost": cost}})

    busy = ShopifySender("acme", ShopifyClient(account, transport=httpx.MockTransport(slow_down)))
    sent = await busy.send(cancel(type("O", (), {"id": 1})(), []), 1)
    assert (sent.ok, sent.permanent, sent.retry_after) == (False, False, 1.0)
    await busy.close()


async def test_a_wrong_token_is_refused(quiet: ShopifyConfig) -> None:
    async with shop(quiet) as (_, client):
        account = client.account.model_copy(update={"token": "wrong"})
        stranger = ShopifyClient(account)
        assert (await stranger.get("orders.json")).status_code == 401
        await stranger.close()
