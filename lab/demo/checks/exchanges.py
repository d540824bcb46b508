"""Exchanges: what goes out is what the customer asked for, once, for goods that came back; the goods and the money together are what these were worth."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .credits import shipping_back
from .evidence import Evidence, Exchange, order_of
from .finding import Finding, found

__all__ = ["check"]

PROMISE = (
    "every exchange sends what was asked for, once, for goods found good, and its goods and money are worth these, "
    "less fees; a difference is paid first"
)
GOOD = frozenset({"RESTOCK", "B_GRADE", "WRITE_OFF"})


def check(evidence: Evidence) -> Finding:
    """Check the promise that the module's docstring states."""
    violations: list[str] = []
    figures: Counter[str] = Counter(asked=len(evidence.exchanges))
    for asked in evidence.exchanges:
        violations += [f"{asked.key}: {text}" for text in _judge(asked, evidence, figures)]
    known = {asked.key for asked in evidence.exchanges}
    strangers = {k for entry in evidence.order_events if "~x" in (k := entry.data["order_key"])}
    violations += [f"{k}: nobody asked for this exchange" for k in sorted(strangers) if k.split("~x")[0] not in known]
    return found("exchanges", PROMISE, dict(figures), violations)


def _judge(asked: Exchange, evidence: Evidence, figures: Counter[str]) -> list[str]:
    orders = evidence.exchange_orders(asked.key)
    rmas = _rmas(asked, evidence)
    if len(orders) > 1 or len(rmas) != 1:
        return [f"asked for once, {len(rmas)} returns and {len(orders)} orders came of it"]
    good = sum(
        inspected.qty
        for inspected in evidence.warehouse.inspected
        if inspected.rma == rmas[0] and inspected.line_id == asked.line_id and inspected.disposition in GOOD
    )
    shipped = sum(line.qty for line in evidence.warehouse.shipped if order_of(line.reference) in orders)
    value, money = _credited(rmas[0], evidence)
    value += shipping_back(evidence, asked.key)
    figures.update(orders=len(orders), good_units=good, shipped_units=shipped, credited_cents=money)
    if not orders:
        return (
            [] if not good or value == money else [f"{value} cents came back, {money} were credited, nothing went out"]
        )
    bad = _goods(asked, orders[0], evidence)
    if not good:
        bad.append(f"{orders[0]}: goods for units that no warehouse found good")
    if shipped:
        price = asked.goods_qty * asked.price
        figures.update(in_goods_cents=value - money)
        bad += _worth(orders[0], price, value - money, evidence)
    return bad


def _rmas(asked: Exchange, evidence: Evidence) -> list[str]:
    return sorted(
        {
            entry.data["rma_id"]
            for entry in evidence.order_events
            if entry.data["order_key"] == asked.key and entry.data["rma_kind"] == "exchange"
        }
    )


def _credited(rma: str, evidence: Evidence) -> tuple[int, int]:
    """What the units of a return were worth less its fees, and what went back in money."""
    credits = [
        entry.data
        for entry in evidence.order_events
        if entry.data["type"] == "CREDITED" and entry.data["rma_id"] == rma
    ]
    worth = sum(x["amount"] for credit in credits for x in credit["returned"]) - sum(
        credit["fees"] for credit in credits
    )
    return worth, sum(credit["amount"] for credit in credits)


def _goods(asked: Exchange, order: str, evidence: Evidence) -> list[str]:
    placed: list[dict[str, Any]] = [
        entry.data
        for entry in evidence.order_events
        if entry.data["order_key"] == order and entry.data["type"] == "PLACED"
    ]
    goods = Counter({x["sku"]: x["qty"] for e in placed[:1] for x in e["lines"]})
    wanted = Counter({asked.sku: asked.goods_qty})
    return [] if goods == wanted else [f"{order}: {dict(goods)} ordered, {dict(wanted)} asked for"]


def _worth(order: str, price: int, in_goods: int, evidence: Evidence) -> list[str]:
    """Goods that cost more than what they stand for ship once somebody said that the rest is paid; less is never kept back."""
    if in_goods > price:
        return [f"{order}: {in_goods} cents were kept for goods that cost {price}"]
    if in_goods == price:
        return []
    mine = [entry.data for entry in evidence.order_events if entry.data["order_key"] == order]
    held = any(e["type"] == "HELD" and e["reason"].startswith("AWAITING_PAYMENT") for e in mine)
    paid = any(e["type"] == "RELEASED" and e["actor"] and e["reason"].startswith("AWAITING_PAYMENT") for e in mine)
    return [] if held and paid else [f"{order}: shipped, though {price - in_goods} cents were still to be paid"]
