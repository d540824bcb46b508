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
from .fulfilment.desired import Desired, facts, wants
from .fulfilment.pullback import drop_finished, flush, free, recall, recall_all, withdraw_unsent
from .fulfilment.requests import request_units, submit
from .holds import release_all, update
from .returns.exchange import keeps_stock
from .returns.reconcile import settle_returns
from .session import OrderSession, event_line
from .state.order import Line
from .state.status import is_live, status

__all__ = ["settle"]


def settle(session: OrderSession) -> None:
    """Do what the facts and quantities now call for."""
    order = session.state
    if order.header is None:
        update(session)
        settle_returns(session)
        return
    _quantities(session)
    update(session)
    kept = bool(order.holds) and keeps_stock(session)
    if order.holds and not kept:
        _stop(session)
    if session.uncover or session.release or session.withdraw:
        flush(session)
    if order.requests:
        drop_finished(session)
    if not order.holds:
        _no_shipping(session)
        submit(session)
        request_units(session)
    elif kept:
        request_units(session)
    if order.book is not None:
        settle_returns(session)
    give_up(session)
    settle_family(session)
    _finish(session)


class _Booked:
    """What step 1 moved, for one event each."""

    __slots__ = ("cancelled", "outside", "tell")

    def __init__(self) -> None:
        self.cancelled: list[EventLine] = []
        self.outside: list[EventLine] = []
        self.tell: list[LineQty] = []


def _quantities(session: OrderSession) -> None:
    order, booked = session.state, _Booked()
    f = facts(order)
    for line in order.lines:
        if not (f.none and _calm(line)):
            _line(session, line, wants(line, f), booked)
    if booked.outside:
        _outside(session, booked.outside)
    if booked.cancelled:
        _cancelled(session, booked)
    if not all(x.ordered for x in order.lines):
        order.lines = [x for x in order.lines if x.ordered or x.wanted or _used(session, x)]


def _calm(line: Line) -> bool:
    """Nothing was ever told of it but how many are ordered: so it is with most lines, most of the time."""
    told = line.shown_cancelled or line.shown_outside or line.dropped or line.surplus or line.cancel_wanted
    return line.ordered == line.wanted and not (told or line.cancelled or line.outside)


def _used(session: OrderSession, line: Line) -> bool:
    order = session.state
    allocated = any(
        alloc_line.line_id == line.line_id for allocation in order.allocations for alloc_line in allocation.lines
    )
    return allocated or any(
        request_line.line_id == line.line_id for request in order.requests for request_line in request.lines
    )


def _line(session: OrderSession, line: Line, wants: Desired, booked: _Booked) -> None:
    line.cancel_wanted = wants.cancelled
    if wants.ordered > line.ordered:
        line.open += wants.ordered - line.ordered
        line.ordered = wants.ordered
    _undo(line, wants)
    surplus, outside = line.ordered - wants.ordered, wants.outside - line.outside
    cancel = wants.cancelled - line.cancelled
    need = surplus + outside + cancel
    if not need:
        return
    why = "cancelled" if cancel else ("fulfilled_elsewhere" if outside else "edited")
    free(session, line, need, why)
    n = min(surplus, line.open)
    line.take_open(n)
    line.ordered -= n
    _book_outside(line, min(outside, line.open), booked)
    _book_cancelled(line, min(cancel, line.open), wants, booked)
    left = need - n - (outside - (wants.outside - line.outside)) - (cancel - (wants.cancelled - line.cancelled))
    if left:
        recall(session, line, left, why)


def _undo(line: Line, wants: Desired) -> None:
    """Facts can be taken back: a fulfilment cancelled, a newer snapshot that shows fewer cancelled. The units are open again."""
    n = line.cancelled - wants.cancelled
    if n > 0:
        line.cancelled -= n
        line.open += n
    n = line.outside - wants.outside
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


def _book_cancelled(line: Line, n: int, wants: Desired, booked: _Booked) -> None:
    if n <= 0:
        return
    booked.cancelled.append(event_line(line, n, line.cancelled))
    before = line.cancelled
    line.take_open(n)
    line.cancelled += n
    tell = line.cancelled - max(before, wants.known)
    if tell > 0:
        booked.tell.append(LineQty(line.line_id, line.sku, tell))


def _outside(session: OrderSession, units: list[EventLine]) -> None:
    header = session.state.header
    by_channel = header is not None and header.fulfilled_by == "channel"
    complete = not is_live(session.state)
    session.record("SHIPPED", units, complete=complete, reason="by the channel" if by_channel else "outside Wharfinger")


def _cancelled(session: OrderSession, booked: _Booked) -> None:
    order, header = session.state, session.state.header
    why = next((cancel.reason for cancel in reversed(order.cancels.values()) if cancel.reason), "")
    why = order.refused or why or (header.cancel_reason if header else "") or ("unfillable" if booked.tell else "")
    complete = all(line.cancelled == line.ordered for line in order.lines)
    at = header.cancelled_at if header and header.cancelled_at is not None else None
    session.record("CANCELLED", booked.cancelled, complete=complete, reason=why, at=at)
    if booked.tell and not (
        header is not None and header.exchange_for
    ):  # an exchange's money moves back: ``order_family``
        head = session.head("ChannelCancel")
        money = pay_back(session, header, booked.tell, head["event_id"], complete=complete) if header else {}
        session.effect(
            ChannelCancel(
                **head,
                order_key=order.key,
                target=session.target,
                channel_order_id=session.order_id,
                lines=booked.tell,
                reason=why,
                **money,
            )
        )


def _stop(session: OrderSession) -> None:
    """Cut-off and priority are judged anew at the release, so a held order keeps no stock that others could have."""
    hard = any(not hold.soft for hold in session.state.holds.values())
    withdraw_unsent(session, "held", failed=hard)
    if hard:
        for allocation in session.state.allocations:
            recall_all(session, allocation, "held")


def _no_shipping(session: OrderSession) -> None:
    """A gift card or download has nothing to pick: it counts as shipped as soon as nothing holds the order."""
    for line in session.state.lines:
        if not line.requires_shipping and line.open:
            n = line.open
            line.take_open(n)
            line.shipped += n


def _finish(session: OrderSession) -> None:
    order = session.state
    if order.holds and not is_live(order):
        release_all(session)
    if order.due and not any(line.unfillable for line in order.lines):
        order.due = 0
    if not order.completed and not is_live(order) and status(order) == "COMPLETED":
        order.completed = True
        session.record("COMPLETED", complete=True)
