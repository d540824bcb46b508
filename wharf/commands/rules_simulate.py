"""``wharf rules simulate``: what other rules would have done with past orders. Preview only: nothing is written to Kafka."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.errors import UserError

__all__ = ["add"]

FOREVER = 2**62


def add(commands: typer.Typer) -> None:
    """Add this module's command to ``wharf rules``."""
    commands.command("simulate")(simulate)


def simulate(
    *,
    rules: Annotated[Path, typer.Option(help="The rule file to try")],
    since: Annotated[
        str, typer.Option("--from", help="Orders asked for from then on: 2026-11-01 or 2026-11-01T09:00Z (UTC)")
    ] = "",
    until: Annotated[str, typer.Option("--to", help="And before then; default: now")] = "",
    log: Annotated[Path | None, typer.Option(help="A log saved before, in the place of Kafka's")] = None,
    save_log: Annotated[Path | None, typer.Option(help="Keep what was read from Kafka in this file")] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="The rules before the log's first ones; default: none (a log from its beginning has them)"),
    ] = None,
    moves: Annotated[int, typer.Option(min=0, max=1000, help="Moved orders to print")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout")] = False,
) -> None:
    """Replay past requests through the rules of their time and through a new file, with the stock as it was, and compare."""
    from domain.rules.ruleset import RuleSet
    from lab.whatif.run import simulate as run
    from ops.rules.load import load

    new, before = load(rules), load(against) if against else RuleSet()
    span = _moment("--from", since, 0), _moment("--to", until, FOREVER)
    if span[0] >= span[1]:
        raise UserError(f"--from {since} is not before --to {until}: nothing to look at")
    if log and save_log:
        raise UserError("--save-log keeps what was read from Kafka; with --log nothing is read from it")
    started = time.perf_counter()
    with _log(log, save_log) as (path, notes):
        told = run(path, new, span, before, notes.progress("two worlds"))
    found = {"rules": new.version, "seconds": round(time.perf_counter() - started, 1), "notes": notes.lines, **told}
    if not found["old"]["orders"]:
        raise UserError(
            "no order was first asked for between --from and --to; the log is `wharf.pools.in`, kept for 90 days"
        )
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else text(found, moves))


def _moment(option: str, text: str, default: int) -> int:
    if not text:
        return default
    try:
        at = datetime.fromisoformat(text)
    except ValueError as e:
        raise UserError(f"{option} {text}: no time; write 2026-11-01 or 2026-11-01T09:00Z") from e
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


class _Notes:
    """Progress on stderr, and what stands against trusting the result."""

    def __init__(self, bar: Any) -> None:
        self._bar, self.lines = bar, list[str]()

    def progress(self, what: str) -> Callable[[float], None]:
        """A bar of its own."""
        task = self._bar.add_task(what, total=1.0)
        return lambda part: self._bar.update(task, completed=part)


@contextmanager
def _log(kept: Path | None, save: Path | None) -> Iterator[tuple[Path, _Notes]]:
    """The log as a file, with the notes; one read from Kafka is dropped afterwards unless it is to be kept."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar, tempfile.TemporaryDirectory() as temporary:
        notes = _Notes(bar)
        if kept is not None:
            if not kept.is_file():
                raise UserError(f"--log {kept}: no such file")
            yield kept, notes
            return
        from lab.whatif.history import fetch
        from ops.servers.endpoints import kafka_config
        from ops.settings import Settings

        path, done = save or Path(temporary) / "pools.log", notes.progress("reading the log")
        notes.lines += fetch(path, kafka_config(Settings()), lambda lines, total: done(lines / max(total, 1)))
        yield path, notes


_SHOWN = {
    "orders": "orders",
    "parcels": "parcels",
    "cost": "cost (minor units)",
    "split_rate": "split orders",
    "on_time_rate": "promised in time",
    "hours_to_ship_by": "hours to hand-over",
    "backordered_orders": "orders that had to wait",
    "still_waiting_orders": "still waiting at the end",
    "median_wait_hours": "median wait, hours",
    "unfillable_orders": "orders no depot could serve",
    "held_orders": "held by a rule of the pool",
}


def text(found: dict[str, Any], moves: int) -> str:
    """Format it as text for the terminal."""
    from ops.operator.order_text import table

    old, new = found["old"], found["new"]
    rows = [["", "as it was", f"rules {found['rules']}"]]
    rows += [[label, _figure(k, old[k]), _figure(k, new[k])] for k, label in _SHOWN.items()]
    lines = [*table(rows, frozenset({1, 2})), "", f"{found['moved_orders']} order(s) come out otherwise"]
    lines += [f"  {count:>7}  {why}" for why, count in found["reasons"].items()]
    for move in found["moves"][:moves]:
        way = f"{'+'.join(move['from']) or 'nowhere'} → {'+'.join(move['to']) or 'nowhere'}"
        lines.append(f"    {move['order']}: {way}, cost {move['cost'][0]} → {move['cost'][1]}: {move['reason']}")
    agree = found["old_rules_agree_with_the_log"]
    if agree is not None:
        lines += ["", f"replayed by the rules of their time, {agree:.1%} of the orders went where they really went"]
    lines += [f"note: {count}" for count in found["notes"]]
    return "\n".join([*lines, "nothing was written: `wharf rules publish FILE --execute` puts rules in force"])


def _figure(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, dict):
        return ", ".join(f"{count} {k}".rstrip() for k, count in value.items()) or "0"
    return f"{value:.2%}" if name.endswith("_rate") else str(value)
