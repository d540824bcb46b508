"""``wharf returns``: the acts by hand: request, approve, decline, cancel, receive, inspect, resolve."""

from __future__ import annotations

import getpass
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.errors import UserError
from wharf.commands.return_lookup import Which, find_return
from wharf.options import Actor, AsJson, Execute, Reason
from wharf.shared import open_clickhouse, time_now

if TYPE_CHECKING:
    from domain.records.commands import OrderCommand

__all__ = [
    "Action",
    "Depot",
    "Kind",
    "Lines",
    "Payer",
    "Receipt",
    "Units",
    "approve",
    "cancel",
    "decline",
    "inspect",
    "receive",
    "request",
    "resolve",
]

Lines = Annotated[list[str] | None, typer.Option("--line", help="Units: LINE_ID=QTY (or SKU=QTY); may be repeated")]
Depot = Annotated[str, typer.Option(help="Where the goods are")]
Receipt = Annotated[str, typer.Option(help="Number of the receipt; figures are cumulative within it")]
Units = Annotated[
    list[str] | None, typer.Option("--unit", help="What was found: LINE_ID=QTY:DISPOSITION; may be repeated")
]


class Kind(StrEnum):
    """What is asked for."""

    RETURN = "return"
    CLAIM = "claim"
    EXCHANGE = "exchange"


class Payer(StrEnum):
    """Who pays the label."""

    BY_RULES = ""
    CUSTOMER = "customer"
    MERCHANT = "merchant"


class Action(StrEnum):
    """What may become of an exception."""

    ASSIGN = "assign"
    ACCEPT = "accept"
    INSPECT = "inspect"
    CREDIT = "credit"
    REFUSE = "refuse"
    RETRY = "retry"
    REFUNDED = "refunded"


