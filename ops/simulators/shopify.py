"""A simulated Shopify shop over real HTTP: its customers order, pay late, mistype, cancel; its webhooks come as Shopify's do.

``GET /_ledger`` (``kind``, ``since``) tells the truth, ``GET /_progress`` how far it is; the Admin API is at ``/admin/api/…``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from aiohttp import web

from ops.clock import Clock, system

from .catalogue import Product, catalogue
from .ledger import Ledger
from .shopify_admin import Admin
from .shopify_courier import ShopCourier, ShopFaults
from .shopify_shop import Shop
from .timeline import Timeline, serve_until_stopped

__all__ = ["ShopifyConfig", "ShopifySimulator", "register", "run"]


@dataclass(frozen=True, slots=True)
class ShopifyConfig:
    """``webhook_url``: where our server takes this shop's webhooks (``…/webhooks/shopify/acme``), ``""`` for none.

    ``over_minutes``: of the clock, in which the orders come in. ``throttle``: the share of API calls told to come back.
    """

    orders: int = 100
    over_minutes: float = 600.0
    webhook_url: str = ""
    secret: str = "simulated"  # noqa: S105 — the demonstration's own
    token: str = "simulated"  # noqa: S105
    seed: int = 1
    ledger: Path | None = None
    products: tuple[Product, ...] = field(default_factory=lambda: tuple(catalogue(1)))
    faults: ShopFaults = field(default_factory=ShopFaults)
    throttle: float = 0.01


class ShopifySimulator:
    """The application. ``shop`` and ``courier`` are open to tests."""

    def __init__(self, config: ShopifyConfig, now: Clock = system) -> None:
        self.config = config
        self.ledger = Ledger(config.ledger, now)
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
        self.shop = Shop(config.seed, config.products, self.courier, now)
        self.admin = Admin(self.shop, config.token, throttle=config.throttle)

    def app(self) -> web.Application:
        """To serve; the orders begin to come in when it starts."""
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.add_routes(self.admin.routes())
        app.add_routes([web.get("/_ledger", self._ledger), web.get("/_progress", self._progress)])
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

    async def _ledger(self, request: web.Request) -> web.Response:
        kind, since = request.query.get("kind", ""), request.query.get("since", "0")
        if not since.isdigit():
            raise web.HTTPBadRequest(text="since: a whole number is needed")
        return web.json_response(self.ledger.as_json(kind, int(since)))


def run(config: ShopifyConfig, port: int, now: Clock, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT."""
    asyncio.run(serve_until_stopped(ShopifySimulator(config, now).app(), port, ready))


def _shopify(
    *,
    orders: Annotated[int, typer.Option(min=0, help="How many orders come in")] = 100,
    over: Annotated[float, typer.Option(min=0, help="Minutes (of WHARF_CLOCK) in which they come in")] = 600.0,
    webhooks: Annotated[str, typer.Option(help="Where our webhooks are: …/webhooks/shopify/ACCOUNT")] = "",
    port: Annotated[int, typer.Option(help="Port on localhost; 0 takes a free one")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same products, orders and faults")] = 1,
    products: Annotated[int, typer.Option(min=3, help="How many products are sold")] = 60,
    secret: Annotated[str, typer.Option(envvar="WHARF_SIMULATE_SHOPIFY_SECRET")] = "simulated",  # noqa: S107
    token: Annotated[str, typer.Option(envvar="WHARF_SIMULATE_SHOPIFY_TOKEN")] = "simulated",  # noqa: S107
    ledger: Annotated[Path | None, typer.Option(help="Also write the ledger to this file, one JSON a line")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say where it listens as one JSON object")] = False,
) -> None:
    """A Shopify shop: signed webhooks that come twice, late, out of order or never; its Admin API; its ledger."""
    from ops import clock
    from ops.errors import UserError
    from ops.settings import Settings

    try:
        now = clock.from_setting(Settings().clock)
    except ValueError as e:
        raise UserError(str(e)) from e
    config = ShopifyConfig(
        orders=orders,
        over_minutes=over,
        webhook_url=webhooks,
        secret=secret,
        token=token,
        seed=seed,
        ledger=ledger,
        products=tuple(catalogue(seed, products)),
    )

    def ready(url: str) -> None:
        typer.echo(json.dumps({"simulator": "shopify", "url": url}) if as_json else f"shopify simulator: {url}")

    run(config, port, now, ready)


def register(group: typer.Typer) -> None:
    """Add ``wharf simulate shopify`` to the group of simulators."""
    group.command("shopify")(_shopify)
