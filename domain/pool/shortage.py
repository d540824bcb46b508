"""A count found fewer units than are reserved: the allocations that matter least, and that no WMS has begun, are asked back.

The pool does not know what an order has already sent to its warehouse, so it asks (UnallocationAsked) and the order answers: units given
back (AllocationReleased), its WMS asked for them (whose report frees them, or not), or kept (AllocationKept), and then the next allocation is asked. Asked are the lowest class first, in it
the youngest order; a unit is asked back once. What no order can give stays a ``deficit``: the WMS will report it short.
"""

from __future__ import annotations

from domain.keys import allocation_id
from domain.records.commands import AllocationKept
from domain.records.values import LineQty

from .session import PoolSession, find
from .state import PoolAllocation, PoolOrder, PoolRequest, StockRow
from .stock import row_of

__all__ = ["answered", "ask_back", "heard", "kept", "list_fresh"]

ASK_BUDGET = 200
"""Allocations asked back by one command; what is beyond it is asked with the next report on that stock."""

_OLDEST = 9_999_999_999_999


def _index(sku: str, depot: str) -> str:
    return f"a\x1f{sku}\x1f{depot}"


def _place(order_key: str, allocation: PoolAllocation) -> str:
    """Sorts the allocation that matters least first."""
    return f"{99 - allocation.rank:02d}/{_OLDEST - allocation.placed_at:013d}/{order_key}/{allocation.id.rpartition('/')[2]}"


def list_fresh(
    session: PoolSession, order: PoolOrder, request: PoolRequest, allocation: PoolAllocation, *, whole: bool
) -> None:
    """Remember an allocation that no WMS has begun, by how much it matters. ``whole``: its order must not be split."""
    allocation.rank, allocation.placed_at = request.rank, min(max(request.placed_at, 0), _OLDEST)
    allocation.whole = whole or any(line.bundle_id for line in request.lines)
    for sku in {line.sku for line in allocation.lines}:
        session.index(_index(sku, allocation.depot)).set(_place(order.key, allocation))


def heard(session: PoolSession, order_key: str, allocation: PoolAllocation) -> None:
    """A WMS is at work on it, or nothing of it is left: it can't be asked back any more."""
    if allocation.rank < 0:
        return
    for sku in {line.sku for line in allocation.lines}:
        session.index(_index(sku, allocation.depot)).remove(_place(order_key, allocation))
    allocation.rank = -1


def ask_back(session: PoolSession, sku: str, depot: str) -> None:
    """Ask back so many units as are reserved and not there, less what was asked already."""
    row = row_of(session.stock(sku), depot, session.quality(sku))
    index, budget = session.index(_index(sku, depot)), ASK_BUDGET
    entry = index.after() if row.deficit > row.asked else None
    while entry and budget > 0 and row.deficit > row.asked:
        _, _, order_key, n = entry[0].split("/")
        order, allocation = find(session, order_key, allocation_id(session.pool, order_key, int(n)))
        _ask(session, order, allocation, sku, row)
        entry, budget = index.after(entry[0]), budget - 1
    session.save_stock(session.stock(sku))


def _ask(session: PoolSession, order: PoolOrder, allocation: PoolAllocation, sku: str, row: StockRow) -> None:
    """Ask for what lacks; for all of it where it must not be divided."""
    units = []
    for line in allocation.lines:
        free = line.live - line.asked
        lacks = row.deficit - row.asked if line.sku == sku else 0
        if (n := free if allocation.whole else min(free, max(lacks, 0))) <= 0:
            continue
        line.asked += n
        mine = row if line.sku == sku else row_of(session.stock(line.sku), allocation.depot, session.quality(line.sku))
        mine.asked += n
        if mine is not row:
            session.save_stock(session.stock(line.sku))
        units.append(LineQty(line.line_id, line.sku, n))
    if units:
        session.unallocate(
            order.key, allocation, units, f"counted: {sku} is short of {row.deficit} at {allocation.depot}"
        )
        session.save_order(order)


def answered(session: PoolSession, allocation: PoolAllocation, line_id: str, n: int) -> None:
    """Up to ``n`` units of a line that were asked back are no longer waited for: they came back, or they won't."""
    for line in allocation.lines:
        if line.line_id == line_id and (k := min(n, line.asked)) > 0:
            line.asked -= k
            stock = session.stock(line.sku)
            row = row_of(stock, allocation.depot, session.quality(line.sku))
            row.asked = max(row.asked - k, 0)
            session.save_stock(stock)


def kept(session: PoolSession, allocation_kept: AllocationKept) -> None:
    """A WMS has these units: ask the next allocation. Raises Rejected for an allocation that is not known."""
    order, allocation = find(session, allocation_kept.order_key, allocation_kept.allocation_id)
    heard(session, order.key, allocation)
    for line_qty in allocation_kept.lines:
        answered(session, allocation, line_qty.line_id, line_qty.qty)
    session.save_order(order)
    for sku in dict.fromkeys(line.sku for line in allocation.lines):
        ask_back(session, sku, allocation.depot)
