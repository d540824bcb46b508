"""What should become of a line's units, from the facts alone: so the order in which the facts came
does not matter.

A cancellation can be told three ways (as a fact with units, in a snapshot, as a refund with restock
``cancel``), often all of them for the same units. Each way counts up on its own, so the greatest of
them is what is cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from domain.order.state.order import Line, OrderState
from domain.order.state.reported import Fulfilment

__all__ = ["Desired", "Reported", "facts", "is_foreign", "wants"]

_UNDONE = frozenset({"cancelled", "canceled", "error", "failure", "failed"})


class Reported(msgspec.Struct, frozen=True):
    """Sums over an order's facts, by line.

    ``known``: cancelled by the channel's own word; ``cancelled``: ours and theirs.
    """

    every: bool
    every_known: bool
    cancelled: dict[str, int]
    known: dict[str, int]
    outside: dict[str, int]

    @property
    def none(self) -> bool:
        """No fact speaks of any unit."""
        return not (self.every or self.cancelled or self.outside)


class Desired(msgspec.Struct, frozen=True):
    """Levels for one line: units to keep in ``ordered``, of them shipped by others, to be
    cancelled, cancelled to the channel's knowledge.
    """

    ordered: int
    outside: int
    cancelled: int
    known: int


_NONE: dict[str, int] = {}


def facts(order: OrderState) -> Reported:
    """Sum the facts up, once a command."""
    cancelled = known = refunded = _NONE
    every = every_known = order.header is not None and order.header.cancelled_at is not None
    if order.cancels:
        cancelled = _sum(cancel.lines for cancel in order.cancels.values())
        known = _sum(cancel.lines for cancel in order.cancels.values() if not cancel.confirm)
        every_known = every_known or any(not cancel.lines and not cancel.confirm for cancel in order.cancels.values())
        every = every_known or any(not cancel.lines for cancel in order.cancels.values())
    if order.refunds:
        refunded = _sum(
            {line.line_id: line.qty}
            for refund_fact in order.refunds.values()
            for line in refund_fact.lines
            if line.restock == "cancel"
        )
        cancelled, known = _greatest(cancelled, refunded), _greatest(known, refunded)
    outside = (
        _sum(
            fulfilment.lines
            for fulfilment_id, fulfilment in order.fulfilments.items()
            if is_foreign(order, fulfilment_id, fulfilment)
        )
        if order.fulfilments
        else _NONE
    )
    return Reported(every or bool(order.refused), every_known, cancelled, known, outside)


def wants(line: Line, reported: Reported) -> Desired:
    """The levels of a line. What we shipped ourselves is done and bounds all of them."""
    # What left our depots can't be taken back: it bounds every other level.
    ours = line.shipped - line.outside
    ordered = max(line.wanted, ours)
    # Shipped by others, as fulfilments or as the snapshot tell it: each counts up, so the greater
    # holds. A surplus (shipped by a WMS that had given it up) reached the customer as well.
    told = reported.outside.get(line.line_id, 0)
    outside = min(max(told, line.shown_outside) + line.surplus, ordered - ours)
    left = ordered - ours - outside
    # What is left may be cancelled: as far as the channel knows of it, and as far as we do.
    known = left if reported.every_known else max(reported.known.get(line.line_id, 0), line.shown_cancelled)
    asked = left if reported.every else max(known, reported.cancelled.get(line.line_id, 0), line.dropped)
    return Desired(ordered, outside, min(asked, left), min(known, left))


def is_foreign(order: OrderState, fulfilment_id: str, fulfilment: Fulfilment) -> bool:
    """Made by someone else, not the echo of a parcel of ours.

    An echo has our tracking number, or the id that the channel gave us when we told it. Without
    tracking, and while the channel has not answered yet, one with exactly a parcel's units is taken
    for its echo.
    """
    if fulfilment.status in _UNDONE:
        return False
    for shipment in order.shipments:
        if (
            fulfilment.tracking_number and fulfilment.tracking_number == shipment.tracking_number
        ) or fulfilment_id == shipment.reference:
            return False
        if (
            not fulfilment.tracking_number
            and shipment.effect_id
            and not shipment.notified
            and fulfilment.lines == {line_qty.line_id: line_qty.qty for line_qty in shipment.lines}
        ):
            return False
    return True


def _sum(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for line_id, units in part.items():
            total[line_id] = total.get(line_id, 0) + units
    return total


def _greatest(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {line_id: max(one.get(line_id, 0), other.get(line_id, 0)) for line_id in {**one, **other}}
