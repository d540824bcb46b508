"""What a WMS did with a pick order. Its figures are cumulative, so a report told again, late, or in another order does no harm.

A step that was skipped is implied (SHIPPED implies PICKED). Units short, refused or given up come back into ``open``, and from there
they are asked for anew, without the depot that failed on them: the list of such depots only grows, so no unit goes round in a loop.
"""

from __future__ import annotations

import msgspec

from domain.errors import Rejected
from domain.order.dedupe import same_again, too_old
from domain.order.session import Turn, event_line
from domain.order.state.order import Allocation, AllocLine, Line
from domain.records.commands import AllocationProgressed
from domain.records.values import EventLine, WmsLine

from .pullback import stop_asking, too_late
from .shipments import relabelled, shipped

__all__ = ["allocation_progressed"]

_RANK = {
    "ALLOCATED": 0,
    "SUBMITTED": 1,
    "ACCEPTED": 2,
    "PICKING": 3,
    "PICKED": 4,
    "PACKED": 5,
    "SHIPPED": 6,
    "CLOSED": 7,
}
_STEPS = frozenset({"ACCEPTED", "PICKING", "PICKED", "PACKED"})
_ALL = frozenset({"PICKED", "PACKED", "SHIPPED"})
_GIVEN_UP = frozenset({"REJECTED", "CANCELLED"})
_KNOWN = _STEPS | _ALL | _GIVEN_UP | {"SHORT_PICKED", "CANCEL_REJECTED"}


class _Moved(msgspec.Struct):
    """What one report moved on one line. ``unasked``: units given up without our asking; ``extra``: shipped though given up before."""

    line: Line
    x: AllocLine
    picked: int = 0
    shipped: int = 0
    shipped_before: int = 0
    short: int = 0
    cancelled: int = 0
    unasked: int = 0
    extra: int = 0

    @property
    def news(self) -> bool:
        return bool(self.picked or self.shipped or self.short or self.cancelled or self.extra)


def allocation_progressed(turn: Turn, c: AllocationProgressed) -> None:
    """Fold a report. Raises Rejected where the order, the allocation or the status is not known."""
    if c.status not in _KNOWN:
        raise Rejected("allocation.status", "status", f"{c.status!r} is none of {', '.join(sorted(_KNOWN))}")
    a = turn.allocation(c.allocation_id)
    if a is None:
        raise Rejected("allocation.unknown", "allocation_id", f"{c.allocation_id!r} is no allocation of {c.order_key}")
    a.heard, a.waits = True, False
    if not a.sent or a.status == "FAILED":
        a.sent, a.status = True, "SUBMITTED"  # it answers, so it has the order, whatever became of our own sending
    before, rank = _RANK[a.status], _RANK.get(c.status, 0)
    moved = _apply(turn, a, c)
    refusal = c.status == "CANCEL_REJECTED" and not a.refused
    if not refusal and rank <= before and not any(m.news for m in moved):
        if not relabelled(turn, a, c):
            _nothing_new(turn, a, c, late=rank < before)
        return
    if rank > before:
        a.status = c.status
    if refusal:
        _refused(turn, a, c)
    _tell(turn, a, c, moved, before)
    if not any(x.unshipped for x in a.lines):
        a.status = "CLOSED"


def _nothing_new(turn: Turn, a: Allocation, c: AllocationProgressed, *, late: bool) -> None:
    if late and c.status in _STEPS:
        too_old(turn, f"{c.allocation_id} {c.status}: it is {a.status} already")
    else:
        same_again(turn, f"{c.allocation_id} {c.status}")


def _apply(turn: Turn, a: Allocation, c: AllocationProgressed) -> list[_Moved]:
    told = {x.line_id: x for x in c.lines}
    moved = []
    for x in a.lines:
        line = turn.line(x.line_id)
        if line is not None:
            moved.append(_line(line, x, _figures(x, told.get(x.line_id), c)))
    return moved


def _figures(x: AllocLine, w: WmsLine | None, c: AllocationProgressed) -> WmsLine:
    """The cumulative figures of a line. PICKED, PACKED, SHIPPED without lines, and REJECTED or CANCELLED without figures, mean all."""
    if c.status in _GIVEN_UP and not any(y.cancelled or y.short for y in c.lines):
        return WmsLine(x.line_id, x.sku, x.picked, x.shipped, x.short, x.cancelled + x.unshipped)
    if not c.lines and c.status in _ALL:
        return WmsLine(x.line_id, x.sku, x.live, x.live if c.status == "SHIPPED" else x.shipped)
    if w is None:
        return WmsLine(x.line_id, x.sku)
    if c.status != "SHIPPED" and not c.shipment_id:
        # Parcels are booked with the report that names them, which comes too.
        return WmsLine(x.line_id, x.sku, max(w.picked, w.shipped), 0, w.short, w.cancelled, w.reason)
    return w


