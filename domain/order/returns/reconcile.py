"""Bringing an order's returns in line with what is known: after every command on an order that has any.

1. Requests are judged as soon as the order is known. 2. Inspected units are credited. 3. What is over is closed. 4. When a Tick is to come.
"""

from __future__ import annotations

from domain.order.ledger import ledger, worth
from domain.order.session import Turn
from domain.order.state.order import Line, OrderState
from domain.order.state.returns import Rma, RmaLine
from domain.order.state.rma_status import all_there, inspected, received

from .book import known_to_channel, returned, taken, told
from .credit import credit_due
from .decisions import approve, channel, decline, expect
from .exchange import value as exchange_value
from .exchange import withdraw
from .policy import Asked, judge
from .settlement import owed_again

__all__ = ["expire", "settle_returns"]


def settle_returns(turn: Turn) -> None:
    """Do what the facts now call for."""
    b = turn.state.book
    if b is None:
        return
    if turn.state.header is not None:
        owed_again(turn)
        for r in b.rmas:
            if r.lines and not (r.judged or r.decision or r.ended):
                _judge(turn, r)
            if r.live:
                _refund_told(turn, r)
                credit_due(turn, r)
                _close(turn, r)
    _count(turn.state)
    b.due = min((r.expires for r in b.rmas if r.live and r.expires), default=0)


# -- 1 -----------------------------------------------------------------------------------------------------------------
def _judge(turn: Turn, r: Rma) -> None:
    s, h, rules = turn.state, turn.state.header, turn.rules.returns
    if h is None:
        return
    _resolve(turn, r)
    r.judged = True
    r.theirs = h.fulfilled_by == "channel"
    if r.told in ("approved", "received", "handled", "closed"):
        approve(turn, r, f"by {turn.target}", turn.target)
        return
    if r.theirs:
        return
    asked = [_asked(turn, r, x) for x in r.lines]
    verdict = judge(
        asked, rules, channel=turn.channel, account=turn.account, country=h.ship_to.country, tags=h.tags, now=r.at
    )
    review = [*verdict.review, *_doubts(s, r, turn)]
    if verdict.hard or (verdict.refused and rules.ineligible == "decline"):
        decline(turn, r, "; ".join(verdict.refused), "policy")
    elif verdict.refused or review:
        r.reason = "; ".join([*verdict.refused, *review])
    else:
        approve(turn, r, "", "policy")


def _resolve(turn: Turn, r: Rma) -> None:
    """Which order lines the units are of: by line id, else by SKU or the channel's article number, where units are left."""
    found: list[RmaLine] = []
    for x in r.lines:
        line = turn.line(x.line_id) if x.line_id else None
        if line is not None:
            found.append(_take(x, line, x.qty))
            continue
        rest = x.qty
        fit = [y for y in turn.state.lines if x.sku and x.sku in (y.sku, y.variant_id)]
        for y in fit:
            free = y.shipped - taken(turn, y.line_id, r) - sum(z.qty for z in found if z.line_id == y.line_id)
            n = rest if y is fit[-1] else min(rest, max(0, free))
            if n:
                found.append(_take(x, y, n))
                rest -= n
        if rest:
            found.append(RmaLine(x.line_id, x.sku, rest, x.reason, x.comment))
    r.lines = found


def _take(x: RmaLine, line: Line, n: int) -> RmaLine:
    return RmaLine(line.line_id, line.sku, n, x.reason, x.comment)


def _asked(turn: Turn, r: Rma, x: RmaLine) -> Asked:
    line = turn.line(x.line_id)
    if line is None:
        return Asked(x.line_id, x.sku, x.qty, x.reason, 0, 0, 0, None, known=False)
    mine = sum(y.qty for y in r.lines if y.line_id == x.line_id and y is not x)
    return Asked(
        x.line_id,
        x.sku,
        x.qty,
        x.reason,
        line.ordered - line.cancelled,
        line.shipped,
        taken(turn, x.line_id, r) + mine,
        _delivered(turn.state, line),
    )


