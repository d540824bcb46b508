"""The simulated shop's server: Admin API, ``GET /_ledger`` (``kind``, ``since``) for the truth, ``GET /_progress`` for how far it is,
``GET /_payments`` for the payment provider's own ledger."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from lab.simulators.ledger import EventLog
from lab.simulators.payments import Payments
from lab.simulators.timeline import Timeline
from ops.clock import Clock, system

from .admin_api import Admin
from .config import ShopifyConfig
from .returns import ShopReturns
from .shop import Shop
from .webhooks import ShopCourier

__all__ = ["ShopifySimulator"]


class ShopifySimulator:
    """The application. ``shop`` and ``courier`` are open to tests."""

    def __init__(self, config: ShopifyConfig, now: Clock = system) -> None:
        self.config = config
        self.ledger = EventLog(config.ledger, now)
        self.timeline = Timeline(now)
        self.courier = ShopCourier(
            config.webhook_url,
            config.secret,
            "simulated.myshopify.com",
            self.timeline,
            self.ledger,
            seed=config.seed,
            faults=config.faults,
        )
        self.payments = Payments(EventLog(None, now))
        self.shop = Shop(
            config.seed, config.products, self.courier, now, payments=self.payments, returns=config.returns
        )
        self.returns = ShopReturns(self.shop)
        self.admin = Admin(self.shop, config.token, self.returns, throttle=config.throttle)

    def app(self) -> web.Application:
        """To serve; the orders begin to come in when it starts."""
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.add_routes(self.admin.routes())
        app.add_routes([web.get("/_ledger", self._ledger), web.get("/_progress", self._progress)])
        app.add_routes([web.get("/_payments", self._payments)])
        app.cleanup_ctx.append(self._life)
        return app

    async def _life(self, _: web.Application) -> AsyncIterator[None]:
        self.shop.open(self.config.orders, self.config.over_minutes)
        task = asyncio.create_task(self.timeline.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await self.courier.close()
        self.ledger.close()

    def progress(self) -> dict[str, Any]:
        """``done``: every order placed, every story told, every webhook confirmed, dropped or given up."""
        placed, counts = self.shop.counts["orders"], self.courier.counts
        done = placed >= self.config.orders and not self.shop.open_stories and not self.courier.open
        return {
            "orders": self.config.orders,
            "placed": placed,
            "done": done,
            "stories": self.shop.open_stories,
            "webhooks_open": self.courier.open,
            "webhooks": dict(counts),
            "changes": dict(self.shop.counts),
            "violations": len(self.ledger.violations()),
        }

    async def _progress(self, _: web.Request) -> web.Response:
        return web.json_response(self.progress())

    async def _payments(self, _: web.Request) -> web.Response:
        return web.json_response(self.payments.ledger.as_json())

    async def _ledger(self, request: web.Request) -> web.Response:
        kind, since = request.query.get("kind", ""), request.query.get("since", "0")
        if not since.isdigit():
            raise web.HTTPBadRequest(text="since: a whole number is needed")
        return web.json_response(self.ledger.as_json(kind, int(since)))
