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
    """See the module."""
    money = [m for c in evidence.channels for m in c.money]
    credits = [e.data for e in evidence.order_events if e.data["type"] == "CREDITED"]
    violations = _never_above(money) + _to_the_cent(money, credits) + _for_good_units(evidence, credits)
    violations += _lines_add_up(evidence, credits) + _nothing_but_shipping(evidence, credits)
    open_credits = _unanswered(evidence)
    violations += [f"{rma}: a credit was asked for and never answered" for rma in open_credits]
    figures = {
        "credits": len(credits),
        "orders": len({c["order_key"] for c in credits}),
        **{f"{kind}s": len({c["rma_id"] for c in credits if c["rma_kind"] == kind}) for kind in KINDS},
        "credited_cents": sum(c["amount"] for c in credits),
        "fees_cents": sum(c["fees"] for c in credits),
        "provider_cents": sum(m.amount for m in money if m.kind == "refunded" and m.by == OURS),
        "by_hand": sum(e.data["type"] == "MANUAL_REFUND" for e in evidence.order_events),
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
    for c in credits:
        ours[c["order_key"]] += c["amount"]
    return [
        f"{key}: {ours[key]} cents credited in the log, {theirs[key]} paid by the provider"
        for key in sorted({*ours, *theirs})
        if ours[key] != theirs[key]
    ]


def _for_good_units(evidence: Evidence, credits: list[dict[str, Any]]) -> list[str]:
    """Credited units of a return are units that a warehouse's own ledger shows as come back and ours."""
    good: Counter[Line] = Counter()
    for x in evidence.warehouse.inspected:
        if x.disposition in PAID_FOR:
            good[(x.rma, x.line_id)] += x.qty
    paid: Counter[Line] = Counter()
    by_hand = {e.data["rma_id"] for e in evidence.order_events if e.data["type"] == "RETURN_RESOLVED"}
    for c in credits:
        if c["rma_kind"] == "claim" or c["rma_id"] in by_hand:
            continue
        for x in c["returned"]:
            paid[(c["rma_id"], x["line_id"])] += x["qty"]
    return [
        f"{rma} line {line}: {n} units credited, {good[rma, line]} found good at the warehouse"
        for (rma, line), n in paid.items()
        if n > good[rma, line]
    ]


def _lines_add_up(evidence: Evidence, credits: list[dict[str, Any]]) -> list[str]:
    """What is credited for a line's units is their share of what was paid for it: rounded running totals, computed here anew."""
    prices: dict[Line, Price] = {k: v for c in evidence.channels for k, v in c.prices.items()}
    units: Counter[Line] = Counter()
    amounts: Counter[Line] = Counter()
    for c in credits:
        for x in c["returned"]:
            units[(c["order_key"], x["line_id"])] += x["qty"]
            amounts[(c["order_key"], x["line_id"])] += x["amount"]
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
    for c in credits:
        by_order.setdefault(c["order_key"], []).append(c)
    bad = []
    for key, mine in by_order.items():
        beside = sum(c["amount"] + c["fees"] - sum(x["amount"] for x in c["returned"]) for c in mine)
        shipping = shipping_back(evidence, key, mine)
        if beside != shipping and not any(c["rma_kind"] == "exchange" for c in mine):
            bad.append(f"{key}: {beside} cents credited beside the units, {shipping} of shipping are to go back")
    return bad


def shipping_back(evidence: Evidence, key: str, credits: list[dict[str, Any]] | None = None) -> int:
    """The shipping that goes back with an order of which every unit was credited or cancelled; 0 for others. ``credits``: the order's, if known."""
    mine = [e.data for e in evidence.order_events if e.data["order_key"] == key] if credits is None else credits
    gone: Counter[str] = Counter()
    for c in mine:
        for x in c["returned"] if c["type"] == "CREDITED" else ():
            gone[x["line_id"]] += x["qty"]
    for channel in evidence.channels:
        if key in channel.shipping:
            lines = {line: price.qty for (k, line), price in channel.prices.items() if k == key}
            whole = all(gone[line] + channel.cancelled[key, line] >= n for line, n in lines.items())
            return channel.shipping[key] if whole else 0
    return 0


def _unanswered(evidence: Evidence) -> list[str]:
    waiting: Counter[str] = Counter()
    for e in evidence.order_events:
        if e.data["type"] == "CREDIT_REQUESTED":
            waiting[e.data["rma_id"]] += 1
        elif e.data["type"] in ("CREDITED", "MANUAL_REFUND") and e.data["amount"]:
            waiting[e.data["rma_id"]] -= 1
    return sorted(rma for rma, n in waiting.items() if n > 0)
