"""Crediting: by inspection only, each unit once. The credit is an effect with an id of its own; its answer makes it CREDITED.

What can't be paid by itself (nothing captured, refused after all retries) becomes MANUAL_REFUND: a person pays, or has it tried again.
"""

from __future__ import annotations

import msgspec

from .commands import EffectOutcome
from .credit import Ledger, foreign_refunds, ledger
from .effects import Credit
from .errors import Rejected
from .keys import split_rma_id
from .money import running_share
from .order_identity import same_again
from .order_turn import Turn
from .record import uuid5
from .return_book import book, returned, told
from .return_exchange import cover
from .return_policy import fault
from .return_state import CreditFact, Rma, RmaLine
from .return_status import all_there, inspected
from .values import CreditLine, Fee, PaymentPart, ReturnedLine

__all__ = ["credit_due", "credit_outcome", "give_back_goods", "paid_by_hand", "send_credit", "units_of"]


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


def credit_due(turn: Turn, r: Rma) -> None:
    """Credit what was inspected and is not credited yet."""
    if r.kind == "claim":
        if not r.credits:
            _claim(turn, r)
        return
    if not any(x.due for x in r.lines):
        return
    if r.exchange and not (all_there(r) and inspected(r)):
        return  # what the new goods cost is set off against all of the old ones
    if r.theirs or (r.told == "handled" and not r.credits):
        for x in r.lines:
            _outside(x, sum(x.due.values()))
        return
    _credit(turn, r)


def _outside(x: RmaLine, n: int) -> int:
    """Count up to ``n`` due units as refunded by the channel itself. Gives how many."""
    done = 0
    for d, owed in x.due.items():
        k = min(owed, n - done)
        x.credited = {**x.credited, d: x.credited.get(d, 0) + k}
        x.outside += k
        done += k
    return done


def _credit(turn: Turn, r: Rma) -> None:
    sums, channels = _Sum(ledger(turn.state)), _by_channel(turn)
    for x in r.lines:
        free = channels.get(x.line_id, 0)
        if free and x.due:
            channels[x.line_id] = free - _outside(x, free)
        for d, n in x.due.items():
            _units(turn, r, x, (d, n), sums)
    _finish(turn, r, sums)


def _by_channel(turn: Turn) -> dict[str, int]:
    """Returned units that the channel refunded by itself and that no RMA has been set against yet."""
    units: dict[str, int] = {}
    for f in foreign_refunds(turn.state).values():
        for x in f.lines:
            if x.restock != "cancel":
                units[x.line_id] = units.get(x.line_id, 0) + x.qty
    for r in book(turn).rmas:
        for y in r.lines:
            units[y.line_id] = units.get(y.line_id, 0) - y.outside
    return {k: n for k, n in units.items() if n > 0}


def _units(turn: Turn, r: Rma, x: RmaLine, due: tuple[str, int], sums: _Sum) -> None:
    """Credit ``n`` due units of a line and disposition. Units above what was bought are counted, and worth nothing."""
    d, n = due
    x.credited = {**x.credited, d: x.credited.get(d, 0) + n}
    if x.line_id not in sums.book.value:
        return
    _, refund = sums.book.units_of(x.line_id, n)
    fee = _fee(turn, x, d, n, refund.gross)
    for kind, amount in fee.items():
        sums.fee(kind, amount, refund.gross, refund.tax)
    sums.lines = [*sums.lines, CreditLine(x.line_id, x.sku, n, refund.gross, refund.tax)]
    unit = returned(x, n, disposition=d, depot=r.depot, amount=refund.gross, tax=refund.tax, fee=sum(fee.values()))
    sums.units = [*sums.units, unit]


def _fee(turn: Turn, x: RmaLine, d: str, n: int, gross: int) -> dict[str, int]:
    """Fees on units: for their condition (a disposition credited in part), and for restocking; never more than the units are worth."""
    rules = turn.rules.returns
    percent = {
        "RESTOCK": rules.restock.credit_percent,
        "B_GRADE": rules.b_grade.credit_percent,
        "WRITE_OFF": rules.write_off.credit_percent,
    }.get(d, 100)
    condition = gross - running_share(gross, percent, 100)
    if d == "ALLOWED" or x.reason == "return_to_sender" or fault(rules, x.reason) != "customer":
        return {"condition": condition} if condition else {}
    x.fee_base += gross
    # Cumulative, so that the fees of units that come one by one are the fee of all of them.
    wanted = running_share(x.fee_base, rules.fees.restocking_percent, 100) - x.fee + rules.fees.restocking_per_unit * n
    restocking = max(0, min(wanted, gross - condition))
    x.fee += max(0, restocking - rules.fees.restocking_per_unit * n)
    return {k: v for k, v in (("condition", condition), ("restocking", restocking)) if v}


