"""``wharf simulate``: channels and warehouses to try Wharfinger on, over real HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.simulators.shopify.command import register as shopify
from ops.errors import UserError

if TYPE_CHECKING:
    from ops.clock import Clock

__all__ = ["register"]

_DEMO = "simulated"
"""Credentials of a simulator that is told none."""

Port = Annotated[int, typer.Option(help="Port on localhost; 0 takes a free one")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same products, orders and faults")]
LedgerFile = Annotated[
    Path | None, typer.Option("--ledger", help="Also write the ledger to this file, one JSON a line")
]
Json = Annotated[bool, typer.Option("--json", help="Say where it listens as one JSON object")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(name="simulate", help="Simulated channels and warehouses.", no_args_is_help=True)
    group.command("bol")(_bol)
    group.command("threepl")(_threepl)
    shopify(group)
    app.add_typer(group)


def _clock() -> Clock:
    from ops import clock
    from ops.settings import Settings

    try:
        return clock.from_setting(Settings().clock)
    except ValueError as e:
        raise UserError(str(e)) from e


def _ready(name: str, as_json: bool, url: str) -> None:
    text = json.dumps({"simulator": name, "url": url}) if as_json else f"{name} simulator: {url}"
    typer.echo(text)


def _bol(
    *,
    orders: Annotated[int, typer.Option(min=0, help="How many orders come in")] = 100,
    over: Annotated[float, typer.Option(help="Minutes (of WHARF_CLOCK) in which they come in")] = 600.0,
    port: Port = 0,
    seed: Seed = 1,
    products: Annotated[int, typer.Option(min=3, help="How many products are sold")] = 60,
    returns: Annotated[
        tuple[float, float, float] | None,
        typer.Option(help="Share of items sent back, and from how many to how many hours after shipping"),
    ] = None,
    client_id: Annotated[str, typer.Option(envvar="WHARF_SIMULATE_BOL_ID")] = _DEMO,
    client_secret: Annotated[str, typer.Option(envvar="WHARF_SIMULATE_BOL_SECRET")] = _DEMO,
    ledger: LedgerFile = None,
    as_json: Json = False,
) -> None:
    """A Bol Retailer account: its API v10 with a token endpoint, rate limits, orders that come in, returns."""
    from lab.simulators.bol import server as bol
    from lab.simulators.bol.market import Fates
    from lab.simulators.catalogue import catalogue

    fates = Fates()
    if returns is not None:
        share, least, most = returns
        fates = Fates(returned=share, return_hours=(least, most), returns_from=0.6)
    config = bol.BolConfig(
        fates=fates,
        orders=orders,
        over_minutes=over,
        seed=seed,
        client_id=client_id,
        client_secret=client_secret,
        ledger=ledger,
        products=tuple(catalogue(seed, products)),
    )
    bol.run(config, port, _clock(), lambda url: _ready("bol", as_json, url))


def _threepl(
    *,
    stock: Annotated[Path, typer.Option(help='Stock at the start, JSON: {"depot-a": {"WH-1000": 40}}; a WMS a depot')],
    webhooks: Annotated[str, typer.Option(help="Base URL of our webhooks: …/webhooks/threepl")] = "",
    port: Port = 0,
    seed: Seed = 1,
    token: Annotated[str, typer.Option(envvar="WHARF_SIMULATE_WMS_TOKEN")] = _DEMO,
    secret: Annotated[str, typer.Option(envvar="WHARF_SIMULATE_WMS_SECRET")] = _DEMO,
    pace: Annotated[float, typer.Option(min=0.001, help="How slow the work is: 2 takes twice as long")] = 1.0,
    unknown: Annotated[
        float, typer.Option(min=0, max=1, help="Share of parcels of which an article comes back and nobody knows whose")
    ] = 0.0,
    ledger: LedgerFile = None,
    as_json: Json = False,
) -> None:
    """The WMS of each depot of the stock file: accepts, picks, sometimes short-picks or rejects, ships, delivers."""
    from lab.simulators.threepl import server as threepl
    from lab.simulators.threepl.pick_order import Pace
    from lab.simulators.threepl.returns_dock import DockPace, DockRates

    if not stock.is_file():
        raise UserError(f"--stock: {stock} is not there; it is a JSON object depot → SKU → units")
    try:
        units = threepl.read_stock(stock)
    except ValueError as e:
        raise UserError(f"--stock: {e}") from e
    config = threepl.ThreePlConfig(
        stock=units,
        webhook_url=webhooks,
        secret=secret,
        token=token,
        seed=seed,
        ledger=ledger,
        pace=Pace().times(pace),
        dock=DockRates(unknown=unknown),
        dock_pace=DockPace().times(pace),
    )
    threepl.run(config, port, _clock(), lambda url: _ready("threepl", as_json, url))
