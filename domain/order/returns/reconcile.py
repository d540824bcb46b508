"""Bringing an order's returns in line with what is known: after every command on an order that has any.

1. Requests are judged as soon as the order is known. 2. Inspected units are credited. 3. What is over is closed. 4. When a Tick is to come.
"""

from __future__ import annotations

from domain.order.ledger import ledger, worth
from domain.order.session import OrderSession
from domain.order.state.order import Line, OrderState
from domain.order.state.returns import Rma, RmaLine
from domain.order.state.rma_status import all_there, inspected, received

from .book import known_to_channel, record_return, returned, taken
from .credit import credit_due, shipping_due
from .decisions import approve, channel, decline, expect
from .exchange import value as exchange_value
from .exchange import withdraw
from .policy import Asked, judge
from .settlement import owed_again

__all__ = ["expire", "settle_returns"]


def settle_returns(session: OrderSession) -> None:
    """Do what the facts now call for."""
    book = session.state.book
    if book is None:
        return
    if session.state.header is not None:
        owed_again(session)
        shipping_due(session)
        for rma in book.rmas:
            if rma.lines and not (rma.judged or rma.decision or rma.ended):
                _judge(session, rma)
            if rma.live:
                _refund_told(session, rma)
                credit_due(session, rma)
                _close(session, rma)
    _count(session.state)
    book.due = min((r.expires for r in book.rmas if r.live and r.expires), default=0)


# -- 1 -----------------------------------------------------------------------------------------------------------------
def _judge(session: OrderSession, rma: Rma) -> None:
    state, header, rules = session.state, session.state.header, session.rules.returns
    if header is None:
        return
    _resolve(session, rma)
    rma.judged = True
    rma.theirs = header.fulfilled_by == "channel"
    if rma.told in ("approved", "received", "handled", "closed"):
        approve(session, rma, f"by {session.target}", session.target)
        return
    if rma.theirs:
        return
    asked = [_asked(session, rma, line) for line in rma.lines]
    verdict = judge(
        asked,
        rules,
        channel=session.channel,
        account=session.account,
        country=header.ship_to.country,
        tags=header.tags,
        now=rma.at,
    )
    review = [*verdict.review, *_doubts(state, rma, session)]
    if verdict.hard or (verdict.refused and rules.ineligible == "decline"):
        decline(session, rma, "; ".join(verdict.refused), "policy")
    elif verdict.refused or review:
        rma.reason = "; ".join([*verdict.refused, *review])
    else:
        approve(session, rma, "", "policy")


def _resolve(session: OrderSession, rma: Rma) -> None:
    """Which order lines the units are of: by line id, else by SKU or the channel's article number, where units are left."""
    found: list[RmaLine] = []
    for asked in rma.lines:
        line = session.line(asked.line_id) if asked.line_id else None
        if line is not None:
            found.append(_take(asked, line, asked.qty))
            continue
        rest = asked.qty
        fit = [y for y in session.state.lines if asked.sku and asked.sku in (y.sku, y.variant_id)]
        for fitting in fit:
            free = (
                fitting.shipped
                - taken(session, fitting.line_id, rma)
                - sum(rma_line.qty for rma_line in found if rma_line.line_id == fitting.line_id)
            )
            n = rest if fitting is fit[-1] else min(rest, max(0, free))
            if n:
                found.append(_take(asked, fitting, n))
                rest -= n
        if rest:
            found.append(RmaLine(asked.line_id, asked.sku, rest, asked.reason, asked.comment))
    rma.lines = found


def _take(unit: RmaLine, line: Line, n: int) -> RmaLine:
    return RmaLine(line.line_id, line.sku, n, unit.reason, unit.comment)


def _asked(session: OrderSession, rma: Rma, unit: RmaLine) -> Asked:
    line = session.line(unit.line_id)
    if line is None:
        return Asked(unit.line_id, unit.sku, unit.qty, unit.reason, 0, 0, 0, None, known=False)
    mine = sum(rma_line.qty for rma_line in rma.lines if rma_line.line_id == unit.line_id and rma_line is not unit)
    return Asked(
        unit.line_id,
        unit.sku,
        unit.qty,
        unit.reason,
        line.ordered - line.cancelled,
        line.shipped,
        taken(session, unit.line_id, rma) + mine,
        _delivered(session.state, line),
    )


