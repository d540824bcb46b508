"""Everything that may change an order or a pool: the records of ``wharf.orders.in`` and ``wharf.pools.in``.

What a channel reports carries three marks: ``idempotency_key`` names the fact itself (the same from webhook and poll),
``delivery_id`` the channel's own id of this delivery (``""`` for a poll), ``content_hash`` what it says. The same key and hash
is a duplicate; the same ``delivery_id`` with another hash is a conflict and goes to the DLQ.
"""

from __future__ import annotations

from .channel_fact import ChannelFact
from .record import Record
from .return_commands import (
    ReturnDecided,
    ReturnInspected,
    ReturnReceived,
    ReturnRequested,
    ReturnResolved,
    ReturnTracked,
)
from .values import (
    AllocationPlan,
    CreditLine,
    DemandLine,
    LineQty,
    Order,
    ParcelPart,
    PaymentPart,
    RefundLine,
    RefundTransaction,
    ReturnLine,
    RuleHit,
    WmsLine,
)

__all__ = [
    "AllocationDecided",
    "AllocationKept",
    "AllocationProgressed",
    "AllocationReleased",
    "AllocationRequested",
    "BackorderCancelled",
    "ChannelFact",
    "EffectOutcome",
    "ExchangeCredited",
    "FulfilmentReported",
    "HoldChanged",
    "OrderCancelled",
    "OrderCommand",
    "OrderEdited",
    "OrderUpserted",
    "PaymentChanged",
    "PoolCommand",
    "RefundReported",
    "RerouteRequested",
    "ReturnDecided",
    "ReturnInspected",
    "ReturnReceived",
    "ReturnReported",
    "ReturnRequested",
    "ReturnResolved",
    "ReturnTracked",
    "RulesPublished",
    "ShipmentTracked",
    "StockReported",
    "Tick",
    "UnallocationAsked",
    "WaveReleased",
    "WmsReported",
]


class OrderUpserted(ChannelFact, frozen=True):
    """The channel shows an order as it now stands: new, or changed."""

    order: Order


class OrderCancelled(ChannelFact, frozen=True):
    """The channel, its customer or the merchant wants units cancelled; no lines means all. May come before the order itself.

    ``confirm``: the channel waits for our word (Bol's cancellation request) or doesn't know yet (the merchant cancels): a
    ChannelCancel follows for the units that end cancelled.
    """

    version: int
    reason: str
    lines: list[LineQty]
    confirm: bool = False


class OrderEdited(ChannelFact, frozen=True):
    """An edit told as differences (Shopify ``orders/edited``); a snapshot with the whole order follows."""

    version: int
    additions: list[LineQty]
    removals: list[LineQty]


class PaymentChanged(ChannelFact, frozen=True):
    """A payment transaction. ``kind``: authorization, capture, sale, refund, void; ``status``: success, failure, pending.

    ``transfer``: our own kind, between the orders of one family: ``amount`` of the payment ``payment_id`` is this order's now (below 0: no
    longer). ``payment_id`` of others: the transaction that this one belongs to (a refund's sale), where the channel says it.
    """

    transaction_id: str
    kind: str
    status: str
    amount: int
    currency: str
    payment_id: str = ""
    gateway: str = ""


class RefundReported(ChannelFact, frozen=True):
    """Money the channel itself gave back. ``amount``: what has arrived, minor units of ``currency``; ``transactions``: how each part of it stands."""

    refund_id: str
    amount: int
    currency: str
    lines: list[RefundLine]
    transactions: list[RefundTransaction] = []


class FulfilmentReported(ChannelFact, frozen=True):
    """A fulfilment the channel knows of: the echo of ours, or one made outside Wharfinger."""

    fulfilment_id: str
    status: str
    lines: list[LineQty]
    carrier: str
    tracking_number: str
    tracking_url: str


