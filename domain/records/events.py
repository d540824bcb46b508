"""What happened: the records of ``wharf.orders.events`` and ``wharf.pools.events``, kept for ever."""

from __future__ import annotations

from .record import Record
from .values import EventLine, ReturnedLine, StockMove

__all__ = ["CORE_EVENTS", "RETURN_EVENTS", "OrderEvent", "PoolEvent"]

CORE_EVENTS = (
    "PLACED",
    "ALLOCATED",
    "PICKED",
    "SHIPPED",
    "DELIVERED",
    "RMA_CREATED",
    "RMA_RECEIVED",
    "CREDITED",
)

RETURN_EVENTS = (
    "RETURN_REQUESTED",
    "RMA_CREATED",
    "RETURN_DECLINED",
    "RETURN_CANCELLED",
    "RETURN_EXPIRED",
    "RETURN_LABELLED",
    "RETURN_TRACKED",
    "RMA_RECEIVED",
    "RETURN_INSPECTED",
    "RETURN_EXCEPTION",
    "RETURN_RESOLVED",
    "CREDIT_REQUESTED",
    "CREDITED",
    "MANUAL_REFUND",
    "EXCHANGE_CREATED",
    "RETURN_CLOSED",
)
"""The life of a return, in about this order. MANUAL_REFUND and RETURN_EXCEPTION want a person (``intervention``)."""


class OrderEvent(Record, frozen=True):
    """One thing that happened to an order; ``type`` says what.

    Core: ``CORE_EVENTS``. Finer: UPDATED, STALE, DUPLICATE, HELD, RELEASED, PAYMENT_CHANGED, ADDRESS_CHANGED, EDITED,
    ALLOCATION_REQUESTED, WAVE_RELEASED (bundling), BACKORDERED, UNFILLABLE, UNALLOCATED (a count found fewer units than were promised),
    REROUTED, SUBMITTED, ACCEPTED, REJECTED, SHORT_PICKED, PACKED, OVERDUE (not shipped by its ship-by; only where customers are told), IN_TRANSIT,
    OUT_FOR_DELIVERY, EXCEPTION, CANCEL_REQUESTED, WITHDRAWN (a WMS gave units of a pick order up, as we asked), CANCELLED,
    CANCEL_REJECTED, REFUNDED, RETURN_REPORTED, CHANNEL_NOTIFIED, CUSTOMER_NOTIFIED, EFFECT_FAILED, COMPLETED. Of returns: ``RETURN_EVENTS``.

    ``seq`` counts the order's events from 1 without a gap. ``status`` is the order's status after the command that led to it: all
    events of one command carry the status it settled on, so the newest event of an order always says where the order stands.
    ``name``: what people call the order (``#1001``), ``""`` before its channel has shown it. ``occurred_at``: when
    it happened outside (ms), ``lines`` the units it is about, ``complete`` true where nothing of the order is left to do of
    that kind (the PICKED or SHIPPED that completes the order). ``amount`` is in ``currency``, ``cost`` in ``cost_currency``.
    ``decision``: JSON (allocation), else ``""``. Of a return: ``rma_id``, ``rma_kind`` (return, claim, exchange, return_to_sender), ``rma_status`` after
    it, ``returned`` (its units with reason, disposition and money), ``tax`` of ``amount``, ``fees`` taken off before it.
    """

    order_key: str
    seq: int
    channel: str
    account: str
    order_id: str
    status: str
    occurred_at: int
    placed_at: int
    country: str
    lines: list[EventLine]
    complete: bool
    allocation_id: str
    shipment_id: str
    depot: str
    service: str
    carrier: str
    tracking_number: str
    ship_by: int | None
    eta: int | None
    amount: int
    cost: int
    currency: str
    group_id: str
    reason: str
    actor: str
    intervention: bool
    rule_version: str
    decision: str
    cost_currency: str = ""
    name: str = ""
    rma_id: str = ""
    rma_kind: str = ""
    rma_status: str = ""
    returned: list[ReturnedLine] = []
    tax: int = 0
    fees: int = 0


class PoolEvent(Record, frozen=True):
    """One thing that happened to a pool's stock.

    ``type``: STOCK_COUNTED, STOCK_RECEIVED, STOCK_CORRECTED, RESTOCKED, RESERVED, UNRESERVED, PICKED, SHIPPED, SHORT_PICKED,
    BACKORDERED, BACKORDER_CANCELLED, REPLENISHED, UNFILLABLE, HELD (a rule keeps an order from being decided on), DUPLICATE,
    BUNDLED, WAVE_RELEASED. ``moves`` are the stock moves it made: none for the types that move nothing.
    """

    pool: str
    seq: int
    order_key: str
    allocation_id: str
    depot: str
    moves: list[StockMove]
    rule_version: str
    reason: str
    reference: str
    decision: str
