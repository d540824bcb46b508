"""An order's status, derived from its quantities and holds: never stored as truth.

RECEIVED → PLACED → PARTIALLY_ALLOCATED → ALLOCATED → PICKED → PARTIALLY_SHIPPED → SHIPPED → DELIVERED → COMPLETED
HELD, BACKORDERED, UNFILLABLE while nothing of it is on its way; CANCEL_REQUESTED → CANCELLED, or back
"""

from __future__ import annotations

from domain.order.state.reported import Header
from domain.rules.ruleset import RuleSet

from .order import Line, OrderState

__all__ = ["FINAL", "STATUSES", "is_complete", "is_live", "may_ship", "status"]

STATUSES = (
    "RECEIVED",
    "PLACED",
    "HELD",
    "BACKORDERED",
    "UNFILLABLE",
    "PARTIALLY_ALLOCATED",
    "ALLOCATED",
    "PICKED",
    "PARTIALLY_SHIPPED",
    "SHIPPED",
    "DELIVERED",
    "COMPLETED",
    "CANCEL_REQUESTED",
    "CANCELLED",
)
FINAL = frozenset({"SHIPPED", "DELIVERED", "COMPLETED", "CANCELLED"})
"""Nothing is left to allocate, pick or ship."""


def counted(lines: list[Line]) -> list[Line]:
    """The lines that decide: those that are shipped, or all of them where none is (a gift card on
    its own).
    """
    physical = [line for line in lines if line.requires_shipping]
    return physical or lines


def is_live(order: OrderState) -> bool:
    """True while units are neither shipped nor cancelled."""
    return any(line.shipped + line.cancelled < line.ordered for line in order.lines)


def is_complete(order: OrderState) -> bool:
    """True where every unit is cancelled, or shipped and known to be there (or not ours to follow),
    and the channel knows it all.
    """
    done = all(
        line.delivered + line.outside + line.cancelled >= line.ordered for line in order.lines if line.requires_shipping
    )
    return (
        done and not is_live(order) and all(shipment.notified or not shipment.effect_id for shipment in order.shipments)
    )


def status(order: OrderState) -> str:
    """Derive the order's status: one of ``STATUSES``."""
    if order.header is None:
        return "CANCEL_REQUESTED" if any(not cancel.lines for cancel in order.cancels.values()) else "RECEIVED"
    lines = counted(order.lines)
    # One pass: this is derived after every command.
    ordered = cancelled = shipped = picked = allocated = 0
    for line in lines:
        ordered += line.ordered
        cancelled += line.cancelled
        shipped += line.shipped
        picked += line.picked
        allocated += line.allocated
    live = ordered - cancelled
    if live == 0:
        return "CANCELLED" if ordered or order.header.cancelled_at is not None else "COMPLETED"
    if _cancelling(order):
        return "CANCEL_REQUESTED"
    if shipped:
        return _after_shipping(order) if shipped == live else "PARTIALLY_SHIPPED"
    return "PICKED" if picked == live else _before_picking(order, lines, picked + allocated, live)


def _before_picking(order: OrderState, lines: list[Line], placed: int, live: int) -> str:
    if order.holds and (any(line.open for line in lines) or any(hold.soft for hold in order.holds.values())):
        return "HELD"
    if placed:
        return "ALLOCATED" if placed == live else "PARTIALLY_ALLOCATED"
    if any(line.unfillable for line in lines):
        return "UNFILLABLE"
    return "BACKORDERED" if any(line.backordered for line in lines) else "PLACED"


def _after_shipping(order: OrderState) -> str:
    if is_complete(order):
        return "COMPLETED"
    # All that is not cancelled has arrived, or went another way.
    there = all(line.delivered + line.outside >= line.ordered - line.cancelled for line in counted(order.lines))
    return "DELIVERED" if there else "SHIPPED"


def _cancelling(order: OrderState) -> bool:
    """A cancellation waits for a WMS's word; a recall for a hold or an address is none."""
    if not any(line.cancel_wanted > line.cancelled for line in order.lines):
        return False
    return any(line.asked for allocation in order.allocations for line in allocation.lines)


def may_ship(header: Header, rules: RuleSet) -> bool:
    """Is it ours to ship at all: not the channel's own, and no test order where the rules leave
    those alone.
    """
    return header.fulfilled_by != "channel" and (rules.ship_test_orders or not header.test)
