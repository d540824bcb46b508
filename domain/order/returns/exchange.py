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
from domain.order.session import OrderSession
from domain.order.state.reported import Header
from domain.order.state.returns import Rma
from domain.records.commands import HoldChanged, OrderCancelled, OrderUpserted
from domain.records.values import Address, Client, Delivery, EventLine, Order, OrderLine, Payment

from .book import problem, record_return

__all__ = ["cover", "create", "exchange_order_id", "go_on", "keeps_stock", "release", "value", "withdraw"]

HOLD = "AWAITING_RETURN_ITEMS"


def exchange_order_id(rma: str) -> str:
    """The order id of an RMA's exchange, beside the order it came from: ``1001~x1``."""
    key, n = split_rma_id(rma)
    return f"{key.split(':', 2)[2]}~x{n}"


def value(rma: Rma, *, included: bool) -> int:
    """What the new goods cost, with tax."""
    return sum(line.qty * line.unit_price + (0 if included else line.tax) for line in rma.exchange)


def cover(session: OrderSession, rma: Rma, amount: int, left: int) -> int:
    """How much of a credit the new goods stand for: never more than is ``left`` of what was paid."""
    header = session.state.header
    if header is None or not any(line.qty for line in rma.exchange) or rma.ended == "CANCELLED":
        return 0
    return max(0, min(amount, value(rma, included=header.tax_included) - rma.covered, left))


def go_on(session: OrderSession, rma: Rma, goods: int, moved: Sequence[tuple[str, int]], name: str) -> None:
    """Old goods were credited in new ones: ``goods`` of these are paid with what was moved to their order, and they may go out."""
    rma.covered += goods
    if rma.exchange_key:
        transfer(session, rma.exchange_key, moved, name)
        _release(session, rma)
    else:
        create(session, rma, held=False, moved=moved)


def create(session: OrderSession, rma: Rma, *, held: bool, moved: Sequence[tuple[str, int]] = ()) -> None:
    """Ask for the new order. ``held``: it waits for the old goods to be inspected; ``moved``: what it is paid with, by payment."""
    header = session.state.header
    if header is None:
        return
    rma.exchange_key = f"{session.channel}:{session.account}:{exchange_order_id(rma.id)}"
    if held:
        _hold(session, rma, "place", "the returned goods are not inspected yet")
    rma.released = not held
    gateways = {k: gateway for k, gateway, _ in ledger(session.state).captured}
    order = _order(session, header, rma, [Payment(k, gateways.get(k, ""), n) for k, n in moved], held=held)
    session.to_order(
        OrderUpserted(**_fact(session, "OrderUpserted", rma, f"order@{order.version}", order), order=order)
    )
    units = [EventLine(line.line_id, line.sku, line.qty, line.qty * line.unit_price) for line in order.lines]
    record_return(
        session,
        "EXCHANGE_CREATED",
        rma,
        [],
        reason=", ".join(f"{line.qty} × {line.sku}" for line in units),
        amount=order.total,
    )


def _order(session: OrderSession, header: Header, rma: Rma, payments: list[Payment], *, held: bool) -> Order:
    total = value(rma, included=header.tax_included)
    due = 0 if held else max(0, total - rma.covered)
    return Order(
        rma.exchange_key,
        session.channel,
        session.account,
        exchange_order_id(rma.id),
        f"{header.name}-X{split_rma_id(rma.id)[1]}",
        session.command.time,
        session.command.time,
        header.currency,
        "pending" if due else "paid",
        [
            OrderLine(
                f"x{i}",
                goods.sku,
                goods.qty,
                goods.unit_price,
                goods.tax,
                title=goods.title,
                variant_id=goods.variant_id,
            )
            for i, goods in enumerate(rma.exchange, 1)
        ],
        Client(header.customer_key, header.email, header.phone, header.language, _address(header.ship_to)),
        Delivery(header.ship_method, header.service_level, header.carrier),
        total=due or total,
        tax_included=header.tax_included,
        tags=header.tags,
        payments=payments,
        exchange_for=rma.id,
        root=root_of(session.state),
        stands_for=stands_for(session.state, rma),
    )


def _address(address: Address) -> Address:
    return Address(
        address.name,
        address.company,
        address.street1,
        address.street2,
        address.postcode,
        address.city,
        address.region,
        address.country,
        address.phone,
    )


def _release(session: OrderSession, rma: Rma) -> None:
    """The old goods are there: the new order may ship; if they are worth less than it was thought, a person decides."""
    header = session.state.header
    if rma.released or header is None:
        return
    short = value(rma, included=header.tax_included) - rma.covered
    if short > 0:
        problem(
            session,
            rma,
            "EXCHANGE",
            rma.lines[0],
            0,
            note=f"the returned goods cover {rma.covered}, the new ones cost {short} more",
        )
        return
    rma.released = True
    _hold(session, rma, "release", "the returned goods were inspected")


def release(session: OrderSession, rma: Rma, reason: str) -> None:
    """A person lets the new order ship."""
    rma.released = True
    _hold(session, rma, "release", reason)


def _hold(session: OrderSession, rma: Rma, action: str, reason: str) -> None:
    said: dict[str, Any] = {"hold": HOLD, "action": action, "reason": reason, "actor": "returns"}
    fact = _fact(session, "HoldChanged", rma, f"hold/{HOLD}/{action}/{rma.id}", said)
    session.to_order(HoldChanged(**fact, **said))


def withdraw(session: OrderSession, rma: Rma, reason: str) -> None:
    """The old goods will not come: the new ones must not go."""
    if rma.exchange_key and not rma.released:
        said: dict[str, Any] = {"version": session.command.time, "reason": f"exchange {rma.id}: {reason}", "lines": []}
        fact = _fact(session, "OrderCancelled", rma, f"cancel/{rma.id}", said)
        session.to_order(OrderCancelled(**fact, **said))


def _fact(session: OrderSession, kind: str, rma: Rma, key: str, said: object) -> dict[str, Any]:
    digest = hashlib.sha256(msgspec.msgpack.encode(said)).hexdigest()[:16]
    marks = {"order_key": rma.exchange_key, "idempotency_key": key, "delivery_id": "", "content_hash": digest}
    return {**session.head(kind), **marks}


def keeps_stock(session: OrderSession) -> bool:
    """Is it held for nothing but the old goods of an exchange, and the rules keep the new ones for the customer meanwhile?"""
    header = session.state.header
    waits = header is not None and bool(header.exchange_for) and set(session.state.holds) == {HOLD}
    return waits and session.rules.returns.exchange.reserve
