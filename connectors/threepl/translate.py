"""A 3PL's webhooks and status rows to canonical facts; a fact has the same key however it came."""

from __future__ import annotations

from datetime import datetime

from connectors.checks.customer import content_hash
from connectors.protocols import Translation, TranslationError
from domain.errors import Rejected
from domain.keys import split_allocation_id
from domain.records.commands import ShipmentTracked, WmsReported
from domain.records.record import uuid5
from domain.records.values import ParcelPart, WmsLine

from . import returns
from .payload import Line, Report, Row, Scan, Shipment, millis, read

__all__ = ["REPORTS", "SCANS", "TOPICS", "refused", "row_facts", "translate", "translate_row"]

REPORTS = frozenset(
    {"ACCEPTED", "PICKING", "PICKED", "PACKED", "SHIPPED", "SHORT_PICKED", "REJECTED", "CANCELLED", "CANCEL_REJECTED"}
)
SCANS = frozenset({"IN_TRANSIT", "OUT_FOR_DELIVERY", "DELIVERED", "EXCEPTION", "LOST", "RETURN_TO_SENDER"})
TOPICS = ("pick_order.updated", "shipment.tracked", *returns.TOPICS)


def translate(topic: str, body: bytes, name: str, now: int, trace: str) -> Translation:
    """Translate one webhook of the 3PL ``name``; ``pick_order.polled`` is a row of status polling. Pure.

    Raises TranslationError.
    """
    if topic == "pick_order.updated":
        return Translation(pools=[_reported(read(Report, body), f"threepl:{name}/webhook", now, trace)])
    if topic == "shipment.tracked":
        return Translation(orders=[_tracked(read(Scan, body), f"threepl:{name}/webhook", now, trace)])
    if topic == "pick_order.polled":
        return translate_row(read(Row, body), name, now, trace)
    if topic in returns.TOPICS or topic == "return.polled":
        return returns.translate_return(topic, body, name, now, trace)
    raise TranslationError("topic", f"{topic!r} is not one of {', '.join(TOPICS)}")


def row_facts(row: Row) -> tuple[list[Report], list[Scan]]:
    """All reports of a row, oldest first, and its scans; a row that is only RECEIVED has none."""
    reports = list(row.history)
    if row.occurred_at is not None and row.status != "RECEIVED":
        reports.append(Report(row.reference, row.status, row.occurred_at, row.lines, row.shipment, row.reason))
    return reports, row.scans


def translate_row(row: Row, name: str, now: int, trace: str, *, known: tuple[int, int] = (0, 0)) -> Translation:
    """The facts of a status row, without the first ``known`` reports and scans, which an earlier look has told.

    A 3PL that keeps no history shows one report only, its last: that one is always told.
    """
    source = f"threepl:{name}/poll"
    reports, scans = row_facts(row)
    fresh = reports[known[0] :] if row.history else reports
    return Translation(
        pools=[_reported(report, source, now, trace) for report in fresh],
        orders=[_tracked(scan, source, now, trace) for scan in scans[known[1] :]],
    )


def refused(allocation_id: str, reason: str, source: str, now: int, trace: str) -> WmsReported:
    """The report of a pick order that the 3PL would not even take in; the same on every attempt."""
    report = Report(allocation_id, "REJECTED", datetime.fromtimestamp(0).astimezone(), reason=reason)
    return _reported(report, source, now, trace, occurred_at=now, fact="wms/REJECTED@refused")


def _parts(reference: str) -> tuple[str, str]:
    try:
        pool, key, _ = split_allocation_id(reference)
    except Rejected as e:
        raise TranslationError("reference", e.message) from e
    return pool, key


def _line(line: Line) -> WmsLine:
    return WmsLine(line.line_id, line.sku, line.picked, line.shipped, line.short, line.cancelled, line.reason)


def _reported(
    report: Report, source: str, now: int, trace: str, *, occurred_at: int | None = None, fact: str = ""
) -> WmsReported:
    if report.status not in REPORTS:
        raise TranslationError("status", f"{report.status!r} is not one of {', '.join(sorted(REPORTS))}")
    pool, key = _parts(report.reference)
    at = millis(report.occurred_at, "occurred_at") if occurred_at is None else occurred_at
    shipment = report.shipment or Shipment(id="-")
    lines = [_line(line) for line in report.lines]
    fact = fact or f"wms/{report.status}@{at}/{content_hash(lines, report.shipment)}"
    return WmsReported(
        event_id=uuid5(report.reference, 0, fact),
        type="WmsReported",
        time=now,
        source=source,
        trace=trace,
        pool=pool,
        order_key=key,
        idempotency_key=fact,
        allocation_id=report.reference,
        status=report.status,
        lines=lines,
        shipment_id=report.shipment.id if report.shipment else "",
        carrier=shipment.carrier,
        tracking_number=shipment.tracking_number,
        tracking_url=shipment.tracking_url,
        cost=shipment.cost,
        cost_currency=shipment.currency,
        reason=report.reason or "",
        occurred_at=at,
        parcel=[ParcelPart(line.reference, line.qty) for line in shipment.lines],
    )


def _tracked(scan: Scan, source: str, now: int, trace: str) -> ShipmentTracked:
    if scan.status not in SCANS:
        raise TranslationError("status", f"{scan.status!r} is not one of {', '.join(sorted(SCANS))}")
    _, key = _parts(scan.reference)
    at = millis(scan.occurred_at, "occurred_at")
    fact = f"scan/{scan.reference}/{scan.shipment_id}/{scan.status}@{at}"
    return ShipmentTracked(
        event_id=uuid5(scan.reference, 0, fact),
        type="ShipmentTracked",
        time=now,
        source=source,
        trace=trace,
        order_key=key,
        idempotency_key=fact,
        allocation_id=scan.reference,
        shipment_id=scan.shipment_id,
        status=scan.status,
        carrier=scan.carrier,
        tracking_number=scan.tracking_number,
        detail=scan.detail,
        occurred_at=at,
    )
