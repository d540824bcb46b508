"""``wharf returns``: look at returns; ask for one, decide on it, book what came, resolve what is unclear."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.errors import UserError
from wharf.commands.return_acts import approve, cancel, decline, inspect, receive, request, resolve
from wharf.commands.return_lookup import Which, find_return, find_returns
from wharf.options import AsJson
from wharf.shared import open_clickhouse

if TYPE_CHECKING:
    pass

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(help="Returns: where they stand; request, decide, book, resolve.", no_args_is_help=True)
    for name, command in (
        ("list", list_returns),
        ("show", show),
        ("request", request),
        ("approve", approve),
        ("decline", decline),
        ("cancel", cancel),
        ("receive", receive),
        ("inspect", inspect),
        ("resolve", resolve),
        ("label", label),
    ):
        group.command(name)(command)
    app.add_typer(group, name="returns")


def list_returns(
    status: Annotated[str, typer.Option(help="Only this status, such as RECEIVED")] = "",
    exceptions: Annotated[bool, typer.Option("--exceptions", help="Only what waits for a person")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the latest first")] = 50,
    as_json: AsJson = False,
) -> None:
    """List returns, parcels without an order among them."""
    from ops.operator import returns
    from ops.operator.order_text import table
    from ops.operator.return_view import rows

    with open_clickhouse() as client:
        found = returns.listed(client, status=status, exceptions=exceptions, limit=limit)
    if as_json:
        typer.echo(json.dumps({"returns": found}, ensure_ascii=False))
        return
    typer.echo("\n".join(table(rows(found), frozenset({3, 4}))) if found else "no such returns")


def show(which: Which, as_json: AsJson = False) -> None:
    """Print returns with their units, what was found, what was credited, exceptions and timeline."""
    from ops.operator.return_view import render

    found = find_returns(which)
    typer.echo(json.dumps({"returns": found}, ensure_ascii=False) if as_json else "\n\n".join(map(render, found)))


def label(
    which: Which,
    out: Annotated[Path | None, typer.Option(help="Copy the PDF here (with .zpl: the ZPL)")] = None,
    as_json: AsJson = False,
) -> None:
    """Say where a return's label is: its files, and the link to give to the customer."""
    from connectors.carriers.store import LabelStore
    from ops.settings import Settings

    found = find_return(which)
    store = LabelStore(Settings().labels)
    key = store.key_of(found["tracking_number"]) if found["tracking_number"] else None
    made = store.find(key) if key else None
    if made is None or key is None:
        raise UserError(f"{found['name']}: no label of ours is in {store.folder}")
    if out is not None:
        out.write_bytes(made.zpl.encode() if out.suffix == ".zpl" else made.pdf)
    said = {
        "rma_id": found["rma_id"],
        "tracking_number": made.tracking_number,
        "cost": made.cost,
        "currency": made.currency,
        "payer": made.payer,
        "pdf": str(store.folder / f"{key}.pdf"),
        "zpl": str(store.folder / f"{key}.zpl"),
        "link": store.link(key, "pdf"),
    }
    typer.echo(json.dumps(said) if as_json else "\n".join(f"{k}: {v}" for k, v in said.items()))
