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
    """See the module."""
    violations: list[str] = []
    figures: Counter[str] = Counter(asked=len(evidence.exchanges))
    for asked in evidence.exchanges:
        violations += [f"{asked.key}: {text}" for text in _judge(asked, evidence, figures)]
    known = {asked.key for asked in evidence.exchanges}
    strangers = {k for e in evidence.order_events if "~x" in (k := e.data["order_key"])}
    violations += [f"{k}: nobody asked for this exchange" for k in sorted(strangers) if k.split("~x")[0] not in known]
    return found("exchanges", PROMISE, dict(figures), violations)


def _judge(asked: Exchange, evidence: Evidence, figures: Counter[str]) -> list[str]:
    orders = evidence.exchange_orders(asked.key)
    rmas = _rmas(asked, evidence)
    if len(orders) > 1 or len(rmas) != 1:
        return [f"asked for once, {len(rmas)} returns and {len(orders)} orders came of it"]
    good = sum(
        x.qty
        for x in evidence.warehouse.inspected
        if x.rma == rmas[0] and x.line_id == asked.line_id and x.disposition in GOOD
    )
    shipped = sum(x.qty for x in evidence.warehouse.shipped if order_of(x.reference) in orders)
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
            e.data["rma_id"]
            for e in evidence.order_events
            if e.data["order_key"] == asked.key and e.data["rma_kind"] == "exchange"
        }
    )


def _credited(rma: str, evidence: Evidence) -> tuple[int, int]:
    """What the units of a return were worth less its fees, and what went back in money."""
    credits = [e.data for e in evidence.order_events if e.data["type"] == "CREDITED" and e.data["rma_id"] == rma]
    worth = sum(x["amount"] for c in credits for x in c["returned"]) - sum(c["fees"] for c in credits)
    return worth, sum(c["amount"] for c in credits)


def _goods(asked: Exchange, order: str, evidence: Evidence) -> list[str]:
    placed: list[dict[str, Any]] = [
        e.data for e in evidence.order_events if e.data["order_key"] == order and e.data["type"] == "PLACED"
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
    mine = [e.data for e in evidence.order_events if e.data["order_key"] == order]
    held = any(e["type"] == "HELD" and e["reason"].startswith("AWAITING_PAYMENT") for e in mine)
    paid = any(e["type"] == "RELEASED" and e["actor"] and e["reason"].startswith("AWAITING_PAYMENT") for e in mine)
    return [] if held and paid else [f"{order}: shipped, though {price - in_goods} cents were still to be paid"]
