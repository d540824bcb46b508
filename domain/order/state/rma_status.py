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


def received(rma: Rma) -> bool:
    """Goods of it came, or an inspection said that they did not."""
    return any(line.received or line.found for line in rma.lines)


def all_there(rma: Rma) -> bool:
    """Nothing more is to come."""
    return not any(line.coming for line in rma.lines)


def inspected(rma: Rma) -> bool:
    """All that came was looked at."""
    return all(line.received <= line.good + line.found.get("WRONG_ITEM", 0) for line in rma.lines)


def rma_status(rma: Rma) -> str:
    """Derive the return's status: one of ``RMA_STATUSES``."""
    if rma.ended:
        return rma.ended
    if rma.decision != "approved":
        return "REQUESTED"
    states = {credit.status for credit in rma.credits}
    # Money that a person must pay is told before money that is on its way.
    if states & {"MANUAL", "PENDING"}:
        return "MANUAL_REFUND" if "MANUAL" in states else "CREDIT_PENDING"
    return _at_the_dock(rma) if received(rma) else _before(rma)


def _before(rma: Rma) -> str:
    if rma.kind == "claim":
        return "CREDITED" if rma.credits else "APPROVED"
    if rma.moving:
        return "IN_TRANSIT"
    return "LABEL_SENT" if rma.label == "SENT" else "APPROVED"


def _at_the_dock(rma: Rma) -> str:
    if not all_there(rma):
        return "PARTIALLY_RECEIVED"
    if not inspected(rma):
        return "RECEIVED"
    return "CREDITED" if rma.credits and not any(line.due for line in rma.lines) else "INSPECTED"
