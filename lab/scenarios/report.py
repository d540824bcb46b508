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
    for result in results:
        colour = COLOURS[result.result]
        note = " [dim](with limits)[/dim]" if result.limits and result.result == "passed" else ""
        table.add_row(escape(result.name), f"{result.ms:.1f}", f"[{colour}]{result.result}[/{colour}]{note}")
    console.print(table)
    for result in results:
        _details(result, console)
    for result in results:
        if result.limits and result.result == "passed":
            console.print(f"[dim]limit of[/dim] {escape(result.file)}: {escape(result.limits)}", soft_wrap=True)
    counts = ", ".join(f"{n} {k}" for k in COLOURS if (n := sum(r.result == k for r in results)))
    console.print(
        f"{len(results)} scenario(s): {counts}; ran {sum(r.ms for r in results):.0f} ms, read {sum(r.read_ms for r in results):.0f} ms"
    )


def _details(result: Result, console: Console) -> None:
    if result.error:
        console.print(f"\n[magenta]error[/magenta] {escape(result.error)}", soft_wrap=True)
    if result.failures:
        console.print(f"\n[red]failed[/red] {escape(result.name)}", soft_wrap=True)
    for failure in result.failures:
        console.print(escape(f"  {result.file}:{failure.line}: {_when(failure)}{failure.field}"), soft_wrap=True)
        console.print(f"    expected  [green]{escape(_text(failure.expected))}[/green]", soft_wrap=True)
        console.print(f"    actual    [red]{escape(_text(failure.actual))}[/red]", soft_wrap=True)


def _when(failure: Failure) -> str:
    return f"step {failure.step}: " if failure.step else "at the end: "


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
