"""An order's returns for people: names spelled out, nothing derived left out."""

from __future__ import annotations

from typing import Any

import msgspec

from domain.order.state.order import OrderState
from domain.order.state.returns import CreditFact, Parcel, Rma, RmaLine
from domain.order.state.rma_status import rma_status

from .unclaimed import found_lines, got_lines

__all__ = ["return_summary"]


def return_summary(s: OrderState) -> dict[str, Any]:
    """Plain data: ``returns`` and ``parcels`` (goods at the dock that belong to none). Money in minor units, times in UTC ms."""
    b = s.book
    return {"returns": [_rma(r) for r in b.rmas] if b else [], "parcels": [_parcel(p) for p in b.parcels] if b else []}


def _rma(r: Rma) -> dict[str, Any]:
    return {
        "rma_id": r.id,
        "kind": r.kind,
        "status": rma_status(r),
        "via": r.via,
        "requested_at": r.at,
        "reason": r.reason,
        "actor": r.actor,
        "return_id": r.return_id,
        "channel_rma": r.channel_rma,
        "lines": [_line(x) for x in r.lines],
        "label": {"status": r.label, "payer": r.payer, "ref": r.label_ref, "cost": r.cost, "currency": r.cost_currency},
        "depot": r.depot,
        "carrier": r.carrier,
        "tracking_number": r.tracking_number,
        "tracking_url": r.tracking_url,
        "moving": r.moving,
        "expires_at": r.expires or None,
        "received_at": r.received_at or None,
        "receipts": [{"receipt_id": x.id, "wms": x.wms, "depot": x.depot} for x in r.receipts.values()],
        "exceptions": [_fields(p) for p in r.problems],
        "credits": [_credit(c) for c in r.credits],
        "credited": sum(c.amount for c in r.credits if c.status == "PAID"),
        "exchange": {"order_key": r.exchange_key, "lines": [_fields(x) for x in r.exchange], "covered": r.covered},
        "handled_by_channel": r.theirs,
    }


def _line(x: RmaLine) -> dict[str, Any]:
    units = {"qty": x.qty, "dropped": x.dropped, "received": x.received, "coming": x.coming}
    said = {"line_id": x.line_id, "sku": x.sku, "reason": x.reason, "comment": x.comment}
    return {
        **said,
        **units,
        "found": dict(x.found),
        "credited": sum(x.credited.values()),
        "refunded_by_channel": x.outside,
    }


def _credit(c: CreditFact) -> dict[str, Any]:
    return {
        "credit_id": c.id,
        "status": c.status,
        "amount": c.amount,
        "tax": c.tax,
        "in_goods": c.goods,
        "lines": [{"line_id": k, "qty": n, "amount": a, "tax": t} for k, n, a, t in c.lines],
        "shipping": c.shipping,
        "shipping_tax": c.shipping_tax,
        "fees": [{"kind": k, "amount": a, "tax": t} for k, a, t in c.fees],
        "payments": [{"payment_id": k, "amount": n} for k, n in c.payments],
        "reference": c.reference,
        "error": c.error,
        "at": c.at,
    }


def _parcel(p: Parcel) -> dict[str, Any]:
    return {
        "exception": _fields(p.problem),
        "wms": p.receipt.wms,
        "depot": p.receipt.depot,
        "receipt_id": p.receipt.id,
        "rma_text": p.rma_text,
        "tracking_number": p.tracking_number,
        "at": p.at,
        "belongs_to": p.to,
        "rma_id": p.rma,
        "lines": [_fields(x) for x in got_lines(p)],
        "inspected": [_fields(x) for x in found_lines(p)],
    }


def _fields(x: msgspec.Struct) -> dict[str, Any]:
    return {f: getattr(x, f) for f in x.__struct_fields__}
