"""``wharf sink``: events into ClickHouse."""

from __future__ import annotations

import json
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("sink")(sink)


def sink(
    port: Annotated[
        int | None,
        typer.Option(help="Of the embedded ClickHouse's HTTP interface; default: as last time, or a free one"),
    ] = None,
    slot: Annotated[int | None, typer.Option(help="Which of several sinks on one server this is: 0, 1 …")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object when it is ready")] = False,
) -> None:
    """Write the events into ClickHouse, each exactly once, until stopped.

    Without WHARF_CLICKHOUSE it runs ClickHouse itself and serves it read-only over HTTP on localhost.
    """
    from ops.processes.logs import json_logs
    from ops.processes.sink import run_sink
    from ops.servers.signals import stop_on_signals
    from ops.settings import Settings

    settings = Settings()
    json_logs(settings.log_level)

    def ready(url: str) -> None:
        shown = url.rpartition("@")[2]  # never a password
        typer.echo(json.dumps({"clickhouse": shown}) if as_json else f"ClickHouse: {shown}")

    run_sink(settings, stop_on_signals(), port=port, slot=slot, ready=ready)
