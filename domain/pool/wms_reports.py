"""What a WMS says of a pick order: cumulative figures, told twice or out of order, turned into stock moves exactly once.

The figures of a line only grow; a report that moves no figure and brings no newer status is counted as a duplicate. Shipping is
the last word: units that left although they had been cancelled or reported short still go off the stock.
"""

from __future__ import annotations

import msgspec

from domain.allocation.bundling import share_of
from domain.errors import Rejected
from domain.keys import split_allocation_id
from domain.records.commands import AllocationProgressed, WmsReported
from domain.records.values import ParcelPart, WmsLine
from domain.rules.partners import same_partner

from .backorders import close_if_done
from .releases import free_units
from .serving import exclude
from .session import PoolSession, find
from .shortage import answered, ask_back, heard
from .state import AllocLine, PoolAllocation, PoolOrder
from .stock import StockMoves, row_of
from .waves import leave_wave

__all__ = ["report_wms"]

PROGRESS = {"ALLOCATED": 0, "ACCEPTED": 1, "PICKING": 2, "PICKED": 3, "PACKED": 4, "SHIPPED": 5}
_NOT_BEGUN = ("ACCEPTED", "CANCELLED")
"""After these, what is left of a pick order can still be asked back."""
ENDS = ("SHORT_PICKED", "REJECTED", "CANCELLED", "CANCEL_REJECTED")


class Growth(msgspec.Struct, frozen=True):
    """What a report adds to a line; ``late``: shipped units that were no longer reserved."""

    line: AllocLine
    picked: int
    shipped: int
    short: int
    cancelled: int
    late: int
    reason: str


class Report(msgspec.Struct, frozen=True):
    """A report, what it is about, and what all its parts tell the order."""

    told: WmsReported
    order: PoolOrder
    allocation: PoolAllocation
    growth: list[Growth]
    progress: AllocationProgressed

    @property
    def ids(self) -> dict[str, str]:
        """What its events name."""
        allocation = self.allocation
        return {"order_key": self.order.key, "allocation_id": allocation.id, "depot": allocation.depot}


def report_wms(session: PoolSession, report: WmsReported) -> None:
    """Move stock as the WMS says and tell the order. Raises Rejected: unknown allocation, status or line, impossible units,
    another 3PL's pick order."""
    if report.status not in PROGRESS and report.status not in ENDS:
        raise Rejected("wms.status", "status", f"{report.status!r} is none of {', '.join([*PROGRESS, *ENDS])}")
    order, allocation = find(session, report.order_key, report.allocation_id)
    depot = allocation.depot
    same_partner(report.source, depot, allocation.wms or depot, session.rules, f"pick order {allocation.id}")
    growth = [_growth(line, told) for line, told in _figures(allocation, report)]
    r = Report(report, order, allocation, growth, _progress(session, allocation, report))
    sent = len(session.sent)
    picked = _picked(session, r)
    _short(session, r)
    _cancelled(session, r)
    shipped = _shipped(session, r)
    if shipped and report.status != "SHIPPED":
        session.progressed(r.progress, "SHIPPED", _lines(allocation), report.reason)
    if _is_news(allocation, report, shipped or picked):
        session.progressed(r.progress, report.status, _lines(allocation), report.reason)
    elif picked and len(session.sent) == sent:
        session.progressed(r.progress, "PICKING", _lines(allocation), report.reason)
    if len(session.sent) == sent:
        key = report.idempotency_key
        session.event(
            "DUPLICATE", order_key=order.key, allocation_id=allocation.id, reason=report.status, reference=key
        )
        return
    leave_wave(session, allocation)  # its warehouse has it, however that came about
    if (
        report.status not in _NOT_BEGUN
        or any(g.picked for g in growth)
        or not any(line.live for line in allocation.lines)
    ):
        heard(session, order.key, allocation)
    close_if_done(session, order)
    session.save_order(order)


