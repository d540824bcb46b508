"""``wharf kpi``: the figures of docs/kpis.md."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

__all__ = ["register"]


class By(StrEnum):
    """What to break the KPIs down by."""

    all = "all"
    channel = "channel"
    depot = "depot"
    day = "day"
    sku = "sku"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("kpi")(kpi)


def kpi(
    by: Annotated[By, typer.Option(help="Break down by this")] = By.all,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object: view name to rows")] = False,
) -> None:
    """Turnaround, on-time shipping, accuracy, return rate, cost per shipment (defined in docs/kpis.md)."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from ops.errors import UserError
    from ops.servers.endpoints import clickhouse_client
    from ops.settings import Settings
    from sinks.clickhouse.kpis import KPIS, read

    try:
        with clickhouse_client(Settings()) as client:
            tables = read(client, by.value)
    except ClickHouseError as e:
        raise UserError(f"ClickHouse: {str(e)[:300]} (the tables are made by `wharf sink`)") from e
    if as_json:
        typer.echo(json.dumps(tables, default=str))
        return
    for view, rows in tables.items():
        typer.echo(f"\n{KPIS[view]}  ({view})")
        typer.echo(_table(rows) if rows else "  nothing yet")


def _table(rows: list[dict[str, Any]]) -> str:
    """Right-aligned columns under their names; the dimension is known and left out."""
    names = [
        name
        for name in rows[0]
        if name != "dimension" and not (name == "value" and all(r["value"] == "" for r in rows))
    ]
    cells = [names, *([_cell(name, r[name]) for name in names] for r in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    return "\n".join(
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells
    )


def _cell(name: str, value: Any) -> str:
    if name.endswith("_rate") or name == "accuracy":
        return f"{value:.1%}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
