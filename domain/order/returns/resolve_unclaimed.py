"""What a person makes of goods that belong to no return we know: another order's, this one's after
all, nobody's.
"""

from __future__ import annotations

from collections.abc import Callable

from domain.errors import Rejected
from domain.keys import rma_id
from domain.order.dedupe import too_old
from domain.order.session import OrderSession
from domain.order.state.returns import GOOD, Parcel, Rma, RmaLine
from domain.records.commands import ReturnInspected, ReturnReceived, ReturnResolved

from .book import book, find, record_return
from .receiving import apply_inspected, apply_received, put_away
from .unclaimed import found_lines, got_lines, record_parcel, reopen, reports
from .undelivered import take_back, undelivered

__all__ = ["PARCEL_ACTIONS", "resolve_parcel"]


def resolve_parcel(session: OrderSession, resolution: ReturnResolved, parcel: Parcel) -> None:
    """Apply a person's resolution to a parcel.

    Raises Rejected where it does not fit it; done already: records STALE.
    """
    if parcel.problem.state != "open":
        too_old(session, f"{parcel.problem.id} is {parcel.problem.state} already")
        return
    if resolution.action not in PARCEL_ACTIONS:
        raise Rejected(
            "return.action", "action", f"{resolution.action!r} is for no parcel: assign, accept, inspect or refuse it"
        )
    PARCEL_ACTIONS[resolution.action](session, resolution, parcel)


def _assign(session: OrderSession, resolution: ReturnResolved, parcel: Parcel) -> None:
    """It is another order's: that one gets what the WMS told."""
    if not resolution.to_order or resolution.to_order.count(":") < 2:
        raise Rejected(
            "return.to_order", "to_order", f"{resolution.to_order!r} is no order key: channel:account:order_id"
        )
    if resolution.to_order == session.state.key:
        _accept(session, resolution, parcel)
        return
    parcel.to, parcel.rma, parcel.problem.state = resolution.to_order, resolution.rma_id, "assigned"
    record_parcel(
        session,
        "RETURN_RESOLVED",
        parcel,
        reason=f"{parcel.problem.id} belongs to {resolution.to_order} {resolution.reason}".rstrip(),
        actor=resolution.actor,
        intervention=True,
    )
    for command in reports(session, parcel, resolution.to_order, resolution.rma_id):
        session.to_order(command)


def _accept(session: OrderSession, resolution: ReturnResolved, parcel: Parcel) -> None:
    """It is a return of this order: the RMA named, the one that was over, or a new one."""
    if session.state.header is None:
        raise Rejected(
            "return.order", "action", f"{session.state.key} is no order: assign the parcel to one, or inspect it"
        )
    rma, over = find(session, resolution.rma_id or parcel.rma), False
    if rma is None:
        shipment = undelivered(session, parcel.tracking_number, found_lines(parcel) or got_lines(parcel))
        rma = (
            _blind(session, resolution, parcel)
            if shipment is None
            else take_back(session, shipment, parcel.receipt.depot, resolution.actor or resolution.source)
        )
    elif rma.ended or rma.decision != "approved":
        reopen(
            session,
            rma,
            f"{parcel.problem.id} parcel {parcel.receipt.id} accepted {resolution.reason}".rstrip(),
            resolution.actor,
        )
        over = True
    parcel.problem.state = "accepted"
    if not over:
        why = f"{parcel.problem.id} accepted as {rma.id} {resolution.reason}".rstrip()
        record_parcel(session, "RETURN_RESOLVED", parcel, reason=why, actor=resolution.actor, intervention=True)
    returns = book(session)
    # Out of the parcels first: what follows is folded as reports on the return.
    returns.parcels = [other for other in returns.parcels if other is not parcel]
    for report in reports(session, parcel, session.state.key, rma.id):
        if isinstance(report, ReturnReceived):
            apply_received(session, rma, report)
        elif isinstance(report, ReturnInspected):
            apply_inspected(session, rma, report)


def _blind(session: OrderSession, resolution: ReturnResolved, parcel: Parcel) -> Rma:
    """A return that nobody asked for: approved as it lies there, as far as the order has such
    units.
    """
    returns, lines = book(session), list[RmaLine]()
    units = {(line_qty.line_id, line_qty.sku): line_qty.qty for line_qty in got_lines(parcel)}
    for inspected_line in resolution.lines or found_lines(parcel):
        units.setdefault((inspected_line.line_id, inspected_line.sku), inspected_line.qty)
    for (line_id, sku), qty in units.items():
        line = session.line(line_id) or next(
            (
                order_line
                for order_line in session.state.lines
                if sku and sku in (order_line.sku, order_line.variant_id)
            ),
            None,
        )
        if line is not None:
            lines.append(RmaLine(line.line_id, line.sku, min(qty, max(0, line.shipped - line.returned))))
    lines = [rma_line for rma_line in lines if rma_line.qty]
    if not lines:
        raise Rejected(
            "return.lines", "lines", "nothing in the parcel is of this order: inspect it, or assign it to another"
        )
    rma = Rma(
        rma_id(session.state.key, returns.next),
        "return",
        "operator",
        session.command.time,
        lines,
        "approved",
        judged=True,
    )
    rma.actor, rma.depot = resolution.actor, parcel.receipt.depot
    returns.rmas, returns.next = [*returns.rmas, rma], returns.next + 1
    record_return(
        session,
        "RMA_CREATED",
        rma,
        reason=f"parcel {parcel.receipt.id} without a request {resolution.reason}".rstrip(),
        actor=resolution.actor,
        intervention=True,
    )
    return rma


def _shelve(session: OrderSession, resolution: ReturnResolved, parcel: Parcel) -> None:
    """Nobody's: the goods go to stock as told (by the command, else as the WMS inspected them),
    nobody is credited.
    """
    lines = resolution.lines or found_lines(parcel)
    if not lines:
        raise Rejected("return.lines", "lines", "say what becomes of the units: RESTOCK, B_GRADE or WRITE_OFF")
    for line in lines:
        if line.disposition in GOOD:
            put_away(session, line, parcel.receipt, None)
    parcel.problem.state = "accepted"
    record_parcel(
        session,
        "RETURN_RESOLVED",
        parcel,
        reason=f"{parcel.problem.id} to stock, nobody is credited {resolution.reason}".rstrip(),
        actor=resolution.actor,
        intervention=True,
    )


def _refuse_parcel(session: OrderSession, resolution: ReturnResolved, parcel: Parcel) -> None:
    parcel.problem.state = "refused"
    record_parcel(
        session,
        "RETURN_RESOLVED",
        parcel,
        reason=f"{parcel.problem.id} refused {resolution.reason}".rstrip(),
        actor=resolution.actor,
        intervention=True,
    )


PARCEL_ACTIONS: dict[str, Callable[[OrderSession, ReturnResolved, Parcel], None]] = {
    "assign": _assign,
    "accept": _accept,
    "inspect": _shelve,
    "refuse": _refuse_parcel,
}
