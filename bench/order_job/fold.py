"""The fold, the same in every peer (Java: ``kafka_streams/…/OrderJob.java``).

An order keeps its status, its units and the ids of the events applied; a SKU (in the partition) its reserved and shipped units.
"""

from __future__ import annotations

import msgspec

from .codec import BenchEvent, BenchOutput

__all__ = ["OrderRow", "StockRow", "apply"]


class OrderRow(msgspec.Struct, array_like=True):
    """An order's state."""

    status: str = ""
    qty: int = 0
    seen: list[str] = []


class StockRow(msgspec.Struct, array_like=True):
    """A SKU's state in a partition."""

    reserved: int = 0
    shipped: int = 0


def apply(event: BenchEvent, order: OrderRow, stock: StockRow) -> BenchOutput | None:
    """Change both rows and give the output; None (and nothing changed) for a duplicate."""
    if event.event_id in order.seen:
        return None
    kind = event.kind
    if kind == "PLACED":
        order.qty = event.qty
    elif kind == "ALLOCATED":
        stock.reserved += event.qty
    elif kind == "SHIPPED":
        stock.reserved -= event.qty
        stock.shipped += event.qty
    order.status = kind
    order.seen.append(event.event_id)
    return BenchOutput(event.event_id, event.order_key, kind, order.qty, stock.reserved, stock.shipped, event.time)