class ReturnReported(ChannelFact, frozen=True):
    """A return at the channel. ``status``: requested, approved, declined, cancelled, received, handled, closed."""

    return_id: str
    rma_id: str
    status: str
    lines: list[ReturnLine]
    carrier: str
    tracking_number: str


class HoldChanged(ChannelFact, frozen=True):
    """A hold placed or released by hand or by the channel. ``action``: place, release."""

    hold: str
    action: str
    reason: str
    actor: str


class ExchangeCredited(ChannelFact, frozen=True):
    """An exchange's order tells the order that the channel knows of a credit: the channel's refund of it will be told there.

    ``from_order``: who credits; ``rma_id``: its return; ``status``: PENDING, PAID, MANUAL (a person must see to it), REFUSED (by a person). ``lines``:
    units of the channel's own lines; ``reference``: the refund's id, once the channel has answered. ``amount`` in minor units.
    """

    from_order: str
    rma_id: str
    credit_id: str
    status: str
    amount: int
    lines: list[CreditLine]
    payments: list[PaymentPart]
    reference: str
    sent: bool = False


class RerouteRequested(ChannelFact, frozen=True):
    """A person wants what has not left sent from elsewhere: of ``depot`` (``""``: of every one), without the depots that had it.

    ``anew``: judged anew with every depot, also those that failed; what waits for stock or could not be had is asked for anew too.
    """

    depot: str
    anew: bool
    reason: str
    actor: str


class EffectOutcome(Record, frozen=True):
    """What became of an outbound intent. ``reference``: the receiver's own id of it; ``error``: why not."""

    order_key: str
    effect_id: str
    kind: str
    target: str
    ok: bool
    attempts: int
    reference: str
    error: str
    allocation_id: str


class AllocationDecided(Record, frozen=True):
    """A pool's answer to a request, or to a backorder that stock came in for (same ``request_no``).

    ``decision``: JSON, the candidates and why each was taken or refused. ``held``: units that were not decided on, because of
    the rules in ``hits``; they are asked for anew when the order may go on.
    """

    order_key: str
    pool: str
    request_no: int
    rule_version: str
    allocations: list[AllocationPlan]
    backordered: list[LineQty]
    unfillable: list[LineQty]
    reason: str
    decision: str
    held: list[LineQty] = []
    hits: list[RuleHit] = []


class AllocationProgressed(Record, frozen=True):
    """What a WMS did with an allocation, after the pool has moved its stock. Line figures are cumulative.

    ``status``: ACCEPTED, PICKING, PICKED, PACKED, SHIPPED, SHORT_PICKED, REJECTED, CANCELLED, CANCEL_REJECTED.
    """

    order_key: str
    pool: str
    allocation_id: str
    depot: str
    status: str
    lines: list[WmsLine]
    shipment_id: str
    carrier: str
    tracking_number: str
    tracking_url: str
    cost: int
    cost_currency: str
    reason: str
    occurred_at: int


class UnallocationAsked(Record, frozen=True):
    """A pool wants units of an allocation back: a count found fewer than are reserved. Answered by AllocationReleased for what no
    WMS has yet, by AllocationKept for what one has.
    """

    order_key: str
    pool: str
    allocation_id: str
    depot: str
    lines: list[LineQty]
    reason: str


class ShipmentTracked(Record, frozen=True):
    """A carrier's scan. ``status``: IN_TRANSIT, OUT_FOR_DELIVERY, DELIVERED, EXCEPTION, LOST, RETURN_TO_SENDER."""

    order_key: str
    idempotency_key: str
    allocation_id: str
    shipment_id: str
    status: str
    carrier: str
    tracking_number: str
    detail: str
    occurred_at: int


class WaveReleased(Record, frozen=True):
    """The wave an allocation waited in is released: it may go to its warehouse now.

    ``group_id`` joins the ``group_size`` allocations that leave as one parcel (``""`` and 1: it leaves alone). ``cost``: its share of
    what the parcel is expected to cost, ``alone`` what its own would; minor units of ``cost_currency``.
    """

    order_key: str
    pool: str
    allocation_id: str
    wave: str
    group_id: str
    group_size: int
    cost: int
    alone: int
    cost_currency: str


