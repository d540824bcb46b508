"""What may move a return: requests, decisions, scans, receipts, inspections, and what a person makes of an exception.

They go to the order's input topic, under the order's key. An RMA's id is ``order_key/rN`` (``keys.rma_id``), so a label, a WMS or a
carrier that holds it names the order with it. What a WMS reports is cumulative per receipt: told again it changes nothing.
A parcel that names no order we know goes under the key ``returns:WMS:PARCEL`` (``keys.parcel_key``) and waits there for a person.
"""

from __future__ import annotations

from .channel_fact import ChannelFact
from .record import Record
from .values import ExchangeLine, InspectedLine, LineQty, PaymentPart, ReturnLine

__all__ = [
    "ACTIONS",
    "DECISIONS",
    "DISPOSITIONS",
    "KINDS",
    "SCANS",
    "ReturnDecided",
    "ReturnInspected",
    "ReturnReceived",
    "ReturnRequested",
    "ReturnResolved",
    "ReturnTracked",
]

KINDS = ("return", "claim", "exchange")
"""``claim``: no goods come back. ``exchange``: other goods go out for them."""

DECISIONS = ("approve", "decline", "cancel")

SCANS = ("LABELLED", "IN_TRANSIT", "OUT_FOR_DELIVERY", "DELIVERED", "EXCEPTION", "LOST")

DISPOSITIONS = ("RESTOCK", "B_GRADE", "WRITE_OFF", "MISSING", "WRONG_ITEM")
"""What an inspection may find of a unit. MISSING: announced, not in the parcel. WRONG_ITEM: something else lay there."""

ACTIONS = ("assign", "accept", "inspect", "credit", "refuse", "retry", "refunded", "exchange_cancelled")
"""What may be done about an exception: see ``ReturnResolved``."""


class ReturnRequested(ChannelFact, frozen=True):
    """Somebody wants to return units (``kind``: ``KINDS``). ``via``: channel, api, operator.

    ``return_id``: the channel's own id of it, if it has one. ``lines``: units by order line (or by SKU where the line is not known)
    with the reason's code. ``exchange``: what is to go out instead. ``label_payer``: customer, merchant, or ``""``: by the rules.
    The policy decides at once: approved, declined with its reasons, or left to a person. ``amount``: of a claim, what is asked for
    in minor units of the order's currency; None: what was paid for the units.
    """

    kind: str
    via: str
    return_id: str
    lines: list[ReturnLine]
    exchange: list[ExchangeLine]
    label_payer: str
    actor: str
    amount: int | None = None


class ReturnDecided(ChannelFact, frozen=True):
    """A person or the channel decides on an RMA: ``DECISIONS``. It overrules the policy, but not the number of units bought.

    ``lines``: approve only these units; none: all that were asked for. ``amount``: of a claim, what to credit (minor units); None: as asked.
    """

    rma_id: str
    decision: str
    reason: str
    actor: str
    lines: list[LineQty]
    amount: int | None = None


class ReturnTracked(Record, frozen=True):
    """The label or a carrier's scan of a return parcel. ``status``: ``SCANS``; LABELLED: the label exists and was sent.

    No ``rma_id``: the tracking number names it. ``cost`` (of LABELLED): what the label costs, minor units of ``cost_currency``.
    ``label_ref``: where the label lies.
    """

    order_key: str
    idempotency_key: str
    rma_id: str
    status: str
    carrier: str
    tracking_number: str
    tracking_url: str
    detail: str
    occurred_at: int
    cost: int = 0
    cost_currency: str = ""
    label_ref: str = ""


class ReturnReceived(Record, frozen=True):
    """A WMS received goods at the returns dock. ``lines`` are cumulative within ``receipt_id`` (its number of this receipt).

    ``wms``: the connection; ``depot``: where. ``rma_id``: ours, the channel's, or ``""``; then the tracking number or the only open RMA
    decides, else it is an exception. A line may name a SKU only; one that nobody announced is an exception too.
    """

    order_key: str
    idempotency_key: str
    wms: str
    depot: str
    receipt_id: str
    rma_id: str
    tracking_number: str
    lines: list[LineQty]
    occurred_at: int
    detail: str = ""


class ReturnInspected(Record, frozen=True):
    """A WMS or a person looked at the units. ``lines``: units by disposition (``DISPOSITIONS``), cumulative within ``receipt_id``.

    Inspected units are received, whether that was told or not. Only this gives credit and moves stock, each unit once.
    """

    order_key: str
    idempotency_key: str
    wms: str
    depot: str
    receipt_id: str
    rma_id: str
    tracking_number: str
    lines: list[InspectedLine]
    occurred_at: int
    actor: str = ""


class ReturnResolved(ChannelFact, frozen=True):
    """What a person makes of an exception (``exception_id``; ``""``: every open one of the RMA, or the parcel itself).

    ``assign``: the parcel belongs to ``to_order`` (and ``rma_id``), which gets its receipt; ``accept``: an order's parcel without an RMA
    gets one; ``inspect``: goods that no order is known for go to stock by ``lines``, nobody is credited; ``credit``: the units are
    credited though (missing in transit, wrong item sent by us); ``refuse``: they are not, the exception closes; ``retry``: send a
    failed credit again (same id); ``refunded``: it was paid by hand, ``reference`` says how; of both ``amount`` is a part of it (0: all). ``exchange_cancelled``
    comes from an exchange's order: ``lines`` of it will not go out, ``amount`` is to be credited, back to ``payments``.
    """

    rma_id: str
    exception_id: str
    action: str
    to_order: str
    lines: list[InspectedLine]
    reference: str
    reason: str
    actor: str
    amount: int = 0
    payments: list[PaymentPart] = []
