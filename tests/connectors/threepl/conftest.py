"""A simulated WMS over real HTTP, on a clock that runs 600 times as fast."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web

from connectors.threepl.client import ThreePlClient
from connectors.threepl.config import ThreePl
from connectors.threepl.receiver import ThreePlReceiver
from domain.records.effects import PickOrder
from domain.records.values import Address, PickLine
from lab.simulators.threepl.pick_order import Pace, Rates
from lab.simulators.threepl.server import HttpFaults, ThreePlConfig, ThreePlSimulator
from lab.simulators.threepl.webhooks import Faults
from lab.simulators.timeline import serving

START = 1_774_000_000_000
CALM = Rates(short=0, refuse_now=0, reject_later=0, late=0)
FAST = Pace((0.1, 1), (0.5, 2), (0.5, 1), (0.5, 2), (1, 5), (6, 20))
STOCK = {"depot-a": {"WH-1": 1000, "WH-2": 1000}}
BASE = ThreePlConfig(
    stock=STOCK, seed=2, rates=CALM, pace=FAST, faults=Faults(0, 0, 0), http=HttpFaults(0, 0, 0), secret="s1"
)


@dataclass
class Wms:
    """The simulator, our client for it, what its webhooks told us, and the clock."""

    sim: ThreePlSimulator
    client: ThreePlClient
    receiver: ThreePlReceiver
    url: str
    now: Callable[[], int]
    deliveries: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def warehouse(self) -> Any:
        return self.sim.depots["depot-a"].warehouse

    async def until_idle(self, seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not self.sim.progress()["idle"]:  # noqa: ASYNC110 — the simulator is looked at as the demo does
                await asyncio.sleep(0.02)


@pytest.fixture
def start() -> Any:
    """Start a simulator with some settings changed: ``async with start(rates=...) as wms``."""

    @asynccontextmanager
    async def run(**changes: Any) -> AsyncIterator[Wms]:
        origin = time.monotonic()

        def now() -> int:
            return START + int((time.monotonic() - origin) * 600_000)

        timeout = changes.pop("timeout_seconds", 3.0)
        box: list[Wms] = []
        async with serving(hook_app(box)) as hook_url:
            sim = ThreePlSimulator(replace(BASE, webhook_url=hook_url, **changes), now)
            async with serving(sim.app()) as url:
                config = ThreePl(
                    api_url=f"{url}/depot-a", token="simulated", secrets=["s0", "s1"], timeout_seconds=timeout
                )
                wms = Wms(sim, ThreePlClient(config), ThreePlReceiver("depot-a", config), url, now)
                box.append(wms)
                yield wms
                await wms.client.close()

    return run


def hook_app(box: list[Wms]) -> web.Application:
    """Our webhook endpoint, as the real one: verify, translate, keep."""
    app = web.Application()

    async def receive(request: web.Request) -> web.Response:
        wms, body = box[0], await request.read()
        headers = {k.lower(): v for k, v in request.headers.items()}
        received = wms.receiver.verify(headers, body)
        wms.deliveries.append((received.delivery_id, wms.receiver.translate(received, body, wms.now(), "0" * 32)))
        return web.Response()

    app.router.add_post("/{name}", receive)
    return app


@pytest.fixture
def pick() -> Any:
    """A pick order effect."""

    def make(n: int = 1, qty: int = 2, skus: tuple[str, ...] = ("WH-1",), effect_id: str = "") -> PickOrder:
        key = f"shopify:acme:{n}"
        return PickOrder(
            event_id=effect_id or f"effect-{n}",
            type="PickOrder",
            time=START,
            source="orders",
            trace="0" * 32,
            order_key=key,
            target="depot-a",
            allocation_id=f"main/{key}/1",
            order_name=f"#{n}",
            lines=[PickLine(f"l{i}", sku, qty, "A thing") for i, sku in enumerate(skus)],
            ship_to=Address(name="Eva", street1="Kerkstraat 1", postcode="3511AB", city="Utrecht", country="NL"),
            email="e@example.com",
            phone="",
            service="standard",
            carrier="",
            ship_by=START,
            eta=START,
            priority=1,
            group_id="",
        )

    return make
