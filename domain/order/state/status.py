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
    """The lines that decide: those that are shipped, or all of them where none is (a gift card on its own)."""
    physical = [x for x in lines if x.requires_shipping]
    return physical or lines


def is_live(s: OrderState) -> bool:
    """True while units are neither shipped nor cancelled."""
    return any(x.shipped + x.cancelled < x.ordered for x in s.lines)


def is_complete(s: OrderState) -> bool:
    """True where every unit is cancelled, or shipped and known to be there (or not ours to follow), and the channel knows it all."""
    done = all(x.delivered + x.outside + x.cancelled >= x.ordered for x in s.lines if x.requires_shipping)
    return done and not is_live(s) and all(x.notified or not x.effect_id for x in s.shipments)


def status(s: OrderState) -> str:
    """One of ``STATUSES``."""
    if s.header is None:
        return "CANCEL_REQUESTED" if any(not c.lines for c in s.cancels.values()) else "RECEIVED"
    lines = counted(s.lines)
    ordered = cancelled = shipped = picked = allocated = 0
    for x in lines:
        ordered += x.ordered
        cancelled += x.cancelled
        shipped += x.shipped
        picked += x.picked
        allocated += x.allocated
    live = ordered - cancelled
    if live == 0:
        return "CANCELLED" if ordered or s.header.cancelled_at is not None else "COMPLETED"
    if _cancelling(s):
        return "CANCEL_REQUESTED"
    if shipped:
        return _after_shipping(s) if shipped == live else "PARTIALLY_SHIPPED"
    return "PICKED" if picked == live else _before_picking(s, lines, picked + allocated, live)


def _before_picking(s: OrderState, lines: list[Line], placed: int, live: int) -> str:
    if s.holds and (any(x.open for x in lines) or any(h.soft for h in s.holds.values())):
        return "HELD"
    if placed:
        return "ALLOCATED" if placed == live else "PARTIALLY_ALLOCATED"
    if any(x.unfillable for x in lines):
        return "UNFILLABLE"
    return "BACKORDERED" if any(x.backordered for x in lines) else "PLACED"


def _after_shipping(s: OrderState) -> str:
    if is_complete(s):
        return "COMPLETED"
    there = all(x.delivered + x.outside >= x.ordered - x.cancelled for x in counted(s.lines))
    return "DELIVERED" if there else "SHIPPED"


def _cancelling(s: OrderState) -> bool:
    """A cancellation waits for a WMS's word; a recall for a hold or an address is none."""
    if not any(x.cancel_wanted > x.cancelled for x in s.lines):
        return False
    return any(x.asked for a in s.allocations for x in a.lines)


def may_ship(h: Header, rules: RuleSet) -> bool:
    """Is it ours to ship at all: not the channel's own, and no test order where the rules leave those alone."""
    return h.fulfilled_by != "channel" and (rules.ship_test_orders or not h.test)
