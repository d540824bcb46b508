"""What a WMS did with a pick order.

Its figures are cumulative, so a report told again, late, or in another order does no harm.

A step that was skipped is implied (SHIPPED implies PICKED). Units short, refused or given up come
back into ``open``, and from there they are asked for anew, without the depot that failed on them:
the list of such depots only grows, so no unit goes round in a loop.
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
    """What one report moved on one line, in units.

    ``shipped_before``: of the order's line, before this report; ``unasked``: given up without our
    asking; ``extra``: shipped though given up before.
    """

    line: Line
    alloc_line: AllocLine
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
        # The WMS answers, so it has the order, whatever became of our own sending.
        allocation.sent, allocation.status = True, "SUBMITTED"
    before, rank = _RANK[allocation.status], _RANK.get(report.status, 0)
    moved = _apply(session, allocation, report)
    # A refusal told twice is no news; neither is a step that lies behind with figures that moved
    # nothing.
    refusal = report.status == "CANCEL_REJECTED" and not allocation.refused
    if not refusal and rank <= before and not any(move.news for move in moved):
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
    reported = {wms_line.line_id: wms_line for wms_line in report.lines}
    moved = []
    for alloc_line in allocation.lines:
        line = session.line(alloc_line.line_id)
        if line is not None:
            figures = _figures(alloc_line, reported.get(alloc_line.line_id), report)
            moved.append(_move(line, alloc_line, figures))
    return moved


def _figures(line: AllocLine, wms_line: WmsLine | None, report: AllocationProgressed) -> WmsLine:
    """The cumulative figures of a line, as the report means them.

    PICKED, PACKED, SHIPPED without lines, and REJECTED or CANCELLED without figures, mean all.
    """
    if report.status in _GIVEN_UP and not any(told.cancelled or told.short for told in report.lines):
        # What has left stays shipped; all the rest is given up.
        return WmsLine(line.line_id, line.sku, line.picked, line.shipped, line.short, line.cancelled + line.unshipped)
    if not report.lines and report.status in _ALL:
        # PICKED and PACKED say nothing of what left before, so that figure stays.
        return WmsLine(line.line_id, line.sku, line.live, line.live if report.status == "SHIPPED" else line.shipped)
    if wms_line is None:
        # Lines that a report leaves out have not moved: zero is never more than what is known.
        return WmsLine(line.line_id, line.sku)
    if report.status != "SHIPPED" and not report.shipment_id:
        # Parcels are booked with the report that names them, which comes too: until then the units
        # that left count as picked.
        picked = max(wms_line.picked, wms_line.shipped)
        return WmsLine(line.line_id, line.sku, picked, 0, wms_line.short, wms_line.cancelled, wms_line.reason)
    return wms_line


def _move(line: Line, alloc_line: AllocLine, told: WmsLine) -> _Moved:
    """Bring a line up to the WMS's figures, and give what that moved."""
    moved = _Moved(line, alloc_line, shipped_before=line.shipped)
    allocated_before, picked_before = _on_the_line(alloc_line)
    _advance(alloc_line, told, moved)
    # The order's line moves by the difference: it may have other allocations too.
    allocated, picked = _on_the_line(alloc_line)
    line.allocated += allocated - allocated_before
    line.picked += picked - picked_before
    line.shipped += moved.shipped
    line.open += moved.short + moved.cancelled
    _surplus(line, moved)
    return moved


def _advance(alloc_line: AllocLine, told: WmsLine, moved: _Moved) -> None:
    """Take over each figure as far as there are units for it; none ever goes down.

    The order of the steps is the order of trust: what left can't be undone, so it goes first;
    what is short, given up and picked shares what is left.
    """
    # The WMS speaks for all units but those that went back to the pool before it knew of any.
    at_wms = alloc_line.qty - alloc_line.released

    # Shipped: up to the units that are neither short nor given up. What it shipped beyond them
    # (or beyond what is booked as shipped already) it had given up before: extra.
    may_ship = at_wms - alloc_line.short - alloc_line.cancelled
    moved.extra = max(0, told.shipped - max(may_ship, alloc_line.shipped))
    moved.shipped = max(0, min(told.shipped, may_ship) - alloc_line.shipped)
    alloc_line.shipped += moved.shipped

    # Short: at most the units that are neither given up nor shipped.
    may_be_short = at_wms - alloc_line.cancelled - alloc_line.shipped
    moved.short = max(0, min(told.short, may_be_short) - alloc_line.short)
    alloc_line.short += moved.short

    # Given up: at most the units that are neither short nor shipped.
    may_be_cancelled = at_wms - alloc_line.short - alloc_line.shipped
    moved.cancelled = max(0, min(told.cancelled, may_be_cancelled) - alloc_line.cancelled)
    alloc_line.cancelled += moved.cancelled

    # Units given up answer what we asked back; more than we asked is the WMS's own doing. What is
    # still asked for can't be more than what has not left.
    moved.unasked = max(0, moved.cancelled - alloc_line.asked)
    alloc_line.asked = max(0, min(alloc_line.asked - moved.cancelled, alloc_line.unshipped))

    # Picked: shipped units were picked, short and given up ones can't be.
    may_be_picked = at_wms - alloc_line.short - alloc_line.cancelled
    picked = max(alloc_line.picked, min(max(told.picked, alloc_line.shipped), may_be_picked))
    moved.picked = picked - alloc_line.picked
    alloc_line.picked = picked


