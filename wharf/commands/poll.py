"""``wharf poll``: what channels and 3PLs are asked for."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Annotated

import typer

from ops.errors import UserError

if TYPE_CHECKING:
    from connectors.protocols import Poller
    from ops.processes.polling import Feed, Round
    from ops.settings import Settings

__all__ = ["register"]

GRACE_SECONDS = 5.0


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("poll")(poll)


def poll(
    once: Annotated[bool, typer.Option("--once", help="One round of every feed, then end; 1 where one failed")] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this feed (connector:account:feed) or connection (bol:acme)")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Each round as a JSON object on stdout")] = False,
) -> None:
    """Ask every channel and 3PL of wharf.yaml for news, each feed on its own interval, until SIGTERM or SIGINT.

    What an answer brings and the feed's cursor are one Kafka transaction. Who polls a feed ends whoever did before.
    """
    from ops.processes.logs import json_logs
    from ops.settings import Settings

    settings = Settings()
    json_logs(settings.log_level)
    rounds = asyncio.run(_run(settings, only or [], once=once, as_json=as_json))
    if any(not round_.ok for round_ in rounds):
        raise typer.Exit(1)


async def _run(settings: Settings, only: list[str], *, once: bool, as_json: bool) -> list[Round]:
    from ops.processes.connections import build_pollers, close_all, connections
    from ops.processes.metrics import FeedMetrics, metrics_served
    from ops.processes.poll_ledger import TakenOver
    from ops.processes.polling import poll_all, poll_once
    from ops.servers.signals import stop_event

    stop = stop_event(_end_soon)
    pollers, closing = build_pollers(connections(settings))

    metrics = FeedMetrics()

    def told(done: Round) -> None:
        metrics.looked(done)
        if once or as_json:
            typer.echo(json.dumps(done.report()) if as_json else _line(done))

    try:
        feeds = _feeds(settings, _chosen(settings, pollers, only))
        if once:
            return await poll_once(feeds, told, stop)
        with metrics_served(settings.home, "poll", metrics.registry):
            await poll_all(feeds, told, stop)
    except TakenOver as e:
        raise UserError(f"{e}: stop that `wharf poll`, or split the feeds with --only") from e
    finally:
        await close_all(closing)
    return []


def _end_soon() -> None:
    """Finish what is under way, but don't wait for a Kafka or a channel that is gone: what is not committed is polled again."""
    asyncio.get_running_loop().call_later(GRACE_SECONDS, os._exit, 0)


def _chosen(settings: Settings, pollers: list[Poller], only: list[str]) -> list[Poller]:
    """Raises UserError where there is nothing to poll."""
    names = sorted(poller.name for poller in pollers)
    if not names:
        raise UserError(
            f"{settings.config}: no connection to poll: add channels.shopify.NAME (with api_url and token), "
            "channels.bol.NAME or threepl.NAME, or set WHARF_CONFIG to your file"
        )
    for wanted in only:
        if not any(_is(name, wanted) for name in names):
            raise UserError(f"--only {wanted}: no such feed; there are {', '.join(names)}")
    return [poller for poller in pollers if not only or any(_is(poller.name, wanted) for wanted in only)]


def _is(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(f"{wanted}:")


def _feeds(settings: Settings, pollers: list[Poller]) -> list[Feed]:
    from ops.clock import from_setting
    from ops.processes.poll_ledger import Ledger
    from ops.processes.polling import Feed
    from ops.servers.endpoints import kafka_bootstrap

    bootstrap, now = kafka_bootstrap(settings), from_setting(settings.clock)
    return [Feed(poller, Ledger(bootstrap, poller.name, settings.kafka_config), now) for poller in pollers]


def _line(done: Round) -> str:
    if not done.ok:
        return f"{done.feed}: failed after {done.pages} pages: {done.error}"
    written = ", ".join(f"{count} {sort}" for sort, count in sorted(done.written.items())) or "nothing new"
    return f"{done.feed}: {written} ({done.pages} pages, {done.seconds:.1f} s)"
