"""``wharf webhooks``: the server that channels and 3PLs push to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.errors import UserError

if TYPE_CHECKING:
    from connectors.base import Receiver
    from connectors.webhooks.publisher import KafkaPublisher
    from ops.settings import Connections, Settings

__all__ = ["look", "receivers", "register", "serve"]

FAILING_SECONDS = 20.0
"""So long may nothing be acknowledged before somebody looks whether it is Kafka or our producer."""


def receivers(connections: Connections) -> dict[tuple[str, str], Receiver]:
    """The accounts that can be pushed to, by channel and name. One without a secret can't: anybody could sign for it."""
    from connectors.portal.receiver import PortalReceiver
    from connectors.shopify.receiver import ShopifyReceiver
    from connectors.threepl.receiver import ThreePlReceiver

    found: dict[tuple[str, str], Receiver] = {}
    for name, shop in connections.channels.shopify.items():
        if any(shop.secrets):
            found["shopify", name] = ShopifyReceiver(name, shop.secrets, shop.services)
    for name, portal in connections.channels.portal.items():
        if any(portal.secrets):
            found["portal", name] = PortalReceiver(name, portal)
    for name, wms in connections.threepl.items():
        if any(wms.secrets):
            found["threepl", name] = ThreePlReceiver(name, wms)
    return found


async def serve(
    found: Mapping[tuple[str, str], Receiver], settings: Settings, host: str, port: int, ready: Path | None
) -> None:
    """Serve until SIGTERM or SIGINT; what is under way is answered first. Raises UserError where it can't go on."""
    import structlog

    from connectors.carriers.store import LabelStore
    from connectors.webhooks.app import create_app
    from connectors.webhooks.publisher import KafkaPublisher
    from connectors.webhooks.server import AppServer
    from ops import clock
    from ops.embedded.endpoints import kafka_config, publish, withdraw
    from ops.metrics import PREFIX
    from ops.signals import stop_event

    publisher = KafkaPublisher(kafka_config(settings))
    app = create_app(found, publisher, clock.from_setting(settings.clock), labels=LabelStore(settings.labels).open)
    server = AppServer(app, host, port)
    stop = stop_event()
    try:
        await server.start()
    except RuntimeError as e:
        raise UserError(f"--port {port}: {e}") from e
    log = structlog.get_logger()
    log.info("listening", url=server.url, accounts=[f"{server.url}/webhooks/{c}/{a}" for c, a in found])
    typer.echo(server.url)
    publish(settings.home, PREFIX + "webhooks", metrics=f"{server.url}/metrics")
    if ready:
        ready.write_text(server.url + "\n")  # noqa: ASYNC240 — once, before the first request
    while publisher.healthy and not stop.is_set():
        await asyncio.sleep(0.1)
        if publisher.failing_seconds > FAILING_SECONDS:
            await look(publisher, kafka_config(settings))
    withdraw(settings.home, PREFIX + "webhooks")
    await server.stop()
    log.info("stopped")
    if not publisher.healthy:  # a new process is all it takes: nothing that a person has to mend
        log.critical("the Kafka producer failed for good: start `wharf webhooks` again", reason=publisher.reason)
        raise typer.Exit(1)


async def look(publisher: KafkaPublisher, config: Mapping[str, str]) -> None:
    """A producer that gets nothing acknowledged while Kafka serves others has lost its leaders for good (docs/faults.md): it is given up."""
    from ops.embedded.topics import served
    from schemas.topics import ORDERS_IN, RAW

    if await asyncio.to_thread(served, config, (RAW.name, ORDERS_IN.name)):
        publisher.give_up("nothing was acknowledged for long, though Kafka serves others")
    else:
        await asyncio.sleep(1.0)


def webhooks(
    host: Annotated[
        str, typer.Option(help="Address to listen on; put a TLS proxy in front of anything public")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8080,
    ready_file: Annotated[Path | None, typer.Option(help="Written with the URL once requests are taken")] = None,
) -> None:
    """Take the webhooks of every account in wharf.yaml that has a secret, and store them in Kafka.

    A delivery is confirmed once Kafka has acknowledged it; `/healthz`, `/metrics` and return labels (`/labels/…`, by their secret links)
    are served beside.
    """
    from ops.process import json_logs
    from ops.settings import ConfigError, Settings, load_connections

    settings = Settings()
    try:
        connections = load_connections(settings.config)
    except ConfigError as e:
        raise UserError(str(e)) from e
    found = receivers(connections)
    if not found:
        raise UserError(f"{settings.config}: no account with `secrets`: add one under channels.shopify or threepl")
    json_logs(settings.log_level)
    import uvloop

    uvloop.run(serve(found, settings, host, port, ready_file))


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("webhooks")(webhooks)
