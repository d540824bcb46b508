"""What a scenario file may say (docs/scenarios.md). The JSON Schema for editors and the check of a file both come from these types.

Money is in minor units (cents), as everywhere. Quantities are units. Times are text (``lab/scenarios/times.py``).
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from domain.rules.ruleset import HOLDS

from .form_expect import Expect
from .form_returns import ChannelReturnForm, Decide, Dock, Inspect, RequestReturn, Resolve, ReturnScan

__all__ = [
    "AddressForm",
    "Cancel",
    "Carrier",
    "Change",
    "Edit",
    "Fulfilment",
    "Hold",
    "LineForm",
    "OrderForm",
    "Payment",
    "Refund",
    "Reroute",
    "Scenario",
    "Step",
    "Stock",
    "Warehouse",
    "WarehouseSays",
    "WmsUnits",
]

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
OrderId = Annotated[str, Meta(description="The order's id at its channel, or its whole key channel:account:id")]
When = Annotated[
    str, Meta(description='"10:30", "2026-11-23 10:30", "2026-11-23T09:30Z", or "+45m" after the step before')
]
Lasting = Annotated[str, Meta(description='"45m", "1h30m", "2d"')]
LineUnits = Annotated[dict[str, Positive], Meta(description="Units by line; none: all")]


def _one_of(*values: str) -> Meta:
    return Meta(extra_json_schema={"enum": list(values)})


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class LineForm(_Form, frozen=True):
    """A line. ``line`` is its id, by default the SKU (``SKU#2`` for its second line). ``set`` joins the parts of a set."""

    sku: str
    qty: Positive = 1
    line: str = ""
    price: Count = 1000
    discount: Count = 0
    tax: Count = 0
    set: str = ""
    cancelled: Count = 0
    shipped: Count = 0
    requires_shipping: bool = True


class AddressForm(_Form, frozen=True):
    """Where it goes; what is left out is an address in Amsterdam."""

    name: str = "Anna de Vries"
    street: str = "Prinsengracht 1"
    postcode: str = "1015 DK"
    city: str = "Amsterdam"
    country: str = "NL"


class _Told(_Form, frozen=True):
    """How a channel tells: ``event_id``, the channel's id of this delivery (by default a new one); a poll has none."""

    order: OrderId
    via: Annotated[str, _one_of("webhook", "poll")] = "webhook"
    event_id: str = ""


class OrderForm(_Told, frozen=True, kw_only=True):
    """An order as its channel shows it: new, or its newest state as a whole. ``updated_at``: by default the step's time."""

    lines: list[LineForm]
    address: AddressForm = AddressForm()
    customer: str = "anna@example.org"
    phone: str = ""
    language: str = ""
    billing_country: str = ""
    service: str = "standard"
    payment: str = "paid"
    tags: list[str] = []
    total: Count | None = None
    currency: str = "EUR"
    risk: str = ""
    problems: list[str] = []
    placed_at: When = ""
    updated_at: When = ""
    deliver_by: When = ""
    test: bool = False
    fulfilled_by: Annotated[str, _one_of("merchant", "channel")] = "merchant"
    tax_included: bool = True
    shipping: Count = 0
    shipping_tax: Count = 0
    discount: Count = 0
    payments: dict[str, Count] = {}


class Change(_Told, frozen=True, kw_only=True):
    """The order's newest state, told by what is different now; the rest is as the channel showed it last."""

    lines: list[LineForm] | None = None
    address: AddressForm | None = None
    service: str | None = None
    payment: str | None = None
    tags: list[str] | None = None
    total: Count | None = None
    risk: str | None = None
    problems: list[str] | None = None
    updated_at: When = ""


class Cancel(_Told, frozen=True, kw_only=True):
    """A cancellation. ``confirm``: the channel is to be told what came of it (a request, or the merchant's own)."""

    lines: LineUnits = {}
    reason: str = "customer"
    confirm: bool = False


class Payment(_Told, frozen=True, kw_only=True):
    """A payment transaction; ``amount`` by default the order's total."""

    kind: Annotated[str, _one_of("authorization", "capture", "sale", "refund", "void")] = "sale"
    status: Annotated[str, _one_of("success", "failure", "pending")] = "success"
    amount: Count | None = None
    id: str = "t1"


class Refund(_Told, frozen=True, kw_only=True):
    """Money the channel gave back; ``restock: cancel`` says that the units are cancelled with it; ``amounts``: by line."""

    amount: Count
    lines: LineUnits = {}
    restock: Annotated[str, _one_of("no_restock", "cancel", "return", "")] = ""
    id: str = "r1"
    amounts: dict[str, Count] = {}


class Fulfilment(_Told, frozen=True, kw_only=True):
    """A fulfilment the channel knows of: the echo of ours, or one made outside Wharfinger."""

    lines: LineUnits
    status: str = "success"
    tracking: str = ""
    id: str = "f1"


class Hold(_Told, frozen=True, kw_only=True):
    """A hold placed or released by hand, or by the channel: then ``by`` is ``shopify:shop``."""

    hold: Annotated[str, _one_of(*HOLDS)] = "MANUAL"
    reason: str = ""
    by: str = "operator"


class Edit(_Told, frozen=True, kw_only=True):
    """An edit told as differences, as Shopify's ``orders/edited`` is; the order's whole state follows."""

    added: LineUnits = {}
    removed: LineUnits = {}


class Reroute(_Told, frozen=True, kw_only=True):
    """By hand: what has not left is to come from elsewhere. ``depot``: only what it has; ``anew``: judged anew with every depot."""

    depot: str = ""
    anew: bool = False
    reason: str = ""
    by: str = "operator"


class WmsUnits(_Form, frozen=True):
    """What the warehouse says of a line, cumulative since the pick order came."""

    picked: Count = 0
    shipped: Count = 0
    short: Count = 0
    cancelled: Count = 0
    reason: str = ""


_WMS = (
    "ACCEPTED",
    "PICKING",
    "PICKED",
    "PACKED",
    "SHIPPED",
    "SHORT_PICKED",
    "REJECTED",
    "CANCELLED",
    "CANCEL_REJECTED",
)
_SCANS = ("IN_TRANSIT", "OUT_FOR_DELIVERY", "DELIVERED", "EXCEPTION", "LOST", "RETURN_TO_SENDER")


class WarehouseSays(_Form, frozen=True, kw_only=True):
    """A warehouse's report on a pick order. ``allocation``: its number, or ``depot``; neither: the order's newest open one.

    No ``lines``: all its units. ``tracking`` also names the parcel, unless ``parcel`` does.
    """

    order: OrderId
    status: Annotated[str, _one_of(*_WMS)]
    allocation: Count = 0
    depot: str = ""
    lines: dict[str, WmsUnits] = {}
    reason: str = ""
    parcel: str = ""
    tracking: str = ""
    cost: Count = 0
    happened_at: When = ""


class Carrier(_Form, frozen=True, kw_only=True):
    """A carrier's scan. ``parcel`` as in the warehouse's report (by default the allocation's only one)."""

    order: OrderId
    status: Annotated[str, _one_of(*_SCANS)]
    allocation: Count = 0
    depot: str = ""
    parcel: str = ""
    detail: str = ""
    happened_at: When = ""


class Stock(_Form, frozen=True):
    """Stock as a WMS or the ERP tells it. ``count``: so many there are; ``receipt``, ``restock``: + qty; ``correction``: ± qty."""

    depot: str
    sku: str
    qty: int
    kind: Annotated[str, _one_of("count", "receipt", "restock", "correction")] = "receipt"
    quality: str = "new"
    id: str = ""


class Warehouse(_Form, frozen=True):
    """What a warehouse does by itself. ``takes``: it accepts pick orders (and says no more), rejects them, or can't be reached.

    ``cancels``: its answer to a recall. ``ships_after``, ``delivers_after``: it picks and ships, and the carrier delivers, that
    long after it took the pick order (after it shipped).
    """

    takes: Annotated[str, _one_of("accept", "reject", "unreachable")] = "accept"
    rejects_because: str = "other"
    cancels: Annotated[str, _one_of("wait", "accept", "refuse")] = "wait"
    ships_after: Lasting = ""
    delivers_after: Lasting = ""


class Step(_Form, frozen=True):
    """One thing that happens (or only ``at`` and ``expect``). ``times``: the same record comes so often."""

    at: When = ""
    note: str = ""
    times: Positive = 1
    order: OrderForm | None = None
    change: Change | None = None
    cancel: Cancel | None = None
    payment: Payment | None = None
    refund: Refund | None = None
    fulfilment: Fulfilment | None = None
    edit: Edit | None = None
    hold: Hold | None = None
    release: Hold | None = None
    reroute: Reroute | None = None
    warehouse: WarehouseSays | None = None
    carrier: Carrier | None = None
    stock: Stock | None = None
    request_return: RequestReturn | None = None
    channel_return: ChannelReturnForm | None = None
    decide: Decide | None = None
    return_scan: ReturnScan | None = None
    dock: Dock | None = None
    inspect: Inspect | None = None
    resolve: Resolve | None = None
    rules: dict[str, Any] | None = None
    replay: bool = False
    expect: Expect | None = None


class Scenario(_Form, frozen=True):
    """A scenario. ``refunds``: what becomes of credits at the channel. ``rules`` here, or those of ``rules_file`` (a path from this file). ``limits``: what the product can't do yet."""

    scenario: str
    starts: When
    steps: list[Step]
    about: str = ""
    limits: str = ""
    timezone: Annotated[str, Meta(extra_json_schema={"format": "timezone"})] = "Europe/Amsterdam"
    channel: str = "shopify"
    account: str = "shop"
    rules: dict[str, Any] = {}
    rules_file: str = ""
    stock: dict[str, dict[str, Count]] = {}
    warehouses: dict[str, Warehouse] = {}
    refunds: Annotated[str, _one_of("paid", "refused")] = "paid"
    expect: Expect | None = None
