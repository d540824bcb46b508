"""Parcels: what left, what the carrier says of it, and telling the channel."""

from __future__ import annotations

from domain.errors import Rejected
from domain.order.dedupe import once, same_again
from domain.order.session import OrderSession, event_line
from domain.order.state.order import Allocation, Line, OrderState, Shipment
from domain.order.state.reported import Scan
from domain.order.state.status import is_live
from domain.records.commands import AllocationProgressed, ShipmentTracked
from domain.records.effects import ChannelShipment
from domain.records.values import LineQty
from domain.rules.partners import partner, same_partner

__all__ = ["relabelled", "shipment_tracked", "shipped"]

_PROBLEMS = frozenset({"EXCEPTION", "LOST", "RETURN_TO_SENDER"})
_RANK = {
    "SHIPPED": 0,
    "IN_TRANSIT": 1,
    "OUT_FOR_DELIVERY": 2,
    "EXCEPTION": 3,
    "DELIVERED": 4,
    "LOST": 5,
    "RETURN_TO_SENDER": 6,
}


def shipped(
    session: OrderSession, allocation: Allocation, report: AllocationProgressed, units: list[tuple[Line, int, int]]
) -> None:
    """Units left the depot (line, units, units shipped before): a parcel, its event, the message to
    the channel, scans that came early.
    """
    order = session.state
    lines = [LineQty(line.line_id, line.sku, qty) for line, qty, _ in units]
    shipment = _parcel(order, allocation, report, lines)
    if shipment.delivered_at:
        # The carrier was quicker than the WMS's second report on the same parcel.
        for line, qty, _ in units:
            line.delivered += qty
    events = [event_line(line, qty, before) for line, qty, before in units]
    session.record(
        "SHIPPED",
        events,
        at=report.occurred_at,
        allocation=allocation,
        shipment=shipment,
        complete=not is_live(order),
        reason=report.reason,
    )
    _tell_channel(session, shipment, lines)
    early = [scan for scan in order.scans if _is_of(scan, shipment, order)]
    order.scans = [scan for scan in order.scans if scan not in early]
    # In the order the carrier made them; of two at the same time the later step comes last.
    for scan in sorted(early, key=lambda early_scan: (early_scan.occurred_at, _RANK.get(early_scan.status, 0))):
        _scan(session, shipment, scan)


def _parcel(order: OrderState, allocation: Allocation, report: AllocationProgressed, lines: list[LineQty]) -> Shipment:
    parcels = sum(other.allocation_id == allocation.id for other in order.shipments)
    # A bundle whose WMS does not number its parcels is one parcel all the same.
    shipment_id = report.shipment_id or (
        f"{allocation.id}#{parcels + 1}" if parcels or not allocation.group_id else allocation.group_id
    )
    known = next(
        (other for other in order.shipments if other.id == shipment_id and other.allocation_id == allocation.id), None
    )
    if known is not None:
        known.lines = [*known.lines, *lines]
        # The channel knows of the parcel, not of these units of it.
        known.notified = False
        return known
    shipment = Shipment(
        id=shipment_id,
        allocation_id=allocation.id,
        lines=lines,
        carrier=report.carrier or allocation.carrier,
        tracking_number=report.tracking_number,
        tracking_url=report.tracking_url,
        shipped_at=report.occurred_at,
        cost=report.cost,
        cost_currency=report.cost_currency,
        scanned_at=report.occurred_at,
    )
    order.shipments.append(shipment)
    return shipment


def relabelled(session: OrderSession, allocation: Allocation, report: AllocationProgressed) -> bool:
    """A parcel reported before has other tracking now: take it over.

    False where the report is no such thing.
    """
    mine = [parcel for parcel in session.state.shipments if parcel.allocation_id == allocation.id]
    shipment = next((parcel for parcel in mine if parcel.id == report.shipment_id), None)
    if (
        report.status != "SHIPPED"
        or shipment is None
        or not report.tracking_number
        or shipment.tracking_number == report.tracking_number
    ):
        return False
    shipment.carrier, shipment.tracking_number, shipment.tracking_url = (
        report.carrier or shipment.carrier,
        report.tracking_number,
        report.tracking_url,
    )
    session.record(
        "UPDATED", at=report.occurred_at, allocation=allocation, shipment=shipment, reason="tracking changed"
    )
    return True


def _tell_channel(session: OrderSession, shipment: Shipment, lines: list[LineQty]) -> None:
    if session.state.header is not None and session.state.header.exchange_for:
        return  # an order of our own: its channel knows nothing of it
    head = session.head("ChannelShipment")
    shipment.effect_id = head["event_id"]
    session.effect(
        ChannelShipment(
            **head,
            order_key=session.state.key,
            target=session.target,
            channel_order_id=session.order_id,
            allocation_id=shipment.allocation_id,
            shipment_id=shipment.id,
            lines=lines,
            carrier=shipment.carrier,
            tracking_number=shipment.tracking_number,
            tracking_url=shipment.tracking_url,
            shipped_at=shipment.shipped_at,
            told_before=_told_before(session.state, shipment, lines),
        )
    )


