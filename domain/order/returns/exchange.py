"""Exchanges: other goods go out for those that come back, as an order of its own that the channel knows nothing of.

The new order (``order_id~xN``) is asked for at the inspection, or at the approval and held (AWAITING_RETURN_ITEMS) until the
inspection. What the old goods are worth covers it and is moved to its account (``order_family``); a rest goes back in money, or has to be
paid first (AWAITING_PAYMENT). Whatever of it does not go out after all is moved back by that order and credited here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from domain.keys import split_rma_id
from domain.order.family import root_of, stands_for, transfer
from domain.order.ledger import ledger
from domain.order.session import Turn
from domain.order.state.reported import Header
from domain.order.state.returns import Rma
from domain.records.commands import HoldChanged, OrderCancelled, OrderUpserted
from domain.records.values import Address, Client, Delivery, EventLine, Order, OrderLine, Payment

from .book import problem, told

__all__ = ["cover", "create", "exchange_order_id", "go_on", "keeps_stock", "release", "value", "withdraw"]

HOLD = "AWAITING_RETURN_ITEMS"


def exchange_order_id(rma: str) -> str:
    """The order id of an RMA's exchange, beside the order it came from: ``1001~x1``."""
    key, n = split_rma_id(rma)
    return f"{key.split(':', 2)[2]}~x{n}"


def value(r: Rma, *, included: bool) -> int:
    """What the new goods cost, with tax."""
    return sum(x.qty * x.unit_price + (0 if included else x.tax) for x in r.exchange)


def cover(turn: Turn, r: Rma, amount: int, left: int) -> int:
    """How much of a credit the new goods stand for: never more than is ``left`` of what was paid."""
    h = turn.state.header
    if h is None or not any(x.qty for x in r.exchange) or r.ended == "CANCELLED":
        return 0
    return max(0, min(amount, value(r, included=h.tax_included) - r.covered, left))


def go_on(turn: Turn, r: Rma, goods: int, moved: Sequence[tuple[str, int]], name: str) -> None:
    """Old goods were credited in new ones: ``goods`` of these are paid with what was moved to their order, and they may go out."""
    r.covered += goods
    if r.exchange_key:
        transfer(turn, r.exchange_key, moved, name)
        _release(turn, r)
    else:
        create(turn, r, held=False, moved=moved)


def create(turn: Turn, r: Rma, *, held: bool, moved: Sequence[tuple[str, int]] = ()) -> None:
    """Ask for the new order. ``held``: it waits for the old goods to be inspected; ``moved``: what it is paid with, by payment."""
    h = turn.state.header
    if h is None:
        return
    r.exchange_key = f"{turn.channel}:{turn.account}:{exchange_order_id(r.id)}"
    if held:
        _hold(turn, r, "place", "the returned goods are not inspected yet")
    r.released = not held
    gateways = {k: gateway for k, gateway, _ in ledger(turn.state).captured}
    order = _order(turn, h, r, [Payment(k, gateways.get(k, ""), n) for k, n in moved], held=held)
    turn.tell(OrderUpserted(**_fact(turn, "OrderUpserted", r, f"order@{order.version}", order), order=order))
    units = [EventLine(x.line_id, x.sku, x.qty, x.qty * x.unit_price) for x in order.lines]
    told(turn, "EXCHANGE_CREATED", r, [], reason=", ".join(f"{x.qty} × {x.sku}" for x in units), amount=order.total)


def _order(turn: Turn, h: Header, r: Rma, payments: list[Payment], *, held: bool) -> Order:
    total = value(r, included=h.tax_included)
    due = 0 if held else max(0, total - r.covered)
    return Order(
        r.exchange_key,
        turn.channel,
        turn.account,
        exchange_order_id(r.id),
        f"{h.name}-X{split_rma_id(r.id)[1]}",
        turn.command.time,
        turn.command.time,
        h.currency,
        "pending" if due else "paid",
        [
            OrderLine(f"x{i}", x.sku, x.qty, x.unit_price, x.tax, title=x.title, variant_id=x.variant_id)
            for i, x in enumerate(r.exchange, 1)
        ],
        Client(h.customer_key, h.email, h.phone, h.language, _address(h.ship_to)),
        Delivery(h.ship_method, h.service_level, h.carrier),
        total=due or total,
        tax_included=h.tax_included,
        tags=h.tags,
        payments=payments,
        exchange_for=r.id,
        root=root_of(turn.state),
        stands_for=stands_for(turn.state, r),
    )


def _address(a: Address) -> Address:
    return Address(a.name, a.company, a.street1, a.street2, a.postcode, a.city, a.region, a.country, a.phone)


def _release(turn: Turn, r: Rma) -> None:
    """The old goods are there: the new order may ship; if they are worth less than it was thought, a person decides."""
    h = turn.state.header
    if r.released or h is None:
        return
    short = value(r, included=h.tax_included) - r.covered
    if short > 0:
        problem(
            turn,
            r,
            "EXCHANGE",
            r.lines[0],
            0,
            note=f"the returned goods cover {r.covered}, the new ones cost {short} more",
        )
        return
    r.released = True
    _hold(turn, r, "release", "the returned goods were inspected")


def release(turn: Turn, r: Rma, reason: str) -> None:
    """A person lets the new order ship."""
    r.released = True
    _hold(turn, r, "release", reason)


def _hold(turn: Turn, r: Rma, action: str, reason: str) -> None:
    said: dict[str, Any] = {"hold": HOLD, "action": action, "reason": reason, "actor": "returns"}
    fact = _fact(turn, "HoldChanged", r, f"hold/{HOLD}/{action}/{r.id}", said)
    turn.tell(HoldChanged(**fact, **said))


def withdraw(turn: Turn, r: Rma, reason: str) -> None:
    """The old goods will not come: the new ones must not go."""
    if r.exchange_key and not r.released:
        said: dict[str, Any] = {"version": turn.command.time, "reason": f"exchange {r.id}: {reason}", "lines": []}
        fact = _fact(turn, "OrderCancelled", r, f"cancel/{r.id}", said)
        turn.tell(OrderCancelled(**fact, **said))


def _fact(turn: Turn, kind: str, r: Rma, key: str, said: object) -> dict[str, Any]:
    digest = hashlib.sha256(msgspec.msgpack.encode(said)).hexdigest()[:16]
    marks = {"order_key": r.exchange_key, "idempotency_key": key, "delivery_id": "", "content_hash": digest}
    return {**turn.head(kind), **marks}


def keeps_stock(turn: Turn) -> bool:
    """Is it held for nothing but the old goods of an exchange, and the rules keep the new ones for the customer meanwhile?"""
    h = turn.state.header
    waits = h is not None and bool(h.exchange_for) and set(turn.state.holds) == {HOLD}
    return waits and turn.rules.returns.exchange.reserve
