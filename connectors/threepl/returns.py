"""What a 3PL says of goods that come back, to canonical facts. Pure.

The order's key is in what was read from the parcel: our RMA id, or the reference of the pick order it left with. A parcel with neither
gets a key of its own and waits for a person (``domain.keys.parcel_key``).
"""

from __future__ import annotations

from connectors.checks.customer import content_hash
from connectors.protocols import Translation, TranslationError
from domain.errors import Rejected
from domain.keys import parcel_key, split_allocation_id, split_rma_id
from domain.records.commands import OrderCommand, ReturnInspected, ReturnReceived
from domain.records.record import uuid5
from domain.records.return_commands import DISPOSITIONS
from domain.records.values import InspectedLine, LineQty

from .payload import InspectedUnits, ReturnReport, ReturnRow, millis, read

__all__ = ["TOPICS", "translate_return", "translate_return_row"]

TOPICS = ("return.received", "return.inspected")


def translate_return(topic: str, body: bytes, name: str, now: int, trace: str) -> Translation:
    """Translate one of ``TOPICS`` of the 3PL ``name``, or ``return.polled``, a row of return polling. Raises TranslationError."""
    if topic == "return.polled":
        return translate_return_row(read(ReturnRow, body), name, now, trace)
    report, source = read(ReturnReport, body), f"threepl:{name}/webhook"
    told = _received if topic == "return.received" else _inspected
    return Translation(orders=[told(report, name, source, now, trace)])


def translate_return_row(row: ReturnRow, name: str, now: int, trace: str) -> Translation:
    """All that a row tells; what was told before is the same fact again."""
    source = f"threepl:{name}/poll"
    facts: list[OrderCommand] = [_received(report, name, source, now, trace) for report in row.received]
    facts += [_inspected(report, name, source, now, trace) for report in row.inspections]
    return Translation(orders=facts)


def _key(report: ReturnReport, name: str) -> str:
    try:
        return split_rma_id(report.rma)[0]
    except Rejected:
        pass  # the channel's own number, or another's
    try:
        return split_allocation_id(report.reference)[1] if report.reference else parcel_key(name, report.receipt_id)
    except Rejected as e:
        raise TranslationError("reference" if report.reference else "receipt_id", e.message) from e


def _received(report: ReturnReport, name: str, source: str, now: int, trace: str) -> ReturnReceived:
    lines = [LineQty(returned_units.line_id, returned_units.sku, returned_units.qty) for returned_units in report.lines]
    at, key = millis(report.occurred_at, "occurred_at"), _key(report, name)
    fact = f"return/{name}/{report.receipt_id}/received@{at}/{content_hash(report.rma, report.tracking_number, lines)}"
    return ReturnReceived(
        event_id=uuid5(key, 0, fact),
        type="ReturnReceived",
        time=now,
        source=source,
        trace=trace,
        order_key=key,
        idempotency_key=fact,
        wms=name,
        depot=report.depot or name,
        receipt_id=report.receipt_id,
        rma_id=report.rma,
        tracking_number=report.tracking_number,
        lines=lines,
        occurred_at=at,
        detail=report.detail,
    )


def _inspected(report: ReturnReport, name: str, source: str, now: int, trace: str) -> ReturnInspected:
    lines = [_line(inspected_units, i) for i, inspected_units in enumerate(report.inspected)]
    at, key = millis(report.occurred_at, "occurred_at"), _key(report, name)
    fact = f"return/{name}/{report.receipt_id}/inspected@{at}/{content_hash(report.rma, lines)}"
    return ReturnInspected(
        event_id=uuid5(key, 0, fact),
        type="ReturnInspected",
        time=now,
        source=source,
        trace=trace,
        order_key=key,
        idempotency_key=fact,
        wms=name,
        depot=report.depot or name,
        receipt_id=report.receipt_id,
        rma_id=report.rma,
        tracking_number=report.tracking_number,
        lines=lines,
        occurred_at=at,
        actor=report.actor,
    )


def _line(inspected_units: InspectedUnits, i: int) -> InspectedLine:
    if inspected_units.disposition not in DISPOSITIONS:
        known = ", ".join(DISPOSITIONS)
        raise TranslationError(f"inspected[{i}].disposition", f"{inspected_units.disposition!r} is not one of {known}")
    return InspectedLine(
        inspected_units.line_id,
        inspected_units.sku,
        inspected_units.qty,
        inspected_units.disposition,
        inspected_units.note,
    )
