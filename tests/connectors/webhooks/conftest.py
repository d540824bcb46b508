"""A running webhook server around a publisher that the test holds in its hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace

import httpx
import pytest

from connectors.outgoing import Outgoing
from connectors.shopify.receiver import ShopifyReceiver
from connectors.signatures import sign
from connectors.webhooks.app import create_app
from connectors.webhooks.intake import DEFAULT, Limits
from connectors.webhooks.metrics import Metrics
from connectors.webhooks.publisher import Publisher
from connectors.webhooks.server import AppServer

NOW = 1_795_000_000_000
SECRET = "s3cret"
OLD = "0ld"


class Recorder:
    """Takes records; ``gate`` holds the acknowledgement back, ``error`` refuses."""

    healthy = True

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def publish(self, records: Sequence[Outgoing]) -> None:
        if self.error:
            raise self.error
        self.records += records
        await self.gate.wait()

    async def heard(self) -> None:
        """Until there is a record."""
        async with asyncio.timeout(120):
            while not self.records:  # noqa: ASYNC110 — a test's double has no event to wait for
                await asyncio.sleep(0.01)

    def topics(self) -> list[str]:
        return [r.topic for r in self.records]


@asynccontextmanager
async def serving(
    publisher: Publisher, limits: Limits = DEFAULT, metrics: Metrics | None = None
) -> AsyncIterator[AppServer]:
    receivers = {("shopify", "acme"): ShopifyReceiver("acme", [SECRET, OLD])}
    app = create_app(receivers, publisher, lambda: NOW, limits=limits, metrics=metrics)
    server = AppServer(app, "127.0.0.1", 0)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


Post = Callable[..., Awaitable[httpx.Response]]


@asynccontextmanager
async def posting(server: AppServer, url: str = "/webhooks/shopify/acme") -> AsyncIterator[Post]:
    async with httpx.AsyncClient(base_url=server.url, timeout=10) as client:

        async def post(
            body: bytes, secret: str | None = SECRET, topic: str | None = "orders/create", **headers: str
        ) -> httpx.Response:
            sent = {"content-type": "application/json", "x-shopify-event-id": "ev-1", "x-shopify-webhook-id": "wh-1"}
            if topic is not None:
                sent["x-shopify-topic"] = topic
            if secret is not None:
                sent["x-shopify-hmac-sha256"] = sign(secret, body)
            sent |= {k.replace("_", "-"): v for k, v in headers.items()}
            return await client.post(url, content=body, headers=sent)

        yield post


def order(**changes: object) -> bytes:
    body: dict[str, object] = {
        "id": 5001,
        "admin_graphql_api_id": "gid://shopify/Order/5001",
        "name": "#1001",
        "currency": "EUR",
        "created_at": "2026-11-23T10:00:00+01:00",
        "updated_at": "2026-11-23T10:00:01+01:00",
        "financial_status": "paid",
        "total_price": "29.99",
        "taxes_included": True,
        "email": "jan@example.com",
        "line_items": [{"id": 1, "quantity": 1, "price": "29.99", "sku": "WH-1000", "title": "Vase"}],
        "shipping_address": {
            "name": "Jan Jansen",
            "address1": "Keizersgracht 1",
            "zip": "1015 CN",
            "city": "Amsterdam",
            "country_code": "NL",
        },
    }
    return json.dumps(body | changes).encode()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def web() -> SimpleNamespace:
    """The helpers above: test modules can't import a conftest."""
    return SimpleNamespace(
        NOW=NOW, SECRET=SECRET, OLD=OLD, Recorder=Recorder, serving=serving, posting=posting, order=order
    )
