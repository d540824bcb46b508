"""``wharf up``: the servers and the sink, in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("up")(up)


def up(
    kafka_port: Annotated[int | None, typer.Option(help="Default: as last time, or a free one")] = None,
    clickhouse_port: Annotated[int | None, typer.Option(help="Default: as last time, or a free one")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object when all is up")] = False,
) -> None:
    """Start Kafka, make the topics, start the sink with ClickHouse; run until Ctrl-C or SIGTERM, then stop clean.

    The rules in WHARF_RULES (rules.yaml) are put in force where none are yet. With WHARF_KAFKA or WHARF_CLICKHOUSE set, those servers are used instead. The data stays under WHARF_HOME (.wharf).
    """
    from ops.processes.logs import json_logs
    from ops.rules.first_publish import check_first_rules, publish_first_rules
    from ops.servers.registry import publish_schemas
    from ops.servers.signals import Stopped, stop_on_signals
    from ops.servers.up import Up
    from ops.settings import Settings

    settings = Settings()
    json_logs(settings.log_level)
    check_first_rules(settings)
    stop = stop_on_signals()
    steps = (publish_schemas, publish_first_rules)
    try:
        with Up(settings, kafka_port, clickhouse_port, after_topics=steps, stop=stop) as servers:
            typer.echo(servers.summary(as_json))
            servers.watch(stop)
            typer.echo("stopping", err=True)
    except Stopped:
        typer.echo("stopped before all was up", err=True)