class RulesPublished(Record, frozen=True):
    """A version of the rules, written to every partition at once. ``body``: the rule set as JSON (``domain.rules.ruleset.RuleSet``).

    ``effective_from`` (UTC ms): when they come into force; up to ``time``: at once. No ``body``: the version is withdrawn before
    it came into force.
    """

    name: str
    version: str
    body: str
    effective_from: int = 0


class Tick(Record, frozen=True):
    """The time, written by the worker that owns the partition: ``time`` is now."""


class AllocationRequested(Record, frozen=True):
    """An order wants units from a pool. The units of a request number are asked for once.

    ``waivers``: rules that held this order before and were released. ``exchange``: for returned goods, so no purchase for the fraud rules.
    """

    pool: str
    order_key: str
    request_no: int
    placed_at: int
    channel: str
    lines: list[DemandLine]
    country: str
    postcode: str
    service_level: str
    customer_key: str
    address_hash: str
    tags: list[str]
    value: int
    currency: str
    latest_delivery: int | None
    excluded_depots: list[str]
    replaces_id: str
    billing_country: str = ""
    risk: str = ""
    waivers: list[str] = []
    exchange: bool = False


class AllocationReleased(Record, frozen=True):
    """Units of an allocation that the order no longer wants and that no WMS has been told of."""

    pool: str
    order_key: str
    allocation_id: str
    lines: list[LineQty]
    reason: str


class AllocationKept(Record, frozen=True):
    """Units that a pool asked back and the order can't give: a WMS has them, and only its word brings them back."""

    pool: str
    order_key: str
    allocation_id: str
    lines: list[LineQty]


class BackorderCancelled(Record, frozen=True):
    """Backordered units that the order no longer wants."""

    pool: str
    order_key: str
    request_no: int
    lines: list[LineQty]


class StockReported(Record, frozen=True):
    """Stock as a WMS or the ERP tells it. ``kind``: COUNT (on hand is ``qty``), RECEIPT or RESTOCK (+ ``qty``), CORRECTION (± ``qty``)."""

    pool: str
    idempotency_key: str
    kind: str
    depot: str
    sku: str
    quality: str
    qty: int
    reference: str


class WmsReported(Record, frozen=True):
    """A WMS's word on a pick order, as its webhook or status poll gives it; see ``AllocationProgressed``.

    ``cost`` is that of the whole parcel; ``parcel`` says what is in it where it carries more than this allocation.
    """

    pool: str
    order_key: str
    idempotency_key: str
    allocation_id: str
    status: str
    lines: list[WmsLine]
    shipment_id: str
    carrier: str
    tracking_number: str
    tracking_url: str
    cost: int
    cost_currency: str
    reason: str
    occurred_at: int
    parcel: list[ParcelPart] = []


OrderCommand = (
    OrderUpserted
    | OrderCancelled
    | OrderEdited
    | PaymentChanged
    | RefundReported
    | FulfilmentReported
    | ReturnReported
    | ReturnRequested
    | ReturnDecided
    | ReturnTracked
    | ReturnReceived
    | ReturnInspected
    | ReturnResolved
    | HoldChanged
    | RerouteRequested
    | ExchangeCredited
    | EffectOutcome
    | AllocationDecided
    | AllocationProgressed
    | UnallocationAsked
    | ShipmentTracked
    | WaveReleased
    | RulesPublished
    | Tick
)
"""What ``wharf.orders.in`` carries."""

PoolCommand = (
    AllocationRequested
    | AllocationReleased
    | AllocationKept
    | BackorderCancelled
    | StockReported
    | WmsReported
    | RulesPublished
    | Tick
)
"""What ``wharf.pools.in`` carries."""
