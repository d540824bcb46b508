"""Runs the webhook server of one installation: its port, its metrics, and what it does while Kafka is away."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ops.errors import UserError

if TYPE_CHECKING:
    from connectors.protocols import Receiver
    from ops.settings import Connections

if TYPE_CHECKING:
    from connectors.protocols import Receiver
    from connectors.webhooks.renewing import RenewingPublisher
    from connectors.webhooks.server import AppServer
    from ops.settings import Settings

__all__ = ["FAILING_SECONDS", "Door", "KafkaWatch", "look", "receivers", "serve"]

FAILING_SECONDS = 20.0
"""So long may nothing be acknowledged before somebody looks whether it is Kafka or our producer."""
_WATCH_SECONDS = 1.0


class Door(NamedTuple):
    """Where to listen. ``proxies``: networks whose ``X-Forwarded-For`` is believed; ``metrics``: host and port (0: a free one)."""

    host: str
    port: int
    proxies: Sequence[str]
    metrics: tuple[str, int] = ("127.0.0.1", 0)
    ready: Path | None = None


async def serve(found: Mapping[tuple[str, str], Receiver], settings: Settings, door: Door) -> int:
    """Serve until SIGTERM or SIGINT; what is under way is answered first. Gives the exit code; raises UserError where it can't begin."""
    import structlog

    from connectors.webhooks.metrics import Metrics
    from connectors.webhooks.renewing import RenewingPublisher
    from ops.processes.metrics import metrics_served
    from ops.servers.endpoints import kafka_config
    from ops.servers.signals import stop_event

    publisher, metrics = RenewingPublisher(kafka_config(settings)), Metrics()
    server = open_server(found, settings, door, publisher, metrics)
    stop = stop_event()
    host, port = door.metrics
    with metrics_served(settings.home, "webhooks", metrics.registry, port, host=host):
        try:
            await server.start()
        except RuntimeError as e:
            raise UserError(f"--port {door.port}: {e}") from e
        _tell(server, found, door.ready)
        await _until_stopped(stop, publisher, KafkaWatch(settings, publisher))
    await server.stop()
    log = structlog.get_logger()
    log.info("stopped")
    if publisher.healthy:
        return 0
    # a new process is all it takes: nothing that a person has to mend
    log.critical("the Kafka producer failed for good: start `wharf webhooks` again", reason=publisher.reason)
    return 1


def open_server(
    found: Mapping[tuple[str, str], Receiver],
    settings: Settings,
    door: Door,
    publisher: RenewingPublisher,
    metrics: Any,
) -> AppServer:
    """The server with its port taken. Raises UserError naming who has the port."""
    from connectors.carriers.store import LabelStore
    from connectors.webhooks.app import create_app
    from connectors.webhooks.peers import Proxies
    from connectors.webhooks.server import AppServer
    from ops import clock

    try:
        proxies = Proxies(door.proxies)
    except ValueError as e:
        raise UserError(f"--trusted-proxy: {e}: give an address or a network, as 10.0.0.0/8") from e
    app = create_app(
        found,
        publisher,
        clock.from_setting(settings.clock),
        metrics=metrics,
        labels=LabelStore(settings.labels).open,
        proxies=proxies,
    )
    try:
        return AppServer(app, door.host, door.port)
    except OSError as e:
        raise UserError(_cannot_listen(door, e)) from e


def _cannot_listen(door: Door, error: OSError) -> str:
    where = f"{door.host}, port {door.port}"
    if error.errno == errno.EADDRINUSE:
        return f"--port: cannot listen on {where}: {_holder(door.port)} has it; stop that, or choose another port"
    reason = error.strerror or str(error)
    return f"--host/--port: cannot listen on {where}: {reason}"


