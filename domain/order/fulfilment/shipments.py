"""Parcels: what left, what the carrier says of it, and telling the channel."""

from __future__ import annotations

from domain.errors import Rejected
from domain.order.dedupe import once, same_again
from domain.order.session import Turn, event_line
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


def shipped(turn: Turn, a: Allocation, c: AllocationProgressed, units: list[tuple[Line, int, int]]) -> None:
    """Units left the depot (line, units, units shipped before): a parcel, its event, the message to the channel, scans that came early."""
    s = turn.state
    lines = [LineQty(line.line_id, line.sku, n) for line, n, _ in units]
    x = _parcel(s, a, c, lines)
    if x.delivered_at:
        for line, n, _ in units:  # the carrier was quicker than the WMS's second report on the same parcel
            line.delivered += n
    events = [event_line(line, n, before) for line, n, before in units]
    turn.event("SHIPPED", events, at=c.occurred_at, allocation=a, shipment=x, complete=not is_live(s), reason=c.reason)
    _tell_channel(turn, x, lines)
    early = [scan for scan in s.scans if _is_of(scan, x, s)]
    s.scans = [scan for scan in s.scans if scan not in early]
    for scan in sorted(early, key=lambda e: (e.occurred_at, _RANK.get(e.status, 0))):
        _scan(turn, x, scan)


def _parcel(s: OrderState, a: Allocation, c: AllocationProgressed, lines: list[LineQty]) -> Shipment:
    parcels = sum(x.allocation_id == a.id for x in s.shipments)
    # A bundle whose WMS does not number its parcels is one parcel all the same.
    shipment_id = c.shipment_id or (f"{a.id}#{parcels + 1}" if parcels or not a.group_id else a.group_id)
    known = next((x for x in s.shipments if x.id == shipment_id and x.allocation_id == a.id), None)
    if known is not None:
        known.lines = [*known.lines, *lines]
        known.notified = False
        return known
    x = Shipment(
        id=shipment_id,
        allocation_id=a.id,
        lines=lines,
        carrier=c.carrier or a.carrier,
        tracking_number=c.tracking_number,
        tracking_url=c.tracking_url,
        shipped_at=c.occurred_at,
        cost=c.cost,
        cost_currency=c.cost_currency,
        scanned_at=c.occurred_at,
    )
    s.shipments.append(x)
    return x


def relabelled(turn: Turn, a: Allocation, c: AllocationProgressed) -> bool:
    """A parcel reported before has other tracking now: take it over. False where the report is no such thing."""
    mine = [x for x in turn.state.shipments if x.allocation_id == a.id]
    x = next((x for x in mine if x.id == c.shipment_id), None)
    if c.status != "SHIPPED" or x is None or not c.tracking_number or x.tracking_number == c.tracking_number:
        return False
    x.carrier, x.tracking_number, x.tracking_url = c.carrier or x.carrier, c.tracking_number, c.tracking_url
    turn.event("UPDATED", at=c.occurred_at, allocation=a, shipment=x, reason="tracking changed")
    return True


def _tell_channel(turn: Turn, x: Shipment, lines: list[LineQty]) -> None:
    if turn.state.header is not None and turn.state.header.exchange_for:
        return  # an order of our own: its channel knows nothing of it
    head = turn.head("ChannelShipment")
    x.effect_id = head["event_id"]
    turn.do(
        ChannelShipment(
            **head,
            order_key=turn.state.key,
            target=turn.target,
            channel_order_id=turn.order_id,
            allocation_id=x.allocation_id,
            shipment_id=x.id,
            lines=lines,
            carrier=x.carrier,
            tracking_number=x.tracking_number,
            tracking_url=x.tracking_url,
            shipped_at=x.shipped_at,
            told_before=_told_before(turn.state, x, lines),
        )
    )


def _told_before(s: OrderState, x: Shipment, lines: list[LineQty]) -> list[LineQty]:
    """Units of the same parcel that the channel has been told of, or will have been: effects of an order come in turn."""
    if not x.tracking_number:
        return []
    told: dict[str, LineQty] = {}
    for u in (u for y in s.shipments if y.tracking_number == x.tracking_number for u in y.lines):
        told[u.line_id] = LineQty(u.line_id, u.sku, told[u.line_id].qty + u.qty if u.line_id in told else u.qty)
    for u in lines:
        told[u.line_id] = LineQty(u.line_id, u.sku, told[u.line_id].qty - u.qty)
    return [u for u in told.values() if u.qty > 0]


def shipment_tracked(turn: Turn, c: ShipmentTracked) -> None:
    """Fold a carrier's scan; one that comes before its shipment is kept and folded with it. Raises Rejected: not this order's."""
    if c.status not in _RANK or c.status == "SHIPPED":
        raise Rejected("shipment.status", "status", f"{c.status!r} is none of {', '.join(sorted(_RANK))}")
    a = turn.allocation(c.allocation_id)
    if a is not None:
        same_partner(c.source, a.depot, a.target, turn.rules, f"pick order {a.id}")
    elif c.allocation_id or partner(c.source):
        raise Rejected("allocation.unknown", "allocation_id", f"{c.allocation_id!r} is no allocation of {c.order_key}")
    if not once(turn, f"scan/{c.idempotency_key}"):
        return
    scan = Scan(c.shipment_id, c.allocation_id, c.tracking_number, c.status, c.detail, c.occurred_at)
    s = turn.state
    x = next((x for x in s.shipments if _is_of(scan, x, s)), None)
    if x is None:
        s.scans = [*s.scans, scan]
    else:
        _scan(turn, x, scan)


def _is_of(scan: Scan, x: Shipment, s: OrderState) -> bool:
    if scan.allocation_id and scan.allocation_id != x.allocation_id:
        return False
    if scan.shipment_id:
        return scan.shipment_id == x.id
    if scan.tracking_number:
        return scan.tracking_number == x.tracking_number
    return bool(scan.allocation_id) and sum(y.allocation_id == x.allocation_id for y in s.shipments) == 1


def _scan(turn: Turn, x: Shipment, scan: Scan) -> None:
    if scan.status == "DELIVERED" and x.delivered_at:
        same_again(turn, f"{x.id} is delivered already")
        return
    if (scan.occurred_at, _RANK[scan.status]) >= (x.scanned_at, _RANK[x.status]):
        x.status, x.scanned_at = scan.status, scan.occurred_at
    if scan.status == "DELIVERED":
        _delivered(turn, x, scan)
        return
    problem = scan.status in _PROBLEMS
    lines = [event_line(line, u.qty) for u in x.lines if (line := turn.line(u.line_id)) is not None]
    turn.event(
        "EXCEPTION" if problem else scan.status,
        lines if problem else (),
        at=scan.occurred_at,
        allocation=turn.allocation(x.allocation_id),
        shipment=x,
        reason=f"{scan.status}: {scan.detail}" if problem else scan.detail,
    )


def _delivered(turn: Turn, x: Shipment, scan: Scan) -> None:
    x.delivered_at = scan.occurred_at
    units = []
    for u in x.lines:
        line = turn.line(u.line_id)
        if line is not None:
            units.append(event_line(line, u.qty, line.delivered))
            line.delivered += u.qty
    physical = [y for y in turn.state.lines if y.requires_shipping]
    complete = all(y.delivered + y.outside + y.cancelled >= y.ordered for y in physical)
    a = turn.allocation(x.allocation_id)
    turn.event("DELIVERED", units, at=scan.occurred_at, allocation=a, shipment=x, complete=complete, reason=scan.detail)
