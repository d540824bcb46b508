"""A credit is paid: sent to its channel, its outcome booked, goods given back where it fails."""

from __future__ import annotations

from domain.errors import Rejected
from domain.keys import split_rma_id
from domain.money import running_share
from domain.order.dedupe import same_again
from domain.order.ledger import Ledger, ledger
from domain.order.returns.book import book, told
from domain.order.session import Turn
from domain.order.state.returns import CreditFact, Rma
from domain.order.state.rma_status import all_there
from domain.records.commands import EffectOutcome
from domain.records.effects import Credit
from domain.records.record import uuid5
from domain.records.values import CreditLine, Fee, PaymentPart, ReturnedLine

__all__ = ["credit_outcome", "give_back_goods", "paid_by_hand", "pay", "send_credit", "units_of"]


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
