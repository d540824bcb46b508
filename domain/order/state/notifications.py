"""What is kept of an order's notifications: what each medium has told, and what waits.

Only where rules tell customers anything.

Arrays on the wire, as in ``order.OrderState``. Everything here is replaced, never changed in place:
a clone shares it.
"""

from __future__ import annotations

import msgspec

__all__ = ["Note", "Notices", "Queue"]


class Note(msgspec.Struct, array_like=True, frozen=True):
    """Something that happened and is to be told at ``due`` (UTC ms).

    ``kind``: the event's type, ``seq`` and ``at`` its number and time.

    ``subject``: the parcel, allocation or return it is about; ``units``: (line, units). What can
    change until it is told is not kept here but looked up then.
    """

    kind: str
    seq: int
    at: int
    due: int
    subject: str = ""
    units: list[tuple[str, int]] = []
    amount: int = 0
    tax: int = 0
    fees: int = 0
    reason: str = ""
    complete: bool = False


class Queue(msgspec.Struct, array_like=True, frozen=True):
    """One medium.

    ``told``: what the customer knows of each line over it: a day of delivery (ISO), ``backordered``
    or ``unfillable``.
    """

    told: dict[str, str] = {}
    notes: list[Note] = []


class Notices(msgspec.Struct, array_like=True, frozen=True):
    """By medium.

    ``due``: when a Tick has something to tell, UTC ms; 0: never. ``late``: allocations that were
    said to be overdue.
    """

    queues: dict[str, Queue] = {}
    due: int = 0
    late: list[str] = []
