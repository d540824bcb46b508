"""What holds after every step of every scenario, whether it is expected or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from domain.pool_state import PoolOrder, SkuStock
from domain.pool_view import MemoryPool
from domain.status import status

from .fold import Fold

__all__ = ["broken"]

BUCKETS = ("open", "requested", "backordered", "allocated", "picked", "shipped", "cancelled")


def broken(fold: Fold) -> Iterator[tuple[str, str]]:
    """Every law that does not hold: the law, and what is so instead."""
    for name, view in fold.pools.items():
        yield from _stock(name, view)
    for key in fold.states:
        yield from _order(fold, key)


def _stock(name: str, view: MemoryPool) -> Iterator[tuple[str, str]]:
    for kind, sku in list(view.data):
        stock = view.load(SkuStock, sku) if kind == "s" else None
        for row in stock.rows if stock else ():
            if not 0 <= row.reserved <= row.on_hand:
                where = f"{sku} at {row.depot} in pool {name}"
                yield "0 ≤ reserved ≤ on hand", f"{where}: {row.reserved} reserved of {row.on_hand}"


def _order(fold: Fold, key: str) -> Iterator[tuple[str, str]]:
    s = fold.state(key)
    if s is None:
        return
    told = next((e.status for e in reversed(fold.made.events) if e.order_key == key), "")
    if told != status(s):
        yield "the newest event says where the order stands", f"{key} is {status(s)}, its newest event says {told}"
    live, waits = Counter[str](), Counter[str]()
    for view in fold.pools.values():
        kept = view.load(PoolOrder, key)
        for x in [x for a in kept.allocations for x in a.lines] if kept else []:
            live[x.line_id] += x.live
        for w in [w for r in kept.requests for w in r.lines] if kept else []:
            waits[w.line_id] += w.qty
    for line in s.lines:
        units = {b: getattr(line, b) for b in BUCKETS}
        if min(units.values()) < 0 or sum(units.values()) != line.ordered:
            yield "each unit is in exactly one place", f"{key} line {line.line_id}: {line.ordered} ordered, {units}"
        if live[line.line_id] != line.allocated + line.picked or waits[line.line_id] != line.backordered:
            theirs = f"the pool has {live[line.line_id]} reserved, {waits[line.line_id]} waiting"
            yield "an order and its pool agree", f"{key} line {line.line_id}: {units}; {theirs}"