def _line(line: Line, x: AllocLine, w: WmsLine) -> _Moved:
    m = _Moved(line, x, shipped_before=line.shipped)
    was = _books(x)
    mine = x.qty - x.released
    can_ship = mine - x.short - x.cancelled
    m.extra = max(0, w.shipped - max(can_ship, x.shipped))
    m.shipped = max(0, min(w.shipped, can_ship) - x.shipped)
    x.shipped += m.shipped
    m.short = max(0, min(w.short, mine - x.cancelled - x.shipped) - x.short)
    x.short += m.short
    m.cancelled = max(0, min(w.cancelled, mine - x.short - x.shipped) - x.cancelled)
    x.cancelled += m.cancelled
    m.unasked = max(0, m.cancelled - x.asked)
    x.asked = max(0, min(x.asked - m.cancelled, x.unshipped))
    picked = max(x.picked, min(max(w.picked, x.shipped), mine - x.short - x.cancelled))
    m.picked, x.picked = picked - x.picked, picked
    now = _books(x)
    line.allocated += now[0] - was[0]
    line.picked += now[1] - was[1]
    line.shipped += m.shipped
    line.open += m.short + m.cancelled
    if m.extra > line.surplus:
        line.surplus, m.extra = m.extra, m.extra - line.surplus
    else:
        m.extra = 0
    return m


def _books(x: AllocLine) -> tuple[int, int]:
    """Units of it that count as allocated and as picked on the order's line."""
    picked = min(x.picked, x.live) - x.shipped
    return x.live - x.shipped - picked, picked


def _refused(turn: Turn, a: Allocation, c: AllocationProgressed) -> None:
    units = [event_line(line, x.asked) for x in a.lines if x.asked and (line := turn.line(x.line_id)) is not None]
    stop_asking(turn, a)
    a.refused = True
    turn.event("CANCEL_REJECTED", units, at=c.occurred_at, allocation=a, reason=c.reason)
    if a.recall:  # the units were to go elsewhere, or otherwise; a person may still reach the customer or the carrier
        too_late(turn, units, a, c.reason or "the warehouse refused")


def _tell(turn: Turn, a: Allocation, c: AllocationProgressed, moved: list[_Moved], before: int) -> None:
    at = c.occurred_at
    if c.status == "ACCEPTED":
        turn.event("ACCEPTED", at=at, allocation=a)
    _picked(turn, a, c, moved)
    if c.status == "PACKED" and before < _RANK["PACKED"]:
        turn.event("PACKED", at=at, allocation=a)
    left = [m for m in moved if m.shipped]
    if left:
        shipped(turn, a, c, [(m.line, m.shipped, m.shipped_before) for m in left])
    _came_back(turn, a, c, moved)
    extra = [event_line(m.line, m.extra) for m in moved if m.extra]
    if extra:
        why = "shipped though it had been given up: pull back what replaces it"
        turn.event("EXCEPTION", extra, at=at, allocation=a, reason=why, intervention=True)


def _picked(turn: Turn, a: Allocation, c: AllocationProgressed, moved: list[_Moved]) -> None:
    """PICKED once the picking is done: by the WMS's word, or because every unit is accounted for."""
    done = c.status in _ALL or all(min(x.picked, x.live) == x.live for x in a.lines)
    units: list[EventLine] = []
    for m in moved:
        n = min(m.x.picked, m.x.live) - m.x.told
        if done and n > 0:
            units.append(event_line(m.line, n, m.x.told))
            m.x.told += n
    if units:
        complete = all(x.picked + x.shipped + x.cancelled >= x.ordered for x in turn.state.lines if x.requires_shipping)
        turn.event("PICKED", units, at=c.occurred_at, allocation=a, complete=complete)


def _came_back(turn: Turn, a: Allocation, c: AllocationProgressed, moved: list[_Moved]) -> None:
    for m in moved:
        if (m.short or m.unasked) and a.depot not in m.line.excluded:
            m.line.excluded = [*m.line.excluded, a.depot]
        if m.short or m.unasked or (a.counted and m.cancelled):
            m.line.replaces = a.id
    short = [event_line(m.line, m.short) for m in moved if m.short]
    gone = [event_line(m.line, m.cancelled) for m in moved if m.cancelled]
    why = c.reason or next((y.reason for y in c.lines if y.reason), "")
    if c.status == "REJECTED" or any(m.unasked for m in moved):
        _event(turn, "REJECTED", short + gone, a, c, why=why)
        return
    _event(turn, "SHORT_PICKED", short, a, c, why=why)
    _event(turn, "UNALLOCATED" if a.counted else "WITHDRAWN", gone, a, c, why=why)
    a.counted = a.counted and any(x.asked for x in a.lines)


def _event(turn: Turn, kind: str, units: list[EventLine], a: Allocation, c: AllocationProgressed, *, why: str) -> None:
    if units:
        turn.event(kind, units, at=c.occurred_at, allocation=a, reason=why, intervention=kind != "WITHDRAWN")
