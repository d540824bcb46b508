"""What was expected of returns and credits against what is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from domain.order.state.order import OrderState
from domain.order.state.returns import Rma
from domain.order.state.rma_status import rma_status
from domain.records.effects import ChannelCancel, ChannelReturn, Credit, Effect
from domain.records.values import ReturnedLine
from ops.yaml.source import Path

from .difference import Difference
from .form_expect import OrderExpect

__all__ = ["compare_returns", "found_by", "money_of"]


def compare_returns(path: Path, e: OrderExpect, s: OrderState) -> Iterator[Difference]:
    """Every difference in an order's returns, and in the goods that belong to none."""
    rmas, parcels = (s.book.rmas, s.book.parcels) if s.book else ([], [])
    if e.parcels is not None:
        waiting = [p.problem.kind for p in parcels if p.problem.state == "open"]
        if waiting != e.parcels:
            yield Difference((*path, "parcels"), e.parcels, waiting)
    if e.returns is None:
        return
    if len(e.returns) != len(rmas):
        yield Difference((*path, "returns"), [r.status for r in e.returns], [rma_status(r) for r in rmas])
        return
    for i, (wanted, r) in enumerate(zip(e.returns, rmas, strict=True)):
        for field, value in _rma(r).items():
            told = getattr(wanted, field)
            if told is not None and told != value:
                yield Difference((*path, "returns", i, field), told, value)


def _rma(r: Rma) -> dict[str, Any]:
    return {
        "status": rma_status(r),
        "kind": r.kind,
        "units": {x.line_id or x.sku: x.qty - x.dropped for x in r.lines if x.qty > x.dropped},
        "received": {x.line_id or x.sku: x.received for x in r.lines if x.received},
        "found": {
            x.line_id or x.sku: {d: n for d, n in x.found.items() if n} for x in r.lines if any(x.found.values())
        },
        "credited": sum(c.amount for c in r.credits if c.status == "PAID"),
        "exceptions": [p.kind for p in r.open_problems],
        "reason": r.reason,
        "exchange": r.exchange_key.rpartition(":")[2],
    }


def found_by(lines: Iterable[ReturnedLine]) -> dict[str, int]:
    """Units by disposition."""
    found: dict[str, int] = {}
    for x in lines:
        found[x.disposition] = found.get(x.disposition, 0) + x.qty
    return found


def money_of(x: Effect) -> dict[str, Any]:
    """What an effect says of money, and to whom it says what."""
    if isinstance(x, Credit):
        return {
            "amount": x.amount,
            "tax": x.tax,
            "payments": {p.payment_id: p.amount for p in x.payments},
            "amounts": {u.line_id: u.amount for u in x.lines},
            "fees": {f.kind: f.amount for f in x.fees},
        }
    if isinstance(x, ChannelCancel):
        return {
            "amount": x.amount,
            "tax": sum(v.tax for v in x.values),
            "payments": {p.payment_id: p.amount for p in x.payments},
            "amounts": {v.line_id: v.amount for v in x.values},
        }
    return {"action": x.action} if isinstance(x, ChannelReturn) else {}
