"""What is to be done outside: the records of ``wharf.effects``. ``event_id`` is the receiver's idempotency key.

``target`` names the connection: a depot's WMS (``depot-a``) or a channel's account (``shopify:acme``). What returns need is in
``return_effects``, what customers are told in ``messages``.
"""

from __future__ import annotations

import msgspec

from .commands import OrderCommand, PoolCommand
from .customer_message import CustomerMessage
from .record import Record
from .return_effects import ChannelReturn, Credit, ReturnExpected, ReturnLabel
from .values import Address, CreditLine, LineQty, PaymentPart, PickLine

__all__ = [
    "ChannelCancel",
    "ChannelRefetch",
    "ChannelReturn",
    "ChannelShipment",
    "Credit",
    "CustomerMessage",
    "Effect",
    "PickOrder",
    "PickOrderCancel",
    "ReturnExpected",
    "ReturnLabel",
    "Sent",
]


class PickOrder(Record, frozen=True):
    """Tell a depot's WMS/3PL to pick, pack and ship an allocation.

    The ``group_size`` pick orders of one ``group_id`` leave as one parcel; one of them may still be cancelled.
    """

    order_key: str
    target: str
    allocation_id: str
    order_name: str
    lines: list[PickLine]
    ship_to: Address
    email: str
    phone: str
    service: str
    carrier: str
    ship_by: int
    eta: int
    priority: int
    group_id: str
    group_size: int = 0


class PickOrderCancel(Record, frozen=True):
    """Ask a depot's WMS/3PL to stop units of a pick order; it answers by a report: CANCELLED or CANCEL_REJECTED."""

    order_key: str
    target: str
    allocation_id: str
    lines: list[LineQty]
    reason: str


class ChannelShipment(Record, frozen=True):
    """Tell the channel what was shipped, with tracking. ``told_before``: units of the order in the same parcel (by its tracking number) that
    earlier effects tell of: two allocations that were packed together, or a parcel that was reported in parts."""

    order_key: str
    target: str
    channel_order_id: str
    allocation_id: str
    shipment_id: str
    lines: list[LineQty]
    carrier: str
    tracking_number: str
    tracking_url: str
    shipped_at: int
    told_before: list[LineQty] = []


class ChannelCancel(Record, frozen=True):
    """Tell the channel that units will not be delivered, and have it pay back what was paid for them.

    ``amount`` goes back, minor units of ``currency``; ``payments`` adds up to it (none: the channel holds the money). ``values``: what was paid for
    each line's units; with ``shipping`` (of which ``shipping_tax``) they are ``amount``, or more where not all of it was captured. ``complete``: with
    these nothing of the order is left.
    """

    order_key: str
    target: str
    channel_order_id: str
    lines: list[LineQty]
    reason: str
    currency: str = ""
    amount: int = 0
    values: list[CreditLine] = []
    payments: list[PaymentPart] = []
    complete: bool = False
    shipping: int = 0
    shipping_tax: int = 0


class ChannelRefetch(Record, frozen=True):
    """Fetch a resource anew: the channel sent a signal without the thing itself (``resource``: order, return, fulfilment_order …)."""

    order_key: str
    target: str
    resource: str
    resource_id: str


Effect = (
    PickOrder
    | PickOrderCancel
    | ChannelShipment
    | ChannelCancel
    | ChannelRefetch
    | ReturnLabel
    | ReturnExpected
    | Credit
    | ChannelReturn
    | CustomerMessage
)
"""What ``wharf.effects`` carries."""


class Sent(msgspec.Struct, frozen=True):
    """What became of one attempt to carry out an effect.

    ``reference``: the receiver's own id. Not ``ok`` and ``permanent``: no attempt can succeed, the effect goes to the DLQ;
    otherwise it is tried again, not before ``retry_after`` seconds where the receiver asked for that. ``orders`` and
    ``pools``: facts the answer carried (a re-fetched order, a refusal), to be written to the input topics.
    """

    ok: bool
    reference: str = ""
    error: str = ""
    permanent: bool = False
    retry_after: float | None = None
    orders: list[OrderCommand] = []
    pools: list[PoolCommand] = []