def _holder(port: int) -> str:
    """Who listens on a port, as far as this user may know."""
    import psutil

    try:
        listening = [
            connection for connection in psutil.net_connections("tcp") if connection.status == psutil.CONN_LISTEN
        ]
        pids = {connection.pid for connection in listening if connection.laddr and connection.laddr.port == port}
        names = [
            f"process {pid} ({' '.join(psutil.Process(pid).cmdline())[:80]})" for pid in sorted(filter(None, pids))
        ]
    except (psutil.Error, OSError):
        names = []
    return ", ".join(names) or "another program"


def _tell(server: AppServer, found: Mapping[tuple[str, str], Receiver], ready: Path | None) -> None:
    import structlog
    import typer

    accounts = [f"{server.url}/webhooks/{connector}/{account}" for connector, account in found]
    structlog.get_logger().info("listening", url=server.url, accounts=accounts)
    typer.echo(server.url)
    if ready:
        ready.write_text(server.url + "\n")


async def _until_stopped(stop: asyncio.Event, publisher: RenewingPublisher, watch: KafkaWatch) -> None:
    while publisher.healthy and not stop.is_set():
        try:
            async with asyncio.timeout(_WATCH_SECONDS):
                await stop.wait()
        except TimeoutError:
            await watch.look()


class KafkaWatch:
    """Looks where Kafka is by now. That it is away is a passing reason: deliveries are answered with 503, and the server waits."""

    def __init__(self, settings: Settings, publisher: RenewingPublisher) -> None:
        import structlog

        self._settings = settings
        self._publisher = publisher
        self._log = structlog.get_logger()
        self._away = False

    async def look(self) -> None:
        """One look: follow Kafka to where its note says it is; a producer that stands still though Kafka serves is replaced."""
        from ops.servers.endpoints import kafka_config

        try:
            config = kafka_config(self._settings)
        except UserError as e:
            if not self._away:
                self._log.warning("Kafka is away: deliveries are answered with 503 until it is back", reason=str(e))
            self._away = True
            return
        moved = self._publisher.follow(config)
        if self._away or moved:
            self._log.info("Kafka is back", moved=moved)
        self._away = False
        if self._publisher.failing_seconds > FAILING_SECONDS:
            await look(self._publisher, config)


async def look(publisher: RenewingPublisher, config: Mapping[str, str]) -> None:
    """A producer that gets nothing acknowledged while Kafka serves others has lost its leaders for good (docs/faults.md): it is replaced."""
    import structlog

    from ops.servers.topics import served
    from schemas.topics import ORDERS_IN, RAW

    if await asyncio.to_thread(served, config, (RAW.name, ORDERS_IN.name)):
        structlog.get_logger().warning("nothing was acknowledged for long, though Kafka serves others: a new producer")
        publisher.renew()


def receivers(connections: Connections) -> dict[tuple[str, str], Receiver]:
    """The accounts that can be pushed to, by channel and name. One without a secret can't: anybody could sign for it.

    Raises UserError where a portal is bound to an account that is none.
    """
    from connectors.portal.receiver import PortalReceiver
    from connectors.shopify.receiver import ShopifyReceiver
    from connectors.threepl.receiver import ThreePlReceiver

    found: dict[tuple[str, str], Receiver] = {}
    for name, shop in connections.channels.shopify.items():
        if any(shop.secrets):
            found["shopify", name] = ShopifyReceiver(name, shop.secrets, shop.services)
    for name, portal in connections.channels.portal.items():
        _check_bound(connections, name, portal.accounts)
        if any(portal.secrets):
            found["portal", name] = PortalReceiver(name, portal)
    for name, wms in connections.threepl.items():
        if any(wms.secrets):
            found["threepl", name] = ThreePlReceiver(name, wms)
    return found


def _check_bound(connections: Connections, portal: str, accounts: list[str]) -> None:
    channels = connections.channels
    known = [f"shopify:{name}" for name in channels.shopify] + [f"bol:{name}" for name in channels.bol]
    for account in accounts:
        if account not in known:
            told = ", ".join(known) or "no account at all"
            raise UserError(f"channels.portal.{portal}.accounts: {account!r} is none of {told}")
