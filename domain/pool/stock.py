"""Stock figures and how they move. Laws: 0 ≤ reserved ≤ on_hand in every row, and every change is a move in an event.

``RESERVED``, ``REPLENISHED``, ``UNRESERVED`` and ``SHORT_PICKED`` move reservations only; ``STOCK_*`` and ``RESTOCKED`` stock
only; ``SHIPPED`` both. So what came in less what was shipped is what is there, from the events alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.records.values import StockMove

from .session import PoolSession
from .state import NEW, SkuStock, StockRow

__all__ = ["StockMoves", "available", "row_of"]


def row_of(stock: SkuStock, depot: str, quality: str = NEW) -> StockRow:
    """The row of a depot and quality, made where there is none."""
    for row in stock.rows:
        if row.depot == depot and row.quality == quality:
            return row
    row = StockRow(depot, quality)
    stock.rows.append(row)
    return row


def available(stock: SkuStock, safety: Mapping[str, int], quality: str = NEW) -> dict[str, int]:
    """Units that may be promised by depot: on hand, less reserved, less safety stock. ``safety`` names the depots that may send it;
    ``quality``: what orders for this SKU are served from (``PoolSession.quality``)."""
    found: dict[str, int] = {}
    for row in stock.rows:
        if row.quality == quality and row.depot in safety:
            n = row.on_hand - row.reserved - safety[row.depot]
            if n > 0:
                found[row.depot] = n
    return found


class StockMoves:
    """Changes rows of one depot and collects the moves, one a SKU; no ``quality``: the one that orders are served from."""

    def __init__(self, session: PoolSession, depot: str, quality: str = "") -> None:
        self._session = session
        self._depot = depot
        self._quality = quality
        self._moves: dict[str, StockMove] = {}

    def change(self, sku: str, on_hand: int, reserved: int) -> StockRow:
        """Move stock of a SKU by these differences."""
        stock = self._session.stock(sku)
        quality = self._quality or self._session.quality(sku)
        row = row_of(stock, self._depot, quality)
        row.on_hand += on_hand
        row.reserved += reserved
        self._session.save_stock(stock)
        before = self._moves.get(sku)
        self._moves[sku] = StockMove(
            sku,
            self._depot,
            quality,
            on_hand + (before.on_hand_delta if before else 0),
            reserved + (before.reserved_delta if before else 0),
            row.on_hand,
            row.reserved,
        )
        return row

    def moves(self) -> list[StockMove]:
        """The moves so far, for an event; the ledger begins anew."""
        moves, self._moves = list(self._moves.values()), {}
        return moves
