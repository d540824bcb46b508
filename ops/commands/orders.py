"""``wharf orders``: look at orders, hold, release and cancel them by hand."""

from __future__ import annotations

import getpass
import json
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domain.commands import OrderCommand

__all__ = ["register"]

Order = Annotated[
    str, typer.Argument(help="The order's key (channel:account:order id), the channel's id of it, or its name (#1001)")
]
Reason = Annotated[str, typer.Option(help="Kept with the order, for those who ask later")]
Actor = Annotated[str, typer.Option(help="Who says so; default: the user of this machine")]
Execute = Annotated[bool, typer.Option("--execute", help="Do it; without, only show what would be written")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout")]


class Hold(StrEnum):
    """What may keep an order."""

    MANUAL = "MANUAL"
    AWAITING_PAYMENT = "AWAITING_PAYMENT"
    FRAUD_RISK = "FRAUD_RISK"
    INCORRECT_ADDRESS = "INCORRECT_ADDRESS"
    AWAITING_RETURN_ITEMS = "AWAITING_RETURN_ITEMS"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    orders = typer.Typer(help="Orders: where they stand and why; hold, release, cancel.", no_args_is_help=True)
    orders.command("show")(show)
    orders.command("list")(list_orders)
    orders.command("hold")(hold)
    orders.command("release")(release)
    orders.command("cancel")(cancel)
    app.add_typer(orders, name="orders")


def show(order: Order, as_json: AsJson = False) -> None:
    """Print an order's state, quantities, holds, each allocation with the decision behind it, shipments and timeline."""
    from ops import orders
    from ops.order_text import render

    with _clickhouse() as client:
        found = orders.show(client, orders.find(client, order))
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else render(found))


def list_orders(
    status: Annotated[str, typer.Option(help="Only this status, such as HELD or BACKORDERED")] = "",
    channel: Annotated[str, typer.Option(help="Only this channel, such as shopify")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the latest first")] = 50,
    as_json: AsJson = False,
) -> None:
    """List orders and where they stand."""
    from domain.status import STATUSES
    from ops import orders
    from ops.order_text import table

    if status and status.upper() not in STATUSES:
        raise UserError(f"--status {status}: there are {', '.join(STATUSES)}")
    with _clickhouse() as client:
        rows = orders.listed(client, status, channel, limit)
    if as_json:
        typer.echo(json.dumps({"orders": rows}, default=lambda t: t.isoformat() if hasattr(t, "isoformat") else str(t)))
        return
    names = ["order_key", "name", "status", "placed_at", "changed_at", "events", "intervention"]
    shown = [[f"{r[n]:%Y-%m-%d %H:%M:%S}" if n.endswith("_at") else r[n] for n in names] for r in rows]
    typer.echo("\n".join(table([names, *shown], frozenset({5}))) if rows else "no such orders")


def hold(
    order: Order,
    *,
    reason: Reason,
    name: Annotated[Hold, typer.Option("--hold", help="Which hold to place")] = Hold.MANUAL,
    actor: Actor = "",
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Hold an order: what no warehouse has yet is taken back, the rest is asked back."""
    _tell_hold(order, name, "place", reason=reason, actor=actor, execute=execute, as_json=as_json)


def release(
    order: Order,
    *,
    reason: Reason,
    name: Annotated[Hold, typer.Option("--hold", help="Which hold to release")] = Hold.MANUAL,
    actor: Actor = "",
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Release a hold. Releasing MANUAL also tries again what failed or found no depot."""
    _tell_hold(order, name, "release", reason=reason, actor=actor, execute=execute, as_json=as_json)


def cancel(
    order: Order,
    *,
    reason: Reason,
    line: Annotated[
        list[str] | None, typer.Option(help="Only these units: LINE_ID=QTY; default: the whole order")
    ] = None,
    actor: Actor = "",
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Cancel an order or units of it. What has shipped can't be had back; the channel is told what ends cancelled."""
    from ops import orders

    found = _found(order)
    units = _chosen_units(found, line or [])
    command = orders.cancel(found["order_key"], reason, units, actor=actor or getpass.getuser(), now=_now())
    _tell(command, found, execute, as_json)


def _tell_hold(order: str, name: Hold, action: str, *, reason: str, actor: str, execute: bool, as_json: bool) -> None:
    from ops import orders

    found = _found(order)
    command = orders.hold(found["order_key"], name.value, action, reason, actor=actor or getpass.getuser(), now=_now())
    _tell(command, found, execute, as_json)


def _chosen_units(found: dict[str, Any], wanted: list[str]) -> list[Any]:
    """Raises UserError naming the option for what is no line of the order, or more units than it has."""
    from domain.values import LineQty

    lines = {x["line_id"]: x for x in found["lines"]}
    units = []
    for text in wanted:
        line_id, _, qty = text.rpartition("=")
        if line_id not in lines or not qty.isdigit() or not 0 < int(qty) <= lines[line_id]["ordered"]:
            has = ", ".join(f"{k} ({x['ordered']} × {x['sku']})" for k, x in lines.items())
            raise UserError(f"--line {text}: give LINE_ID=QTY; the order has {has}")
        units.append(LineQty(line_id, lines[line_id]["sku"], int(qty)))
    return units


def _tell(command: OrderCommand, found: dict[str, Any], execute: bool, as_json: bool) -> None:
    import msgspec

    from ops import orders
    from ops.embedded.endpoints import kafka_config
    from ops.settings import Settings
    from schemas.topics import ORDERS_IN

    if execute:
        orders.send(command, kafka_config(Settings()))
    said = msgspec.to_builtins(command)
    if as_json:
        typer.echo(
            json.dumps({"executed": execute, "topic": ORDERS_IN.name, "status": found["status"], "command": said})
        )
        return
    what = ", ".join(f"{k}={v}" for k, v in said.items() if k in {"hold", "action", "reason", "actor", "lines"})
    typer.echo(f"{found['order_key']} is {found['status']}")
    typer.echo(f"{'written' if execute else 'would write'} to {ORDERS_IN.name}: {command.type} {what}")
    if not execute:
        typer.echo("nothing was done: add --execute")


def _found(order: str) -> dict[str, Any]:
    from ops import orders

    with _clickhouse() as client:
        return orders.show(client, orders.find(client, order))


def _now() -> int:
    from ops.clock import from_setting
    from ops.settings import Settings

    return from_setting(Settings().clock)()


@contextmanager
def _clickhouse() -> Iterator[Any]:
    """A client; its errors as one line. Raises UserError."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from ops.embedded.endpoints import clickhouse_client
    from ops.settings import Settings

    try:
        with clickhouse_client(Settings()) as client:
            yield client
    except ClickHouseError as e:
        raise UserError(f"ClickHouse: {str(e)[:300]} (the tables are made by `wharf sink`)") from e
