"""What a genuine delivery becomes, and when it is answered."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from connectors.webhooks.limits import TokenBucket
from connectors.webhooks.metrics import Metrics
from connectors.webhooks.publisher import Backlog, NotPublished, TooLarge
from domain.records.commands import OrderUpserted
from domain.records.effects import ChannelRefetch
from domain.records.raw_delivery import RawDelivery
from schemas.codec import decode

TRACE = "0af7651916cd43dd8448eb211c80319c"


async def test_a_delivery_is_stored_raw_and_translated_with_one_trace(web: SimpleNamespace, recorder: Any) -> None:
    async with web.serving(recorder) as server, web.posting(server) as post:
        answer = await post(web.order(), traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
        assert answer.status_code == 200
    raw, fact = (decode(r.value) for r in recorder.records)
    assert isinstance(raw, RawDelivery)
    assert (raw.body, raw.topic, raw.delivery_id, raw.time) == (web.order(), "orders/create", "ev-1", web.NOW)
    assert raw.headers["x-shopify-webhook-id"] == "wh-1"
    assert "x-shopify-hmac-sha256" not in raw.headers
    assert isinstance(fact, OrderUpserted)
    assert fact.delivery_id.startswith("ev-1")
    assert raw.trace == fact.trace == TRACE
    assert [r.key for r in recorder.records] == [b"shopify:acme:ev-1", b"shopify:acme:5001"]
    assert dict(recorder.records[1].headers)["traceparent"].startswith(b"00-" + TRACE.encode())


async def test_a_bad_traceparent_is_replaced(web: SimpleNamespace, recorder: Any) -> None:
    async with web.serving(recorder) as server, web.posting(server) as post:
        await post(web.order(), traceparent="00-zz-1-1")
    trace = decode(recorder.records[0].value).trace
    assert len(trace) == 32
    assert trace != TRACE


async def test_the_answer_waits_for_the_acknowledgement(web: SimpleNamespace, recorder: Any) -> None:
    recorder.gate.clear()
    async with web.serving(recorder) as server, web.posting(server) as post:
        waiting = asyncio.create_task(post(web.order()))
        await recorder.heard()
        assert not waiting.done()
        recorder.gate.set()
        assert (await waiting).status_code == 200


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(Backlog("full"), 503, id="backlog"),
        pytest.param(NotPublished("late"), 503, id="not acknowledged in time"),
        pytest.param(TooLarge("too large"), 413, id="larger than the topic takes"),
    ],
)
async def test_what_is_not_stored_is_not_confirmed(
    web: SimpleNamespace, recorder: Any, error: Exception, status: int
) -> None:
    recorder.error = error
    async with web.serving(recorder) as server, web.posting(server) as post:
        answer = await post(web.order())
        assert answer.status_code == status
        assert (status == 413) or int(answer.headers["retry-after"]) >= 1


async def test_what_cannot_be_translated_is_confirmed_and_goes_to_the_dlq_whole(
    web: SimpleNamespace, recorder: Any
) -> None:
    body = web.order(total_price="a lot")
    async with web.serving(recorder) as server, web.posting(server) as post:
        assert (await post(body)).status_code == 200
    raw, dead = recorder.records
    assert (raw.topic, dead.topic) == ("wharf.raw", "wharf.dlq")
    assert dead.value == body
    assert dead.key == raw.key
    headers = dict(dead.headers)
    assert headers["__connect.errors.topic"] == b"wharf.raw"
    assert headers["__connect.errors.exception.message"].startswith(b"total_price: ")
    assert headers["wharf.error.field"] == b"total_price"
    assert headers["wharf.topic"] == b"orders/create"


async def test_a_signal_without_the_thing_itself_asks_for_it(web: SimpleNamespace, recorder: Any) -> None:
    async with web.serving(recorder) as server, web.posting(server) as post:
        body = b'{"fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/7", "status": "on_hold"}}'
        assert (await post(body, topic="fulfillment_orders/placed_on_hold")).status_code == 200
    effect = decode(recorder.records[1].value)
    assert isinstance(effect, ChannelRefetch)
    assert (recorder.records[1].topic, effect.resource, effect.resource_id) == (
        "wharf.effects",
        "fulfillment_order",
        "7",
    )


async def test_health_and_metrics_tell_what_happened_and_metrics_are_not_for_strangers(
    web: SimpleNamespace, recorder: Any
) -> None:
    metrics = Metrics()
    async with (
        web.serving(recorder, metrics=metrics) as server,
        web.posting(server) as post,
        httpx.AsyncClient(base_url=server.url) as client,
    ):
        await post(web.order())
        await post(web.order(), secret="wrong")
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/metrics")).status_code == 404
        text = metrics.text().decode()
        assert 'wharf_webhook_deliveries_total{account="acme",channel="shopify",outcome="stored"} 1.0' in text
        assert 'outcome="signature"} 1.0' in text
        recorder.healthy = False
        assert (await client.get("/healthz")).status_code == 503


async def test_a_stop_answers_what_is_under_way(web: SimpleNamespace, recorder: Any) -> None:
    recorder.gate.clear()
    async with web.serving(recorder) as server, web.posting(server) as post:
        waiting = asyncio.create_task(post(web.order()))
        await recorder.heard()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0.1)
        recorder.gate.set()
        assert (await waiting).status_code == 200
        await stopping


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    bucket = TokenBucket(rate=10, burst=3)
    assert [bucket.take(100.0) for _ in range(3)] == [0, 0, 0]
    assert bucket.take(100.0) == pytest.approx(0.1)
    assert bucket.take(100.11) == 0
    assert bucket.take(99.0) > 0, "a clock that steps back gives nothing"
