"""Bringing an order in line with its facts: run after every command, whatever it was.

1. Quantities: what is no longer ordered, was shipped by others, or is to be cancelled is taken back and booked so. 2. Holds.
3. A held order takes back all that no warehouse has, and recalls the rest. 4. What is free is asked of the pool; what is allocated
becomes a pick order. Nothing of 4 happens while a hold is in force; of an exchange that waits for the old goods, by rule, the stock is kept.
"""

from __future__ import annotations

from domain.records.effects import ChannelCancel
from domain.records.values import EventLine, LineQty

from .cancel_refunds import pay_back
from .family import give_up, settle_family
from .fulfilment.desired import Wants, facts, wants
from .fulfilment.pullback import drop_finished, flush, free, recall, recall_all, withdraw_unsent
from .fulfilment.requests import request_units, submit
from .holds import release_all, update
from .returns.exchange import keeps_stock
from .returns.reconcile import settle_returns
from .session import Turn, event_line
from .state.order import Line
from .state.status import is_live, status

__all__ = ["settle"]


def settle(turn: Turn) -> None:
    """Do what the facts and quantities now call for."""
    s = turn.state
    if s.header is None:
        update(turn)
        settle_returns(turn)
        return
    _quantities(turn)
    update(turn)
    kept = bool(s.holds) and keeps_stock(turn)
    if s.holds and not kept:
        _stop(turn)
    if turn.uncover or turn.release or turn.withdraw:
        flush(turn)
    if s.requests:
        drop_finished(turn)
    if not s.holds:
        _no_shipping(turn)
        submit(turn)
        request_units(turn)
    elif kept:
        request_units(turn)
    if s.book is not None:
        settle_returns(turn)
    give_up(turn)
    settle_family(turn)
    _finish(turn)


class _Booked:
    """What step 1 moved, for one event each."""

    __slots__ = ("cancelled", "outside", "tell")

    def __init__(self) -> None:
        self.cancelled: list[EventLine] = []
        self.outside: list[EventLine] = []
        self.tell: list[LineQty] = []


def _quantities(turn: Turn) -> None:
    s, booked = turn.state, _Booked()
    f = facts(s)
    for line in s.lines:
        if not (f.none and _calm(line)):
            _line(turn, line, wants(line, f), booked)
    if booked.outside:
        _outside(turn, booked.outside)
    if booked.cancelled:
        _cancelled(turn, booked)
    if not all(x.ordered for x in s.lines):
        s.lines = [x for x in s.lines if x.ordered or x.wanted or _used(turn, x)]


def _calm(x: Line) -> bool:
    """Nothing was ever told of it but how many are ordered: so it is with most lines, most of the time."""
    told = x.shown_cancelled or x.shown_outside or x.dropped or x.surplus or x.cancel_wanted
    return x.ordered == x.wanted and not (told or x.cancelled or x.outside)


def _used(turn: Turn, line: Line) -> bool:
    s = turn.state
    allocated = any(x.line_id == line.line_id for a in s.allocations for x in a.lines)
    return allocated or any(x.line_id == line.line_id for r in s.requests for x in r.lines)


def _line(turn: Turn, line: Line, w: Wants, booked: _Booked) -> None:
    line.cancel_wanted = w.cancelled
    if w.ordered > line.ordered:
        line.open += w.ordered - line.ordered
        line.ordered = w.ordered
    _undo(line, w)
    surplus, outside = line.ordered - w.ordered, w.outside - line.outside
    cancel = w.cancelled - line.cancelled
    need = surplus + outside + cancel
    if not need:
        return
    why = "cancelled" if cancel else ("fulfilled_elsewhere" if outside else "edited")
    free(turn, line, need, why)
    n = min(surplus, line.open)
    line.take_open(n)
    line.ordered -= n
    _book_outside(line, min(outside, line.open), booked)
    _book_cancelled(line, min(cancel, line.open), w, booked)
    left = need - n - (outside - (w.outside - line.outside)) - (cancel - (w.cancelled - line.cancelled))
    if left:
        recall(turn, line, left, why)


def _undo(line: Line, w: Wants) -> None:
    """Facts can be taken back: a fulfilment cancelled, a newer snapshot that shows fewer cancelled. The units are open again."""
    n = line.cancelled - w.cancelled
    if n > 0:
        line.cancelled -= n
        line.open += n
    n = line.outside - w.outside
    if n > 0:
        line.outside -= n
        line.shipped -= n
        line.open += n


def _book_outside(line: Line, n: int, booked: _Booked) -> None:
    if n > 0:
        booked.outside.append(event_line(line, n, line.shipped))
        line.take_open(n)
        line.shipped += n
        line.outside += n


def _book_cancelled(line: Line, n: int, w: Wants, booked: _Booked) -> None:
    if n <= 0:
        return
    booked.cancelled.append(event_line(line, n, line.cancelled))
    before = line.cancelled
    line.take_open(n)
    line.cancelled += n
    tell = line.cancelled - max(before, w.known)
    if tell > 0:
        booked.tell.append(LineQty(line.line_id, line.sku, tell))


def _outside(turn: Turn, units: list[EventLine]) -> None:
    h = turn.state.header
    by_channel = h is not None and h.fulfilled_by == "channel"
    complete = not is_live(turn.state)
    turn.event("SHIPPED", units, complete=complete, reason="by the channel" if by_channel else "outside Wharfinger")


def _cancelled(turn: Turn, booked: _Booked) -> None:
    s, h = turn.state, turn.state.header
    why = next((c.reason for c in reversed(s.cancels.values()) if c.reason), "")
    why = s.refused or why or (h.cancel_reason if h else "") or ("unfillable" if booked.tell else "")
    complete = all(x.cancelled == x.ordered for x in s.lines)
    at = h.cancelled_at if h and h.cancelled_at is not None else None
    turn.event("CANCELLED", booked.cancelled, complete=complete, reason=why, at=at)
    if booked.tell and not (h is not None and h.exchange_for):  # an exchange's money moves back: ``order_family``
        head = turn.head("ChannelCancel")
        money = pay_back(turn, h, booked.tell, head["event_id"], complete=complete) if h else {}
        turn.do(
            ChannelCancel(
                **head,
                order_key=s.key,
                target=turn.target,
                channel_order_id=turn.order_id,
                lines=booked.tell,
                reason=why,
                **money,
            )
        )


def _stop(turn: Turn) -> None:
    """Cut-off and priority are judged anew at the release, so a held order keeps no stock that others could have."""
    hard = any(not h.soft for h in turn.state.holds.values())
    withdraw_unsent(turn, "held", failed=hard)
    if hard:
        for a in turn.state.allocations:
            recall_all(turn, a, "held")


def _no_shipping(turn: Turn) -> None:
    """A gift card or download has nothing to pick: it counts as shipped as soon as nothing holds the order."""
    for line in turn.state.lines:
        if not line.requires_shipping and line.open:
            n = line.open
            line.take_open(n)
            line.shipped += n


def _finish(turn: Turn) -> None:
    s = turn.state
    if s.holds and not is_live(s):
        release_all(turn)
    if s.due and not any(x.unfillable for x in s.lines):
        s.due = 0
    if not s.completed and not is_live(s) and status(s) == "COMPLETED":
        s.completed = True
        turn.event("COMPLETED", complete=True)
