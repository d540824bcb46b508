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


def compare_returns(path: Path, expected: OrderExpect, order: OrderState) -> Iterator[Difference]:
    """Every difference in an order's returns, and in the goods that belong to none."""
    rmas, parcels = (order.book.rmas, order.book.parcels) if order.book else ([], [])
    if expected.parcels is not None:
        waiting = [parcel.problem.kind for parcel in parcels if parcel.problem.state == "open"]
        if waiting != expected.parcels:
            yield Difference((*path, "parcels"), expected.parcels, waiting)
    if expected.returns is None:
        return
    if len(expected.returns) != len(rmas):
        yield Difference(
            (*path, "returns"), [expect.status for expect in expected.returns], [rma_status(expect) for expect in rmas]
        )
        return
    for i, (wanted, rma) in enumerate(zip(expected.returns, rmas, strict=True)):
        for field, value in _rma(rma).items():
            told = getattr(wanted, field)
            if told is not None and told != value:
                yield Difference((*path, "returns", i, field), told, value)


def _rma(rma: Rma) -> dict[str, Any]:
    return {
        "status": rma_status(rma),
        "kind": rma.kind,
        "units": {line.line_id or line.sku: line.qty - line.dropped for line in rma.lines if line.qty > line.dropped},
        "received": {line.line_id or line.sku: line.received for line in rma.lines if line.received},
        "found": {
            line.line_id or line.sku: {item: n for item, n in line.found.items() if n}
            for line in rma.lines
            if any(line.found.values())
        },
        "credited": sum(credit.amount for credit in rma.credits if credit.status == "PAID"),
        "exceptions": [problem.kind for problem in rma.open_problems],
        "reason": rma.reason,
        "exchange": rma.exchange_key.rpartition(":")[2],
    }


def found_by(lines: Iterable[ReturnedLine]) -> dict[str, int]:
    """Count the units found, by disposition."""
    found: dict[str, int] = {}
    for line in lines:
        found[line.disposition] = found.get(line.disposition, 0) + line.qty
    return found


def money_of(effect: Effect) -> dict[str, Any]:
    """What an effect says of money, and to whom it says what."""
    if isinstance(effect, Credit):
        return {
            "amount": effect.amount,
            "tax": effect.tax,
            "payments": {payment_part.payment_id: payment_part.amount for payment_part in effect.payments},
            "amounts": {line.line_id: line.amount for line in effect.lines},
            "fees": {fee.kind: fee.amount for fee in effect.fees},
        }
    if isinstance(effect, ChannelCancel):
        return {
            "amount": effect.amount,
            "tax": sum(line.tax for line in effect.values),
            "payments": {payment_part.payment_id: payment_part.amount for payment_part in effect.payments},
            "amounts": {line.line_id: line.amount for line in effect.values},
        }
    return {"action": effect.action} if isinstance(effect, ChannelReturn) else {}
