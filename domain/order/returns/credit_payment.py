"""Paying a credit. It is an effect with an id of its own; its answer makes it CREDITED, its refusal MANUAL_REFUND: a person pays, or has it tried again.

What can't be paid because not so much was captured waits as MANUAL_REFUND too, and is paid by itself once the money is there.
"""

from __future__ import annotations

from domain.errors import Rejected
from domain.order.captures import captured
from domain.order.dedupe import same_again
from domain.order.family import channel_order_id, in_channel_lines, tax_of
from domain.order.ledger import Ledger, ledger
from domain.order.session import OrderSession
from domain.order.state.returns import CreditFact, Rma
from domain.order.state.rma_status import all_there
from domain.records.commands import EffectOutcome, ReturnResolved
from domain.records.effects import Credit
from domain.records.record import uuid5
from domain.records.values import CreditLine, Fee, PaymentPart, ReturnedLine

from .book import book, record_return
from .exchange import cover, go_on

__all__ = [
    "asked_again",
    "credit_id",
    "credit_outcome",
    "give_back_goods",
    "paid",
    "paid_by_hand",
    "pay",
    "pay_short",
    "send_credit",
    "units_of",
]


def credit_id(rma: Rma) -> str:
    """The id of a return's next credit: made again from the log it is the same."""
    return uuid5(rma.id, len(rma.credits) + 1, "Credit")


def pay(session: OrderSession, rma: Rma, credit: CreditFact, units: list[ReturnedLine], account: Ledger) -> None:
    """Enter a credit in the book and have it paid; nothing to pay is paid at once. What stands in goods moves to their order."""
    rma.credits = [*rma.credits, credit]
    _charge(credit, account, credit.goods)
    if credit.goods > 0:
        _move(session, rma, credit, credit.goods, account)
    _tell(session, rma, credit, units)


def _move(session: OrderSession, rma: Rma, credit: CreditFact, goods: int, account: Ledger) -> None:
    parts = account.payments(goods) or [("", goods)]
    account.take(parts, goods)
    credit.moved = [*credit.moved, *parts]
    go_on(session, rma, goods, parts, f"{credit.id}/{len(credit.moved)}")


def _charge(credit: CreditFact, account: Ledger, goods: int) -> None:
    """Take the money from the payments that have it; where they have not so much beside what the goods cost: MANUAL."""
    try:
        account.payments(credit.amount + goods)
        credit.payments = account.payments(credit.amount)
    except Rejected as e:
        credit.status, credit.error, credit.short = "MANUAL", e.message, True
        return
    credit.status, credit.error, credit.short = "PENDING", "", False
    account.take(credit.payments, credit.amount)


def _tell(session: OrderSession, rma: Rma, credit: CreditFact, units: list[ReturnedLine]) -> None:
    if credit.status == "MANUAL":
        record_return(session, "MANUAL_REFUND", rma, units, reason=credit.error, intervention=True, credit=credit)
    elif credit.amount == 0:
        credit.status = "PAID"
        why = "in goods" if credit.goods else "nothing to pay"
        record_return(session, "CREDITED", rma, units, reason=why, complete=True, credit=credit)
    else:
        record_return(session, "CREDIT_REQUESTED", rma, units, reason=credit.id, credit=credit)
        send_credit(session, rma, credit, units)


def pay_short(session: OrderSession, rma: Rma) -> None:
    """What waited for money is paid once it is there: in new goods, as far as these wait for it too."""
    for credit in rma.credits:
        if not (credit.status == "MANUAL" and credit.short):
            continue
        account = ledger(session.state)
        goods = cover(session, rma, credit.amount, account.left)
        if not account.left or credit.amount > account.left:
            continue
        credit.amount -= goods
        credit.goods += goods
        _charge(credit, account, goods)
        if goods:
            _move(session, rma, credit, goods, account)
        _tell(session, rma, credit, units_of(rma, credit))


def send_credit(session: OrderSession, rma: Rma, credit: CreditFact, units: list[ReturnedLine]) -> None:
    """The effect. Sent again it has the same id, so whoever did it once does it no more."""
    state, header = session.state, session.state.header
    if header is None:
        return
    credit.sent, credit.status, credit.error, credit.short = True, "PENDING", "", False
    gateways = {k: gateway for k, gateway, _ in ledger(state).captured}
    session.effect(
        Credit(
            **{**session.head("Credit"), "event_id": credit.id},
            order_key=state.key,
            target=session.target,
            channel_order_id=channel_order_id(state),
            rma_id=rma.id,
            return_id=rma.return_id,
            channel_rma=rma.channel_rma,
            currency=header.currency,
            amount=credit.amount,
            tax=credit.tax,
            lines=_lines(session, credit),
            shipping=credit.shipping,
            shipping_tax=credit.shipping_tax,
            fees=[Fee(*fee) for fee in credit.fees],
            payments=[PaymentPart(k, gateways.get(k, ""), n) for k, n in credit.payments],
            results=units,
            reason=", ".join(sorted({unit.reason for unit in rma.lines if unit.reason})),
            credited_before=_before(rma, credit),
        )
    )


