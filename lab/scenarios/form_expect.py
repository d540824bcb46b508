"""What a scenario may expect. What is left out is not looked at; what is listed must be exactly so.

Under a step, ``events``, ``effects``, ``stock_events`` and ``rejected`` are what happened since the step before; at the end of the file they
are all of the run. ``orders`` and ``stock`` are how things stand.
"""

from __future__ import annotations

from typing import Annotated, get_args

import msgspec
from msgspec import Meta

from domain.order.state.rma_status import RMA_STATUSES
from domain.order.state.status import STATUSES
from domain.records.effects import Effect
from domain.records.events import RETURN_EVENTS
from domain.rules.notifications import NOTICES
from domain.rules.ruleset import HOLDS

__all__ = [
    "EFFECT_TYPES",
    "EVENT_TYPES",
    "AllocationExpect",
    "EffectExpect",
    "EventExpect",
    "Expect",
    "OrderExpect",
    "RmaExpect",
    "StockExpect",
    "Units",
]

EVENT_TYPES = [
    "PLACED",
    "UPDATED",
    "STALE",
    "DUPLICATE",
    "HELD",
    "RELEASED",
    "PAYMENT_CHANGED",
    "ADDRESS_CHANGED",
    "EDITED",
    "ALLOCATION_REQUESTED",
    "ALLOCATED",
    "WAVE_RELEASED",
    "BACKORDERED",
    "UNFILLABLE",
    "UNALLOCATED",
    "REROUTED",
    "SUBMITTED",
    "ACCEPTED",
    "REJECTED",
    "SHORT_PICKED",
    "PICKED",
    "PACKED",
    "OVERDUE",
    "SHIPPED",
    "IN_TRANSIT",
    "OUT_FOR_DELIVERY",
    "DELIVERED",
    "EXCEPTION",
    "CANCEL_REQUESTED",
    "WITHDRAWN",
    "CANCELLED",
    "CANCEL_REJECTED",
    "REFUNDED",
    "RETURN_REPORTED",
    *RETURN_EVENTS,
    "CHANNEL_NOTIFIED",
    "CUSTOMER_NOTIFIED",
    "EFFECT_FAILED",
    "COMPLETED",
]
"""The types of ``domain.records.events.OrderEvent``."""
EFFECT_TYPES = [e.__name__ for e in get_args(Effect)]

Count = Annotated[int, Meta(ge=0)]
EventName = Annotated[str, Meta(extra_json_schema={"enum": EVENT_TYPES})]
EffectName = Annotated[str, Meta(extra_json_schema={"enum": EFFECT_TYPES})]


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Units(_Form, frozen=True):
    """Where a line's units are: each is in exactly one of the first seven, so those left out are 0."""

    open: Count = 0
    requested: Count = 0
    backordered: Count = 0
    allocated: Count = 0
    picked: Count = 0
    shipped: Count = 0
    cancelled: Count = 0
    ordered: Count | None = None
    unfillable: Count | None = None
    outside: Count | None = None
    delivered: Count | None = None


class AllocationExpect(_Form, frozen=True):
    """One depot's part of an order. ``units``: still its business, shipped ones included, by line. ``replaces``: a number.

    ``ship_by`` and ``eta``: a day, or a moment. ``waits``: for its wave; ``bundled_with``: the other orders of its parcel.
    """

    depot: str
    units: dict[str, Count] | None = None
    status: str | None = None
    ship_by: str | None = None
    eta: str | None = None
    service: str | None = None
    carrier: str | None = None
    cost: Count | None = None
    replaces: Count | None = None
    waits: bool | None = None
    bundled_with: list[str] | None = None


class RmaExpect(_Form, frozen=True):
    """How a return stands. ``units`` by line, ``found`` by line and disposition; ``credited``: paid back, minor units; ``exceptions``:
    the open ones by kind.
    """

    status: Annotated[str, Meta(extra_json_schema={"enum": list(RMA_STATUSES)})] | None = None
    kind: str | None = None
    units: dict[str, Count] | None = None
    received: dict[str, Count] | None = None
    found: dict[str, dict[str, Count]] | None = None
    credited: Count | None = None
    exceptions: list[str] | None = None
    reason: str | None = None
    exchange: str | None = None


