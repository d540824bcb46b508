"""``wharf demo``: the main job, on simulated channels and warehouses, and checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lab.demo.run import Options

__all__ = ["register"]

RULES = Path(__file__).resolve().parents[2] / "lab" / "demo" / "rules.yaml"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("demo")(demo)


def demo(
    *,
    orders: Annotated[int, typer.Option(min=1, help="Orders that come in, on all channels together")] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same products, orders, stock and faults")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running when it is done")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop what an earlier --keep left running")] = False,
    home: Annotated[
        Path | None, typer.Option(help="Directory of the run, emptied first; default: demo under WHARF_HOME (.wharf)")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=8, help="Worker processes that fold orders and pools")] = 2,
    speed: Annotated[float, typer.Option(min=0, help="How fast the demo's clock runs; 0: as the orders need it")] = 0.0,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds for the orders to end; 0: by their number")] = 0.0,
    rules: Annotated[Path, typer.Option(help="The rules to decide by")] = RULES,
    as_json: Annotated[bool, typer.Option("--json", help="The report as one JSON object on stdout")] = False,
) -> None:
    """Run orders from a Shopify, a Bol account and a 3PL a depot through everything, and check the outcome independently.

    All of it runs as separate processes on this machine, on a clock that runs faster. Exit 0 only if every check holds.
    """
    from lab.demo.run import Options
    from ops.settings import Settings

    place = home or Settings().home / "demo"
    if stop:
        _stop([home] if home else [place, Settings().home], as_json)
        return
    _run(Options(orders, seed, place, rules, workers, speed, timeout, keep), as_json)


def _stop(places: list[Path], as_json: bool) -> None:
    """Stop the demo in the first place where one runs: WHARF_HOME may be the demo's own, as its report says to set it. Exit 1: there is none."""
    from lab.demo.workdir import WorkDir

    found = next((place for place in places if WorkDir(place).running()), places[0])
    stopped = WorkDir(found).stop()
    nothing = f"no demo runs in {' or '.join(map(str, places))}: name its directory by --home"
    message = f"stopped {', '.join(stopped)}" if stopped else nothing
    typer.echo(json.dumps({"stopped": stopped}) if as_json else message, err=not (stopped or as_json))
    if not stopped:
        raise typer.Exit(1)


def _run(options: Options, as_json: bool) -> None:
    from rich.console import Console

    from lab.demo.run import DemoFailed, run
    from lab.demo.tables import show
    from ops.servers.signals import Stopped

    try:
        report = run(options)
    except DemoFailed as e:
        typer.echo(f"wharf demo: {e}", err=True)
        if as_json:
            typer.echo(json.dumps({"ok": False, "error": str(e)}))
        raise typer.Exit(1) from e
    except Stopped as e:
        typer.echo("wharf demo: stopped before the end; no process is left", err=True)
        raise typer.Exit(130) from e
    if as_json:
        typer.echo(json.dumps(report.as_dict()))
    else:
        show(report, Console())
    if not report.ok:
        raise typer.Exit(1)
