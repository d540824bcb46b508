"""What is kept of an order between two commands: facts as the channel told them, and what we did with each unit.

The structs are arrays on the wire (short, quick); a new field goes to the END of its struct with a default, so that a table written
by an older version still reads. Handlers change a copy (``clone``): Line, Request, Allocation and Shipment may be changed in place
there, every list and dict is replaced, never changed.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from domain.records.values import LineQty

from .notifications import Notices
from .reported import (
    Cancel,
    CancelRefund,
    FamilyCredit,
    Fulfilment,
    Header,
    Hold,
    Judged,
    PaymentFact,
    RefundFact,
    Scan,
)
from .returns import Book

__all__ = [
    "AllocLine",
    "Allocation",
    "Line",
    "OrderState",
    "Request",
    "RequestLine",
    "Shipment",
    "clone",
]

T = TypeVar("T", bound=msgspec.Struct)


class Line(msgspec.Struct, array_like=True):
    """One line and where its units are: ``ordered = open + requested + backordered + allocated + picked + shipped + cancelled``.

    What the channel says: ``wanted`` (units of the newest snapshot), ``shown_cancelled``, ``shown_outside`` (units it says are
    shipped beyond ours). What we gave up: ``dropped``, the level that ``cancelled`` must reach. ``cancel_wanted``: all
    of these together (``order_wants``). Parts of a counter:
    ``unfillable`` of ``open`` (no depot can; not asked again by itself), ``outside`` of ``shipped`` (not shipped by us),
    ``delivered`` of ``shipped``. Of returns: ``returned`` (in one), ``received`` back, ``credited``. ``excluded``: depots that failed
    these units; ``replaces``: the allocation that failed last. ``surplus``: units a WMS shipped that it had given up before.
    """

    line_id: str
    sku: str
    title: str = ""
    variant_id: str = ""
    bundle_id: str = ""
    unit_price: int = 0
    discount: int = 0
    tax: int = 0
    requires_shipping: bool = True
    wanted: int = 0
    shown_cancelled: int = 0
    shown_outside: int = 0
    dropped: int = 0
    ordered: int = 0
    open: int = 0
    requested: int = 0
    backordered: int = 0
    allocated: int = 0
    picked: int = 0
    shipped: int = 0
    cancelled: int = 0
    unfillable: int = 0
    outside: int = 0
    delivered: int = 0
    surplus: int = 0
    returned: int = 0
    received: int = 0
    credited: int = 0
    excluded: list[str] = []
    replaces: str = ""
    cancel_wanted: int = 0

    def take_open(self, n: int) -> None:
        """Take ``n`` units out of ``open``; the unfillable ones go last."""
        self.open -= n
        self.unfillable = min(self.unfillable, self.open)


class RequestLine(msgspec.Struct, array_like=True):
    """``pending``: units the pool has not answered; ``wanted``: those of them the order still wants; ``backordered``: wanted ones."""

    line_id: str
    sku: str
    pending: int
    wanted: int
    backordered: int = 0


class Request(msgspec.Struct, array_like=True):
    """A request to a pool that still has unanswered or backordered units; a finished one is forgotten."""

    no: int
    pool: str
    lines: list[RequestLine]


class AllocLine(msgspec.Struct, array_like=True):
    """Units of a line in an allocation. ``picked``, ``shipped``, ``short``, ``cancelled`` as the WMS told them, cumulative.

    ``released``: given back to the pool before any WMS knew; ``asked``: units we asked the WMS to give up, not answered yet;
    ``told``: picked units that an event spoke of.
    """

    line_id: str
    sku: str
    qty: int
    released: int = 0
    picked: int = 0
    shipped: int = 0
    short: int = 0
    cancelled: int = 0
    asked: int = 0
    told: int = 0

    @property
    def live(self) -> int:
        """Units that are still this allocation's business."""
        return self.qty - self.released - self.short - self.cancelled

    @property
    def unshipped(self) -> int:
        """Live units that have not left."""
        return self.live - self.shipped


