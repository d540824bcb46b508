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
from .session import Session, find
from .shortage import answered, ask_back, heard
from .state import AllocLine, PoolAllocation, PoolOrder
from .stock import Ledger, row_of
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
        a = self.allocation
        return {"order_key": self.order.key, "allocation_id": a.id, "depot": a.depot}


def report_wms(s: Session, c: WmsReported) -> None:
    """Move stock as the WMS says and tell the order. Raises Rejected: unknown allocation, status or line, impossible units,
    another 3PL's pick order."""
    if c.status not in PROGRESS and c.status not in ENDS:
        raise Rejected("wms.status", "status", f"{c.status!r} is none of {', '.join([*PROGRESS, *ENDS])}")
    order, allocation = find(s, c.order_key, c.allocation_id)
    depot = allocation.depot
    same_partner(c.source, depot, allocation.wms or depot, s.rules, f"pick order {allocation.id}")
    growth = [_growth(x, told) for x, told in _figures(allocation, c)]
    r = Report(c, order, allocation, growth, _progress(s, allocation, c))
    sent = len(s.sent)
    picked = _picked(s, r)
    _short(s, r)
    _cancelled(s, r)
    shipped = _shipped(s, r)
    if shipped and c.status != "SHIPPED":
        s.progressed(r.progress, "SHIPPED", _lines(allocation), c.reason)
    if _is_news(allocation, c, shipped or picked):
        s.progressed(r.progress, c.status, _lines(allocation), c.reason)
    elif picked and len(s.sent) == sent:
        s.progressed(r.progress, "PICKING", _lines(allocation), c.reason)
    if len(s.sent) == sent:
        key = c.idempotency_key
        s.event("DUPLICATE", order_key=order.key, allocation_id=allocation.id, reason=c.status, reference=key)
        return
    leave_wave(s, allocation)  # its warehouse has it, however that came about
    if c.status not in _NOT_BEGUN or any(g.picked for g in growth) or not any(x.live for x in allocation.lines):
        heard(s, order.key, allocation)
    close_if_done(s, order)
    s.save_order(order)


def _figures(allocation: PoolAllocation, c: WmsReported) -> list[tuple[AllocLine, WmsLine]]:
    """Our lines with what the report says of them. A report without lines (or a CANCELLED or REJECTED without figures)
    means all units that are still live.
    """
    lines = {x.line_id: x for x in allocation.lines}
    for i, told in enumerate(c.lines):
        if told.line_id not in lines:
            raise Rejected("wms.line", f"lines[{i}].line_id", f"{told.line_id!r} is no line of {c.allocation_id}")
        if min(told.picked, told.shipped, told.short, told.cancelled) < 0:
            raise Rejected("wms.quantity", f"lines[{i}]", "cumulative figures can't be negative")
        if max(told.picked, told.shipped) > lines[told.line_id].qty:
            raise Rejected("wms.quantity", f"lines[{i}]", f"more than the {lines[told.line_id].qty} allocated units")
    blank = c.status in ("CANCELLED", "REJECTED") and not any(x.cancelled or x.short for x in c.lines)
    if c.lines and not blank:
        return [(lines[x.line_id], x) for x in c.lines]
    if c.status == "SHORT_PICKED":
        raise Rejected("wms.lines", "lines", "a short pick says which units are short")
    return [(x, _all(x, c.status)) for x in allocation.lines]


def _all(x: AllocLine, status: str) -> WmsLine:
    """Figures that mean: everything still live."""
    n = x.live
    return WmsLine(
        x.line_id,
        x.sku,
        picked=x.shipped + n if status in ("PICKED", "PACKED", "SHIPPED") else 0,
        shipped=x.shipped + n if status == "SHIPPED" else 0,
        short=x.short + n if status == "REJECTED" else 0,
        cancelled=x.cancelled + n if status == "CANCELLED" else 0,
    )


def _growth(x: AllocLine, told: WmsLine) -> Growth:
    """Shipped units come first (they have left), then cancelled, then short ones, out of what is live."""
    shipped = max(told.shipped - x.shipped, 0)
    late = max(shipped - x.live, 0)
    live = x.live - (shipped - late)
    cancelled = min(max(told.cancelled - x.cancelled, 0), live)
    short = min(max(told.short - x.short, 0), live - cancelled)
    picked = max(min(max(told.picked, told.shipped), x.qty) - x.picked, 0)
    return Growth(x, picked, shipped, short, cancelled, late, told.reason)


def _by_sku(growth: list[Growth], figure: str) -> dict[str, int]:
    units: dict[str, int] = {}
    for g in growth:
        if n := getattr(g, figure):
            units[g.line.sku] = units.get(g.line.sku, 0) + n
    return units


def _short(s: Session, r: Report) -> None:
    """Units that won't come from this depot: short picked or rejected. The order asks for them again, elsewhere."""
    short = [g for g in r.growth if g.short]
    if not short:
        return
    rejected = r.told.status == "REJECTED"
    type = "UNRESERVED" if rejected else "SHORT_PICKED"
    for g in short:
        g.line.short += g.short
        answered(s, r.allocation, g.line.line_id, g.short)
        g.line.reason = g.reason or r.told.reason
    for reason in dict.fromkeys(g.line.reason for g in short):
        taken = _by_sku([g for g in short if g.line.reason == reason], "short")
        note = f"rejected:{reason}" if rejected else reason
        free_units(s, r.order, r.allocation, taken, type=type, reason=note, lost=reason)
    exclude(s, r.order, r.allocation.depot, {g.line.line_id for g in short})
    _end(r.allocation, "REJECTED")
    status = "REJECTED" if rejected else "SHORT_PICKED"
    s.progressed(r.progress, status, _lines(r.allocation), short[0].line.reason)