def _claim(turn: Turn, r: Rma) -> None:
    """A claim is credited as decided: its units in full, or an amount spread over them by value."""
    sums = _Sum(ledger(turn.state))
    rest = r.amount
    for x in r.lines:
        n = x.qty - x.dropped
        if x.line_id not in sums.book.value or not n:
            continue
        if rest is None:
            _, refund = sums.book.units_of(x.line_id, n)
        else:
            refund, n = sums.book.amount_of(x.line_id, rest), 0
            rest -= refund.gross
        sums.lines = [*sums.lines, CreditLine(x.line_id, x.sku, n, refund.gross, refund.tax)]
        sums.units = [
            *sums.units,
            returned(x, x.qty - x.dropped, disposition="CLAIM", amount=refund.gross, tax=refund.tax),
        ]
    _finish(turn, r, sums)


def _finish(turn: Turn, r: Rma, sums: _Sum) -> None:
    """Shipping, the label's fee, the exchange's goods; then the payments it goes back to."""
    rules = turn.rules.returns
    at_fault = any(fault(rules, x.reason) == "merchant" for x in r.lines)
    shipping = sums.book.shipping_part(rules.shipping, at_fault=at_fault)
    gross = sum(x.amount for x in sums.lines) + shipping.gross
    tax = sum(x.tax for x in sums.lines) + shipping.tax
    if r.payer == "customer" and r.label == "SENT" and r.kind != "claim":
        fee = max(0, min(rules.fees.label - r.charged, gross - sum(f[0] for f in sums.fees.values())))
        r.charged += fee
        sums.fee("label", fee, gross, tax)
    fees = [(k, a, min(t, a)) for k, (a, t) in sums.fees.items()]
    amount = gross - sum(a for _, a, _ in fees)
    if not sums.lines and not amount:
        return
    goods = cover(turn, r, amount, sums.book.left)
    c = CreditFact(
        uuid5(r.id, len(r.credits) + 1, "Credit"),
        amount - goods,
        _money_tax(max(0, tax - sum(t for _, _, t in fees)), amount - goods, amount),
        [(x.line_id, x.qty, x.amount, x.tax) for x in sums.lines],
        shipping.gross,
        shipping.tax,
        fees,
        goods=goods,
        at=turn.command.time,
    )
    pay(turn, r, c, sums.units, sums.book)


def _money_tax(tax: int, money: int, amount: int) -> int:
    """The tax in the money; the rest of it is in the goods that stand for the rest."""
    return running_share(tax, money, amount) if amount else tax


def pay(turn: Turn, r: Rma, c: CreditFact, units: list[ReturnedLine], book_: Ledger) -> None:
    """Enter a credit in the book and have it paid; nothing to pay is paid at once."""
    try:
        book_.payments(c.amount + max(0, c.goods))  # the goods are paid from them too
        c.payments = book_.payments(c.amount)
    except Rejected as e:
        c.status, c.error = "MANUAL", e.message
    r.credits = [*r.credits, c]
    if c.status == "MANUAL":
        told(turn, "MANUAL_REFUND", r, units, reason=c.error, intervention=True, credit=c)
    elif c.amount == 0:
        c.status = "PAID"
        told(turn, "CREDITED", r, units, reason="in goods" if c.goods else "nothing to pay", complete=True, credit=c)
    else:
        told(turn, "CREDIT_REQUESTED", r, units, reason=c.id, credit=c)
        send_credit(turn, r, c, units)


def send_credit(turn: Turn, r: Rma, c: CreditFact, units: list[ReturnedLine]) -> None:
    """The effect. Sent again it has the same id, so whoever did it once does it no more."""
    s, h = turn.state, turn.state.header
    if h is None:
        return
    c.sent, c.status, c.error = True, "PENDING", ""
    gateways = {k: g for k, g, _ in h.payments}
    channel_order = split_rma_id(h.exchange_for)[0].split(":", 2)[2] if h.exchange_for else turn.order_id
    skus = {x.line_id: x.sku for x in s.lines}
    lines = [CreditLine(k, skus.get(k, ""), n, a, t) for k, n, a, t in c.lines]
    rest = c.amount - (sum(a for _, _, a, _ in c.lines) + c.shipping - sum(a for _, a, _ in c.fees))
    if rest:
        # The value of goods that stand for a part of it, or of an exchange that will not go out after all.
        lines = [*lines, CreditLine("", "", 0, rest, 0)]
    turn.do(
        Credit(
            **{**turn.head("Credit"), "event_id": c.id},
            order_key=s.key,
            target=turn.target,
            channel_order_id=channel_order,
            rma_id=r.id,
            return_id=r.return_id,
            channel_rma=r.channel_rma,
            currency=h.currency,
            amount=c.amount,
            tax=c.tax,
            lines=lines,
            shipping=c.shipping,
            shipping_tax=c.shipping_tax,
            fees=[Fee(*f) for f in c.fees],
            payments=[PaymentPart(k, gateways.get(k, ""), n) for k, n in c.payments],
            results=units,
            reason=", ".join(sorted({x.reason for x in r.lines if x.reason})),
            credited_before=_before(r, c),
        )
    )