class Allocation(msgspec.Struct, array_like=True):
    """One depot's part of the order.

    ``status``: ALLOCATED, FAILED (the pick order could not be delivered), SUBMITTED, ACCEPTED, PICKING, PICKED, PACKED,
    CLOSED. ``sent``: a pick order went out; ``refused``: the WMS will not cancel; ``recall``: the units must come back
    (address or article changed); ``target``: the WMS connection; ``reference``: the WMS's own number;
    ``heard``: it reported on it, so it has it; ``waits``: for its wave (bundling), so no pick order goes out; ``group_size``: how
    many allocations leave with it as one parcel, by the wave's release (0: it was in none); ``counted``: its WMS was asked for units
    back because a count had not found them.
    """

    id: str
    request_no: int
    pool: str
    depot: str
    target: str
    lines: list[AllocLine]
    service: str
    carrier: str
    ship_by: int
    eta: int
    cost: int = 0
    cost_currency: str = ""
    group_id: str = ""
    wave: str = ""
    replaces_id: str = ""
    rule_version: str = ""
    status: str = "ALLOCATED"
    sent: bool = False
    refused: bool = False
    recall: bool = False
    effect_id: str = ""
    reference: str = ""
    heard: bool = False
    waits: bool = False
    group_size: int = 0
    counted: bool = False

    @property
    def at_wms(self) -> bool:
        """True where a WMS has, or may have, its pick order: units come back only by the WMS's word."""
        return self.sent and self.status != "FAILED"

    @property
    def failed(self) -> bool:
        """True where units of it wait for a pick order that could not be delivered."""
        return self.status == "FAILED" and any(line.live for line in self.lines)


class Shipment(msgspec.Struct, array_like=True):
    """A parcel. ``status``: SHIPPED, then the carrier's. ``effect_id``: what tells the channel; ``notified``: it knows."""

    id: str
    allocation_id: str
    lines: list[LineQty]
    carrier: str
    tracking_number: str
    tracking_url: str
    shipped_at: int
    cost: int = 0
    cost_currency: str = ""
    status: str = "SHIPPED"
    scanned_at: int = 0
    delivered_at: int = 0
    effect_id: str = ""
    notified: bool = False
    reference: str = ""


class OrderState(msgspec.Struct, array_like=True):
    """An order. No header: facts came before the order itself.

    Counters: ``seq`` events, ``made`` effects and pool commands, ``asked`` requests. Holds: ``holds`` in force,
    ``placed`` by command, ``found`` by the checks (name → why), ``waived`` found ones that were released by hand.
    Facts: ``cancels`` by fact, ``payments`` by transaction, ``refunds``, ``fulfilments`` by the channel's ids, ``book`` its returns,
    ``scans`` without their shipment yet. ``keys``: what was folded (``order_identity``). ``failed``: effects that could not be
    delivered, by id → type. ``refused``: why the merchant's rules refuse the order. ``due``: when a Tick gives up unfillable
    units, UTC ms; 0: never (the returns' own times: ``book``). ``judged``: what the fraud rules made of it. ``notices``: what the customer
    was told and is to be told, None where no rule tells anything. ``paid_back``: what channels were asked to pay back for
    cancelled units, by effect. ``family``: credits of the order's exchanges, by id.
    """

    key: str
    seq: int = 0
    made: int = 0
    asked: int = 0
    header: Header | None = None
    lines: list[Line] = []
    requests: list[Request] = []
    allocations: list[Allocation] = []
    shipments: list[Shipment] = []
    holds: dict[str, Hold] = {}
    placed: dict[str, Hold] = {}
    found: dict[str, str] = {}
    waived: dict[str, str] = {}
    cancels: dict[str, Cancel] = {}
    payments: dict[str, PaymentFact] = {}
    refunds: dict[str, RefundFact] = {}
    fulfilments: dict[str, Fulfilment] = {}
    book: Book | None = None
    scans: list[Scan] = []
    keys: dict[str, str] = {}
    failed: dict[str, str] = {}
    duplicates: int = 0
    stale: int = 0
    refused: str = ""
    due: int = 0
    completed: bool = False
    intervened: bool = False
    judged: Judged = Judged()
    notices: Notices | None = None
    paid_back: dict[str, CancelRefund] = {}
    family: dict[str, FamilyCredit] = {}

    @property
    def wake(self) -> int:
        """When the order wants a Tick, UTC ms; 0: never."""
        book, notices = self.book, self.notices
        times = (self.due, self.judged.recheck, book.due if book else 0, notices.due if notices else 0)
        return min((time for time in times if time), default=0)


_write = msgspec.msgpack.Encoder().encode
_read_book = msgspec.msgpack.Decoder(Book).decode


def clone(order: OrderState) -> OrderState:
    """A copy to change: everything that is changed in place is copied, the rest shared."""
    order_state = _copy(order)
    order_state.lines = [_copy(line) for line in order.lines]
    order_state.requests = [_copy(x) for x in order.requests]
    for request in order_state.requests:
        request.lines = [_copy(line) for line in request.lines]
    order_state.allocations = [_copy(x) for x in order.allocations]
    for allocation in order_state.allocations:
        allocation.lines = [_copy(line) for line in allocation.lines]
    order_state.shipments = [_copy(shipment) for shipment in order.shipments]
    if order.book is not None:
        order_state.book = _read_book(_write(order.book))  # copied whole: few orders have one
    return order_state


def _copy(x: T) -> T:
    return x.__copy__()  # type: ignore[attr-defined, no-any-return]  # msgspec has it, its stubs do not; copy.copy is 5 times slower
