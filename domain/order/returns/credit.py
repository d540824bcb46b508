"""Crediting: by inspection only, each unit once. How it is paid: ``return_credit_payment``; what waits for a person: ``return_settlement``."""

from __future__ import annotations

import msgspec

from domain.money import running_share
from domain.order.ledger import Ledger, foreign_refunds, ledger, units_told
from domain.order.session import OrderSession
from domain.order.state.returns import CreditFact, Rma, RmaLine
from domain.order.state.rma_status import all_there, inspected
from domain.records.values import CreditLine, ReturnedLine

from .book import problem, returned
from .credit_payment import credit_id, pay, pay_short
from .exchange import cover
from .policy import at_fault, fault
from .settlement import refunded_by_channel, settle_manual

__all__ = ["credit_due", "shipping_due"]


class _Sum(msgspec.Struct):
    """A credit as it adds up: the order's money (``book``), units for the event, lines, fees by kind (amount, tax)."""

    book: Ledger
    units: list[ReturnedLine] = []
    lines: list[CreditLine] = []
    fees: dict[str, list[int]] = {}

    def fee(self, kind: str, amount: int, gross: int, tax: int) -> None:
        """Take ``amount`` off units worth ``gross``, of which ``tax``; the fee holds its share of that tax."""
        if amount > 0:
            had = self.fees.get(kind, [0, 0])
            self.fees = {
                **self.fees,
                kind: [had[0] + amount, had[1] + (running_share(tax, amount, gross) if gross else 0)],
            }


def credit_due(session: OrderSession, rma: Rma) -> None:
    """Credit what was inspected and is not credited yet; what waited for a person or for money, as far as that has changed."""
    settle_manual(session, rma)
    pay_short(session, rma)
    if rma.kind == "claim":
        if not rma.credits:
            _claim(session, rma)
        return
    if not any(line.due for line in rma.lines):
        return
    if rma.exchange and not (all_there(rma) and inspected(rma)):
        return  # what the new goods cost is set off against all of the old ones
    if rma.theirs or (rma.told == "handled" and not rma.credits):
        for unit in rma.lines:
            _outside(unit, sum(unit.due.values()))
        return
    _credit(session, rma)


def shipping_due(session: OrderSession) -> None:
    """The channel cancelled and refunded what was left of an order of which units came back before: the shipping goes back with that, as it
    would have with a return that came later. Its refund says whether it gave back any itself.
    """
    state, header = session.state, session.state.header
    rmas = [rma for rma in state.book.rmas if rma.credits and not rma.theirs] if state.book else []
    if header is None or header.exchange_for or not (rmas and any(line.cancelled for line in state.lines)):
        return
    refunds = units_told(state, foreign_refunds(state))
    told = {line.line_id: refunds[line.line_id].cancelled + refunds[line.line_id].plain for line in state.lines}
    account, rules = ledger(state), session.rules.returns
    share = account.shipping_part(rules.shipping, at_fault=at_fault(state, rules))
    amount = min(share.gross, account.left)
    if amount <= 0 or any(line.cancelled > told[line.line_id] for line in state.lines):
        return
    rma = rmas[-1]
    rma.ended = "" if rma.ended == "CLOSED" else rma.ended
    tax = running_share(share.tax, amount, share.gross)
    credit = CreditFact(credit_id(rma), amount, tax, [], amount, tax, at=session.command.time)
    pay(session, rma, credit, [], account)


def _outside(unit: RmaLine, n: int) -> int:
    """Count up to ``n`` due units as refunded by the channel itself. Gives how many."""
    done = 0
    for disposition, owed in unit.due.items():
        k = min(owed, n - done)
        unit.credited = {**unit.credited, disposition: unit.credited.get(disposition, 0) + k}
        unit.outside += k
        done += k
    return done


def _credit(session: OrderSession, rma: Rma) -> None:
    sums = _Sum(ledger(session.state))
    channels = {k: n for k, n in refunded_by_channel(session.state).items() if n > 0}
    for unit in rma.lines:
        free = channels.get(unit.line_id, 0)
        if free and unit.due:
            channels[unit.line_id] = free - _outside(unit, free)
        for disposition, n in unit.due.items():
            _units(session, rma, unit, (disposition, n), sums)
    _finish(session, rma, sums)