def _cancelled(s: Session, r: Report) -> None:
    taken = _by_sku(r.growth, "cancelled")
    if not taken:
        return
    for g in r.growth:
        g.line.cancelled += g.cancelled
        answered(s, r.allocation, g.line.line_id, g.cancelled)
    free_units(s, r.order, r.allocation, taken, type="UNRESERVED", reason="cancelled")
    _end(r.allocation, "CANCELLED")
    s.progressed(r.progress, "CANCELLED", _lines(r.allocation), r.told.reason)


def _picked(s: Session, r: Report) -> bool:
    for g in r.growth:
        g.line.picked += g.picked
    if any(g.picked for g in r.growth):
        s.event("PICKED", moves=[], **r.ids)
        return True
    return False


def _shipped(s: Session, r: Report) -> bool:
    """Take shipped units off stock and reservations; late ones off the stock alone."""
    units, late = _by_sku(r.growth, "shipped"), _by_sku(r.growth, "late")
    if not units:
        return False
    for g in r.growth:
        g.line.shipped += g.shipped
        g.line.late += g.late
    _make_room(s, r, late)
    ledger = Ledger(s, r.allocation.depot)
    for sku, n in units.items():
        row = ledger.change(sku, -n, late.get(sku, 0) - n)
        row.deficit = min(row.deficit, row.reserved)
    for g in r.growth:
        answered(s, r.allocation, g.line.line_id, g.line.asked - g.line.live)
    s.event("SHIPPED", moves=ledger.moves(), reference=r.told.shipment_id, **r.ids)
    return True


def _make_room(s: Session, r: Report, late: dict[str, int]) -> None:
    """Units that left late may be reserved by others meanwhile: book them as missing, so that stock does not go below that."""
    ledger = Ledger(s, r.allocation.depot)
    for sku, n in late.items():
        row = row_of(s.stock(sku), r.allocation.depot, s.quality(sku))
        if (lacking := n - (row.on_hand - row.reserved)) > 0:
            row = ledger.change(sku, lacking, 0)
            row.deficit += lacking
    if moves := ledger.moves():
        s.event("STOCK_CORRECTED", moves=moves, reason="late_shipment", **r.ids)
        for move in moves:
            ask_back(s, move.sku, r.allocation.depot)


def _end(allocation: PoolAllocation, status: str) -> None:
    if not any(x.live or x.shipped for x in allocation.lines):
        allocation.status = status


def _is_news(allocation: PoolAllocation, c: WmsReported, moved: bool) -> bool:
    """Is the status itself worth telling (short and cancelled units are told on their own)? Remembers it if so."""
    if c.status == "CANCEL_REJECTED":
        news = c.occurred_at > allocation.cancel_rejected_at
        allocation.cancel_rejected_at = max(allocation.cancel_rejected_at, c.occurred_at)
        return news
    if c.status not in PROGRESS:
        return False
    ahead = PROGRESS[c.status] > PROGRESS.get(allocation.status, len(PROGRESS))
    shipment = [c.shipment_id, c.carrier, c.tracking_number, c.tracking_url]
    relabelled = any(shipment) and shipment != allocation.shipment and c.occurred_at >= allocation.seen_at
    if not (ahead or moved or relabelled):
        return False
    if ahead or moved:
        allocation.status = max(c.status, allocation.status, key=lambda x: PROGRESS.get(x, 0))
    if any(shipment):
        allocation.shipment, allocation.seen_at = shipment, max(allocation.seen_at, c.occurred_at)
    return True


def _lines(allocation: PoolAllocation) -> list[WmsLine]:
    return [WmsLine(x.line_id, x.sku, x.picked, x.shipped, x.short, x.cancelled, x.reason) for x in allocation.lines]


def _mates(s: Session, a: PoolAllocation) -> list[ParcelPart]:
    """What is in a bundle's parcel where its WMS does not say: the units of every member that has any left."""
    parts = []
    for id in a.mates:
        _, order_key, _ = split_allocation_id(id)
        order = s.order(order_key)
        mate = next((x for x in order.allocations if x.id == id), None) if order else None
        if mate and (units := sum(x.live + x.shipped for x in mate.lines)):
            parts.append(ParcelPart(id, units))
    return parts


def _progress(s: Session, allocation: PoolAllocation, c: WmsReported) -> AllocationProgressed:
    """What all parts of the report share."""
    return AllocationProgressed(
        "",
        "AllocationProgressed",
        s.now,
        "pools",
        c.trace or allocation.trace,
        c.order_key,
        s.pool,
        allocation.id,
        allocation.depot,
        "",
        [],
        c.shipment_id,
        c.carrier,
        c.tracking_number,
        c.tracking_url,
        share_of(c.cost, c.parcel or _mates(s, allocation), allocation.id),
        c.cost_currency,
        "",
        c.occurred_at,
    )
