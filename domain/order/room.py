"""How large an order may become: Kafka takes 1,000,000 bytes a record, and a state is one.

What may be repeated without end has a bound of its own, below that of what must still count behind
it: requests stop first, then what a channel or a carrier tells, then what a warehouse does; a
cancellation, a person's act and the outcome of our own effects have the last room.
"""

from __future__ import annotations

from domain.errors import Rejected
from domain.records import commands

__all__ = ["LAST_ROOM", "ROOM", "check_room"]

LAST_ROOM = 960_000
"""Bytes of the encoded state beyond which nothing is folded any more; the rest is for the record's
key and headers.
"""

_ASKED, _TOLD, _DONE = 400_000, 600_000, 800_000

ROOM: dict[type, int] = {
    commands.ReturnRequested: _ASKED,
    commands.OrderEdited: _ASKED,
    commands.OrderUpserted: _TOLD,
    commands.ReturnReported: _TOLD,
    commands.FulfilmentReported: _TOLD,
    commands.PaymentChanged: _TOLD,
    commands.RefundReported: _TOLD,
    commands.ShipmentTracked: _TOLD,
    commands.ReturnTracked: _TOLD,
    commands.ReturnReceived: _TOLD,
    commands.ReturnInspected: _TOLD,
    commands.AllocationDecided: _DONE,
    commands.AllocationProgressed: _DONE,
    commands.UnallocationAsked: _DONE,
    commands.WaveReleased: _DONE,
}
"""Bytes that the state may have after a command; ``LAST_ROOM`` for all others."""

_SMALLEST = min(ROOM.values())


def check_room(command: commands.OrderCommand, before: int, after: int) -> None:
    """Refuse a command that makes the state larger than there is room for it.

    ``before``, ``after``: bytes of the encoded state.

    Nothing that leaves the state no larger is refused. Raises Rejected (``order.full``).
    """
    if after <= _SMALLEST or after <= before:
        return
    room = ROOM.get(type(command), LAST_ROOM)
    if after > room:
        raise Rejected(
            "order.full",
            "order_key",
            f"{type(command).__name__} would make this order {after} bytes; there is room for {room}, the rest is kept for what must still "
            "count (shipments, cancellations, acts by hand). Nothing was changed. What filled it: `wharf orders show`; act by hand "
            "(`wharf orders`, `wharf returns`), or ask for less at once",
        )
