"""Results for people: a table, and under it each difference with what was expected and what is."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .run import Failure, Result

__all__ = ["show"]

COLOURS = {"passed": "green", "failed": "red", "error": "magenta"}


def show(results: Sequence[Result], console: Console) -> None:
    """Print the table, the differences and errors, what the product can't do yet, and a summary."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("scenario")
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("result", no_wrap=True)
    for r in results:
        colour = COLOURS[r.result]
        note = " [dim](with limits)[/dim]" if r.limits and r.result == "passed" else ""
        table.add_row(escape(r.name), f"{r.ms:.1f}", f"[{colour}]{r.result}[/{colour}]{note}")
    console.print(table)
    for r in results:
        _details(r, console)
    for r in results:
        if r.limits and r.result == "passed":
            console.print(f"[dim]limit of[/dim] {escape(r.file)}: {escape(r.limits)}", soft_wrap=True)
    counts = ", ".join(f"{n} {k}" for k in COLOURS if (n := sum(r.result == k for r in results)))
    console.print(
        f"{len(results)} scenario(s): {counts}; ran {sum(r.ms for r in results):.0f} ms, read {sum(r.read_ms for r in results):.0f} ms"
    )


def _details(r: Result, console: Console) -> None:
    if r.error:
        console.print(f"\n[magenta]error[/magenta] {escape(r.error)}", soft_wrap=True)
    if r.failures:
        console.print(f"\n[red]failed[/red] {escape(r.name)}", soft_wrap=True)
    for f in r.failures:
        console.print(escape(f"  {r.file}:{f.line}: {_when(f)}{f.field}"), soft_wrap=True)
        console.print(f"    expected  [green]{escape(_text(f.expected))}[/green]", soft_wrap=True)
        console.print(f"    actual    [red]{escape(_text(f.actual))}[/red]", soft_wrap=True)


def _when(f: Failure) -> str:
    return f"step {f.step}: " if f.step else "at the end: "


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
