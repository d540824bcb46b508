"""Money goes back exactly: by the payment providers' own ledgers, once, never above what was captured, only for what a warehouse found good."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .evidence import Evidence, Money, Price
from .finding import Finding, found

__all__ = ["check", "shipping_back"]

PROMISE = (
    "every credit is in the payment provider's ledger to the cent, once, never above what was captured, "
    "and for units that a warehouse found good"
)
OURS = "wharfinger"
KINDS = ("return", "claim", "exchange")
PAID_FOR = frozenset({"RESTOCK", "B_GRADE", "WRITE_OFF"})

Line = tuple[str, str]
"""RMA, line."""


def check(evidence: Evidence) -> Finding:
    """Check the promise that the module's docstring states."""
    money = [m for channel in evidence.channels for m in channel.money]
    credits = [entry.data for entry in evidence.order_events if entry.data["type"] == "CREDITED"]
    violations = _never_above(money) + _to_the_cent(money, credits) + _for_good_units(evidence, credits)
    violations += _lines_add_up(evidence, credits) + _nothing_but_shipping(evidence, credits)
    open_credits = _unanswered(evidence)
    violations += [f"{rma}: a credit was asked for and never answered" for rma in open_credits]
    figures = {
        "credits": len(credits),
        "orders": len({credit["order_key"] for credit in credits}),
        **{f"{kind}s": len({credit["rma_id"] for credit in credits if credit["rma_kind"] == kind}) for kind in KINDS},
        "credited_cents": sum(credit["amount"] for credit in credits),
        "fees_cents": sum(credit["fees"] for credit in credits),
        "provider_cents": sum(m.amount for m in money if m.kind == "refunded" and m.by == OURS),
        "by_hand": sum(entry.data["type"] == "MANUAL_REFUND" for entry in evidence.order_events),
    }
    return found("credits", PROMISE, figures, violations)


def _never_above(money: list[Money]) -> list[str]:
    """After each entry of a provider's ledger: nothing paid twice under a key, no payment gave back more than it took."""
    left: Counter[tuple[str, str]] = Counter()
    keys: Counter[str] = Counter()
    bad = []
    for m in money:
        place = (m.key, m.payment)
        left[place] += m.amount if m.kind == "captured" else -m.amount
        if m.kind == "refunded":
            keys[m.idempotency_key] += 1
        if left[place] < 0:
            bad.append(f"{m.key} payment {m.payment}: {-left[place]} cents more went back than were captured")
    return bad + [f"{key}: paid {n} times" for key, n in keys.items() if n > 1]


def _to_the_cent(money: list[Money], credits: list[dict[str, Any]]) -> list[str]:
    """What the log says was credited for an order is what its provider paid at our word."""
    theirs: Counter[str] = Counter()
    ours: Counter[str] = Counter()
    for m in money:
        if m.kind == "refunded" and m.by == OURS:
            theirs[m.key] += m.amount
    for credit in credits:
        ours[credit["order_key"]] += credit["amount"]
    return [
        f"{key}: {ours[key]} cents credited in the log, {theirs[key]} paid by the provider"
        for key in sorted({*ours, *theirs})
        if ours[key] != theirs[key]
    ]


def _for_good_units(evidence: Evidence, credits: list[dict[str, Any]]) -> list[str]:
    """Credited units of a return are units that a warehouse's own ledger shows as come back and ours."""
    good: Counter[Line] = Counter()
    for inspected in evidence.warehouse.inspected:
        if inspected.disposition in PAID_FOR:
            good[(inspected.rma, inspected.line_id)] += inspected.qty
    paid: Counter[Line] = Counter()
    by_hand = {entry.data["rma_id"] for entry in evidence.order_events if entry.data["type"] == "RETURN_RESOLVED"}
    for credit in credits:
        if credit["rma_kind"] == "claim" or credit["rma_id"] in by_hand:
            continue
        for inspected in credit["returned"]:
            paid[(credit["rma_id"], inspected["line_id"])] += inspected["qty"]
    return [
        f"{rma} line {line}: {n} units credited, {good[rma, line]} found good at the warehouse"
        for (rma, line), n in paid.items()
        if n > good[rma, line]
    ]


def _lines_add_up(evidence: Evidence, credits: list[dict[str, Any]]) -> list[str]:
    """What is credited for a line's units is their share of what was paid for it: rounded running totals, computed here anew."""
    prices: dict[Line, Price] = {k: v for channel in evidence.channels for k, v in channel.prices.items()}
    units: Counter[Line] = Counter()
    amounts: Counter[Line] = Counter()
    for credit in credits:
        for x in credit["returned"]:
            units[(credit["order_key"], x["line_id"])] += x["qty"]
            amounts[(credit["order_key"], x["line_id"])] += x["amount"]
    bad = []
    for line, n in units.items():
        price = prices.get(line)
        if price is None or n > price.qty:
            bad.append(f"{'/'.join(line)}: {n} units credited, {price.qty if price else 0} bought")
        elif not _is_share(amounts[line], n, price):
            bad.append(f"{'/'.join(line)}: {amounts[line]} cents for {n} of {price.qty} units that cost {price.gross}")
    return bad


def _is_share(amount: int, units: int, price: Price) -> bool:
    """Within half a cent of the exact share; exactly all of it for all units."""
    return (
        2 * abs(amount * price.qty - price.gross * units) <= price.qty if units < price.qty else amount == price.gross
    )


def _nothing_but_shipping(evidence: Evidence, credits: list[dict[str, Any]]) -> list[str]:
    """Beside its units less the fees, an order's credits hold its shipping once all of it came back, and nothing else. An exchange's
    goods stand for a part: ``exchanges`` looks at those."""
    by_order: dict[str, list[dict[str, Any]]] = {}
    for credit in credits:
        by_order.setdefault(credit["order_key"], []).append(credit)
    bad = []
    for key, mine in by_order.items():
        beside = sum(
            fields["amount"] + fields["fees"] - sum(x["amount"] for x in fields["returned"]) for fields in mine
        )
        shipping = shipping_back(evidence, key, mine)
        if beside != shipping and not any(fields["rma_kind"] == "exchange" for fields in mine):
            bad.append(f"{key}: {beside} cents credited beside the units, {shipping} of shipping are to go back")
    return bad


def shipping_back(evidence: Evidence, key: str, credits: list[dict[str, Any]] | None = None) -> int:
    """The shipping that goes back with an order of which every unit was credited or cancelled; 0 for others. ``credits``: the order's, if known."""
    mine = (
        [entry.data for entry in evidence.order_events if entry.data["order_key"] == key]
        if credits is None
        else credits
    )
    gone: Counter[str] = Counter()
    for fields in mine:
        for x in fields["returned"] if fields["type"] == "CREDITED" else ():
            gone[x["line_id"]] += x["qty"]
    for channel in evidence.channels:
        if key in channel.shipping:
            lines = {line: price.qty for (k, line), price in channel.prices.items() if k == key}
            whole = all(gone[line] + channel.cancelled[key, line] >= n for line, n in lines.items())
            return channel.shipping[key] if whole else 0
    return 0


def _unanswered(evidence: Evidence) -> list[str]:
    waiting: Counter[str] = Counter()
    for entry in evidence.order_events:
        if entry.data["type"] == "CREDIT_REQUESTED":
            waiting[entry.data["rma_id"]] += 1
        elif entry.data["type"] in ("CREDITED", "MANUAL_REFUND") and entry.data["amount"]:
            waiting[entry.data["rma_id"]] -= 1
    return sorted(rma for rma, n in waiting.items() if n > 0)
