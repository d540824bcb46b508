"""An order and its exchanges, and theirs: one family, one ledger, though each order is an aggregate of its own.

Money moves with the goods. What the new goods stand for is moved, payment by payment, from the account of the order to that of the exchange's; what
of them will not go out moves back. So for each payment: captured = what the accounts hold + what was paid back, whoever acts first, and no
order has to ask another one. The channel knows the first order only (the root): credits name it and its lines, and the refunds it tells come there; so
the root is told of every credit of its family, and hands on a refund that settles one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from domain.keys import split_rma_id
from domain.money import running_share, spread
from domain.records.commands import ExchangeCredited, PaymentChanged, ReturnResolved
from domain.records.values import CreditLine, InspectedLine, LineQty, PaymentPart

from .cancel_refunds import cancel_values
from .dedupe import same_again
from .ledger import Ledger, credits_of, ledger, moved_out
from .refund_matching import match
from .session import OrderSession
from .state.order import OrderState
from .state.reported import CancelRefund, FamilyCredit, Header
from .state.returns import CreditFact, Rma

__all__ = [
    "channel_order_id",
    "exchange_credited",
    "give_up",
    "in_channel_lines",
    "root_of",
    "settle_family",
    "stands_for",
    "transfer",
]

Parts = list[tuple[str, int]]
"""(payment id, amount); the id is ``""`` where the channel holds the money."""


# -- the order that the channel knows ------------------------------------------------------------------------------------
def root_of(state: OrderState) -> str:
    """The key of the order that the channel knows: this one, or the one its exchange came from in the first place."""
    header = state.header
    if header is None or not header.exchange_for:
        return state.key
    return header.root or split_rma_id(header.exchange_for)[0].partition("~x")[0]


def channel_order_id(state: OrderState) -> str:
    """The order's id at its channel."""
    return root_of(state).split(":", 2)[2]


def stands_for(state: OrderState, rma: Rma) -> list[CreditLine]:
    """The units of the channel's own lines that an exchange's goods will stand for, with what was paid for them."""
    book = ledger(msgspec.structs.replace(state, book=None))
    lines = []
    for unit in rma.lines:
        n = unit.qty - unit.dropped
        if unit.line_id in book.value and n > 0:
            _, share = book.units_of(unit.line_id, n)
            lines.append(CreditLine(unit.line_id, unit.sku, n, share.gross, share.tax))
    return in_channel_lines(state, lines)


def in_channel_lines(state: OrderState, lines: list[CreditLine]) -> list[CreditLine]:
    """Credited units as units of the channel's lines. An exchange's unit is one of them where it stands for one line, unit for unit;
    else its amount is spread over the lines it stands for, without units.
    """
    header = state.header
    if header is None or not header.exchange_for:
        return lines
    if not header.stands_for:
        return [CreditLine("", "", 0, line.amount, line.tax) for line in lines]
    made: list[CreditLine] = []
    for line in lines:
        made += _stand_in(header, _ordered(state), line)
    return made


def _ordered(state: OrderState) -> int:
    return sum(line.ordered for line in state.lines)


def _stand_in(header: Header, ordered: int, line: CreditLine) -> list[CreditLine]:
    first_line, first_sku, units, _ = header.stands_for[0]
    if len(header.stands_for) == 1:
        n = line.qty if units == ordered else 0
        return [CreditLine(first_line, first_sku, n, line.amount, line.tax)]
    weights = [max(0, amount) for *_, amount in header.stands_for]
    amounts, taxes = spread(line.amount, weights), spread(line.tax, weights)
    places = zip(header.stands_for, amounts, taxes, strict=True)
    return [CreditLine(k, sku, 0, amount, tax) for (k, sku, *_), amount, tax in places if amount]


# -- money that moves ----------------------------------------------------------------------------------------------------
def transfer(session: OrderSession, order_key: str, parts: Sequence[tuple[str, int]], name: str) -> None:
    """Tell an exchange's order that these parts of payments are its own now (below 0: no longer). ``name``: of this one movement."""
    header = session.state.header
    gateways = {k: gateway for k, gateway, _ in ledger(session.state).captured}
    for k, n in parts:
        said: dict[str, Any] = {"transaction_id": f"{name}/{k}", "kind": "transfer", "status": "success", "amount": n}
        said |= {"currency": header.currency if header else "", "payment_id": k, "gateway": gateways.get(k, "")}
        session.to_order(
            PaymentChanged(**_head(session, "PaymentChanged", order_key, f"transfer/{name}/{k}", said), **said)
        )


