"""What a WMS did with a pick order. Its figures are cumulative, so a report told again, late, or in another order does no harm.

A step that was skipped is implied (SHIPPED implies PICKED). Units short, refused or given up come back into ``open``, and from there
they are asked for anew, without the depot that failed on them: the list of such depots only grows, so no unit goes round in a loop.
"""

from __future__ import annotations

import msgspec

from domain.errors import Rejected
from domain.order.dedupe import same_again, too_old
from domain.order.session import OrderSession, event_line
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


def allocation_progressed(session: OrderSession, report: AllocationProgressed) -> None:
    """Fold a report. Raises Rejected where the order, the allocation or the status is not known."""
    if report.status not in _KNOWN:
        raise Rejected("allocation.status", "status", f"{report.status!r} is none of {', '.join(sorted(_KNOWN))}")
    allocation = session.allocation(report.allocation_id)
    if allocation is None:
        raise Rejected(
            "allocation.unknown", "allocation_id", f"{report.allocation_id!r} is no allocation of {report.order_key}"
        )
    allocation.heard, allocation.waits = True, False
    if not allocation.sent or allocation.status == "FAILED":
        allocation.sent, allocation.status = (
            True,
            "SUBMITTED",
        )  # it answers, so it has the order, whatever became of our own sending
    before, rank = _RANK[allocation.status], _RANK.get(report.status, 0)
    moved = _apply(session, allocation, report)
    refusal = report.status == "CANCEL_REJECTED" and not allocation.refused
    if not refusal and rank <= before and not any(m.news for m in moved):
        if not relabelled(session, allocation, report):
            _nothing_new(session, allocation, report, late=rank < before)
        return
    if rank > before:
        allocation.status = report.status
    if refusal:
        _refused(session, allocation, report)
    _tell(session, allocation, report, moved, before)
    if not any(line.unshipped for line in allocation.lines):
        allocation.status = "CLOSED"


def _nothing_new(session: OrderSession, allocation: Allocation, report: AllocationProgressed, *, late: bool) -> None:
    if late and report.status in _STEPS:
        too_old(session, f"{report.allocation_id} {report.status}: it is {allocation.status} already")
    else:
        same_again(session, f"{report.allocation_id} {report.status}")


def _apply(session: OrderSession, allocation: Allocation, report: AllocationProgressed) -> list[_Moved]:
    told = {wms_line.line_id: wms_line for wms_line in report.lines}
    moved = []
    for alloc_line in allocation.lines:
        line = session.line(alloc_line.line_id)
        if line is not None:
            moved.append(_line(line, alloc_line, _figures(alloc_line, told.get(alloc_line.line_id), report)))
    return moved


def _figures(line: AllocLine, wms_line: WmsLine | None, report: AllocationProgressed) -> WmsLine:
    """The cumulative figures of a line. PICKED, PACKED, SHIPPED without lines, and REJECTED or CANCELLED without figures, mean all."""
    if report.status in _GIVEN_UP and not any(y.cancelled or y.short for y in report.lines):
        return WmsLine(line.line_id, line.sku, line.picked, line.shipped, line.short, line.cancelled + line.unshipped)
    if not report.lines and report.status in _ALL:
        return WmsLine(line.line_id, line.sku, line.live, line.live if report.status == "SHIPPED" else line.shipped)
    if wms_line is None:
        return WmsLine(line.line_id, line.sku)
    if report.status != "SHIPPED" and not report.shipment_id:
        # Parcels are booked with the report that names them, which comes too.
        return WmsLine(
            line.line_id,
            line.sku,
            max(wms_line.picked, wms_line.shipped),
            0,
            wms_line.short,
            wms_line.cancelled,
            wms_line.reason,
        )
    return wms_line


def _line(line: Line, alloc_line: AllocLine, wms_line: WmsLine) -> _Moved:
    moved = _Moved(line, alloc_line, shipped_before=line.shipped)
    was = _books(alloc_line)
    mine = alloc_line.qty - alloc_line.released
    can_ship = mine - alloc_line.short - alloc_line.cancelled
    moved.extra = max(0, wms_line.shipped - max(can_ship, alloc_line.shipped))
    moved.shipped = max(0, min(wms_line.shipped, can_ship) - alloc_line.shipped)
    alloc_line.shipped += moved.shipped
    moved.short = max(0, min(wms_line.short, mine - alloc_line.cancelled - alloc_line.shipped) - alloc_line.short)
    alloc_line.short += moved.short
    moved.cancelled = max(
        0, min(wms_line.cancelled, mine - alloc_line.short - alloc_line.shipped) - alloc_line.cancelled
    )
    alloc_line.cancelled += moved.cancelled
    moved.unasked = max(0, moved.cancelled - alloc_line.asked)
    alloc_line.asked = max(0, min(alloc_line.asked - moved.cancelled, alloc_line.unshipped))
    picked = max(
        alloc_line.picked, min(max(wms_line.picked, alloc_line.shipped), mine - alloc_line.short - alloc_line.cancelled)
    )
    moved.picked, alloc_line.picked = picked - alloc_line.picked, picked
    now = _books(alloc_line)
    line.allocated += now[0] - was[0]
    line.picked += now[1] - was[1]
    line.shipped += moved.shipped
    line.open += moved.short + moved.cancelled
    if moved.extra > line.surplus:
        line.surplus, moved.extra = moved.extra, moved.extra - line.surplus
    else:
        moved.extra = 0
    return moved


