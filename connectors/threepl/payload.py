"""The bodies of the Wharfinger WMS API (docs/threepl.md): what a 3PL reports, what it is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec

from connectors.bounds import FIRST_MS, LAST_MS
from connectors.protocols import TranslationError
from domain.records.effects import PickOrder, PickOrderCancel, ReturnExpected

__all__ = [
    "InspectedUnits",
    "Line",
    "Page",
    "ParcelLine",
    "Report",
    "ReturnPage",
    "ReturnReport",
    "ReturnRow",
    "ReturnedUnits",
    "Row",
    "Scan",
    "Shipment",
    "cancellation_body",
    "iso",
    "millis",
    "pick_order_body",
    "read",
    "return_body",
]

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Name = Annotated[str, msgspec.Meta(max_length=300)]
Note = Annotated[str, msgspec.Meta(max_length=2_000)]
Receipt = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Cost = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
"""Of a parcel, in minor units: a figure beyond it is a mistake in any currency."""


class Line(msgspec.Struct, frozen=True):
    """A line of a pick order; figures are cumulative since its start."""

    line_id: Text
    sku: Text
    picked: Count = 0
    shipped: Count = 0
    short: Count = 0
    cancelled: Count = 0
    reason: Note = ""


class ParcelLine(msgspec.Struct, frozen=True):
    """Units of one pick order in a parcel."""

    reference: Text
    qty: Count
    line_id: Name = ""
    sku: Name = ""


class Shipment(msgspec.Struct, frozen=True):
    """A parcel; ``cost`` of all of it, in minor units of ``currency``. ``lines``: what is in it, where that is several pick orders."""

    id: Text
    carrier: Name = ""
    tracking_number: Name = ""
    tracking_url: Note = ""
    cost: Cost = 0
    currency: Name = "EUR"
    lines: list[ParcelLine] = []


class Report(msgspec.Struct, frozen=True):
    """``pick_order.updated``: how a pick order stands; ``status`` as in ``domain.records.commands.AllocationProgressed``."""

    reference: Text
    status: Text
    occurred_at: datetime
    lines: list[Line] = []
    shipment: Shipment | None = None
    reason: Note | None = ""


class Scan(msgspec.Struct, frozen=True):
    """``shipment.tracked``: a carrier's scan; ``status`` as in ``domain.records.commands.ShipmentTracked``."""

    reference: Text
    shipment_id: Text
    status: Text
    occurred_at: datetime
    carrier: Name = ""
    tracking_number: Name = ""
    detail: Note = ""


class Row(msgspec.Struct, frozen=True):
    """A row of status polling: the last report, those before it, and the scans. ``RECEIVED`` rows have no report yet."""

    reference: Text
    status: Text
    updated_at: datetime
    occurred_at: datetime | None = None
    lines: list[Line] = []
    shipment: Shipment | None = None
    reason: Note | None = ""
    history: list[Report] = []
    scans: list[Scan] = []


class ReturnedUnits(msgspec.Struct, frozen=True):
    """Units in a return parcel, cumulative within the receipt; ``line_id`` where the WMS knows it, ``""`` where it only sees the article."""

    sku: Text
    qty: Count
    line_id: Name = ""


class InspectedUnits(msgspec.Struct, frozen=True):
    """Units that were looked at, cumulative within the receipt; ``disposition`` as in ``domain.records.return_commands.DISPOSITIONS``."""

    sku: Text
    qty: Count
    disposition: Text
    line_id: Name = ""
    note: Note = ""


class ReturnReport(msgspec.Struct, frozen=True):
    """``return.received`` and ``return.inspected``. ``rma``: what was read from the parcel, ours or the channel's, ``""`` for nothing.

    ``reference``: of the pick order, where the 3PL knows the parcel as one that it sent itself. ``depot``: where it lies, ``""``: the
    connection's own.
    """

    receipt_id: Receipt
    occurred_at: datetime
    rma: Name = ""
    reference: Name = ""
    tracking_number: Name = ""
    depot: Name = ""
    lines: list[ReturnedUnits] = []
    inspected: list[InspectedUnits] = []
    detail: Note = ""
    actor: Name = ""


class ReturnRow(msgspec.Struct, frozen=True):
    """A row of return polling: one receipt with its reports so far, oldest first, append-only."""

    receipt_id: Receipt
    updated_at: datetime
    received: list[ReturnReport] = []
    inspections: list[ReturnReport] = []


class ReturnPage(msgspec.Struct, frozen=True):
    """An answer of return polling; rows in the order of ``updated_at``, each kept as its own bytes."""

    returns: list[msgspec.Raw]
    next_page: int | None = None


class Page(msgspec.Struct, frozen=True):
    """An answer of status polling; rows in the order of ``updated_at``, each kept as its own bytes."""

    pick_orders: list[msgspec.Raw]
    next_page: int | None = None


T = TypeVar("T")


def read(model: type[T], body: bytes | msgspec.Raw) -> T:
    """Decode a body. Raises TranslationError with the path of what is wrong."""
    try:
        return msgspec.json.decode(body, type=model)
    except msgspec.ValidationError as e:
        message, _, path = str(e).partition(" - at `")
        raise TranslationError(path.rstrip("`") or "$", message) from e
    except (msgspec.DecodeError, RecursionError) as e:
        raise TranslationError("$", f"the body is not JSON: {e}") from e


def millis(at: datetime, field: str) -> int:
    """A time with its offset in UTC ms. Raises TranslationError where it has none, or is not of this century."""
    if at.tzinfo is None:
        raise TranslationError(field, f"{at.isoformat()} has no offset from UTC: end it with Z or +01:00")
    ms = round(at.timestamp() * 1000)
    if not FIRST_MS <= ms <= LAST_MS:
        raise TranslationError(field, f"{at.isoformat()} is not between the years 2000 and 2100")
    return ms


def iso(ms: int) -> str:
    """UTC ms as ISO 8601 with milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pick_order_body(effect: PickOrder) -> dict[str, Any]:
    """The body of ``POST /pick-orders``: byte for byte the same on every attempt, for the idempotency key says so."""
    return {
        "reference": effect.allocation_id,
        "order_name": effect.order_name,
        "lines": [
            {"line_id": line.line_id, "sku": line.sku, "qty": line.qty, "title": line.title} for line in effect.lines
        ],
        "ship_to": msgspec.to_builtins(effect.ship_to),
        "email": effect.email,
        "phone": effect.phone,
        "service": effect.service,
        "carrier": effect.carrier,
        "ship_by": iso(effect.ship_by),
        "priority": effect.priority,
        "group_id": effect.group_id,
        "group_size": effect.group_size,
    }


def cancellation_body(effect: PickOrderCancel) -> dict[str, Any]:
    """The body of ``POST /pick-orders/{reference}/cancellations``."""
    return {
        "lines": [{"line_id": line_qty.line_id, "sku": line_qty.sku, "qty": line_qty.qty} for line_qty in effect.lines],
        "reason": effect.reason,
    }


def return_body(effect: ReturnExpected) -> dict[str, Any]:
    """The body of ``POST /returns``: an advance notice, the same on every attempt."""
    return {
        "rma": effect.rma_id,
        "channel_rma": effect.channel_rma,
        "order_name": effect.order_name,
        "carrier": effect.carrier,
        "tracking_number": effect.tracking_number,
        "lines": [
            {"line_id": line.line_id, "sku": line.sku, "qty": line.qty, "reason": line.reason} for line in effect.lines
        ],
    }
