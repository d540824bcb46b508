"""Credits that wait for a person: settled by the channel's own refund, paid in part, tried again, or given up; and refunds that came to nothing."""

from __future__ import annotations

from domain.errors import Rejected
from domain.money import running_share
from domain.order.dedupe import too_old
from domain.order.ledger import foreign_refunds, ledger, units_told
from domain.order.refund_matching import match
from domain.order.session import OrderSession
from domain.order.state.order import OrderState
from domain.order.state.reported import RefundFact
from domain.order.state.returns import CreditFact, Rma, RmaLine
from domain.records.commands import ReturnResolved

from .book import record_return
from .credit_payment import credit_id, paid, paid_by_hand, send_credit, units_of

__all__ = ["due_again", "owed_again", "refunded_by_channel", "resolve_credits", "settle_manual"]


# -- the channel's own refunds -------------------------------------------------------------------------------------------
def refunded_by_channel(state: OrderState) -> dict[str, int]:
    """Returned units that the channel refunded by itself, by line, less those that returns were set against already (below 0: too many)."""
    refunds, units = units_told(state, foreign_refunds(state)), dict[str, int]()
    for line in state.lines:
        told_of = refunds[line.line_id]
        cancelled = min(told_of.plain, max(0, line.cancelled - told_of.cancelled))  # they never left
        units[line.line_id] = told_of.returned + told_of.plain - cancelled
    for rma in state.book.rmas if state.book else []:
        for unit in [] if rma.theirs or rma.told == "handled" else rma.lines:
            units[unit.line_id] = units.get(unit.line_id, 0) - unit.outside
    return units


def settle_manual(session: OrderSession, rma: Rma) -> None:
    """A credit that waits for a person is paid by the channel's refund of these units, or of its amount, that came after it."""
    if not any(credit.status == "MANUAL" for credit in rma.credits) or not session.state.refunds:
        return
    echoes = match(session.state).echoes
    for credit in [credit for credit in rma.credits if credit.status == "MANUAL"]:
        refund_id = echoes.get(credit.id, "")
        refund = session.state.refunds.get(refund_id)
        if refund is not None and refund.amount and refund.amount == refund.gone:
            _paid_by(session, rma, credit, refund_id, refund)


def _paid_by(session: OrderSession, rma: Rma, credit: CreditFact, refund_id: str, refund: RefundFact) -> None:
    if refund.amount < credit.amount:
        split(session, rma, credit, refund.amount)
    credit.amount, credit.sent, credit.short = refund.amount, False, False
    credit.payments = [(part.payment_id, part.amount) for part in refund.parts.values() if part.payment_id]
    if sum(n for _, n in credit.payments) != credit.amount:
        credit.payments = _from_any(session, credit)
    session.state.failed = {k: v for k, v in session.state.failed.items() if k != credit.id}
    paid(session, rma, credit, refund_id, actor=session.target)


def _from_any(session: OrderSession, credit: CreditFact) -> list[tuple[str, int]]:
    """Which payments it went to is not told: the first that have something left."""
    credit.status, credit.short = "MANUAL", True  # it keeps nothing for itself while we look
    account = ledger(session.state)
    credit.short = False
    return account.payments(min(credit.amount, account.left))


def owed_again(session: OrderSession) -> None:
    """A refund that failed, or that is the echo of a credit of ours, refunds no units: those set against it are due again."""
    too_many = {k: -n for k, n in refunded_by_channel(session.state).items() if n < 0}
    if not too_many:
        return
    rmas = session.state.book.rmas if session.state.book else []
    for rma in reversed(rmas):
        for unit in rma.lines:
            n = min(unit.outside, too_many.get(unit.line_id, 0))
            if n > 0:
                too_many[unit.line_id] -= n
                unit.outside -= n
                due_again(rma, unit, n)


def due_again(rma: Rma, unit: RmaLine, n: int) -> None:
    """``n`` credited units of a return's line are due once more."""
    for disposition, had in unit.credited.items():
        part = min(had, n)
        unit.credited = {**unit.credited, disposition: had - part}
        n -= part
    rma.ended = "" if rma.ended == "CLOSED" else rma.ended


# -- a person --------------------------------------------------------------------------------------------------------------
def split(session: OrderSession, rma: Rma, credit: CreditFact, part: int) -> None:
    """The credit keeps ``part`` of its amount; the rest waits on as one of its own."""
    rest = CreditFact(credit_id(rma), credit.amount - part, 0, [], at=session.command.time)
    rest.status, rest.error, rest.short = "MANUAL", f"the rest of {credit.id}: {credit.error}", credit.short
    credit.amount, credit.tax = part, min(credit.tax, part)
    rma.credits = [*rma.credits, rest]


def resolve_credits(session: OrderSession, rma: Rma, command: ReturnResolved) -> None:
    """``retry``, ``refunded`` or ``refuse`` for each credit that waits. Raises Rejected where the account has not so much."""
    waiting = [
        credit_fact
        for credit_fact in rma.credits
        if credit_fact.status == "MANUAL" and command.exception_id in ("", credit_fact.id)
    ]
    if not waiting:
        too_old(session, f"{rma.id}: no credit waits for a person")
        return
    if command.amount and (len(waiting) > 1 or not 0 < command.amount <= waiting[0].amount):
        raise Rejected(
            "return.amount",
            "amount",
            f"{command.amount} is no part of one credit: {', '.join(f'{credit_fact.id} is {credit_fact.amount}' for credit_fact in waiting)}; name it by exception_id",
        )
    for credit in waiting:
        if command.amount and command.amount < credit.amount:
            split(session, rma, credit, command.amount)
        if command.action == "refunded":
            paid_by_hand(session, rma, credit, command.reference, command.actor or command.source)
        elif command.action == "refuse":
            _refuse(session, rma, credit, command)
        else:
            _retry(session, rma, credit, command)


def _refuse(session: OrderSession, rma: Rma, credit: CreditFact, command: ReturnResolved) -> None:
    credit.status = "REFUSED"
    session.state.failed = {k: v for k, v in session.state.failed.items() if k != credit.id}
    why = f"credit {credit.id} is not paid {command.reason}".rstrip()
    record_return(
        session, "RETURN_RESOLVED", rma, [], reason=why, actor=command.actor or command.source, intervention=True
    )


def _retry(session: OrderSession, rma: Rma, credit: CreditFact, command: ReturnResolved) -> None:
    credit.short = True  # what it keeps for itself it may use
    account = ledger(session.state)
    off = account.set_off(credit.amount)
    credit.tax = running_share(credit.tax, credit.amount - off, credit.amount) if credit.amount else 0
    credit.amount, credit.set_off = credit.amount - off, credit.set_off + off
    credit.payments = account.payments(credit.amount)
    why = f"credit {credit.id} tried again"
    record_return(
        session, "RETURN_RESOLVED", rma, [], reason=why, actor=command.actor or command.source, intervention=True
    )
    send_credit(session, rma, credit, units_of(rma, credit))
