"""``wharf webhooks``: the server that channels and 3PLs push to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.errors import UserError
from ops.processes.webhooks import receivers

if TYPE_CHECKING:
    pass

__all__ = ["register"]


Host = Annotated[str, typer.Option(help="Address to listen on; put a TLS proxy in front of anything public")]
TrustedProxies = Annotated[
    list[str] | None,
    typer.Option(
        "--trusted-proxy",
        envvar="WHARF_TRUSTED_PROXIES",
        help="Address or network whose X-Forwarded-For is believed (again for more; loopback if none is named)",
    ),
]


def webhooks(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8080,
    ready_file: Annotated[Path | None, typer.Option(help="Written with the URL once requests are taken")] = None,
    trusted_proxy: TrustedProxies = None,
    metrics_host: Annotated[
        str, typer.Option(help="Address of Prometheus's metrics; never a public one")
    ] = "127.0.0.1",
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 0,
) -> None:
    """Take the webhooks of every account in wharf.yaml that has a secret, and store them in Kafka.

    A delivery is confirmed once Kafka has acknowledged it; `/healthz` and return labels (`/labels/…`, by their secret links)
    are served beside. `/metrics` has a listener of its own.
    """
    from ops.processes.logs import json_logs
    from ops.processes.webhooks import Door, serve
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

    proxies = trusted_proxy or ["127.0.0.0/8", "::1"]
    code = uvloop.run(serve(found, settings, Door(host, port, proxies, (metrics_host, metrics_port), ready_file)))
    if code:
        raise typer.Exit(code)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("webhooks")(webhooks)
