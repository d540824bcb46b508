"""Reservations that end without a shipment: the units come free, and stock is corrected by the WMS's reason (``RuleSet.failures``)."""

from __future__ import annotations

from domain.rules.ruleset import RuleSet

from .serving import give_back_day
from .session import PoolSession
from .shortage import answered
from .state import PoolAllocation, PoolOrder, StockRow
from .stock import StockMoves
from .waves import leave_wave

__all__ = ["free_units"]


def free_units(
    session: PoolSession,
    order: PoolOrder,
    allocation: PoolAllocation,
    taken: dict[str, int],
    *,
    type: str,
    reason: str,
    lost: str = "",
) -> None:
    """End the reservation of ``taken`` units by SKU (already off the allocation's lines); ``lost`` is the WMS's reason."""
    taken = {sku: n for sku, n in taken.items() if n}
    if not taken:
        return
    ledger = StockMoves(session, allocation.depot)
    rows = {sku: ledger.change(sku, 0, -n) for sku, n in taken.items()}
    ids = {"order_key": order.key, "allocation_id": allocation.id, "depot": allocation.depot}
    session.event(type, moves=ledger.moves(), reason=reason, **ids)
    for sku, row in rows.items():
        if cut := _cut(row, taken[sku], stock_after(lost, session.rules)):
            ledger.change(sku, -cut, 0)
        row.deficit = min(row.deficit, row.reserved)
    if moves := ledger.moves():
        session.event("STOCK_CORRECTED", moves=moves, reason=f"{type.lower()}:{lost or 'count'}", **ids)
    session.freed.update(dict.fromkeys(taken))
    for line in allocation.lines:
        answered(session, allocation, line.line_id, line.asked - line.live)
    if not any(line.live or line.shipped for line in allocation.lines):
        give_back_day(session, allocation)
        leave_wave(session, allocation)


def stock_after(reason: str, rules: RuleSet) -> str:
    """What a failure for this reason says of the depot's stock: the first rule that matches decides; none, or no reason: ``unchanged``."""
    if not reason:
        return "unchanged"
    return next(
        (rule.stock for rule in rules.failures if rule.reason == "*" or reason.startswith(rule.reason)), "unchanged"
    )


def _cut(row: StockRow, n: int, then: str) -> int:
    """Units to take off the stock on hand, the reservation being over. Units that a count missed (``deficit``) go first."""
    missed = min(n, row.deficit)
    row.deficit -= missed
    if then == "zero":
        return row.on_hand - row.reserved
    if then == "minus":
        return n
    return missed