def _delivered(state: OrderState, line: Line) -> int | None:
    """When the last of the line's units was delivered; None: none was, as far as we know."""
    return max(
        (
            shipment.delivered_at
            for shipment in state.shipments
            if shipment.delivered_at and any(line_qty.line_id == line.line_id for line_qty in shipment.lines)
        ),
        default=None,
    )


def _doubts(state: OrderState, rma: Rma, session: OrderSession) -> list[str]:
    """Why a person should decide, beyond the units themselves."""
    rules, doubts = session.rules.returns, []
    value = sum(worth(state, line.line_id, line.qty) for line in rma.lines)
    if rma.kind == "claim":
        asked = value if rma.amount is None else rma.amount
        if asked > rules.claims_up_to:
            doubts.append(f"claim: {asked} is above {rules.claims_up_to}")
        return doubts
    if not rules.auto_approve:
        doubts.append("every return is decided by a person")
    if rules.review_above and value > rules.review_above:
        doubts.append(f"value: {value} is above {rules.review_above}")
    new = exchange_value(rma, included=state.header.tax_included if state.header else True)
    if rma.exchange and rules.exchange.dearer == "review" and new > value:
        doubts.append(f"exchange: the new goods cost {new}, the old ones {value}")
    return doubts


def _refund_told(session: OrderSession, rma: Rma) -> None:
    """The channel has told of the refund after all: nobody has to look any more."""
    for problem in rma.open_problems:
        if problem.kind == "REFUND" and not ledger(session.state).presumed.get(problem.line_id):
            problem.state = "refunded"


# -- 3 -----------------------------------------------------------------------------------------------------------------
def _close(session: OrderSession, rma: Rma) -> None:
    """An RMA is over when nothing of it is to come, to be looked at, to be paid, or to be resolved."""
    paid = all(credit.status in ("PAID", "REFUSED") for credit in rma.credits)
    by_channel = rma.told in ("handled", "closed") and not received(rma) and not rma.credits
    done = (
        bool(rma.credits)
        if rma.kind == "claim"
        else all_there(rma) and inspected(rma) and not any(line.due for line in rma.lines)
    )
    if rma.open_problems or not paid or not (done or by_channel):
        return
    rma.ended = "CLOSED"
    record_return(
        session, "RETURN_CLOSED", rma, reason="by the channel" if by_channel and not done else "", complete=True
    )
    if known_to_channel(rma) and not rma.theirs and not by_channel:
        channel(session, rma, "close", [], "")


# -- 4 -----------------------------------------------------------------------------------------------------------------
def expire(session: OrderSession, now: int) -> None:
    """Close approved RMAs of which nothing came in time; of those of which a part came, the rest is not waited for any longer."""
    for rma in session.state.book.rmas if session.state.book else []:
        if not (rma.live and 0 < rma.expires <= now):
            continue
        rma.expires = 0
        if rma.moving and not received(rma):
            continue  # it is on its way: a carrier that is slow is no reason to refuse it
        late = [returned(line, line.coming) for line in rma.lines if line.coming]
        if not late:
            continue
        for unit in rma.lines:
            unit.dropped += unit.coming
        if not received(rma):
            rma.ended = "EXPIRED"
            withdraw(session, rma, "expired")
        record_return(
            session, "RETURN_EXPIRED", rma, late, reason="nothing came" if rma.ended else "the rest did not come"
        )
        if not rma.theirs:
            expect(session, rma, [])
            if rma.ended and known_to_channel(rma):
                channel(session, rma, "cancel", late, "expired")


def _count(state: OrderState) -> None:
    """The lines' own counters: ``returned`` (in a return), ``received`` back, ``credited``. Claims bring nothing back and count in none."""
    book = state.book
    for line in state.lines:
        mine = [
            (rma, unit)
            for rma in (book.rmas if book else [])
            for unit in rma.lines
            if unit.line_id == line.line_id and rma.kind != "claim" and rma.decision == "approved"
        ]
        line.returned = sum(
            rma_line.qty - rma_line.dropped for r, rma_line in mine if r.ended not in ("CANCELLED", "EXPIRED")
        )
        line.received = sum(max(rma_line.received, rma_line.good) for _, rma_line in mine)
        line.credited = sum(sum(rma_line.credited.values()) for _, rma_line in mine)
