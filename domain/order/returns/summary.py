"""An order's returns for people: names spelled out, nothing derived left out."""

from __future__ import annotations

from typing import Any

import msgspec

from domain.order.state.order import OrderState
from domain.order.state.returns import CreditFact, Parcel, Rma, RmaLine
from domain.order.state.rma_status import rma_status

from .unclaimed import found_lines, got_lines

__all__ = ["return_summary"]


def return_summary(order: OrderState) -> dict[str, Any]:
    """Plain data: ``returns`` and ``parcels`` (goods at the dock that belong to none).

    Money in minor units, times in UTC ms.
    """
    book = order.book
    return {
        "returns": [_rma(rma) for rma in book.rmas] if book else [],
        "parcels": [_parcel(parcel) for parcel in book.parcels] if book else [],
    }


def _rma(rma: Rma) -> dict[str, Any]:
    return {
        "rma_id": rma.id,
        "kind": rma.kind,
        "status": rma_status(rma),
        "via": rma.via,
        "requested_at": rma.at,
        "reason": rma.reason,
        "actor": rma.actor,
        "return_id": rma.return_id,
        "channel_rma": rma.channel_rma,
        "lines": [_line(line) for line in rma.lines],
        "label": {
            "status": rma.label,
            "payer": rma.payer,
            "ref": rma.label_ref,
            "cost": rma.cost,
            "currency": rma.cost_currency,
        },
        "depot": rma.depot,
        "carrier": rma.carrier,
        "tracking_number": rma.tracking_number,
        "tracking_url": rma.tracking_url,
        "moving": rma.moving,
        "expires_at": rma.expires or None,
        "received_at": rma.received_at or None,
        "receipts": [
            {"receipt_id": receipt.id, "wms": receipt.wms, "depot": receipt.depot} for receipt in rma.receipts.values()
        ],
        "exceptions": [_fields(problem) for problem in rma.problems],
        "credits": [_credit(credit) for credit in rma.credits],
        "credited": sum(credit.amount for credit in rma.credits if credit.status == "PAID"),
        "exchange": {
            "order_key": rma.exchange_key,
            "lines": [_fields(line) for line in rma.exchange],
            "covered": rma.covered,
        },
        "handled_by_channel": rma.theirs,
    }


def _line(line: RmaLine) -> dict[str, Any]:
    units = {"qty": line.qty, "dropped": line.dropped, "received": line.received, "coming": line.coming}
    said = {"line_id": line.line_id, "sku": line.sku, "reason": line.reason, "comment": line.comment}
    return {
        **said,
        **units,
        "found": dict(line.found),
        "credited": sum(line.credited.values()),
        "refunded_by_channel": line.outside,
    }


def _credit(credit: CreditFact) -> dict[str, Any]:
    return {
        "credit_id": credit.id,
        "status": credit.status,
        "amount": credit.amount,
        "tax": credit.tax,
        "in_goods": credit.goods,
        "lines": [
            {"line_id": line_id, "qty": qty, "amount": amount, "tax": tax} for line_id, qty, amount, tax in credit.lines
        ],
        "shipping": credit.shipping,
        "shipping_tax": credit.shipping_tax,
        "fees": [{"kind": kind, "amount": amount, "tax": tax} for kind, amount, tax in credit.fees],
        "payments": [{"payment_id": payment_id, "amount": amount} for payment_id, amount in credit.payments],
        "reference": credit.reference,
        "error": credit.error,
        "at": credit.at,
    }


def _parcel(parcel: Parcel) -> dict[str, Any]:
    return {
        "exception": _fields(parcel.problem),
        "wms": parcel.receipt.wms,
        "depot": parcel.receipt.depot,
        "receipt_id": parcel.receipt.id,
        "rma_text": parcel.rma_text,
        "tracking_number": parcel.tracking_number,
        "at": parcel.at,
        "belongs_to": parcel.to,
        "rma_id": parcel.rma,
        "lines": [_fields(line_qty) for line_qty in got_lines(parcel)],
        "inspected": [_fields(line) for line in found_lines(parcel)],
    }


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}