def _before(r: Rma, c: CreditFact) -> int:
    """Units that the RMA's earlier credits have the channel pay for; those paid by hand it knows nothing of."""
    earlier = r.credits[: next((i for i, x in enumerate(r.credits) if x.id == c.id), len(r.credits))]
    return sum(n for x in earlier if x.sent and x.status != "MANUAL" for _, n, _, _ in x.lines)


def give_back_goods(turn: Turn, r: Rma, amount: int) -> int:
    """Of an exchange's value that goods stood for, credit up to ``amount`` in money: they will not go out. Gives how much."""
    held = sum(c.goods for c in r.credits)
    part = min(amount, held)
    if part <= 0:
        return 0
    r.covered -= part
    whole = sum(sum(x[3] for x in c.lines) + c.shipping_tax - sum(f[2] for f in c.fees) for c in r.credits)
    in_goods = whole - sum(c.tax for c in r.credits)
    c = CreditFact(
        uuid5(r.id, len(r.credits) + 1, "Credit"),
        part,
        running_share(in_goods, part, held),
        [],
        goods=-part,
        at=turn.command.time,
    )
    r.ended = "" if r.ended == "CLOSED" else r.ended
    pay(turn, r, c, [], _without_goods(turn, part))
    return part


def _without_goods(turn: Turn, part: int) -> Ledger:
    """The order's money as if ``part`` of what goods stood for had not been set off: it is free to go back."""
    book_ = ledger(turn.state)
    book_.back -= part
    paid: dict[str, int] = {}
    for r in book(turn).rmas:
        for c in r.credits:
            for k, n in c.payments:
                paid[k] = paid.get(k, 0) + n
    for k, n in book_.refunded.items():
        free = min(part, n - paid.get(k, 0))
        book_.refunded[k] = n - free
        part -= free
    return book_


def credit_outcome(turn: Turn, c: EffectOutcome, redriven: bool) -> None:
    """The channel's or provider's answer."""
    found = next(((r, x) for r in book(turn).rmas for x in r.credits if x.id == c.effect_id), None)
    if found is None:
        raise Rejected("credit.unknown", "effect_id", f"{c.effect_id!r} is no credit of {c.order_key}")
    r, x = found
    if x.status == "PAID":
        same_again(turn, f"credit {x.id} is paid already")
    elif c.ok:
        _paid(turn, r, x, c.reference, actor="", intervention=redriven)
    else:
        x.status, x.error = "MANUAL", f"{c.target}: {c.error}"
        told(turn, "MANUAL_REFUND", r, units_of(r, x), reason=f"{x.id}: {x.error}", intervention=True, credit=x)


def paid_by_hand(turn: Turn, r: Rma, x: CreditFact, reference: str, actor: str) -> None:
    """Somebody paid it outside."""
    turn.state.failed = {k: v for k, v in turn.state.failed.items() if k != x.id}
    x.sent = False  # not by the channel
    _paid(turn, r, x, reference, actor=actor, intervention=True)


def _paid(turn: Turn, r: Rma, x: CreditFact, reference: str, *, actor: str, intervention: bool) -> None:
    x.status, x.reference, x.error = "PAID", reference or x.id, ""
    told(
        turn,
        "CREDITED",
        r,
        units_of(r, x),
        reason=reference,
        actor=actor,
        intervention=intervention,
        complete=all(c.status == "PAID" for c in r.credits) and all_there(r),
        credit=x,
    )


def units_of(r: Rma, c: CreditFact) -> list[ReturnedLine]:
    known = {x.line_id: x for x in r.lines}
    return [ReturnedLine(k, known[k].sku, n, known[k].reason, amount=a, tax=t) for k, n, a, t in c.lines if k in known]
