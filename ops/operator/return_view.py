"""Returns as ClickHouse's events tell them: one dict an RMA, and the parcels that belong to nobody yet."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

__all__ = ["render", "rows", "view"]

Event = dict[str, Any]

OPEN_ENDS = frozenset({"CLOSED", "DECLINED", "CANCELLED", "EXPIRED", "CREDITED"})
"""Statuses of an RMA in which nothing is left to do."""


def view(events: Iterable[Event]) -> list[dict[str, Any]]:
    """The returns in these events of one order (or of one parcel without an order), by RMA, oldest first."""
    found: dict[str, dict[str, Any]] = {}
    for e in events:
        if e["rma_id"] or e["rma_kind"] == "parcel":
            name = e["rma_id"] or e["order_key"]
            _add(found.setdefault(name, _new(name, e)), e)
    return list(found.values())


def _new(name: str, e: Event) -> dict[str, Any]:
    return {
        "rma_id": e["rma_id"],
        "name": name,
        "order_key": e["order_key"],
        "order_name": e.get("name", ""),
        "kind": e["rma_kind"],
        "status": e["rma_status"],
        "requested_at": _iso(e["occurred_at"]),
        "changed_at": "",
        "carrier": "",
        "tracking_number": "",
        "label_cost": None,
        "units": {},
        "credited": 0,
        "tax": 0,
        "fees": 0,
        "currency": e["currency"],
        "manual_refund": "",
        "exceptions": [],
        "timeline": [],
    }


def _add(r: dict[str, Any], e: Event) -> None:
    kind = e["type"]
    r["status"], r["changed_at"] = e["rma_status"] or r["status"], _iso(e["time"])
    if not (r["rma_id"] and e["rma_kind"] == "parcel"):  # a parcel that came late for a return is a part of its story
        r["kind"] = e["rma_kind"] or r["kind"]
    r["order_name"] = e.get("name") or r["order_name"]
    r["carrier"] = e["carrier"] or r["carrier"]
    r["tracking_number"] = e["tracking_number"] or r["tracking_number"]
    if kind == "RETURN_LABELLED":
        r["label_cost"] = {"amount": e["cost"], "currency": e["cost_currency"]}
    elif kind == "CREDITED":
        r["credited"] += e["amount"]
        r["tax"] += e["tax"]
        r["fees"] += e["fees"]
        r["manual_refund"] = ""
    elif kind == "MANUAL_REFUND":
        r["manual_refund"] = e["reason"]
    elif kind == "RETURN_EXCEPTION":
        r["exceptions"].append(_exception(e))
    elif kind == "RETURN_RESOLVED":
        _resolve(r["exceptions"], e)
    _units(r["units"], kind, e)
    r["timeline"].append(
        {
            "at": _iso(e["occurred_at"]),
            "type": kind,
            "status": e["rma_status"],
            "reason": e["reason"],
            "actor": e["actor"],
            "depot": e["depot"],
            "amount": e["amount"],
            "currency": e["currency"],
            "lines": _returned(e),
        }
    )


_ID = re.compile(r"([ep]\d+) ")


def _exception(e: Event) -> dict[str, Any]:
    """Open until a RETURN_RESOLVED names its id, or belongs to the parcel."""
    found = _ID.match(e["reason"])
    name = found[1] if found else ""
    return {"id": name, "at": _iso(e["occurred_at"]), "reason": e["reason"], "depot": e["depot"], "open": True}


def _resolve(exceptions: list[dict[str, Any]], e: Event) -> None:
    found = _ID.match(e["reason"])
    for x in exceptions:
        mine = x["id"] == found[1] if found else e["rma_kind"] == "parcel" and not x["id"].startswith("e")
        x["open"] = x["open"] and not mine


_COUNTS = {
    "RMA_CREATED": "approved",
    "RMA_RECEIVED": "received",
    "RETURN_INSPECTED": "inspected",
    "CREDITED": "credited",
}


def _units(units: dict[str, dict[str, Any]], kind: str, e: Event) -> None:
    name = _COUNTS.get(kind)
    lines = _returned(e) or [
        {"line_id": a, "sku": b, "qty": n, "reason": "", "disposition": ""}
        for a, b, n in zip(e["lines.line_id"], e["lines.sku"], e["lines.qty"], strict=True)
    ]
    if name is None:
        return
    for x in lines:
        line = units.setdefault(x["line_id"] or x["sku"], {"sku": x["sku"], "reason": "", "dispositions": {}})
        line[name] = line.get(name, 0) + x["qty"]
        line["reason"] = line["reason"] or x["reason"]
        if kind == "RETURN_INSPECTED" and x["disposition"]:
            found = line["dispositions"]
            found[x["disposition"]] = found.get(x["disposition"], 0) + x["qty"]


def _returned(e: Event) -> list[dict[str, Any]]:
    names = (
        "line_id",
        "sku",
        "qty",
        "reason",
        "disposition",
        "depot",
        "note",
        "amount",
        "tax",
        "fee",
        "value",
        "stock_sku",
    )
    columns = [e[f"returned.{n}"] for n in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _iso(at: datetime | str) -> str:
    return at if isinstance(at, str) else at.isoformat(timespec="seconds")


def rows(found: list[dict[str, Any]]) -> list[list[str]]:
    """For the table of ``wharf returns list``, names first."""
    out = [["RETURN", "KIND", "STATUS", "UNITS", "CREDITED", "EXCEPTIONS", "CHANGED"]]
    for r in found:
        todo = [x["reason"] for x in r["exceptions"] if x["open"]]
        todo += [f"pay by hand: {r['manual_refund']}"] if r["manual_refund"] else []
        units = sum(x.get("approved", x.get("received", 0)) for x in r["units"].values())
        money = _money(r["credited"], r["currency"]) if r["credited"] else ""
        out.append([r["name"], r["kind"], r["status"], str(units), money, "; ".join(todo), r["changed_at"]])
    return out


def _money(amount: int, currency: str) -> str:
    from connectors.checks.money import plain

    return f"{plain(amount, currency)} {currency}" if currency else str(amount)


def render(r: dict[str, Any]) -> str:
    """One return for people."""
    head = f"{r['name']} ({r['order_name'] or r['order_key']}): {r['kind'] or 'parcel'}, {r['status'] or 'unassigned'}"
    out = [head]
    for line, x in r["units"].items():
        counts = ", ".join(f"{x[n]} {n}" for n in _COUNTS.values() if n in x)
        found = ", ".join(f"{n} {d}" for d, n in x["dispositions"].items())
        why = f"  ({x['reason']})" if x["reason"] else ""
        out.append(f"  {line}  {x['sku']}  {counts}{'  → ' + found if found else ''}{why}")
    if r["tracking_number"]:
        out.append(f"  label: {r['carrier']} {r['tracking_number']}")
    if r["credited"]:
        fees = f", fees {_money(r['fees'], r['currency'])}" if r["fees"] else ""
        out.append(f"  credited: {_money(r['credited'], r['currency'])}{fees}")
    if r["manual_refund"]:
        out.append(f"  to be paid by hand: {r['manual_refund']}")
    out += [f"  exception: {x['reason']} ({'open' if x['open'] else 'resolved'})" for x in r["exceptions"]]
    out.append("")
    for t in r["timeline"]:
        said = " ".join(x for x in (t["reason"], f"by {t['actor']}" if t["actor"] else "") if x)
        units = ", ".join(f"{x['qty']} × {x['sku'] or x['line_id']} {x['disposition']}".rstrip() for x in t["lines"])
        out.append(f"  {t['at']}  {t['type']:<18} {units}  {said}".rstrip())
    return "\n".join(out)
