"""``wharf scenario``: what should happen, written down by people, run on the pure domain: no Kafka, milliseconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]

Files = Annotated[list[Path], typer.Argument(help="Scenario files, or folders of them", show_default=False)]

commands = typer.Typer(
    no_args_is_help=True, help="Scenarios: orders, stock and events with what is to come of them (docs/scenarios.md)"
)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(commands, name="scenario")


@commands.command("run")
def run(
    paths: Files,
    rules: Annotated[Path | None, typer.Option(help="Run them with this rule file in the place of their own")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout")] = False,
) -> None:
    """Run scenarios and show what is not as expected. Exit 1 if anything is not, or a file can't be run."""
    import msgspec

    from lab.scenarios.run import files, run_file
    from ops.rules.load import load

    override = load(rules) if rules else None
    results = [run_file(path, override) for path in files(paths)]
    ok = all(result.result == "passed" for result in results)
    if as_json:
        typer.echo(json.dumps({"ok": ok, "scenarios": msgspec.to_builtins(results)}, ensure_ascii=False))
    else:
        from rich.console import Console

        from lab.scenarios.report import show

        show(results, Console(highlight=False))
    if not ok:
        raise typer.Exit(1)


@commands.command("schema")
def print_schema() -> None:
    """The JSON Schema of a scenario file: an editor that knows it completes fields and marks errors."""
    from lab.scenarios.load import schema

    typer.echo(json.dumps(schema(), indent=2, ensure_ascii=False))
