"""``wharf replay``: make things anew from the log."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ops.errors import UserError

__all__ = ["register", "state"]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(help="Make things anew from the log.", no_args_is_help=True)
    group.callback()(lambda: None)  # keeps `state` a command of its own while it is the only one
    group.command("state")(state)
    app.add_typer(group, name="replay")


def state(
    role: Annotated[str, typer.Option(help="Whose tables: core or effects")] = "core",
    execute: Annotated[
        bool, typer.Option("--execute", help="Do it; without this it only shows what it would do")
    ] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Also where the input no longer reaches back")] = False,
    go_on: Annotated[
        str,
        typer.Option(
            help="In place of a rebuild: where an input was cut or made anew, keep the table and go on at the first record there is "
            "(first) or behind the last (end)"
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout")] = False,
) -> None:
    """Rebuild the tables of a role: fold its input again up to where its group stands, writing nothing but the tables.

    Stop the role's workers first. Nothing is sent out: what the records led to was published when they were folded first.
    """
    from ops.processes.logs import json_logs
    from ops.processes.worker import runtime_config
    from ops.recovery import replay
    from ops.settings import Settings
    from streams.app import ROLES, core
    from streams.effects.agent import effects_runtime

    if role not in ROLES:
        raise UserError(f"--role: {role!r} is none of {', '.join(ROLES)}")
    json_logs("ERROR")  # a record that can't be folded now could not be folded then: it is counted below
    config = runtime_config(Settings(), role, 0)
    runtime = core(config) if role == "core" else effects_runtime(config, {})
    if go_on:
        if go_on not in replay.WHERE:
            raise UserError(f"--go-on: {go_on!r} is none of {', '.join(replay.WHERE)}")
        lines = replay.move_on(runtime, go_on, execute)
        typer.echo(json.dumps({"executed": execute, "inputs": lines}) if as_json else "\n".join(lines))
        if not execute and not as_json:
            typer.echo("Nothing was changed: add --execute to go on there.")
        return
    plans = replay.prepare(runtime)
    done = None
    if execute:
        replay.check_possible(plans, partial)
        done = replay.execute(runtime, plans)
    if as_json:
        typer.echo(json.dumps(replay.as_json(plans, done)))
        return
    for line in replay.describe(plans, done):
        typer.echo(line)
    if not execute:
        typer.echo("Nothing was changed: add --execute to rebuild these tables.")