def request(
    order: Annotated[str, typer.Argument(help="The order: key, channel's id or name")],
    *,
    line: Lines = None,
    reason: Annotated[str, typer.Option(help="The customer's reason: a code of the rules, or words")],
    kind: Annotated[Kind, typer.Option(help="claim: no goods come back; exchange: others go out")] = Kind.RETURN,
    exchange: Annotated[
        list[str] | None, typer.Option(help="For an exchange: SKU=QTY or SKU=QTY@PRICE (minor units)")
    ] = None,
    payer: Annotated[Payer, typer.Option(help="Who pays the label; default: by the rules")] = Payer.BY_RULES,
    amount: Annotated[int | None, typer.Option(min=1, help="Of a claim: minor units; default: what was paid")] = None,
    actor: Actor = "",
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Ask for a return in the customer's name; the rules decide at once, or leave it to `approve` and `decline`."""
    from domain.records.values import ReturnLine
    from ops.operator import orders, returns

    with open_clickhouse() as client:
        found = orders.show(client, orders.find(client, order))
    lines = [ReturnLine(text.line_id, text.sku, text.qty, reason) for text in _order_lines(found, line or [])]
    if (kind == Kind.EXCHANGE) != bool(exchange):
        raise UserError("--kind exchange and --exchange belong together: say what is to go out")
    command = returns.request(
        found["order_key"],
        lines,
        kind=kind.value,
        exchange=[_exchange(text) for text in exchange or []],
        payer=payer.value,
        amount=amount,
        actor=actor or getpass.getuser(),
        now=time_now(),
    )
    _tell(command, found["status"], execute, as_json)


def approve(
    which: Which,
    *,
    reason: Reason,
    line: Lines = None,
    amount: Annotated[int | None, typer.Option(min=0, help="Of a claim: minor units to credit")] = None,
    actor: Actor = "",
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Approve a return that waits for a person, or one that the rules declined. `--line`: only these units."""
    _decide(which, "approve", reason, line, amount=amount, actor=actor, execute=execute, as_json=as_json)


def decline(
    which: Which, *, reason: Reason, actor: Actor = "", execute: Execute = False, as_json: AsJson = False
) -> None:
    """Decline a return; the channel is told why."""
    _decide(which, "decline", reason, None, amount=None, actor=actor, execute=execute, as_json=as_json)


def cancel(
    which: Which, *, reason: Reason, actor: Actor = "", execute: Execute = False, as_json: AsJson = False
) -> None:
    """Cancel a return of which nothing has come yet."""
    _decide(which, "cancel", reason, None, amount=None, actor=actor, execute=execute, as_json=as_json)


def receive(
    which: Which,
    *,
    line: Lines = None,
    depot: Depot,
    receipt: Receipt = "by-hand",
    actor: Actor = "",
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Book goods that came in, where no WMS tells it. Credit waits for the inspection."""
    from domain.records.values import LineQty
    from ops.operator import returns

    found = find_return(which)
    units = [
        LineQty(line_id, sku, count) for line_id, sku, count in (_unit(found, text, "--line") for text in line or [])
    ]
    if not units:
        raise UserError("--line: say which units came: LINE_ID=QTY")
    command = returns.receive(
        found["order_key"], found["rma_id"], depot, receipt, units, actor=actor or getpass.getuser(), now=time_now()
    )
    _tell(command, found["status"], execute, as_json)


def inspect(
    which: Which,
    *,
    unit: Units = None,
    depot: Depot,
    receipt: Receipt = "by-hand",
    actor: Actor = "",
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Book what an inspection found: RESTOCK, B_GRADE, WRITE_OFF, MISSING, WRONG_ITEM. Stock moves and money goes back by it."""
    from ops.operator import returns

    found = find_return(which)
    lines = [_inspected(found, text) for text in unit or []]
    if not lines:
        raise UserError("--unit: say what was found: LINE_ID=QTY:DISPOSITION")
    command = returns.inspect(
        found["order_key"], found["rma_id"], depot, receipt, lines, actor=actor or getpass.getuser(), now=time_now()
    )
    _tell(command, found["status"], execute, as_json)


def resolve(
    which: Which,
    *,
    action: Annotated[Action, typer.Option(help="What is to become of it (docs/returns.md)")],
    reason: Reason,
    exception: Annotated[str, typer.Option(help="Only this exception; default: every open one")] = "",
    to_order: Annotated[str, typer.Option(help="For assign: whose parcel it is (key, id or name)")] = "",
    unit: Units = None,
    reference: Annotated[str, typer.Option(help="For refunded: how it was paid")] = "",
    amount: Annotated[int, typer.Option(min=0, help="For retry and refunded: a part, minor units; 0: all of it")] = 0,
    actor: Actor = "",
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Resolve what waits for a person: a parcel nobody announced, missing or wrong goods, a credit that failed."""
    from ops.operator import orders, returns

    found = find_return(which)
    if (action == Action.ASSIGN) != bool(to_order):
        raise UserError("--action assign and --to-order belong together")
    if action == Action.REFUNDED and not reference:
        raise UserError("--reference: say how it was paid (a bank's or provider's number)")
    _must_wait(found, action, exception)
    if to_order:
        with open_clickhouse() as client:
            to_order = orders.find(client, to_order)
    command = returns.resolve(
        found["order_key"],
        found["rma_id"],
        action.value,
        reason,
        exception_id=exception,
        to_order=to_order,
        lines=[_inspected(found, text) for text in unit or []],
        reference=reference,
        amount=amount,
        actor=actor or getpass.getuser(),
        now=time_now(),
    )
    _tell(command, found["status"], execute, as_json)


def _must_wait(found: dict[str, Any], action: Action, exception: str) -> None:
    """Raises UserError where nothing waits that this action could be about."""
    waiting = [x for x in found["exceptions"] if x["open"]]
    if action in (Action.RETRY, Action.REFUNDED) or (
        action == Action.REFUSE and found["manual_refund"] and not waiting
    ):
        there, what = bool(found["manual_refund"]), "no credit waits for a person"
    else:
        there = any(exception in ("", x["id"]) for x in waiting)
        what = f"no open exception {exception}".rstrip()
    if there:
        return
    todo = [x["reason"] for x in waiting] + ([f"a credit, {found['manual_refund']}"] if found["manual_refund"] else [])
    raise UserError(f"{found['name']}: {what}; {'what waits: ' + '; '.join(todo) if todo else 'nothing waits'}")


def _decide(
    which: str,
    decision: str,
    reason: str,
    line: list[str] | None,
    *,
    amount: int | None,
    actor: str,
    execute: bool,
    as_json: bool,
) -> None:
    from domain.records.values import LineQty
    from ops.operator import returns

    found = find_return(which)
    lines = [
        LineQty(line_id, sku, count) for line_id, sku, count in (_unit(found, text, "--line") for text in line or [])
    ]
    command = returns.decide(
        found["order_key"],
        found["rma_id"],
        decision,
        reason,
        lines,
        amount=amount,
        actor=actor or getpass.getuser(),
        now=time_now(),
    )
    _tell(command, found["status"], execute, as_json)


def _order_lines(found: dict[str, Any], wanted: list[str]) -> list[Any]:
    """The chosen units of an order: no ``--line`` means all that was delivered and not returned yet."""
    from domain.records.values import LineQty

    lines = {line_["line_id"]: line_ for line_ in found["lines"]}
    if not wanted:
        left = {k: line_["shipped"] - line_["returned"] for k, line_ in lines.items()}
        return [LineQty(k, lines[k]["sku"], count) for k, count in left.items() if count > 0]
    out = []
    for text in wanted:
        name, _, qty = text.rpartition("=")
        line = lines.get(name) or next((line_ for line_ in lines.values() if line_["sku"] == name), None)
        if line is None or not qty.isdigit() or not 0 < int(qty) <= line["ordered"]:
            has = ", ".join(f"{k} ({line_['shipped']} × {line_['sku']} shipped)" for k, line_ in lines.items())
            raise UserError(f"--line {text}: give LINE_ID=QTY; the order has {has}")
        out.append(LineQty(line["line_id"], line["sku"], int(qty)))
    return out


def _unit(found: dict[str, Any], text: str, option: str) -> tuple[str, str, int]:
    """Line, SKU and units of ``LINE=QTY`` or ``SKU=QTY``. A parcel that nobody announced may hold anything."""
    name, _, qty = text.rpartition("=")
    if not name or not qty.isdigit() or int(qty) < 1:
        raise UserError(f"{option} {text}: give LINE_ID=QTY")
    if name in found["units"]:
        return name, found["units"][name]["sku"], int(qty)
    line = next((k for k, unit in found["units"].items() if unit["sku"] == name), "")
    if not line and found["rma_id"] and option == "--line":
        has = ", ".join(f"{k} ({unit['sku']})" for k, unit in found["units"].items())
        raise UserError(f"{option} {text}: {found['name']} has {has}")
    return line, name, int(qty)


def _inspected(found: dict[str, Any], text: str) -> Any:
    from domain.records.return_commands import DISPOSITIONS
    from domain.records.values import InspectedLine

    units, _, disposition = text.rpartition(":")
    if disposition.upper() not in DISPOSITIONS:
        raise UserError(f"--unit {text}: give LINE_ID=QTY:DISPOSITION, one of {', '.join(DISPOSITIONS)}")
    line, sku, qty = _unit(found, units, "--unit")
    return InspectedLine(line, sku, qty, disposition.upper())


def _exchange(text: str) -> Any:
    from domain.records.values import ExchangeLine

    sku, _, rest = text.rpartition("=")
    qty, _, price = rest.partition("@")
    if not sku or not qty.isdigit() or int(qty) < 1 or (price and not price.isdigit()):
        raise UserError(f"--exchange {text}: give SKU=QTY or SKU=QTY@PRICE, the price in minor units")
    return ExchangeLine(sku, int(qty), int(price or 0))


def _plain(value: Any) -> str:
    """A field of a command for people: units as ``2 × MUG (line 7, RESTOCK)``."""
    if not isinstance(value, list):
        return str(value)
    parts = []
    for item in value:
        of = f"line {item['line_id']}" if item.get("line_id") else ""
        price = f"{item['unit_price']} each" if item.get("unit_price") else ""
        more = ", ".join(filter(None, (of, item.get("disposition"), item.get("reason"), price)))
        parts.append(f"{item['qty']} × {item['sku'] or item.get('line_id')}" + (f" ({more})" if more else ""))
    return ", ".join(parts)


def _tell(command: OrderCommand, status: str, execute: bool, as_json: bool) -> None:
    import msgspec

    from ops.operator import orders
    from ops.servers.endpoints import kafka_config
    from ops.settings import Settings
    from schemas.topics import ORDERS_IN

    if execute:
        orders.send(command, kafka_config(Settings()))
    said = msgspec.to_builtins(command)
    if as_json:
        typer.echo(json.dumps({"executed": execute, "topic": ORDERS_IN.name, "status": status, "command": said}))
        return
    hidden = {
        "event_id",
        "type",
        "time",
        "source",
        "trace",
        "order_key",
        "idempotency_key",
        "delivery_id",
        "content_hash",
    }
    empty: tuple[object, ...] = ("", [], None, 0) if said["type"] == "ReturnResolved" else ("", [], None)
    what = ", ".join(f"{k}={_plain(v)}" for k, v in said.items() if k not in hidden and v not in empty)
    typer.echo(f"{said['order_key']} is {status or 'unassigned'}")
    typer.echo(f"{'written' if execute else 'would write'} to {ORDERS_IN.name}: {said['type']} {what}")
    if not execute:
        typer.echo("nothing was done: add --execute")