def _books(line: AllocLine) -> tuple[int, int]:
    """Units of it that count as allocated and as picked on the order's line."""
    picked = min(line.picked, line.live) - line.shipped
    return line.live - line.shipped - picked, picked


def _refused(session: OrderSession, allocation: Allocation, report: AllocationProgressed) -> None:
    units = [
        event_line(line, alloc_line.asked)
        for alloc_line in allocation.lines
        if alloc_line.asked and (line := session.line(alloc_line.line_id)) is not None
    ]
    stop_asking(session, allocation)
    allocation.refused = True
    session.record("CANCEL_REJECTED", units, at=report.occurred_at, allocation=allocation, reason=report.reason)
    if (
        allocation.recall
    ):  # the units were to go elsewhere, or otherwise; a person may still reach the customer or the carrier
        too_late(session, units, allocation, report.reason or "the warehouse refused")


def _tell(
    session: OrderSession, allocation: Allocation, report: AllocationProgressed, moved: list[_Moved], before: int
) -> None:
    at = report.occurred_at
    if report.status == "ACCEPTED":
        session.record("ACCEPTED", at=at, allocation=allocation)
    _picked(session, allocation, report, moved)
    if report.status == "PACKED" and before < _RANK["PACKED"]:
        session.record("PACKED", at=at, allocation=allocation)
    left = [m for m in moved if m.shipped]
    if left:
        shipped(session, allocation, report, [(m.line, m.shipped, m.shipped_before) for m in left])
    _came_back(session, allocation, report, moved)
    extra = [event_line(m.line, m.extra) for m in moved if m.extra]
    if extra:
        why = "shipped though it had been given up: pull back what replaces it"
        session.record("EXCEPTION", extra, at=at, allocation=allocation, reason=why, intervention=True)


def _picked(session: OrderSession, allocation: Allocation, report: AllocationProgressed, moved: list[_Moved]) -> None:
    """PICKED once the picking is done: by the WMS's word, or because every unit is accounted for."""
    done = report.status in _ALL or all(min(line.picked, line.live) == line.live for line in allocation.lines)
    units: list[EventLine] = []
    for m in moved:
        n = min(m.x.picked, m.x.live) - m.x.told
        if done and n > 0:
            units.append(event_line(m.line, n, m.x.told))
            m.x.told += n
    if units:
        complete = all(
            line.picked + line.shipped + line.cancelled >= line.ordered
            for line in session.state.lines
            if line.requires_shipping
        )
        session.record("PICKED", units, at=report.occurred_at, allocation=allocation, complete=complete)


def _came_back(
    session: OrderSession, allocation: Allocation, report: AllocationProgressed, moved: list[_Moved]
) -> None:
    for m in moved:
        if (m.short or m.unasked) and allocation.depot not in m.line.excluded:
            m.line.excluded = [*m.line.excluded, allocation.depot]
        if m.short or m.unasked or (allocation.counted and m.cancelled):
            m.line.replaces = allocation.id
    short = [event_line(m.line, m.short) for m in moved if m.short]
    gone = [event_line(m.line, m.cancelled) for m in moved if m.cancelled]
    why = report.reason or next((line.reason for line in report.lines if line.reason), "")
    if report.status == "REJECTED" or any(m.unasked for m in moved):
        _event(session, "REJECTED", short + gone, allocation, report, why=why)
        return
    _event(session, "SHORT_PICKED", short, allocation, report, why=why)
    _event(session, "UNALLOCATED" if allocation.counted else "WITHDRAWN", gone, allocation, report, why=why)
    allocation.counted = allocation.counted and any(line.asked for line in allocation.lines)


def _event(
    session: OrderSession,
    kind: str,
    units: list[EventLine],
    allocation: Allocation,
    report: AllocationProgressed,
    *,
    why: str,
) -> None:
    if units:
        session.record(
            kind, units, at=report.occurred_at, allocation=allocation, reason=why, intervention=kind != "WITHDRAWN"
        )
