"""What should become of a line's units, from the facts alone: so the order in which the facts came does not matter.

A cancellation can be told three ways (as a fact with units, in a snapshot, as a refund with restock ``cancel``), often all of
them for the same units. Each way counts up on its own, so the greatest of them is what is cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from domain.order.state.order import Line, OrderState
from domain.order.state.reported import Fulfilment

__all__ = ["Facts", "Wants", "facts", "is_foreign", "wants"]

_UNDONE = frozenset({"cancelled", "canceled", "error", "failure", "failed"})


class Facts(msgspec.Struct, frozen=True):
    """Sums over an order's facts, by line. ``known``: cancelled by the channel's own word; ``cancelled``: ours and theirs."""

    every: bool
    every_known: bool
    cancelled: dict[str, int]
    known: dict[str, int]
    outside: dict[str, int]

    @property
    def none(self) -> bool:
        """No fact speaks of any unit."""
        return not (self.every or self.cancelled or self.outside)


class Wants(msgspec.Struct, frozen=True):
    """Levels for one line: units to keep in ``ordered``, of them shipped by others, to be cancelled, cancelled to the channel's knowledge."""

    ordered: int
    outside: int
    cancelled: int
    known: int


_NONE: dict[str, int] = {}


def facts(s: OrderState) -> Facts:
    """Sum the facts up, once a command."""
    cancelled = known = refunded = _NONE
    every = every_known = s.header is not None and s.header.cancelled_at is not None
    if s.cancels:
        cancelled = _sum(c.lines for c in s.cancels.values())
        known = _sum(c.lines for c in s.cancels.values() if not c.confirm)
        every_known = every_known or any(not c.lines and not c.confirm for c in s.cancels.values())
        every = every_known or any(not c.lines for c in s.cancels.values())
    if s.refunds:
        refunded = _sum({x.line_id: x.qty} for r in s.refunds.values() for x in r.lines if x.restock == "cancel")
        cancelled, known = _greatest(cancelled, refunded), _greatest(known, refunded)
    outside = _sum(f.lines for k, f in s.fulfilments.items() if is_foreign(s, k, f)) if s.fulfilments else _NONE
    return Facts(every or bool(s.refused), every_known, cancelled, known, outside)


def wants(line: Line, f: Facts) -> Wants:
    """The levels of a line. What we shipped ourselves is done and bounds all of them."""
    ours = line.shipped - line.outside
    ordered = max(line.wanted, ours)
    told = f.outside.get(line.line_id, 0)
    outside = min(max(told, line.shown_outside) + line.surplus, ordered - ours)
    left = ordered - ours - outside
    known = left if f.every_known else max(f.known.get(line.line_id, 0), line.shown_cancelled)
    asked = left if f.every else max(known, f.cancelled.get(line.line_id, 0), line.dropped)
    return Wants(ordered, outside, min(asked, left), min(known, left))


def is_foreign(s: OrderState, fulfilment_id: str, f: Fulfilment) -> bool:
    """Made by someone else, not the echo of a parcel of ours.

    An echo has our tracking number, or the id that the channel gave us when we told it. Without tracking, and while the channel
    has not answered yet, one with exactly a parcel's units is taken for its echo.
    """
    if f.status in _UNDONE:
        return False
    for x in s.shipments:
        if (f.tracking_number and f.tracking_number == x.tracking_number) or fulfilment_id == x.reference:
            return False
        if not f.tracking_number and x.effect_id and not x.notified and f.lines == {u.line_id: u.qty for u in x.lines}:
            return False
    return True


def _sum(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for line_id, n in part.items():
            total[line_id] = total.get(line_id, 0) + n
    return total


def _greatest(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    return {k: max(a.get(k, 0), b.get(k, 0)) for k in {**a, **b}}
