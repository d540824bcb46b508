"""From ``wharf.yaml`` to what talks to the outside: a sender for each target, the pollers of each account and WMS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from connectors.bol import poll as bol_poll
from connectors.bol.client import BolClient
from connectors.bol.send import BolSender
from connectors.carriers.local import LocalCarrier
from connectors.carriers.send import LabelSender
from connectors.carriers.store import LabelStore
from connectors.messages.catalogue import TemplatesError
from connectors.messages.senders import message_senders
from connectors.protocols import Poller, Sender
from connectors.shopify import poll as shopify_poll
from connectors.shopify.client import ShopifyClient
from connectors.shopify.send import ShopifySender
from connectors.threepl.client import ThreePlClient
from connectors.threepl.poll import ReturnsPoller, StatusPoller
from connectors.threepl.send import ThreePlSender
from ops.errors import UserError
from ops.settings import ConfigError, Connections, Settings, load_connections

__all__ = ["build_pollers", "build_senders", "close_all", "connections", "open_senders"]

Close = Callable[[], Awaitable[None]]


def build_senders(found: Connections, labels: Path) -> dict[str, Sender]:
    """Senders by target: a 3PL's name, ``shopify:ACCOUNT``, ``bol:ACCOUNT``, ``label:CARRIER``, ``message:MEDIUM``. A shop without ``api_url`` only receives
    webhooks. ``labels``: the folder of return labels.
    """
    senders: dict[str, Sender] = {}
    for name, threepl in found.threepl.items():
        senders[name] = ThreePlSender(name, ThreePlClient(threepl))
    for account, shop in found.channels.shopify.items():
        if shop.api_url:
            senders[f"shopify:{account}"] = ShopifySender(account, ShopifyClient(shop))
    for account, bol in found.channels.bol.items():
        senders[f"bol:{account}"] = BolSender(account, BolClient(bol))
    store = LabelStore(labels)
    for name, carrier in found.carriers.items():
        senders[f"label:{name}"] = LabelSender(name, LocalCarrier(carrier, store), store, carrier.public_url)
    if found.messages is not None:
        try:
            senders |= message_senders(found.messages)
        except TemplatesError as e:
            raise UserError(str(e)) from e
    return senders


@asynccontextmanager
async def open_senders(settings: Settings) -> AsyncIterator[dict[str, Sender]]:
    """The senders of ``wharf.yaml``, closed at the end. Raises UserError naming the file and field."""
    senders = build_senders(connections(settings), settings.labels)
    try:
        yield senders
    finally:
        await close_all(sender.close for sender in senders.values())


def connections(settings: Settings) -> Connections:
    """``wharf.yaml``. Raises UserError naming the file and field."""
    try:
        return load_connections(settings.config)
    except ConfigError as e:
        raise UserError(str(e)) from e


def build_pollers(found: Connections) -> tuple[list[Poller], list[Close]]:
    """The feeds of all connections, and what to close after them."""
    pollers: list[Poller] = []
    closing: list[Close] = []
    for name, threepl in found.threepl.items():
        wms = ThreePlClient(threepl)
        closing.append(wms.close)
        pollers += [StatusPoller(name, wms, threepl.poll_seconds), ReturnsPoller(name, wms, threepl.poll_seconds)]
    for account, shop in found.channels.shopify.items():
        if shop.api_url:
            shopify = ShopifyClient(shop)
            closing.append(shopify.close)
            pollers += shopify_poll.pollers(account, shopify)
    for account, bol in found.channels.bol.items():
        client = BolClient(bol)
        closing.append(client.close)
        pollers += bol_poll.pollers(account, client)
    return pollers, closing


async def close_all(closing: Iterable[Close]) -> None:
    """Close all, whatever one of them raises; the first error comes through at the end."""
    async with AsyncExitStack() as stack:
        for close in closing:
            stack.push_async_callback(close)
