"""Find the returns that a command line names."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ops.errors import UserError
from wharf.shared import open_clickhouse

__all__ = ["Which", "find_return", "find_returns"]

Which = Annotated[str, typer.Argument(help="RMA id, order (key, id or name), parcel key or tracking number")]


def find_returns(which: str) -> list[dict[str, Any]]:
    from ops.operator import returns

    with open_clickhouse() as client:
        return returns.find(client, which)


def find_return(which: str) -> dict[str, Any]:
    found = find_returns(which)
    if len(found) == 1:
        return found[0]
    if (named := [rma for rma in found if rma["name"] == which]) and len(named) == 1:
        return named[0]  # an order's parcel without an RMA has the order's key for its name
    raise UserError(f"{which} has {len(found)} returns: say which, {', '.join(rma['name'] for rma in found)}")
