"""``wharf orders``: look at orders; hold, release, cancel and re-route them by hand, each act with who and why."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ops.errors import UserError
from wharf.shared import open_clickhouse, time_now

if TYPE_CHECKING:
    from domain.records.commands import OrderCommand

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
    orders = typer.Typer(
        help="Orders: where they stand and why; hold, release, cancel, re-route.", no_args_is_help=True
    )
    orders.command("show")(show)
    orders.command("list")(list_orders)
    orders.command("hold")(hold)
    orders.command("release")(release)
    orders.command("cancel")(cancel)
    orders.command("reroute")(reroute)
    app.add_typer(orders, name="orders")


def show(order: Order, as_json: AsJson = False) -> None:
    """Print an order's state, quantities, holds, each allocation with the decision behind it, shipments and timeline."""
    from ops.operator import orders
    from ops.operator.order_text import render

    with open_clickhouse() as client:
        found = orders.show(client, orders.find(client, order))
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else render(found))


def list_orders(
    status: Annotated[str, typer.Option(help="Only this status, such as HELD or BACKORDERED")] = "",
    channel: Annotated[str, typer.Option(help="Only this channel, such as shopify")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the latest first")] = 50,
    problems: Annotated[
        bool,
        typer.Option(
            "--problems", help="Instead: what a person should look at (sent as it was, message failed, too late)"
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List orders and where they stand."""
    from domain.order.state.status import STATUSES
    from ops.operator import orders
    from ops.operator.order_text import table

    if status and status.upper() not in STATUSES:
        raise UserError(f"--status {status}: there are {', '.join(STATUSES)}")
    if problems and status:
        raise UserError("--problems lists events, not orders: leave out --status")
    with open_clickhouse() as client:
        rows = orders.problems(client, channel, limit) if problems else orders.listed(client, status, channel, limit)
    if as_json:
        typer.echo(
            json.dumps(
                {"orders": rows}, default=lambda value: value.isoformat() if hasattr(value, "isoformat") else str(value)
            )
        )
        return
    names = ["order_key", "name", "status", "placed_at", "changed_at", "events", "intervention"]
    if problems:
        names = ["order_key", "name", "status", "time", "problem", "depot", "reason"]
    shown = [
        [f"{row[name]:%Y-%m-%d %H:%M:%S}" if name.endswith(("_at", "time")) else row[name] for name in names]
        for row in rows
    ]
    right = frozenset() if problems else frozenset({5})
    typer.echo("\n".join(table([names, *shown], right)) if rows else "nothing" if problems else "no such orders")


class Act(NamedTuple):
    """Options that every act by hand has."""

    reason: str
    actor: str
    execute: bool
    as_json: bool


Make = Callable[[dict[str, Any], dict[str, Any]], "OrderCommand"]
"""The command of an act, from the order as it stands and the keywords that every act gives (actor, now)."""


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
    _act(order, Act(reason, actor, execute, as_json), _hold(name, "place", reason))


def release(
    order: Order,
    *,
    reason: Reason,
    name: Annotated[Hold, typer.Option("--hold", help="Which hold to release")] = Hold.MANUAL,
    actor: Actor = "",
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Release a hold, also one that the channel placed. Releasing MANUAL also tries again what failed or found no depot."""
    _act(order, Act(reason, actor, execute, as_json), _hold(name, "release", reason))


def cancel(
    order: Order,
    *,
    reason: Reason,
    line: Annotated[
        list[str] | None, typer.Option(help="Only these units: LINE_ID=QTY or SKU=QTY; default: the whole order")
    ] = None,
    actor: Actor = "",
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Cancel an order or units of it. What has shipped can't be had back; the channel is told what ends cancelled."""

    def make(found: dict[str, Any], who: dict[str, Any]) -> OrderCommand:
        from ops.operator import orders

        return orders.cancel(found["order_key"], reason, _chosen_units(found, line or []), **who)

    _act(order, Act(reason, actor, execute, as_json), make)


def reroute(
    order: Order,
    *,
    reason: Reason,
    depot: Annotated[str, typer.Option("--from", help="Only what this depot has; default: every depot")] = "",
    anew: Annotated[
        bool, typer.Option("--anew", help="Judge it anew with every depot, also those that have it or failed on it")
    ] = False,
    actor: Actor = "",
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Send what has not left from elsewhere, without the depots that have it now. A warehouse that has it is asked to give it up first."""

    def make(found: dict[str, Any], who: dict[str, Any]) -> OrderCommand:
        from ops.operator import orders

        has = {allocation["depot"] for allocation in found["allocations"]}
        if depot and depot not in has:
            raise UserError(
                f"--from {depot}: {found['order_key']} has nothing there; it has {', '.join(sorted(has)) or 'no allocation'}"
            )
        return orders.reroute(found["order_key"], reason, depot, anew=anew, **who)

    _act(order, Act(reason, actor, execute, as_json), make)


def _hold(name: Hold, action: str, reason: str) -> Make:
    def make(found: dict[str, Any], who: dict[str, Any]) -> OrderCommand:
        from ops.operator import orders

        return orders.hold(found["order_key"], name.value, action, reason, **who)

    return make


def _act(order: str, act: Act, make: Make) -> None:
    """What every act by hand does: find the order, make the command, write it or only show it."""
    if not act.reason.strip():
        raise UserError("--reason is empty: it is kept with the order, for those who ask later")
    found = _found(order)
    who = {"actor": act.actor or getpass.getuser(), "now": time_now()}
    _tell(make(found, who), found, act.execute, act.as_json)


def _chosen_units(found: dict[str, Any], wanted: list[str]) -> list[Any]:
    """Raises UserError naming the option for what is no line of the order, or more units than it has."""
    from domain.records.values import LineQty

    lines = {line["line_id"]: line for line in found["lines"]}
    has = ", ".join(f"{k} ({line['ordered']} × {line['sku']})" for k, line in lines.items())
    units: dict[str, Any] = {}
    for text in wanted:
        name, _, qty = text.rpartition("=")
        named = [k for k, line in lines.items() if name in (k, line["sku"])]
        line_id = name if name in lines else named[0] if len(named) == 1 else ""
        if not line_id or line_id in units or not qty.isdigit() or not 0 < int(qty) <= lines[line_id]["ordered"]:
            raise UserError(f"--line {text}: give LINE_ID=QTY, each line once; the order has {has}")
        units[line_id] = LineQty(line_id, lines[line_id]["sku"], int(qty))
    return list(units.values())


def _tell(command: OrderCommand, found: dict[str, Any], execute: bool, as_json: bool) -> None:
    import msgspec

    from ops.operator import orders
    from ops.servers.endpoints import kafka_config
    from ops.settings import Settings
    from schemas.topics import ORDERS_IN

    if execute:
        orders.send(command, kafka_config(Settings()))
    said, touched = msgspec.to_builtins(command), _touched(command, found)
    if as_json:
        shown = {
            "executed": execute,
            "topic": ORDERS_IN.name,
            "status": found["status"],
            "touches": touched,
            "command": said,
        }
        typer.echo(json.dumps(shown, ensure_ascii=False))
        return
    what = ", ".join(f"{k}={v}" for k, v in said.items() if k in _SAID and v)
    typer.echo(f"{found['order_key']} is {found['status']}")
    for value in touched:
        typer.echo(
            f"  {value['units']} × {value['sku']}{' at ' + value['depot'] if value['depot'] else ''}: {value['then']}"
        )
    typer.echo(f"{'written' if execute else 'would write'} to {ORDERS_IN.name}: {command.type} {what}")
    if not execute:
        typer.echo("nothing was done: add --execute")


_SAID = frozenset({"hold", "action", "reason", "actor", "lines", "depot", "anew"})
_BEFORE_WMS = frozenset({"ALLOCATED", "EFFECT_FAILED"})


def _touched(command: OrderCommand, found: dict[str, Any]) -> list[dict[str, Any]]:
    """What of the order the act reaches, as it stands in ClickHouse: free units at once, a warehouse's by its word, shipped ones never."""
    if command.type == "HoldChanged" and getattr(command, "action", "") == "release":
        return []
    lines = {unit.line_id for unit in getattr(command, "lines", [])}
    rows = []
    for allocation in found["allocations"]:
        if getattr(command, "depot", "") not in ("", allocation["depot"]) or allocation["status"] in {
            "SHIPPED",
            "DELIVERED",
            "UNALLOCATED",
        }:
            continue
        then = (
            "comes back at once"
            if allocation["status"] in _BEFORE_WMS
            else f"is {allocation['status']}: the warehouse is asked back, its word decides"
        )
        rows += [
            {"sku": line["sku"], "units": line["qty"], "depot": allocation["depot"], "then": then}
            for line in allocation["lines"]
            if not lines or line["line_id"] in lines
        ]
    if command.type != "RerouteRequested":
        for line in found["lines"]:
            free = line["open"] + line["backordered"]
            if free and (not lines or line["line_id"] in lines):
                rows.append({"sku": line["sku"], "units": free, "depot": "", "then": "no warehouse has it"})
    return rows


def _found(order: str) -> dict[str, Any]:
    from ops.operator import orders

    with open_clickhouse() as client:
        return orders.show(client, orders.find(client, order))