def _delivered(s: OrderState, line: Line) -> int | None:
    """When the last of the line's units was delivered; None: none was, as far as we know."""
    return max(
        (p.delivered_at for p in s.shipments if p.delivered_at and any(u.line_id == line.line_id for u in p.lines)),
        default=None,
    )


def _doubts(s: OrderState, r: Rma, turn: Turn) -> list[str]:
    """Why a person should decide, beyond the units themselves."""
    rules, doubts = turn.rules.returns, []
    value = sum(worth(s, x.line_id, x.qty) for x in r.lines)
    if r.kind == "claim":
        asked = value if r.amount is None else r.amount
        if asked > rules.claims_up_to:
            doubts.append(f"claim: {asked} is above {rules.claims_up_to}")
        return doubts
    if not rules.auto_approve:
        doubts.append("every return is decided by a person")
    if rules.review_above and value > rules.review_above:
        doubts.append(f"value: {value} is above {rules.review_above}")
    new = exchange_value(r, included=s.header.tax_included if s.header else True)
    if r.exchange and rules.exchange.dearer == "review" and new > value:
        doubts.append(f"exchange: the new goods cost {new}, the old ones {value}")
    return doubts


def _refund_told(turn: Turn, r: Rma) -> None:
    """The channel has told of the refund after all: nobody has to look any more."""
    for p in r.open_problems:
        if p.kind == "REFUND" and not ledger(turn.state).presumed.get(p.line_id):
            p.state = "refunded"


# -- 3 -----------------------------------------------------------------------------------------------------------------
def _close(turn: Turn, r: Rma) -> None:
    """An RMA is over when nothing of it is to come, to be looked at, to be paid, or to be resolved."""
    paid = all(c.status in ("PAID", "REFUSED") for c in r.credits)
    by_channel = r.told in ("handled", "closed") and not received(r) and not r.credits
    done = bool(r.credits) if r.kind == "claim" else all_there(r) and inspected(r) and not any(x.due for x in r.lines)
    if r.open_problems or not paid or not (done or by_channel):
        return
    r.ended = "CLOSED"
    told(turn, "RETURN_CLOSED", r, reason="by the channel" if by_channel and not done else "", complete=True)
    if known_to_channel(r) and not r.theirs and not by_channel:
        channel(turn, r, "close", [], "")


# -- 4 -----------------------------------------------------------------------------------------------------------------
def expire(turn: Turn, now: int) -> None:
    """Close approved RMAs of which nothing came in time; of those of which a part came, the rest is not waited for any longer."""
    for r in turn.state.book.rmas if turn.state.book else []:
        if not (r.live and 0 < r.expires <= now):
            continue
        r.expires = 0
        if r.moving and not received(r):
            continue  # it is on its way: a carrier that is slow is no reason to refuse it
        late = [returned(x, x.coming) for x in r.lines if x.coming]
        if not late:
            continue
        for x in r.lines:
            x.dropped += x.coming
        if not received(r):
            r.ended = "EXPIRED"
            withdraw(turn, r, "expired")
        told(turn, "RETURN_EXPIRED", r, late, reason="nothing came" if r.ended else "the rest did not come")
        if not r.theirs:
            expect(turn, r, [])
            if r.ended and known_to_channel(r):
                channel(turn, r, "cancel", late, "expired")


def _count(s: OrderState) -> None:
    """The lines' own counters: ``returned`` (in a return), ``received`` back, ``credited``. Claims bring nothing back and count in none."""
    b = s.book
    for line in s.lines:
        mine = [
            (r, x)
            for r in (b.rmas if b else [])
            for x in r.lines
            if x.line_id == line.line_id and r.kind != "claim" and r.decision == "approved"
        ]
        line.returned = sum(x.qty - x.dropped for r, x in mine if r.ended not in ("CANCELLED", "EXPIRED"))
        line.received = sum(max(x.received, x.good) for _, x in mine)
        line.credited = sum(sum(x.credited.values()) for _, x in mine)
