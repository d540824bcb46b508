"""An RMA's status, derived from what is known of it: never stored as truth.

REQUESTED → APPROVED or DECLINED → LABEL_SENT → IN_TRANSIT → PARTIALLY_RECEIVED → RECEIVED → INSPECTED → CREDIT_PENDING → CREDITED → CLOSED
EXPIRED and CANCELLED only before anything was received; MANUAL_REFUND: a person must pay.
"""

from __future__ import annotations

from .returns import Rma

__all__ = ["RMA_STATUSES", "all_there", "inspected", "received", "rma_status"]

RMA_STATUSES = (
    "REQUESTED",
    "APPROVED",
    "DECLINED",
    "LABEL_SENT",
    "IN_TRANSIT",
    "PARTIALLY_RECEIVED",
    "RECEIVED",
    "INSPECTED",
    "CREDIT_PENDING",
    "MANUAL_REFUND",
    "CREDITED",
    "CLOSED",
    "EXPIRED",
    "CANCELLED",
)


def received(r: Rma) -> bool:
    """Goods of it came, or an inspection said that they did not."""
    return any(x.received or x.found for x in r.lines)


def all_there(r: Rma) -> bool:
    """Nothing more is to come."""
    return not any(x.coming for x in r.lines)


def inspected(r: Rma) -> bool:
    """All that came was looked at."""
    return all(x.received <= x.good + x.found.get("WRONG_ITEM", 0) for x in r.lines)


def rma_status(r: Rma) -> str:
    """One of ``RMA_STATUSES``."""
    if r.ended:
        return r.ended
    if r.decision != "approved":
        return "REQUESTED"
    states = {c.status for c in r.credits}
    if states & {"MANUAL", "PENDING"}:
        return "MANUAL_REFUND" if "MANUAL" in states else "CREDIT_PENDING"
    return _at_the_dock(r) if received(r) else _before(r)


def _before(r: Rma) -> str:
    if r.kind == "claim":
        return "CREDITED" if r.credits else "APPROVED"
    if r.moving:
        return "IN_TRANSIT"
    return "LABEL_SENT" if r.label == "SENT" else "APPROVED"


def _at_the_dock(r: Rma) -> str:
    if not all_there(r):
        return "PARTIALLY_RECEIVED"
    if not inspected(r):
        return "RECEIVED"
    return "CREDITED" if r.credits and not any(x.due for x in r.lines) else "INSPECTED"
