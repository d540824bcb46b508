"""A count found fewer units than are reserved: the allocations that matter least, and that no WMS has begun, are asked back.

The pool does not know what an order has already sent to its warehouse, so it asks (UnallocationAsked) and the order answers: units given
back (AllocationReleased), its WMS asked for them (whose report frees them, or not), or kept (AllocationKept), and then the next allocation is asked. Asked are the lowest class first, in it
the youngest order; a unit is asked back once. What no order can give stays a ``deficit``: the WMS will report it short.
"""

from __future__ import annotations

from domain.keys import allocation_id
from domain.records.commands import AllocationKept
from domain.records.values import LineQty

from .session import Session, find
from .state import PoolAllocation, PoolOrder, PoolRequest, StockRow
from .stock import row_of

__all__ = ["answered", "ask_back", "heard", "kept", "list_fresh"]

ASK_BUDGET = 200
"""Allocations asked back by one command; what is beyond it is asked with the next report on that stock."""

_OLDEST = 9_999_999_999_999


def _index(sku: str, depot: str) -> str:
    return f"a\x1f{sku}\x1f{depot}"


def _place(order_key: str, a: PoolAllocation) -> str:
    """Sorts the allocation that matters least first."""
    return f"{99 - a.rank:02d}/{_OLDEST - a.placed_at:013d}/{order_key}/{a.id.rpartition('/')[2]}"


def list_fresh(s: Session, order: PoolOrder, request: PoolRequest, a: PoolAllocation, *, whole: bool) -> None:
    """Remember an allocation that no WMS has begun, by how much it matters. ``whole``: its order must not be split."""
    a.rank, a.placed_at = request.rank, min(max(request.placed_at, 0), _OLDEST)
    a.whole = whole or any(x.bundle_id for x in request.lines)
    for sku in {x.sku for x in a.lines}:
        s.index(_index(sku, a.depot)).set(_place(order.key, a))


def heard(s: Session, order_key: str, a: PoolAllocation) -> None:
    """A WMS is at work on it, or nothing of it is left: it can't be asked back any more."""
    if a.rank < 0:
        return
    for sku in {x.sku for x in a.lines}:
        s.index(_index(sku, a.depot)).remove(_place(order_key, a))
    a.rank = -1


def ask_back(s: Session, sku: str, depot: str) -> None:
    """Ask back so many units as are reserved and not there, less what was asked already."""
    row = row_of(s.stock(sku), depot, s.quality(sku))
    index, budget = s.index(_index(sku, depot)), ASK_BUDGET
    entry = index.after() if row.deficit > row.asked else None
    while entry and budget > 0 and row.deficit > row.asked:
        _, _, order_key, n = entry[0].split("/")
        order, allocation = find(s, order_key, allocation_id(s.pool, order_key, int(n)))
        _ask(s, order, allocation, sku, row)
        entry, budget = index.after(entry[0]), budget - 1
    s.save_stock(s.stock(sku))


def _ask(s: Session, order: PoolOrder, a: PoolAllocation, sku: str, row: StockRow) -> None:
    """Ask for what lacks; for all of it where it must not be divided."""
    units = []
    for x in a.lines:
        free = x.live - x.asked
        lacks = row.deficit - row.asked if x.sku == sku else 0
        if (n := free if a.whole else min(free, max(lacks, 0))) <= 0:
            continue
        x.asked += n
        mine = row if x.sku == sku else row_of(s.stock(x.sku), a.depot, s.quality(x.sku))
        mine.asked += n
        if mine is not row:
            s.save_stock(s.stock(x.sku))
        units.append(LineQty(x.line_id, x.sku, n))
    if units:
        s.unallocate(order.key, a, units, f"counted: {sku} is short of {row.deficit} at {a.depot}")
        s.save_order(order)


def answered(s: Session, a: PoolAllocation, line_id: str, n: int) -> None:
    """Up to ``n`` units of a line that were asked back are no longer waited for: they came back, or they won't."""
    for x in a.lines:
        if x.line_id == line_id and (k := min(n, x.asked)) > 0:
            x.asked -= k
            stock = s.stock(x.sku)
            row = row_of(stock, a.depot, s.quality(x.sku))
            row.asked = max(row.asked - k, 0)
            s.save_stock(stock)


def kept(s: Session, c: AllocationKept) -> None:
    """A WMS has these units: ask the next allocation. Raises Rejected for an allocation that is not known."""
    order, allocation = find(s, c.order_key, c.allocation_id)
    heard(s, order.key, allocation)
    for u in c.lines:
        answered(s, allocation, u.line_id, u.qty)
    s.save_order(order)
    for sku in dict.fromkeys(x.sku for x in allocation.lines):
        ask_back(s, sku, allocation.depot)