def _lines(session: OrderSession, credit: CreditFact) -> list[CreditLine]:
    """The credited units as the channel knows them; a line without an id makes up for what stands in goods, or was paid back before."""
    skus = {line.line_id: line.sku for line in session.state.lines}
    own = [CreditLine(k, skus.get(k, ""), n, amount, tax) for k, n, amount, tax in credit.lines]
    fees = sum(amount for _, amount, _ in credit.fees)
    rest = credit.amount - (sum(line.amount for line in own) + credit.shipping - fees)
    lines = in_channel_lines(session.state, own)
    return [*lines, CreditLine("", "", 0, rest, 0)] if rest else lines


def _before(rma: Rma, credit: CreditFact) -> int:
    """Units that the RMA's earlier credits have the channel pay for; those paid by hand it knows nothing of."""
    earlier = rma.credits[
        : next((i for i, credit_fact in enumerate(rma.credits) if credit_fact.id == credit.id), len(rma.credits))
    ]
    return sum(
        n
        for credit_fact in earlier
        if credit_fact.sent and credit_fact.status not in ("MANUAL", "REFUSED")
        for _, n, _, _ in credit_fact.lines
    )


def give_back_goods(session: OrderSession, rma: Rma, command: ReturnResolved) -> None:
    """Goods will not go out: what was moved to their order came back, and goes to the customer."""
    parts = _came_back(session, rma, command)
    amount = sum(n for _, n in parts)
    if not amount:
        return
    held = sum(credit.goods for credit in rma.credits)
    goods = min(amount, held)
    rma.covered -= min(goods, rma.covered)
    tax = tax_of(rma.credits, goods, held)
    credit = CreditFact(credit_id(rma), amount, tax, [], goods=-goods, at=session.command.time)
    credit.moved = [(k, -n) for k, n in parts]
    credit.payments = [(k, n) for k, n in parts if k]
    rma.credits = [*rma.credits, credit]
    rma.ended = "" if rma.ended == "CLOSED" else rma.ended
    _tell(session, rma, credit, [])


def _came_back(session: OrderSession, rma: Rma, command: ReturnResolved) -> list[tuple[str, int]]:
    """The payments that came back: of the order's own ones no more than was moved; others were made for the exchange itself."""
    held: dict[str, int] = {}
    for credit in rma.credits:
        for k, n in credit.moved:
            held[k] = held.get(k, 0) + n
    told_ = [(part.payment_id, part.amount) for part in command.payments]
    own = {k for k, *_ in captured(session.state)} | {""}
    if told_:
        kept = [(k, min(n, max(0, held.get(k, 0))) if k in own else n) for k, n in told_]
        return [(k, n) for k, n in kept if n > 0]
    parts, rest = [], command.amount
    for k, n in held.items():
        part = max(0, min(rest, n))
        rest -= part
        parts += [(k, part)] if part else []
    return parts


def asked_again(session: OrderSession, command: EffectOutcome) -> bool:
    """A credit that a person had tried again was refused again, with the same words: that is news."""
    if command.kind != "Credit" or command.ok or command.effect_id not in session.state.failed:
        return False
    return any(
        credit.id == command.effect_id and credit.status == "PENDING"
        for rma in book(session).rmas
        for credit in rma.credits
    )


def credit_outcome(session: OrderSession, command: EffectOutcome, redriven: bool) -> None:
    """The channel's or provider's answer."""
    found = next(
        (
            (rma, credit_fact)
            for rma in book(session).rmas
            for credit_fact in rma.credits
            if credit_fact.id == command.effect_id
        ),
        None,
    )
    if found is None:
        raise Rejected("credit.unknown", "effect_id", f"{command.effect_id!r} is no credit of {command.order_key}")
    rma, credit = found
    if credit.status == "PAID":
        same_again(session, f"credit {credit.id} is paid already")
    elif command.ok:
        paid(session, rma, credit, command.reference, intervention=redriven)
    else:
        credit.status, credit.error = "MANUAL", f"{command.target}: {command.error}"
        why = f"{credit.id}: {credit.error}"
        record_return(
            session, "MANUAL_REFUND", rma, units_of(rma, credit), reason=why, intervention=True, credit=credit
        )


def paid_by_hand(session: OrderSession, rma: Rma, credit: CreditFact, reference: str, actor: str) -> None:
    """Somebody paid it outside."""
    session.state.failed = {k: v for k, v in session.state.failed.items() if k != credit.id}
    credit.sent, credit.short = False, False  # not by the channel at our word
    paid(session, rma, credit, reference, actor=actor, intervention=True)


def paid(
    session: OrderSession, rma: Rma, credit: CreditFact, reference: str, *, actor: str = "", intervention: bool = False
) -> None:
    """The customer has his money: CREDITED."""
    credit.status, credit.reference, credit.error = "PAID", reference or credit.id, ""
    done = all(credit_fact.status in ("PAID", "REFUSED") for credit_fact in rma.credits) and all_there(rma)
    record_return(
        session,
        "CREDITED",
        rma,
        units_of(rma, credit),
        reason=reference,
        actor=actor,
        intervention=intervention,
        complete=done,
        credit=credit,
    )


def units_of(rma: Rma, credit: CreditFact) -> list[ReturnedLine]:
    """A credit's units, for events."""
    known = {unit.line_id: unit for unit in rma.lines}
    return [
        ReturnedLine(k, known[k].sku, n, known[k].reason, amount=amount, tax=tax)
        for k, n, amount, tax in credit.lines
        if k in known
    ]