def _units(session: OrderSession, rma: Rma, line: RmaLine, due: tuple[str, int], sums: _Sum) -> None:
    """Credit ``n`` due units of a line and disposition. Units above what was bought are counted, and worth nothing."""
    disposition, n = due
    line.credited = {**line.credited, disposition: line.credited.get(disposition, 0) + n}
    if line.line_id not in sums.book.value:
        return
    share, refund = sums.book.units_of(line.line_id, n)
    if (untold := min(n - share, sums.book.presumed.get(line.line_id, 0))) > 0:
        _ask(session, rma, line, untold)
        n -= untold
        if not n:
            return
    fee = _fee(session, line, disposition, n, refund.gross)
    for kind, amount in fee.items():
        sums.fee(kind, amount, refund.gross, refund.tax)
    sums.lines = [*sums.lines, CreditLine(line.line_id, line.sku, n, refund.gross, refund.tax)]
    unit = returned(
        line, n, disposition=disposition, depot=rma.depot, amount=refund.gross, tax=refund.tax, fee=sum(fee.values())
    )
    sums.units = [*sums.units, unit]


def _ask(session: OrderSession, rma: Rma, unit: RmaLine, n: int) -> None:
    """Units that the channel cancelled, and that left though, are its to pay back. It told of no refund: a person looks, once."""
    if not any(p.kind == "REFUND" and p.line_id == unit.line_id for p in rma.problems):
        problem(session, rma, "REFUND", unit, n, note="the channel cancelled it, and has told of no refund")


def _fee(session: OrderSession, unit: RmaLine, disposition: str, n: int, gross: int) -> dict[str, int]:
    """Fees on units: for their condition (a disposition credited in part), and for restocking; never more than the units are worth."""
    rules = session.rules.returns
    percent = {
        "RESTOCK": rules.restock.credit_percent,
        "B_GRADE": rules.b_grade.credit_percent,
        "WRITE_OFF": rules.write_off.credit_percent,
    }.get(disposition, 100)
    condition = gross - running_share(gross, percent, 100)
    if disposition == "ALLOWED" or unit.reason == "return_to_sender" or fault(rules, unit.reason) != "customer":
        return {"condition": condition} if condition else {}
    unit.fee_base += gross
    # Cumulative, so that the fees of units that come one by one are the fee of all of them.
    wanted = (
        running_share(unit.fee_base, rules.fees.restocking_percent, 100) - unit.fee + rules.fees.restocking_per_unit * n
    )
    restocking = max(0, min(wanted, gross - condition))
    unit.fee += max(0, restocking - rules.fees.restocking_per_unit * n)
    return {k: v for k, v in (("condition", condition), ("restocking", restocking)) if v}


def _claim(session: OrderSession, rma: Rma) -> None:
    """A claim is credited as decided: its units in full, or an amount spread over them by value."""
    sums = _Sum(ledger(session.state))
    rest = rma.amount
    for unit in rma.lines:
        n = unit.qty - unit.dropped
        if unit.line_id not in sums.book.value or not n:
            continue
        if rest is None:
            _, refund = sums.book.units_of(unit.line_id, n)
        else:
            refund, n = sums.book.amount_of(unit.line_id, rest), 0
            rest -= refund.gross
        sums.lines = [*sums.lines, CreditLine(unit.line_id, unit.sku, n, refund.gross, refund.tax)]
        sums.units = [
            *sums.units,
            returned(unit, unit.qty - unit.dropped, disposition="CLAIM", amount=refund.gross, tax=refund.tax),
        ]
    _finish(session, rma, sums)


def _finish(session: OrderSession, rma: Rma, sums: _Sum) -> None:
    """Shipping, the label's fee, the exchange's goods; then the payments it goes back to."""
    rules = session.rules.returns
    faulty = any(fault(rules, line.reason) == "merchant" for line in rma.lines) or at_fault(session.state, rules)
    shipping = sums.book.shipping_part(rules.shipping, at_fault=faulty)
    gross = sum(line.amount for line in sums.lines) + shipping.gross
    tax = sum(line.tax for line in sums.lines) + shipping.tax
    if rma.payer == "customer" and rma.label == "SENT" and rma.kind != "claim":
        fee = max(0, min(rules.fees.label - rma.charged, gross - sum(value[0] for value in sums.fees.values())))
        rma.charged += fee
        sums.fee("label", fee, gross, tax)
    fees = [(k, item, min(number, item)) for k, (item, number) in sums.fees.items()]
    amount = gross - sum(number for _, number, _ in fees)
    if not sums.lines and not amount:
        return
    goods = cover(session, rma, amount, sums.book.left)
    set_off = sums.book.set_off(amount)
    money = amount - goods - set_off
    credit = CreditFact(
        credit_id(rma),
        money,
        _money_tax(max(0, tax - sum(number for _, _, number in fees)), money, amount),
        [(line.line_id, line.qty, line.amount, line.tax) for line in sums.lines],
        shipping.gross,
        shipping.tax,
        fees,
        goods=goods,
        set_off=set_off,
        at=session.command.time,
    )
    pay(session, rma, credit, sums.units, sums.book)


def _money_tax(tax: int, money: int, amount: int) -> int:
    """The tax in the money; the rest of it is in the goods that stand for the rest."""
    return running_share(tax, money, amount) if amount else tax
