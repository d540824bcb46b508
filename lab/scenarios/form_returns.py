"""What a scenario file may say of returns (docs/scenarios.md). Money is in minor units, quantities are units, as everywhere."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from domain.records.return_commands import ACTIONS, DECISIONS, DISPOSITIONS, KINDS, SCANS

__all__ = ["ChannelReturnForm", "Decide", "Dock", "ExchangeForm", "Inspect", "RequestReturn", "Resolve", "ReturnScan"]

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
OrderId = Annotated[str, Meta(description="The order's id at its channel, or its whole key channel:account:id")]
When = Annotated[
    str, Meta(description='"10:30", "2026-11-23 10:30", "2026-11-23T09:30Z", or "+45m" after the step before')
]


def _one_of(*values: str) -> Meta:
    return Meta(extra_json_schema={"enum": list(values)})


Disposition = Annotated[str, _one_of(*DISPOSITIONS)]


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class ExchangeForm(_Form, frozen=True):
    """What goes out in an exchange."""

    sku: str
    qty: Positive = 1
    price: Count = 1000
    tax: Count = 0


class RequestReturn(_Form, frozen=True, kw_only=True):
    """A return is asked for: ``lines``, units by line or SKU. ``via``: the customer's portal (api), a person, or the channel."""

    order: OrderId
    lines: dict[str, Positive]
    kind: Annotated[str, _one_of(*KINDS)] = "return"
    reason: str = ""
    via: Annotated[str, _one_of("channel", "api", "operator")] = "api"
    exchange: list[ExchangeForm] = []
    label_payer: Annotated[str, _one_of("customer", "merchant", "")] = ""
    amount: Count | None = None


class ChannelReturnForm(_Form, frozen=True, kw_only=True):
    """A return as the channel shows it."""

    order: OrderId
    status: Annotated[str, _one_of("requested", "approved", "declined", "cancelled", "received", "handled", "closed")]
    lines: dict[str, Positive] = {}
    id: str = "R1"
    rma: str = ""
    reason: str = ""


class Decide(_Form, frozen=True, kw_only=True):
    """A person decides on a return. ``rma``: its number in the order, 0: the newest; ``lines``: approve only these units."""

    order: OrderId
    decision: Annotated[str, _one_of(*DECISIONS)]
    rma: Count = 0
    reason: str = ""
    by: str = "operator"
    lines: dict[str, Positive] = {}
    amount: Count | None = None


class ReturnScan(_Form, frozen=True, kw_only=True):
    """A carrier's scan of a return parcel, or that its label exists."""

    order: OrderId
    status: Annotated[str, _one_of(*SCANS)]
    rma: Count = 0
    tracking: str = ""
    detail: str = ""


class Dock(_Form, frozen=True, kw_only=True):
    """Goods at the returns dock; ``lines`` cumulative within ``receipt``. ``label``: what the parcel says instead of our RMA's id; no
    ``order``: it names none, and waits under ``returns:WMS:RECEIPT``.
    """

    lines: dict[str, Count]
    order: OrderId = ""
    rma: Count = 0
    label: str | None = None
    receipt: str = "1"
    depot: str = ""
    tracking: str = ""


class Inspect(_Form, frozen=True, kw_only=True):
    """Units looked at: by line, how many of each disposition; cumulative within ``receipt``. The rest as at the dock."""

    lines: dict[str, dict[Disposition, Count]]
    order: OrderId = ""
    rma: Count = 0
    label: str | None = None
    receipt: str = "1"
    depot: str = ""
    tracking: str = ""
    note: str = ""


class Resolve(_Form, frozen=True, kw_only=True):
    """What a person makes of an exception. ``order``: the order, or ``returns:WMS:RECEIPT``; ``to``: the order a parcel belongs to;
    ``amount``: a part of a credit (0: all of it)."""

    order: OrderId
    action: Annotated[str, _one_of(*ACTIONS)]
    rma: Count = 0
    exception: str = ""
    to: str = ""
    lines: dict[str, dict[Disposition, Count]] = {}
    reference: str = ""
    reason: str = ""
    by: str = "operator"
    amount: Count = 0
