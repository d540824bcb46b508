"""What returns want done outside. As with every effect, ``event_id`` is the receiver's idempotency key."""

from __future__ import annotations

from .record import Record
from .values import Address, CreditLine, Fee, LineQty, PaymentPart, ReturnedLine

__all__ = ["CHANNEL_ACTIONS", "ChannelReturn", "Credit", "ReturnExpected", "ReturnLabel"]

CHANNEL_ACTIONS = ("create", "approve", "decline", "cancel", "refuse", "close")
"""``create``: the channel does not know the return yet. ``refuse``: inspected, these units are not credited. ``close``: all is done."""


class ReturnLabel(Record, frozen=True):
    """Make a return label and send it to the customer; ``target``: ``label:CARRIER``. A ReturnTracked LABELLED answers it.

    ``payer``: customer or merchant (a customer's label costs what the rules say, taken off the credit). ``barcode``: what the dock scans: the RMA id.
    """

    order_key: str
    target: str
    rma_id: str
    order_name: str
    carrier: str
    payer: str
    ship_from: Address
    ship_to: Address
    depot: str
    lines: list[LineQty]
    email: str
    language: str
    barcode: str
    valid_until: int


class ReturnExpected(Record, frozen=True):
    """Tell a depot's WMS that a return is on its way (an advance notice), or, with no lines, that it is not to be expected any more.

    ``channel_rma``: the number on the channel's own label, if it makes one.
    """

    order_key: str
    target: str
    rma_id: str
    channel_rma: str
    order_name: str
    depot: str
    lines: list[ReturnedLine]
    carrier: str
    tracking_number: str


class Credit(Record, frozen=True):
    """Give money back. ``event_id`` is made of the RMA and the credit's number in it: made again, it is the same credit.

    ``amount`` = lines + ``shipping`` − fees, with tax, minor units of ``currency``; ``tax`` of it = the lines' + ``shipping_tax`` − the fees'.
    ``payments``: to which payments it goes, adding up to ``amount``; none: the channel holds the money (a marketplace). ``target``:
    the channel's account. ``return_id``, ``channel_rma``: the channel's own ids of the return, where it has one. ``results``: what the
    inspection found of the credited units. ``credited_before``: units of the RMA that its earlier credits were for, so that a channel
    without idempotency keys can see what is done already. The answer's ``reference`` is the refund's id at the channel: a RefundReported of that
    id is its echo.
    """

    order_key: str
    target: str
    channel_order_id: str
    rma_id: str
    return_id: str
    channel_rma: str
    currency: str
    amount: int
    tax: int
    lines: list[CreditLine]
    shipping: int
    shipping_tax: int
    fees: list[Fee]
    payments: list[PaymentPart]
    results: list[ReturnedLine]
    reason: str
    credited_before: int = 0


class ChannelReturn(Record, frozen=True):
    """Tell the channel what became of a return (``CHANNEL_ACTIONS``). Of ``create`` the answer's ``reference`` is the channel's id of it.

    A channel that has no word for an action takes it as done. Credited units are not told here but by ``Credit``.
    """

    order_key: str
    target: str
    channel_order_id: str
    rma_id: str
    return_id: str
    channel_rma: str
    action: str
    lines: list[ReturnedLine]
    reason: str
