"""A simulated Shopify shop over real HTTP: its customers order, pay late, mistype, cancel; its webhooks come as Shopify's do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from lab.simulators.catalogue import catalogue
from ops.clock import Clock

from .config import ShopFaults, ShopifyConfig

__all__ = ["ShopFaults", "ShopifyConfig", "register", "run"]


def run(config: ShopifyConfig, port: int, now: Clock, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is called once with the URL."""
    from lab.simulators.timeline import serve_until_stopped

    from .server import ShopifySimulator

    asyncio.run(serve_until_stopped(ShopifySimulator(config, now).app(), port, ready))


def _shopify(
    *,
    orders: Annotated[int, typer.Option(min=0, help="How many orders come in")] = 100,
    over: Annotated[float, typer.Option(min=0, help="Minutes (of WHARF_CLOCK) in which they come in")] = 600.0,
    webhooks: Annotated[str, typer.Option(help="Where our webhooks are: …/webhooks/shopify/ACCOUNT")] = "",
    port: Annotated[int, typer.Option(help="Port on localhost; 0 takes a free one")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same products, orders and faults")] = 1,
    products: Annotated[int, typer.Option(min=3, help="How many products are sold")] = 60,
    returns: Annotated[float, typer.Option(min=0, max=1, help="Share of orders of which something is sent back")] = 0.0,
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
        returns=returns,
        products=tuple(catalogue(seed, products)),
    )

    def ready(url: str) -> None:
        typer.echo(json.dumps({"simulator": "shopify", "url": url}) if as_json else f"shopify simulator: {url}")

    run(config, port, now, ready)


def register(group: typer.Typer) -> None:
    """Add ``wharf simulate shopify`` to the group of simulators."""
    group.command("shopify")(_shopify)
