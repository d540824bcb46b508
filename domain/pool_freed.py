"""Reservations that end without a shipment: the units come free, and stock is corrected by the WMS's reason.

``out_of_stock``: nothing is left there; ``damaged`` and ``missing``: the short units are gone; anything else: stock unchanged.
"""

from __future__ import annotations

from .pool_serve import give_back_day
from .pool_session import Session
from .pool_state import PoolAllocation, PoolOrder, StockRow
from .pool_stock import Ledger
from .pool_waves import leave_wave

__all__ = ["free_units"]


def free_units(
    s: Session,
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
    ledger = Ledger(s, allocation.depot)
    rows = {sku: ledger.change(sku, 0, -n) for sku, n in taken.items()}
    ids = {"order_key": order.key, "allocation_id": allocation.id, "depot": allocation.depot}
    s.event(type, moves=ledger.moves(), reason=reason, **ids)
    for sku, row in rows.items():
        if cut := _cut(row, taken[sku], lost):
            ledger.change(sku, -cut, 0)
        row.deficit = min(row.deficit, row.reserved)
    if moves := ledger.moves():
        s.event("STOCK_CORRECTED", moves=moves, reason=f"{type.lower()}:{lost or 'count'}", **ids)
    s.freed.update(dict.fromkeys(taken))
    if not any(line.live or line.shipped for line in allocation.lines):
        give_back_day(s, allocation)
        leave_wave(s, allocation)


def _cut(row: StockRow, n: int, lost: str) -> int:
    """Units to take off the stock on hand, the reservation being over. Units that a count missed (``deficit``) go first."""
    missed = min(n, row.deficit)
    row.deficit -= missed
    if lost == "out_of_stock":
        return row.on_hand - row.reserved
    if lost in ("damaged", "missing"):
        return n
    return missed