def _figures(allocation: PoolAllocation, report: WmsReported) -> list[tuple[AllocLine, WmsLine]]:
    """Our lines with what the report says of them. A report without lines (or a CANCELLED or REJECTED without figures)
    means all units that are still live.
    """
    lines = {line.line_id: line for line in allocation.lines}
    for i, told in enumerate(report.lines):
        if told.line_id not in lines:
            raise Rejected("wms.line", f"lines[{i}].line_id", f"{told.line_id!r} is no line of {report.allocation_id}")
        if min(told.picked, told.shipped, told.short, told.cancelled) < 0:
            raise Rejected("wms.quantity", f"lines[{i}]", "cumulative figures can't be negative")
        if max(told.picked, told.shipped) > lines[told.line_id].qty:
            raise Rejected("wms.quantity", f"lines[{i}]", f"more than the {lines[told.line_id].qty} allocated units")
    blank = report.status in ("CANCELLED", "REJECTED") and not any(
        line.cancelled or line.short for line in report.lines
    )
    if report.lines and not blank:
        return [(lines[line.line_id], line) for line in report.lines]
    if report.status == "SHORT_PICKED":
        raise Rejected("wms.lines", "lines", "a short pick says which units are short")
    return [(line, _all(line, report.status)) for line in allocation.lines]


def _all(line: AllocLine, status: str) -> WmsLine:
    """Figures that mean: everything still live."""
    n = line.live
    return WmsLine(
        line.line_id,
        line.sku,
        picked=line.shipped + n if status in ("PICKED", "PACKED", "SHIPPED") else 0,
        shipped=line.shipped + n if status == "SHIPPED" else 0,
        short=line.short + n if status == "REJECTED" else 0,
        cancelled=line.cancelled + n if status == "CANCELLED" else 0,
    )


def _growth(line: AllocLine, told: WmsLine) -> Growth:
    """Shipped units come first (they have left), then cancelled, then short ones, out of what is live."""
    shipped = max(told.shipped - line.shipped, 0)
    late = max(shipped - line.live, 0)
    live = line.live - (shipped - late)
    cancelled = min(max(told.cancelled - line.cancelled, 0), live)
    short = min(max(told.short - line.short, 0), live - cancelled)
    picked = max(min(max(told.picked, told.shipped), line.qty) - line.picked, 0)
    return Growth(line, picked, shipped, short, cancelled, late, told.reason)


def _by_sku(growth: list[Growth], figure: str) -> dict[str, int]:
    units: dict[str, int] = {}
    for g in growth:
        if n := getattr(g, figure):
            units[g.line.sku] = units.get(g.line.sku, 0) + n
    return units


def _short(session: PoolSession, report: Report) -> None:
    """Units that won't come from this depot: short picked or rejected. The order asks for them again, elsewhere."""
    short = [g for g in report.growth if g.short]
    if not short:
        return
    rejected = report.told.status == "REJECTED"
    type = "UNRESERVED" if rejected else "SHORT_PICKED"
    for growth in short:
        growth.line.short += growth.short
        answered(session, report.allocation, growth.line.line_id, growth.short)
        growth.line.reason = growth.reason or report.told.reason
    for reason in dict.fromkeys(g.line.reason for g in short):
        taken = _by_sku([g for g in short if g.line.reason == reason], "short")
        note = f"rejected:{reason}" if rejected else reason
        free_units(session, report.order, report.allocation, taken, type=type, reason=note, lost=reason)
    exclude(session, report.order, report.allocation.depot, {g.line.line_id for g in short})
    _end(report.allocation, "REJECTED")
    status = "REJECTED" if rejected else "SHORT_PICKED"
    session.progressed(report.progress, status, _lines(report.allocation), short[0].line.reason)


def _cancelled(session: PoolSession, report: Report) -> None:
    taken = _by_sku(report.growth, "cancelled")
    if not taken:
        return
    for growth in report.growth:
        growth.line.cancelled += growth.cancelled
        answered(session, report.allocation, growth.line.line_id, growth.cancelled)
    free_units(session, report.order, report.allocation, taken, type="UNRESERVED", reason="cancelled")
    _end(report.allocation, "CANCELLED")
    session.progressed(report.progress, "CANCELLED", _lines(report.allocation), report.told.reason)


def _picked(session: PoolSession, report: Report) -> bool:
    for growth in report.growth:
        growth.line.picked += growth.picked
    if any(g.picked for g in report.growth):
        session.event("PICKED", moves=[], **report.ids)
        return True
    return False


