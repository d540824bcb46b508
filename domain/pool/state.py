"""What a pool remembers: small records under keys of their own, so that a command loads and writes only what it touches.

Fields are stored by position (``array_like``): new ones go to the end, with a default. Nothing here grows with the number of open
orders or SKUs: what does (backorder queues, timers) is an ordered index of small nodes (``pool_index``).
"""

from __future__ import annotations

import msgspec

from domain.records.values import DemandLine

__all__ = [
    "B_GRADE",
    "KINDS",
    "NEW",
    "AllocLine",
    "Capacity",
    "Customer",
    "CustomerOrder",
    "Fact",
    "GroupMember",
    "IndexNode",
    "Meta",
    "PoolAllocation",
    "PoolOrder",
    "PoolRequest",
    "RequestJudged",
    "SkuQueue",
    "SkuStock",
    "StockRow",
    "WaitingLine",
    "WaveGroup",
]

NEW = "new"
"""The quality that orders are served from; others are counted but never promised, unless the rules sell B-grade under a SKU of its own."""

B_GRADE = "b_grade"


class _Kept(msgspec.Struct, array_like=True):
    pass


class Meta(_Kept):
    """The pool itself (id ``""``). ``seq`` counts its events, ``sent`` its commands to orders.

    ``rules``: the version its queues were built by; ``sweep``: how far the rebuild after a change of rules has come (the last
    request looked at), ``None`` when there is none; ``sweeping``: the version it builds for.
    """

    pool: str
    seq: int = 0
    sent: int = 0
    rules: str = ""
    sweep: str | None = None
    sweeping: str = ""


class StockRow(_Kept):
    """Stock of a SKU at a depot. ``deficit``: reserved units that a count did not find; ``on_hand`` is booked that much too
    high so that it never falls below ``reserved``, and it goes down as those reservations end. ``asked``: units of them that orders
    were asked to give back, not answered yet.
    """

    depot: str
    quality: str
    on_hand: int = 0
    reserved: int = 0
    deficit: int = 0
    asked: int = 0


class SkuQueue(_Kept):
    """Backorders of a SKU that the same depots (ids joined by ``,``) may serve; ``waiting``: units by rank."""

    depots: str
    waiting: dict[int, int]

    def may_use(self, depot: str) -> bool:
        """May a backorder of this queue be served from the depot?"""
        return depot in self.depots.split(",")


class SkuStock(_Kept):
    """A SKU (id): its stock and who waits for it."""

    sku: str
    rows: list[StockRow] = []
    queues: list[SkuQueue] = []


class WaitingLine(_Kept):
    """Units of a request's line that wait for stock."""

    line_id: str
    sku: str
    qty: int
    bundle_id: str = ""


class RequestJudged(_Kept):
    """What conditions look at beyond the request itself, and what they said: the routing ``variant``, depots ``barred``,
    ``whole``: it must not be split. ``waived``: rules that are not to hold it.
    """

    postcode: str = ""
    billing_country: str = ""
    risk: str = ""
    waived: list[str] = []
    variant: str = ""
    barred: list[str] = []
    whole: bool = False


class CustomerOrder(_Kept):
    """An order of a customer: its key, when it was placed (UTC ms), its total in minor units."""

    key: str
    placed_at: int
    amount: int
    currency: str


class Customer(_Kept):
    """A customer's orders (id: customer key) of the last 30 days that asked for stock, the newest last; see ``pool_fraud``."""

    orders: list[CustomerOrder] = []


class PoolRequest(_Kept):
    """A request of which units wait. ``queue``: the depots (joined) under which it is queued, ``None`` before it is;
    ``arrived``: the pool's event count then. ``parked``: the rule by which it waits outside all queues.
    """

    no: int
    rank: int
    class_name: str
    placed_at: int
    lines: list[WaitingLine]
    channel: str
    country: str
    service: str
    tags: list[str]
    value: int
    currency: str
    latest_delivery: int | None
    excluded: list[str]
    replaces_id: str
    trace: str
    queue: str | None = None
    expires: int = 0
    arrived: int = 0
    judged: RequestJudged | None = None
    postcode: str = ""
    customer_key: str = ""
    address_hash: str = ""
    parked: str = ""

    def demand(self) -> list[DemandLine]:
        """What waits, as a demand."""
        return [DemandLine(line.line_id, line.sku, line.qty, line.bundle_id) for line in self.lines]


class AllocLine(_Kept):
    """A line of an allocation, cumulative. ``picked`` … ``cancelled`` as the WMS told them, ``released`` by the order before a
    WMS knew; ``late``: units shipped although they had been given up before, so they count twice in the others;
    ``asked``: live units that the order was asked to give back, not answered yet.
    """

    line_id: str
    sku: str
    qty: int
    picked: int = 0
    shipped: int = 0
    short: int = 0
    cancelled: int = 0
    reason: str = ""
    released: int = 0
    late: int = 0
    asked: int = 0

    @property
    def live(self) -> int:
        """Count the units that are still reserved."""
        return self.qty + self.late - self.released - self.shipped - self.short - self.cancelled


class PoolAllocation(_Kept):
    """One depot's part of an order. ``day``: its ship day (capacity). ``waits_in``: the wave group it waits in; ``mates``: the
    allocations of its parcel, itself included, where it was bundled. Then the WMS's latest word.

    Until a WMS begins with it: ``rank`` (-1 afterwards) and ``placed_at``, by which it can be asked back (``pool_shortage``), ``whole``
    where only as a whole. ``wms``: the depot's connection then, as its rule said (``""``: of the depot's own name).
    """

    id: str
    depot: str
    day: str
    lines: list[AllocLine]
    trace: str
    status: str = "ALLOCATED"
    shipment: list[str] = []
    seen_at: int = 0
    cancel_rejected_at: int = -1
    waits_in: str = ""
    mates: list[str] = []
    rank: int = -1
    placed_at: int = 0
    whole: bool = False
    wms: str = ""


class PoolOrder(_Kept):
    """What a pool knows of an order (id: order key). ``next``: number of its next allocation; ``done``: requests answered in
    full; ``forget``: when its record may go (0: not closed).
    """

    key: str
    next: int = 1
    done: list[int] = []
    requests: list[PoolRequest] = []
    allocations: list[PoolAllocation] = []
    forget: int = 0


class Capacity(_Kept):
    """Parcels promised by a depot (id) per ship day (ISO date)."""

    days: dict[str, int] = {}


class Fact(_Kept):
    """A stock report that was applied (id: its idempotency key), and what it said."""

    content: str


class GroupMember(_Kept):
    """An allocation that waits for a wave; ``cost``: what it would cost alone, minor units."""

    order_key: str
    allocation_id: str
    cost: int


class WaveGroup(_Kept):
    """Allocations that may leave as one parcel (id: ``bundling.group_key`` and a number), and when they do: ``due``, UTC ms."""

    wave: str
    depot: str
    due: int
    currency: str
    members: list[GroupMember] = []


class IndexNode(_Kept):
    """A node of an ordered index: a leaf has ``values``, an inner node ``children`` (``keys``: the smallest key below each)."""

    keys: list[str] = []
    values: list[int] = []
    children: list[str] = []
    serial: int = 0


KINDS: dict[type[msgspec.Struct], str] = {
    Meta: "m",
    SkuStock: "s",
    PoolOrder: "o",
    Capacity: "c",
    Fact: "f",
    IndexNode: "i",
    Customer: "u",
    WaveGroup: "w",
}
"""The kinds a view stores, each with the short name that table keys use; a name is never given to another kind."""