def _told_before(order: OrderState, shipment: Shipment, lines: list[LineQty]) -> list[LineQty]:
    """Units of the same parcel that the channel has been told of, or will have been: effects of an
    order come in turn.
    """
    if not shipment.tracking_number:
        return []
    told: dict[str, LineQty] = {}
    for line_qty in (
        unit
        for parcel in order.shipments
        if parcel.tracking_number == shipment.tracking_number
        for unit in parcel.lines
    ):
        told[line_qty.line_id] = LineQty(
            line_qty.line_id,
            line_qty.sku,
            told[line_qty.line_id].qty + line_qty.qty if line_qty.line_id in told else line_qty.qty,
        )
    for line_qty in lines:
        # The parcel has the new units already: what is left without them was told before.
        told[line_qty.line_id] = LineQty(line_qty.line_id, line_qty.sku, told[line_qty.line_id].qty - line_qty.qty)
    return [value for value in told.values() if value.qty > 0]


def shipment_tracked(session: OrderSession, report: ShipmentTracked) -> None:
    """Fold a carrier's scan; one that comes before its shipment is kept and folded with it.

    Raises Rejected: not this order's.
    """
    if report.status not in _RANK or report.status == "SHIPPED":
        raise Rejected("shipment.status", "status", f"{report.status!r} is none of {', '.join(sorted(_RANK))}")
    allocation = session.allocation(report.allocation_id)
    if allocation is not None:
        same_partner(report.source, allocation.depot, allocation.target, session.rules, f"pick order {allocation.id}")
    elif report.allocation_id or partner(report.source):
        raise Rejected(
            "allocation.unknown", "allocation_id", f"{report.allocation_id!r} is no allocation of {report.order_key}"
        )
    if not once(session, f"scan/{report.idempotency_key}"):
        return
    scan = Scan(
        report.shipment_id,
        report.allocation_id,
        report.tracking_number,
        report.status,
        report.detail,
        report.occurred_at,
    )
    order = session.state
    shipment = next((parcel for parcel in order.shipments if _is_of(scan, parcel, order)), None)
    if shipment is None:
        order.scans = [*order.scans, scan]
    else:
        _scan(session, shipment, scan)


def _is_of(scan: Scan, shipment: Shipment, order: OrderState) -> bool:
    if scan.allocation_id and scan.allocation_id != shipment.allocation_id:
        return False
    if scan.shipment_id:
        return scan.shipment_id == shipment.id
    if scan.tracking_number:
        return scan.tracking_number == shipment.tracking_number
    return (
        # An allocation alone names a parcel only where it has no other.
        bool(scan.allocation_id)
        and sum(parcel.allocation_id == shipment.allocation_id for parcel in order.shipments) == 1
    )


def _scan(session: OrderSession, shipment: Shipment, scan: Scan) -> None:
    if scan.status == "DELIVERED" and shipment.delivered_at:
        same_again(session, f"{shipment.id} is delivered already")
        return
    # Scans come in any order: the newest decides, of two at the same time the later step.
    if (scan.occurred_at, _RANK[scan.status]) >= (shipment.scanned_at, _RANK[shipment.status]):
        shipment.status, shipment.scanned_at = scan.status, scan.occurred_at
    if scan.status == "DELIVERED":
        _delivered(session, shipment, scan)
        return
    problem = scan.status in _PROBLEMS
    lines = [
        event_line(line, line_qty.qty)
        for line_qty in shipment.lines
        if (line := session.line(line_qty.line_id)) is not None
    ]
    session.record(
        "EXCEPTION" if problem else scan.status,
        lines if problem else (),
        at=scan.occurred_at,
        allocation=session.allocation(shipment.allocation_id),
        shipment=shipment,
        reason=f"{scan.status}: {scan.detail}" if problem else scan.detail,
    )


def _delivered(session: OrderSession, shipment: Shipment, scan: Scan) -> None:
    shipment.delivered_at = scan.occurred_at
    units = []
    for line_qty in shipment.lines:
        line = session.line(line_qty.line_id)
        if line is not None:
            units.append(event_line(line, line_qty.qty, line.delivered))
            line.delivered += line_qty.qty
    physical = [order_line for order_line in session.state.lines if order_line.requires_shipping]
    # Complete: what is not cancelled is delivered, or shipped by others and theirs to follow.
    complete = all(
        order_line.delivered + order_line.outside + order_line.cancelled >= order_line.ordered
        for order_line in physical
    )
    allocation = session.allocation(shipment.allocation_id)
    session.record(
        "DELIVERED",
        units,
        at=scan.occurred_at,
        allocation=allocation,
        shipment=shipment,
        complete=complete,
        reason=scan.detail,
    )
