"""A report as tables in a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .checks.finding import Finding
from .report import Report

__all__ = ["show"]

SHOWN_DIMENSIONS = ("all", "channel", "depot", "day")
BRIEF = {
    "kpi_dispositions": ("all",),
    "kpi_time_to_credit": ("all", "channel"),
    "kpi_recovered_value": ("all", "channel"),
}
"""Views of which less is shown."""


def show(report: Report, console: Console) -> None:
    """Print everything a person wants to know of a run."""
    _orders(report, console)
    _counts(report, console)
    _kpis(report, console)
    _checks(report.checks, console)
    _next(report, console)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=i == 0)
    return table


def _orders(report: Report, console: Console) -> None:
    channels = list(report.orders_by_channel)
    table = _table("Orders by state", "", *channels, "all")
    for state, total in report.orders_by_state.items():
        each = (str(report.orders_by_channel[channel].get(state, "")) for channel in channels)
        table.add_row(state, *each, str(total))
    console.print(table, "")


def _counts(report: Report, console: Console) -> None:
    for title, counts in (
        ("Deliveries neutralised", report.duplicates),
        ("Holds", report.holds),
        ("Returns", report.returns),
        ("Dead letters", report.dead_letters),
        ("Processes started again", report.restarts),
    ):
        if counts:
            table = _table(title, "", "")
            for name, number in counts.items():
                table.add_row(name, str(number))
            console.print(table, "")


def _kpis(report: Report, console: Console) -> None:
    for view, rows in report.kpis.items():
        dimensions = BRIEF.get(view, SHOWN_DIMENSIONS)
        shown = [fields for fields in rows if fields["dimension"] in dimensions and not fields.get("cohort")]
        if not shown:
            continue
        names = [n for n in shown[0] if n not in ("dimension", "value", "cohort")]
        table = _table(view, "", *(name.replace("_", " ") for name in names))
        for row in shown:
            table.add_row(f"{row['dimension']} {row['value']}".strip(), *(_cell(n, row[n]) for n in names))
        console.print(table, "")


def _cell(name: str, value: Any) -> str:
    if name.endswith("_rate") or name == "accuracy":
        return f"{value:.1%}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _checks(checks: list[Finding], console: Console) -> None:
    console.print("[bold]Independent checks[/bold]")
    for check in checks:
        mark = "[green]holds[/green]" if check.ok else "[red]FAILS[/red]"
        figures = ", ".join(f"{k} {v}" for k, v in check.figures.items() if k != "violations")
        console.print(f"  {mark}  {check.name.replace('_', ' ')}: {check.promise}", highlight=False, soft_wrap=True)
        console.print(f"         [dim]{figures}[/dim]", highlight=False, soft_wrap=True)
        for text in check.offenders:
            console.print(f"         [red]{escape(text)}[/red]", highlight=False, soft_wrap=True)
        if (left := check.figures["violations"] - len(check.offenders)) > 0:
            console.print(f"         … and {left} more")
    console.print("")


def _next(report: Report, console: Console) -> None:
    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    simulated = f"{report.simulated['from']} to {report.simulated['to']} ({report.speed:g} times as fast)"
    parts = ", ".join(f"{name} {item:.0f} s" for name, item in report.seconds.items() if name != "all")
    say(f"{report.orders} orders, {simulated}, in {report.seconds['all']:.0f} s ({parts})")
    if report.kept:
        say("\n[bold]Still running[/bold]; where to look next:")
        clock = f" WHARF_CLOCK='{report.clock}'" if report.clock else ""
        say(f"  export WHARF_HOME={report.home} WHARF_CONFIG={report.home}/wharf.yaml{clock}")
        say(f"  ClickHouse  {report.clickhouse}")
        for title, sql in report.queries.items():
            say(
                escape(
                    f'  # {title}\n  curl -H "X-ClickHouse-Key: $(cat {report.home}/clickhouse.token)" {report.clickhouse} --data-binary "{sql}"'
                )
            )
        say(f"  stop with   wharf demo --stop --home {report.home}")
    else:
        say("\nLook next (`wharf demo --keep` leaves it all running for these):")
        for title, sql in report.queries.items():
            say(escape(f"  {title}: {sql}"))
        say(f"  logs: {report.home}/logs")
