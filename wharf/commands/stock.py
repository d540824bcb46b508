"""``wharf stock``: report stock, see stock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["register"]

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout")]

commands = typer.Typer(no_args_is_help=True, help="Stock per SKU and depot")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(commands, name="stock")


@commands.command("report")
def report_file(
    file: Annotated[Path, typer.Argument(help="CSV with the columns depot, sku, qty (and pool, quality)")],
    kind: Annotated[
        str, typer.Option(help="count (on hand is qty), receipt (+ qty), correction (+/- qty), restock (+ qty)")
    ] = "count",
    reference: Annotated[
        str, typer.Option(help="Names the report; the same one counts once. Default: its content")
    ] = "",
    execute: Annotated[bool, typer.Option("--execute", help="Write it; else only show it")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a stock file says; with --execute, report it to its pools, all rows or none."""
    from ops.errors import UserError
    from ops.operator.stock import KINDS, check_depots, read_csv, report
    from ops.settings import Settings

    if kind not in KINDS:
        raise UserError(f"--kind {kind}: one of {', '.join(KINDS)}")
    settings = Settings()
    rows = read_csv(file, kind, "main")
    if execute:
        from ops import clock
        from ops.rules.publish import in_force
        from ops.servers.endpoints import kafka_bootstrap, kafka_config

        now, bootstrap = clock.from_setting(settings.clock)(), kafka_bootstrap(settings)
        if found := in_force(bootstrap, kafka_config(settings)):
            check_depots(file, rows, [depot.id for depot in found[1].depots])
        with typer.progressbar(length=len(rows), label="rows", file=_stderr()) as bar:
            reference = report(
                bootstrap,
                settings.kafka_config,
                rows,
                kind,
                now=now,
                source=f"wharf:stock:{file.name}",
                reference=reference,
                done=lambda count: bar.update(count - bar.pos),
            )
    depots: dict[str, int] = {}
    for row in rows:
        depots[row.depot] = depots.get(row.depot, 0) + row.qty
    _print(
        {
            "file": str(file),
            "kind": kind,
            "rows": len(rows),
            "units": depots,
            "written": execute,
            "reference": reference,
        },
        as_json,
    )


def _stderr() -> Any:
    import sys

    return sys.stderr


def _print(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(told))
        return
    for depot, units in sorted(told["units"].items()):
        typer.echo(f"  {depot}: {units:+} units" if told["kind"] != "count" else f"  {depot}: {units} units")
    last = f"is written (reference {told['reference']})" if told["written"] else "; add --execute to write it"
    typer.echo(f"{told['kind']} of {told['rows']} row(s) {last}".replace(" ;", ";"))


@commands.command("show")
def show(
    sku: Annotated[str, typer.Option(help="Only this SKU")] = "",
    depot: Annotated[str, typer.Option(help="Only this depot")] = "",
    limit: Annotated[int, typer.Option(help="Rows at most, by SKU", min=1)] = 1000,
    as_json: AsJson = False,
) -> None:
    """Stock on hand, reserved and free, as the events in ClickHouse have it (a second behind the pools)."""
    from ops.servers.endpoints import clickhouse_client
    from ops.settings import Settings

    client = clickhouse_client(Settings())
    found = client.query(QUERY, parameters={"sku": sku, "depot": depot, "limit": limit})
    rows = [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]
    if as_json:
        typer.echo(json.dumps({"stock": rows}))
        return
    typer.echo(f"{'sku':<24} {'depot':<14} {'quality':<9} {'on hand':>9} {'reserved':>9} {'free':>9}")
    for row in rows:
        typer.echo(
            f"{row['sku']:<24} {row['depot']:<14} {row['quality']:<9} {row['on_hand']:>9} {row['reserved']:>9} {row['free']:>9}"
        )
    if len(rows) == limit:
        typer.echo(f"the first {limit} rows; --limit for more", err=True)


# A move holds the values after it, so the newest one by the pool's sequence is the stock.
QUERY = """
SELECT pool, sku, depot, quality, last.1 AS on_hand, last.2 AS reserved, last.1 - last.2 AS free
FROM (
    SELECT pool, sku, depot, quality, argMax((m.on_hand, m.reserved), m.seq) AS last
    FROM pool_moves AS m
    WHERE ({sku:String} = '' OR sku = {sku:String}) AND ({depot:String} = '' OR depot = {depot:String})
    GROUP BY pool, sku, depot, quality
)
ORDER BY sku, depot, quality
LIMIT {limit:UInt32}
"""