def _head(session: OrderSession, kind: str, order_key: str, key: str, said: object) -> dict[str, Any]:
    digest = hashlib.sha256(msgspec.msgpack.encode(said)).hexdigest()[:16]
    marks = {"order_key": order_key, "idempotency_key": key, "delivery_id": "", "content_hash": digest}
    return {**session.head(kind), **marks}


def give_up(session: OrderSession) -> None:
    """What an exchange's order holds beyond the goods that are still to go out (or went) moves back to the order it came from."""
    state, header = session.state, session.state.header
    if header is None or not header.exchange_for or not any(line.cancelled for line in state.lines):
        return
    units = _cancelled_since(state)
    book = ledger(state, {unit.line_id: unit.qty for unit in units})
    values = cancel_values(book, units)
    amount = max(0, book.left - _bound(state, book))
    if not units and not amount:
        return
    parts: Parts = book.payments(amount) or ([("", amount)] if amount else [])
    lines = [(value.line_id, value.qty, value.amount, value.tax) for value in values]
    name = f"{len(state.paid_back) + 1}"
    fact = CancelRefund(
        amount, lines, [part for part in parts if part[0]], answered=True, moved=True, at=session.command.time
    )
    state.paid_back = {**state.paid_back, f"up/{name}": fact}
    _tell_parent(session, header, units, parts, name)


def _bound(state: OrderState, book: Ledger) -> int:
    """What an exchange's order needs or keeps: its goods' worth, less what was credited for them; fees; credits that wait for money."""
    remaining = sum(value.gross for value in book.value.values()) - sum(book.gross.values())
    credits = credits_of(state)
    fees = sum(amount for credit in credits for _, amount, _ in credit.fees)
    return remaining + fees + sum(credit.amount for credit in credits if credit.status == "MANUAL" and credit.short)


def _cancelled_since(state: OrderState) -> list[LineQty]:
    """Units that were cancelled and of which the order they came from knows nothing yet."""
    told: dict[str, int] = {}
    for cancel in state.paid_back.values():
        for line_id, n, *_ in cancel.lines:
            told[line_id] = told.get(line_id, 0) + n
    left = ((line, line.cancelled - told.get(line.line_id, 0)) for line in state.lines)
    return [LineQty(line.line_id, line.sku, n) for line, n in left if n > 0]


def _tell_parent(session: OrderSession, header: Header, units: list[LineQty], parts: Parts, name: str) -> None:
    state = session.state
    why = next((cancel.reason for cancel in reversed(state.cancels.values()) if cancel.reason), "")
    gateways = {k: gateway for k, gateway, _ in ledger(state).captured}
    said: dict[str, Any] = {
        "rma_id": header.exchange_for,
        "exception_id": "",
        "action": "exchange_cancelled",
        "to_order": "",
        "lines": [InspectedLine(unit.line_id, unit.sku, unit.qty, "") for unit in units],
        "reference": state.key,
        "reason": why or header.cancel_reason or "will not go out",
        "actor": "orders",
        "amount": sum(n for _, n in parts),
        "payments": [PaymentPart(k, gateways.get(k, ""), n) for k, n in parts],
    }
    parent, _ = split_rma_id(header.exchange_for)
    key = f"exchange/{state.key}/{name}"
    session.to_order(ReturnResolved(**_head(session, "ReturnResolved", parent, key, said), **said))


# -- what the family's first order knows -----------------------------------------------------------------------------------
def settle_family(session: OrderSession) -> None:
    """Tell the root of this exchange's credits; as the root, hand on what settles one, and take back what was refunded at the channel."""
    header = session.state.header
    if header is None:
        return
    if header.exchange_for:
        for rma in session.state.book.rmas if session.state.book else []:
            for credit in rma.credits:
                _tell_root(session, rma, credit)
    if session.state.family:
        _hand_on(session)
    if session.state.book is not None and any(credit.moved for credit in credits_of(session.state)):
        _take_back(session)