def _shipped(session: PoolSession, report: Report) -> bool:
    """Take shipped units off stock and reservations; late ones off the stock alone."""
    units, late = _by_sku(report.growth, "shipped"), _by_sku(report.growth, "late")
    if not units:
        return False
    for growth in report.growth:
        growth.line.shipped += growth.shipped
        growth.line.late += growth.late
    _make_room(session, report, late)
    ledger = StockMoves(session, report.allocation.depot)
    for sku, n in units.items():
        row = ledger.change(sku, -n, late.get(sku, 0) - n)
        row.deficit = min(row.deficit, row.reserved)
    for growth in report.growth:
        answered(session, report.allocation, growth.line.line_id, growth.line.asked - growth.line.live)
    session.event("SHIPPED", moves=ledger.moves(), reference=report.told.shipment_id, **report.ids)
    return True


def _make_room(session: PoolSession, report: Report, late: dict[str, int]) -> None:
    """Units that left late may be reserved by others meanwhile: book them as missing, so that stock does not go below that."""
    ledger = StockMoves(session, report.allocation.depot)
    for sku, n in late.items():
        row = row_of(session.stock(sku), report.allocation.depot, session.quality(sku))
        if (lacking := n - (row.on_hand - row.reserved)) > 0:
            row = ledger.change(sku, lacking, 0)
            row.deficit += lacking
    if moves := ledger.moves():
        session.event("STOCK_CORRECTED", moves=moves, reason="late_shipment", **report.ids)
        for move in moves:
            ask_back(session, move.sku, report.allocation.depot)


def _end(allocation: PoolAllocation, status: str) -> None:
    if not any(line.live or line.shipped for line in allocation.lines):
        allocation.status = status


def _is_news(allocation: PoolAllocation, report: WmsReported, moved: bool) -> bool:
    """Is the status itself worth telling (short and cancelled units are told on their own)? Remembers it if so."""
    if report.status == "CANCEL_REJECTED":
        news = report.occurred_at > allocation.cancel_rejected_at
        allocation.cancel_rejected_at = max(allocation.cancel_rejected_at, report.occurred_at)
        return news
    if report.status not in PROGRESS:
        return False
    ahead = PROGRESS[report.status] > PROGRESS.get(allocation.status, len(PROGRESS))
    shipment = [report.shipment_id, report.carrier, report.tracking_number, report.tracking_url]
    relabelled = any(shipment) and shipment != allocation.shipment and report.occurred_at >= allocation.seen_at
    if not (ahead or moved or relabelled):
        return False
    if ahead or moved:
        allocation.status = max(report.status, allocation.status, key=lambda text: PROGRESS.get(text, 0))
    if any(shipment):
        allocation.shipment, allocation.seen_at = shipment, max(allocation.seen_at, report.occurred_at)
    return True


def _lines(allocation: PoolAllocation) -> list[WmsLine]:
    return [
        WmsLine(line.line_id, line.sku, line.picked, line.shipped, line.short, line.cancelled, line.reason)
        for line in allocation.lines
    ]


def _mates(session: PoolSession, allocation: PoolAllocation) -> list[ParcelPart]:
    """What is in a bundle's parcel where its WMS does not say: the units of every member that has any left."""
    parts = []
    for id in allocation.mates:
        _, order_key, _ = split_allocation_id(id)
        order = session.order(order_key)
        mate = (
            next((pool_allocation for pool_allocation in order.allocations if pool_allocation.id == id), None)
            if order
            else None
        )
        if mate and (units := sum(line.live + line.shipped for line in mate.lines)):
            parts.append(ParcelPart(id, units))
    return parts


def _progress(session: PoolSession, allocation: PoolAllocation, report: WmsReported) -> AllocationProgressed:
    """What all parts of the report share."""
    return AllocationProgressed(
        "",
        "AllocationProgressed",
        session.now,
        "pools",
        report.trace or allocation.trace,
        report.order_key,
        session.pool,
        allocation.id,
        allocation.depot,
        "",
        [],
        report.shipment_id,
        report.carrier,
        report.tracking_number,
        report.tracking_url,
        share_of(report.cost, report.parcel or _mates(session, allocation), allocation.id),
        report.cost_currency,
        "",
        report.occurred_at,
    )