def _surplus(line: Line, moved: _Moved) -> None:
    """Keep the greatest surplus told so far; only what goes beyond it is news."""
    known, line.surplus = line.surplus, max(line.surplus, moved.extra)
    moved.extra = line.surplus - known


def _on_the_line(alloc_line: AllocLine) -> tuple[int, int]:
    """Units of it that count as allocated and as picked on the order's line: shipped ones count as
    neither.
    """
    picked = min(alloc_line.picked, alloc_line.live) - alloc_line.shipped
    return alloc_line.live - alloc_line.shipped - picked, picked


def _refused(session: OrderSession, allocation: Allocation, report: AllocationProgressed) -> None:
    units = [
        event_line(line, alloc_line.asked)
        for alloc_line in allocation.lines
        if alloc_line.asked and (line := session.line(alloc_line.line_id)) is not None
    ]
    stop_asking(session, allocation)
    allocation.refused = True
    session.record("CANCEL_REJECTED", units, at=report.occurred_at, allocation=allocation, reason=report.reason)
    if allocation.recall:
        # The units were to go elsewhere, or otherwise: a person may still reach the customer or the
        # carrier.
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
    left = [(move.line, move.shipped, move.shipped_before) for move in moved if move.shipped]
    if left:
        shipped(session, allocation, report, left)
    _came_back(session, allocation, report, moved)
    extra = [event_line(move.line, move.extra) for move in moved if move.extra]
    if extra:
        why = "shipped though it had been given up: pull back what replaces it"
        session.record("EXCEPTION", extra, at=at, allocation=allocation, reason=why, intervention=True)


def _picked(session: OrderSession, allocation: Allocation, report: AllocationProgressed, moved: list[_Moved]) -> None:
    """Record PICKED once all is picked: by the WMS's word, or every unit is accounted for."""
    done = report.status in _ALL or all(min(line.picked, line.live) == line.live for line in allocation.lines)
    units: list[EventLine] = []
    for move in moved:
        part = move.alloc_line
        # Picked units that went short or were given up since are not told; ``told`` never goes
        # down.
        untold = min(part.picked, part.live) - part.told
        if done and untold > 0:
            units.append(event_line(move.line, untold, part.told))
            part.told += untold
    if units:
        # Complete: every unit of the order is picked, gone or cancelled, whichever depot had it.
        complete = all(
            line.picked + line.shipped + line.cancelled >= line.ordered
            for line in session.state.lines
            if line.requires_shipping
        )
        session.record("PICKED", units, at=report.occurred_at, allocation=allocation, complete=complete)


def _came_back(
    session: OrderSession, allocation: Allocation, report: AllocationProgressed, moved: list[_Moved]
) -> None:
    for move in moved:
        # A depot that failed on its own is not asked again for these units; one that we asked is.
        if (move.short or move.unasked) and allocation.depot not in move.line.excluded:
            move.line.excluded = [*move.line.excluded, allocation.depot]
        if move.short or move.unasked or (allocation.counted and move.cancelled):
            move.line.replaces = allocation.id
    short = [event_line(move.line, move.short) for move in moved if move.short]
    gone = [event_line(move.line, move.cancelled) for move in moved if move.cancelled]
    why = report.reason or next((line.reason for line in report.lines if line.reason), "")
    # The depot failed on its own, wholly or in part: one event for all that came back.
    if report.status == "REJECTED" or any(move.unasked for move in moved):
        _record(session, "REJECTED", short + gone, allocation, report, why=why)
        return
    _record(session, "SHORT_PICKED", short, allocation, report, why=why)
    _record(session, "UNALLOCATED" if allocation.counted else "WITHDRAWN", gone, allocation, report, why=why)
    allocation.counted = allocation.counted and any(line.asked for line in allocation.lines)


def _record(
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