def _tell_root(session: OrderSession, rma: Rma, credit: CreditFact) -> None:
    if not credit.amount or (credit.status == "MANUAL" and credit.short and not credit.told):
        return
    stands = f"{credit.status} {credit.amount} {int(credit.sent)} {credit.reference}"
    if stands == credit.told:
        return
    credit.told, state = stands, session.state
    skus = {line.line_id: line.sku for line in state.lines}
    lines = in_channel_lines(
        state, [CreditLine(k, skus.get(k, ""), n, amount, number) for k, n, amount, number in credit.lines]
    )
    said: dict[str, Any] = {
        "from_order": state.key,
        "rma_id": rma.id,
        "credit_id": credit.id,
        "status": credit.status,
        "amount": credit.amount,
        "lines": lines,
        "payments": [PaymentPart(k, "", n) for k, n in credit.payments],
        "reference": credit.reference,
        "sent": credit.sent,
    }
    head = _head(session, "ExchangeCredited", root_of(state), f"family/{credit.id}@{session.state.made}", said)
    session.to_order(ExchangeCredited(**head, **said))


def exchange_credited(session: OrderSession, command: ExchangeCredited) -> None:
    """Keep how a credit of an exchange stands."""
    state, known = session.state, session.state.family.get(command.credit_id)
    lines = [(line.line_id, line.qty) for line in command.lines if line.line_id]
    payments = [(part.payment_id, part.amount) for part in command.payments]
    at, settled_by = (known.at, known.settled_by) if known else (command.time, "")
    rest = (command.amount, lines, payments, command.reference, command.sent, at, settled_by)
    new = FamilyCredit(command.from_order, command.rma_id, command.status, *rest)
    if new == known:
        same_again(session, f"credit {command.credit_id} of {command.rma_id}")
        return
    state.family = {**state.family, command.credit_id: new}
    session.record(
        "UPDATED",
        reason=f"credit of {command.rma_id}: {command.status} {command.reference}".rstrip(),
        amount=command.amount,
    )


def _hand_on(session: OrderSession) -> None:
    """A refund that the channel told settles a credit of an exchange that waits for a person."""
    state, echoes = session.state, match(session.state).echoes
    for k, credit in state.family.items():
        refund = echoes.get(k, "")
        if credit.status != "MANUAL" or not refund or credit.settled_by == refund:
            continue
        state.family = {**state.family, k: msgspec.structs.replace(credit, settled_by=refund)}
        said: dict[str, Any] = {
            "rma_id": credit.rma_id,
            "exception_id": k,
            "action": "refunded",
            "to_order": "",
            "lines": [],
            "reference": refund,
            "reason": f"told by {session.target}",
            "actor": session.target,
        }
        head = _head(session, "ReturnResolved", credit.order_key, f"settled/{k}/{refund}", said)
        session.to_order(ReturnResolved(**head, **said))


def _take_back(session: OrderSession) -> None:
    """The channel paid back what was moved to an exchange: the exchange has it no longer."""
    book = ledger(session.state)
    held = {k: n for k, n in moved_out(session.state).items() if n > 0}
    for k, _, taken in book.captured:
        over = min(book.refunded.get(k, 0) - taken, held.get(k, 0))
        if over > 0:
            _from_newest(session, k, over)
    if not book.captured and (over := min(book.back - book.cap, held.get("", 0))) > 0:
        _from_newest(session, "", over)


def _from_newest(session: OrderSession, payment: str, over: int) -> None:
    rmas = session.state.book.rmas if session.state.book else []
    for rma in reversed(rmas):
        mine = sum(n for credit in rma.credits for k, n in credit.moved if k == payment)
        part = min(over, mine)
        if part <= 0 or not rma.exchange_key:
            continue
        last = next(credit for credit in reversed(rma.credits) if any(k == payment for k, _ in credit.moved))
        last.moved = [*last.moved, (payment, -part)]
        transfer(session, rma.exchange_key, [(payment, -part)], f"{last.id}/{len(last.moved)}")
        over -= part


def tax_of(credits: list[CreditFact], part: int, held: int) -> int:
    """The tax in ``part`` of what an exchange's goods stood for (``held``)."""
    whole = sum(
        sum(fee for *_, fee in credit.lines) + credit.shipping_tax - sum(fee for *_, fee in credit.fees)
        for credit in credits
    )
    in_goods = whole - sum(credit.tax for credit in credits)
    return running_share(in_goods, min(part, held), held) if held > 0 else 0