class OrderExpect(_Form, frozen=True):
    """How an order stands. ``lines`` by line id (by default the SKU). ``allocations``, ``returns``: all it ever had, in order. ``parcels``: the
    open exceptions of goods that belong to no return.
    """

    status: Annotated[str, Meta(extra_json_schema={"enum": list(STATUSES)})] | None = None
    holds: list[Annotated[str, Meta(extra_json_schema={"enum": HOLDS})]] | None = None
    lines: dict[str, Units] | None = None
    allocations: list[AllocationExpect] | None = None
    refused: str | None = None
    country: str | None = None
    total: Count | None = None
    duplicates: Count | None = None
    stale: Count | None = None
    intervention: bool | None = None
    returns: list[RmaExpect] | None = None
    parcels: list[str] | None = None


class StockExpect(_Form, frozen=True):
    """Stock of a SKU at a depot. ``available``: on hand less reserved less the safety stock; ``b_grade``, ``write_off``: on hand of these."""

    on_hand: Count | None = None
    reserved: Count | None = None
    available: Count | None = None
    quality: str = "new"
    b_grade: Count | None = None
    write_off: Count | None = None


class EventExpect(_Form, frozen=True):
    """An event of an order, with what is to be looked at. ``amount``, ``tax``, ``fees``, ``cost`` (of shipping) in minor units; ``found``: units by
    disposition.
    """

    event: EventName
    units: dict[str, int] | None = None
    status: str | None = None
    depot: str | None = None
    reason: str | None = None
    amount: int | None = None
    complete: bool | None = None
    intervention: bool | None = None
    actor: str | None = None
    rules: str | None = None
    cost: int | None = None
    tax: int | None = None
    fees: int | None = None
    found: dict[str, int] | None = None


class EffectExpect(_Form, frozen=True):
    """Something to be done outside: PickOrder, PickOrderCancel, ChannelShipment, ChannelCancel; ``to``: the connection.

    ``priority``: the order's class when the pick order went out, 0 for the first; ``bundle``: how many pick orders its parcel has.
    Of a Credit, or of what a ChannelCancel has the channel pay back: ``amount``, ``tax``, ``payments``, ``amounts`` by
    line; of a Credit ``fees`` by kind; of a ChannelReturn: ``action``. Of a CustomerMessage (``to``: message:mail …): ``kind``, what it tells of;
    ``causes``: the events in it; ``address``, ``template``, ``language``; ``eta``, ``eta_before``: days; ``gives_up``: a moment; ``label``: its link.
    """

    effect: EffectName
    to: str | None = None
    units: dict[str, Count] | None = None
    allocation: Count | None = None
    priority: Count | None = None
    country: str | None = None
    reason: str | None = None
    tracking: str | None = None
    bundle: Count | None = None
    amount: int | None = None
    tax: int | None = None
    payments: dict[str, int] | None = None
    amounts: dict[str, int] | None = None
    fees: dict[str, int] | None = None
    action: str | None = None
    kind: Annotated[str, Meta(extra_json_schema={"enum": NOTICES})] | None = None
    causes: list[EventName] | None = None
    address: str | None = None
    template: str | None = None
    language: str | None = None
    eta: str | None = None
    eta_before: str | None = None
    gives_up: str | None = None
    label: str | None = None


class Expect(_Form, frozen=True):
    """Everything that may be expected. ``events`` and ``effects`` by order: exactly these, in this order. ``rejected``: codes."""

    orders: dict[str, OrderExpect] | None = None
    stock: dict[str, dict[str, StockExpect]] | None = None
    events: dict[str, list[EventExpect | EventName]] | None = None
    effects: dict[str, list[EffectExpect | EffectName]] | None = None
    stock_events: list[str] | None = None
    rejected: list[str] | None = None
