"""The simulators' own ledgers, read over HTTP and brought into the form that the checks compare."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any
from urllib.request import urlopen

from .checks.evidence import Bundle, Channel, Inspected, Money, Price, SentOrder, ShippedLine, Told, Warehouse

__all__ = ["fetch", "from_bol", "from_shopify", "from_threepl", "money", "payments", "progress"]

Json = dict[str, Any]


def fetch(url: str) -> Json:
    """``GET /_ledger`` of a simulator."""
    return _get(f"{url}/_ledger")


def payments(url: str) -> Json:
    """``GET /_payments`` of a simulator: its payment provider's own ledger."""
    return _get(f"{url}/_payments")


def money(ledger: Json, channel: str) -> list[Money]:
    """A payment provider's ledger; ``channel``: ``shopify:acme``."""
    return [
        Money(f"{channel}:{e['order']}", e["payment"], e["kind"], e["amount"], e.get("by", ""), e.get("key", ""))
        for e in ledger["entries"]
        if e["kind"] in {"captured", "refunded"}
    ]


def progress(url: str) -> Json:
    """``GET /_progress`` of a simulator; ``idle`` means that nothing is left to happen there."""
    return _get(f"{url}/_progress")


def _get(url: str) -> Json:
    with urlopen(url, timeout=30) as answer:  # noqa: S310  # our own simulator
        return dict(json.load(answer))


def _violations(ledger: Json) -> list[str]:
    return [", ".join(f"{k}={v}" for k, v in e.items() if k not in {"n", "at", "kind"}) for e in ledger["violations"]]


def from_threepl(ledger: Json) -> Warehouse:
    """All depots of a simulated 3PL."""
    asked: Counter[tuple[str, str, str]] = Counter()
    written_off: Counter[tuple[str, str]] = Counter()
    shipped: list[ShippedLine] = []
    violations = _violations(ledger)
    violations += [f"{depot}: {skus} do not add up" for depot, skus in ledger["not_conserved"].items()]
    taken: Counter[tuple[str, str]] = Counter()
    for e in ledger["entries"]:
        if e["kind"] == "accepted":
            taken[(e["depot"], e["reference"])] += 1
            for line in e["lines"]:
                asked[(e["depot"], e["reference"], line["line_id"])] += line["qty"]
        elif e["kind"] == "picked" and e["written_off"]:
            written_off[(e["depot"], e["sku"])] += e["written_off"]
        elif e["kind"] == "shipped":
            names = ("depot", "reference", "line_id", "sku", "qty", "shipment_id", "tracking_number")
            shipped.append(ShippedLine(*(e[name] for name in names)))
    violations += [f"{' '.join(pick)} taken in {n} times" for pick, n in taken.items() if n > 1]
    inspected = [
        Inspected(*(e[name] for name in ("depot", "receipt", "rma", "line_id", "sku", "qty", "disposition")))
        for e in ledger["entries"]
        if e["kind"] == "inspected"
    ]
    shelf, b_grade, binned = (_places(ledger[name]) for name in ("stock", "b_grade", "binned"))
    bundles = _bundles(ledger)
    return Warehouse(asked, shipped, written_off, shelf, b_grade, binned, inspected, violations, bundles)


def _places(stock: dict[str, dict[str, int]]) -> dict[tuple[str, str], int]:
    return {(depot, sku): qty for depot, skus in stock.items() for sku, qty in skus.items()}


def _bundles(ledger: Json) -> list[Bundle]:
    asked = {(e["depot"], e["reference"]): e for e in ledger["entries"] if e["kind"] == "accepted"}
    bundles = []
    for e in ledger["entries"]:
        if e["kind"] == "bundled":
            picks = [asked[e["depot"], reference] for reference in e["references"]]
            doors, groups = frozenset(pick["door"] for pick in picks), frozenset(pick["group_id"] for pick in picks)
            bundles.append(Bundle(e["depot"], e["shipment_id"], e["cost"], tuple(e["references"]), doors, groups))
    return bundles


def from_bol(ledger: Json, account: str) -> Channel:
    """A simulated Bol account. Orders that Bol ships as a whole are never listed to a merchant who asks for his own."""
    channel = Channel(f"bol:{account}", violations=_violations(ledger))
    for e in ledger["entries"]:
        if e["kind"] == "order":
            channel.orders.append(_bol_order(e, account))
            key = f"bol:{account}:{e['order']}"
            for x in e["lines"]:
                channel.prices[(key, x["item"])] = Price(x["qty"], x["qty"] * x["price"] - x["discount"])
        elif e["kind"] == "cancelled":
            channel.cancelled[(f"bol:{account}:{e['order']}", e["item"])] += e["qty"]
        elif e["kind"] == "shipped":
            key = f"bol:{account}:{e['order']}"
            channel.told.append(Told(key, e["item"], e["qty"], e["reference"]))
    return channel


def _bol_order(entry: Json, account: str) -> SentOrder:
    lines: Iterable[Json] = entry["lines"]
    theirs = frozenset(line["item"] for line in lines if line["fbb"])
    return SentOrder(
        f"bol:{account}:{entry['order']}",
        {line["item"]: line["qty"] for line in lines},
        seen=len(theirs) < len(entry["lines"]),
        channel_ships=bool(theirs),
        elsewhere=theirs,
    )


def from_shopify(ledger: Json, account: str) -> Channel:
    """A simulated shop. Every order can be polled for, whatever became of its webhooks."""
    channel = Channel(f"shopify:{account}", violations=_violations(ledger))
    ordered: dict[str, dict[str, int]] = {}
    for e in ledger["entries"]:
        key = f"shopify:{account}:{e.get('order')}"
        if e["kind"] == "order":
            ordered[key] = {x["line_id"]: x["qty"] for x in e["lines"]}
            channel.orders.append(SentOrder(key, ordered[key], seen=True, test=e["test"]))
            for x in e["lines"]:
                channel.prices[(key, x["line_id"])] = Price(x["qty"], x["gross"])
            channel.shipping[key] = e["total"] - sum(x["gross"] for x in e["lines"])
        elif e["kind"] == "fulfilled":
            channel.told.extend(Told(key, x["line_id"], x["qty"], e["number"]) for x in e["lines"])
        elif e["kind"] == "part_cancelled":
            channel.cancelled[(key, e["line"])] += e["qty"]
        elif e["kind"] == "cancelled":
            channel.cancelled.update({(key, line): qty for line, qty in ordered[key].items()})
    return channel
