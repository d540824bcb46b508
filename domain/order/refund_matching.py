"""Which of the refunds that a channel tells are echoes of what we had it pay, and which are its own. Sources of one movement are matched, never added.

Derived anew from the facts with every command, so the order in which they were told does not matter. A payment of ours (a credit, what was
paid back for cancelled units, a credit of an exchange of this order) takes one refund: the one that it names, else one of its amount that came later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from .captures import own_currency
from .state.order import OrderState
from .state.reported import FAILED, CancelRefund, PaymentFact, RefundFact, RefundPart
from .state.returns import CreditFact

__all__ = ["Matched", "Payout", "foreign_refunds", "match", "other_currency"]


class Payout(msgspec.Struct):
    """Money that we had the channel pay, or that somebody says to have paid. ``lines``: units by line of the channel's order.

    ``named``: its refund's number; ``expects``: a refund that does not bear this number may be its echo. ``whole``: a whole order's; ``manual``:
    the channel would not pay it, so a refund of just these units settles it, whatever its amount.
    """

    id: str
    amount: int
    lines: dict[str, int]
    named: str
    expects: bool
    at: int
    whole: bool = False
    manual: bool = False


class Matched(msgspec.Struct):
    """``foreign``: refunds that are the channel's own, by id; ``echoes``: payout id → the refund that is it."""

    foreign: dict[str, RefundFact]
    echoes: dict[str, str]


def match(state: OrderState) -> Matched:
    """Set the refunds told against our payouts."""
    if not (state.refunds or any(payment.kind == "refund" for payment in state.payments.values())):
        return Matched({}, {})
    payouts = list(_payouts(state))
    refunds = {k: refund for k, refund in state.refunds.items() if not refund.failed}
    echoes = _by_number(payouts, refunds)
    echoes |= _by_amount(payouts, refunds, echoes)
    for k, refund in _alone(state, refunds, payouts, echoes).items():
        refunds[k] = refund
    theirs = set(echoes.values())
    return Matched({k: refund for k, refund in refunds.items() if k not in theirs}, echoes)


def foreign_refunds(state: OrderState) -> dict[str, RefundFact]:
    """The refunds that the channel made by itself, by id: not the echoes of what we had it pay."""
    return match(state).foreign


def other_currency(state: OrderState, refund: RefundFact) -> bool:
    """What it is worth in the order's own currency is not known."""
    header = state.header
    return header is not None and bool(refund.currency) and refund.currency != header.currency and refund.gone > 0


# -- payouts -----------------------------------------------------------------------------------------------------------
def _payouts(state: OrderState) -> Iterator[Payout]:
    for rma in state.book.rmas if state.book else []:
        yield from (_of_credit(credit) for credit in rma.credits if credit.amount and credit.status != "REFUSED")
    for k, cancel in state.paid_back.items():
        if not (cancel.failed or cancel.moved):
            yield _of_cancel(k, cancel)
    for k, credit in state.family.items():
        if credit.status != "REFUSED":
            # Once it is paid at the channel it names its refund; by hand, or refused there, it may have any number.
            unnamed = not (credit.sent and credit.status == "PAID")
            lines = {line_id: n for line_id, n in credit.lines if n}
            named, manual = _tail(credit.reference), credit.status == "MANUAL"
            yield Payout(k, credit.amount, lines, named, unnamed, credit.at, manual=manual)


def _of_credit(credit: CreditFact) -> Payout:
    lines = {line_id: n for line_id, n, *_ in credit.lines if n}
    unnamed = credit.reference in ("", credit.id) or not credit.sent
    named, manual = _tail(credit.reference), credit.status == "MANUAL"
    return Payout(credit.id, credit.amount, lines, named, unnamed, credit.at, manual=manual)


def _of_cancel(effect_id: str, cancel: CancelRefund) -> Payout:
    lines = {line_id: n for line_id, n, *_ in cancel.lines}
    unnamed = cancel.complete or not cancel.answered
    return Payout(effect_id, cancel.amount, lines, _tail(cancel.reference), unnamed, cancel.at, cancel.complete)


def _tail(text: str) -> str:
    """``gid://shopify/Refund/9`` is refund 9."""
    return text.rpartition("/")[2]


# -- matching ----------------------------------------------------------------------------------------------------------
def _by_number(payouts: Iterable[Payout], refunds: dict[str, RefundFact]) -> dict[str, str]:
    ids = {_tail(k): k for k in refunds}
    return {payout.id: ids[payout.named] for payout in payouts if payout.named in ids}


def _by_amount(payouts: Iterable[Payout], refunds: dict[str, RefundFact], echoes: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    taken = set(echoes.values())
    for payout in sorted(payouts, key=lambda x: x.manual):  # what is said to be paid, before what waits to be
        if not payout.expects or payout.id in echoes:
            continue
        k = next((k for k, refund in refunds.items() if k not in taken and _is_echo(payout, refund)), None)
        if k is not None:
            found[payout.id] = k
            taken.add(k)
    return found


def _is_echo(payout: Payout, refund: RefundFact) -> bool:
    if refund.at < payout.at or not _fits(payout, refund):
        return False
    if payout.whole and refund.lines and all(line.restock == "cancel" for line in refund.lines):
        return True
    if payout.manual and payout.lines and _units(refund) == payout.lines:
        return True
    return refund.gone == payout.amount


def _units(refund: RefundFact) -> dict[str, int]:
    units: dict[str, int] = {}
    for line in refund.lines:
        units[line.line_id] = units.get(line.line_id, 0) + line.qty
    return units


def _fits(payout: Payout, refund: RefundFact) -> bool:
    """A refund of other lines is another one; one that names no lines may be any."""
    named = {line.line_id for line in refund.lines if line.qty or line.amount}
    return not named or not payout.lines or named <= payout.lines.keys()


# -- transactions told alone -------------------------------------------------------------------------------------------
def _alone(
    state: OrderState, refunds: dict[str, RefundFact], payouts: list[Payout], echoes: dict[str, str]
) -> dict[str, RefundFact]:
    """Refund transactions that no refund told contains, and that are neither one without transactions nor an echo."""
    inside = {number for refund in state.refunds.values() for number in refund.parts}
    bare = [refund.gone for refund in refunds.values() if not refund.parts and refund.gone]
    waiting = [payout for payout in payouts if payout.id not in echoes]
    found: dict[str, RefundFact] = {}
    for k, payment in state.payments.items():
        if payment.kind != "refund" or payment.status in FAILED or k in inside:
            continue
        if payment.amount in bare:
            bare.remove(payment.amount)
            continue
        payout = next((p for p in waiting if p.amount == payment.amount and payment.at >= p.at), None)
        if payout is not None and own_currency(state, payment):
            waiting.remove(payout)
            continue
        found[f"transaction/{k}"] = _as_refund(payment)
    return found


def _as_refund(payment: PaymentFact) -> RefundFact:
    part = RefundPart(payment.payment_id, payment.status, payment.amount)
    return RefundFact(payment.amount, payment.currency, [], {"": part}, payment.at)
