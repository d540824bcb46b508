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
    for event in events:
        if event["rma_id"] or event["rma_kind"] == "parcel":
            name = event["rma_id"] or event["order_key"]
            _add(found.setdefault(name, _new(name, event)), event)
    return list(found.values())


def _new(name: str, event: Event) -> dict[str, Any]:
    return {
        "rma_id": event["rma_id"],
        "name": name,
        "order_key": event["order_key"],
        "order_name": event.get("name", ""),
        "kind": event["rma_kind"],
        "status": event["rma_status"],
        "requested_at": _iso(event["occurred_at"]),
        "changed_at": "",
        "carrier": "",
        "tracking_number": "",
        "label_cost": None,
        "units": {},
        "credited": 0,
        "tax": 0,
        "fees": 0,
        "currency": event["currency"],
        "manual_refund": "",
        "exceptions": [],
        "timeline": [],
    }


def _add(rma: dict[str, Any], event: Event) -> None:
    kind = event["type"]
    rma["status"], rma["changed_at"] = event["rma_status"] or rma["status"], _iso(event["time"])
    if not (
        rma["rma_id"] and event["rma_kind"] == "parcel"
    ):  # a parcel that came late for a return is a part of its story
        rma["kind"] = event["rma_kind"] or rma["kind"]
    rma["order_name"] = event.get("name") or rma["order_name"]
    rma["carrier"] = event["carrier"] or rma["carrier"]
    rma["tracking_number"] = event["tracking_number"] or rma["tracking_number"]
    if kind == "RETURN_LABELLED":
        rma["label_cost"] = {"amount": event["cost"], "currency": event["cost_currency"]}
    elif kind == "CREDITED":
        rma["credited"] += event["amount"]
        rma["tax"] += event["tax"]
        rma["fees"] += event["fees"]
        rma["manual_refund"] = ""
    elif kind == "MANUAL_REFUND":
        rma["manual_refund"] = event["reason"]
    elif kind == "RETURN_EXCEPTION":
        rma["exceptions"].append(_exception(event))
    elif kind == "RETURN_RESOLVED":
        _resolve(rma["exceptions"], event)
    _units(rma["units"], kind, event)
    rma["timeline"].append(
        {
            "at": _iso(event["occurred_at"]),
            "type": kind,
            "status": event["rma_status"],
            "reason": event["reason"],
            "actor": event["actor"],
            "depot": event["depot"],
            "amount": event["amount"],
            "currency": event["currency"],
            "lines": _returned(event),
        }
    )


_ID = re.compile(r"([ep]\d+) ")


def _exception(event: Event) -> dict[str, Any]:
    """Open until a RETURN_RESOLVED names its id, or belongs to the parcel."""
    found = _ID.match(event["reason"])
    name = found[1] if found else ""
    return {
        "id": name,
        "at": _iso(event["occurred_at"]),
        "reason": event["reason"],
        "depot": event["depot"],
        "open": True,
    }


def _resolve(exceptions: list[dict[str, Any]], event: Event) -> None:
    found = _ID.match(event["reason"])
    for exception in exceptions:
        mine = (
            exception["id"] == found[1]
            if found
            else event["rma_kind"] == "parcel" and not exception["id"].startswith("e")
        )
        exception["open"] = exception["open"] and not mine


_COUNTS = {
    "RMA_CREATED": "approved",
    "RMA_RECEIVED": "received",
    "RETURN_INSPECTED": "inspected",
    "CREDITED": "credited",
}


def _units(units: dict[str, dict[str, Any]], kind: str, event: Event) -> None:
    name = _COUNTS.get(kind)
    lines = _returned(event) or [
        {"line_id": line_id, "sku": sku, "qty": quantity, "reason": "", "disposition": ""}
        for line_id, sku, quantity in zip(event["lines.line_id"], event["lines.sku"], event["lines.qty"], strict=True)
    ]
    if name is None:
        return
    for unit in lines:
        line = units.setdefault(unit["line_id"] or unit["sku"], {"sku": unit["sku"], "reason": "", "dispositions": {}})
        line[name] = line.get(name, 0) + unit["qty"]
        line["reason"] = line["reason"] or unit["reason"]
        if kind == "RETURN_INSPECTED" and unit["disposition"]:
            found = line["dispositions"]
            found[unit["disposition"]] = found.get(unit["disposition"], 0) + unit["qty"]


def _returned(event: Event) -> list[dict[str, Any]]:
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
    columns = [event[f"returned.{name}"] for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _iso(at: datetime | str) -> str:
    return at if isinstance(at, str) else at.isoformat(timespec="seconds")


def rows(found: list[dict[str, Any]]) -> list[list[str]]:
    """For the table of ``wharf returns list``, names first."""
    out = [["RETURN", "KIND", "STATUS", "UNITS", "CREDITED", "EXCEPTIONS", "CHANGED"]]
    for rma in found:
        todo = [item["reason"] for item in rma["exceptions"] if item["open"]]
        todo += [f"pay by hand: {rma['manual_refund']}"] if rma["manual_refund"] else []
        units = sum(item.get("approved", item.get("received", 0)) for item in rma["units"].values())
        money = _money(rma["credited"], rma["currency"]) if rma["credited"] else ""
        out.append([rma["name"], rma["kind"], rma["status"], str(units), money, "; ".join(todo), rma["changed_at"]])
    return out


def _money(amount: int, currency: str) -> str:
    from connectors.checks.money import plain

    return f"{plain(amount, currency)} {currency}" if currency else str(amount)


def render(rma: dict[str, Any]) -> str:
    """One return for people."""
    head = f"{rma['name']} ({rma['order_name'] or rma['order_key']}): {rma['kind'] or 'parcel'}, {rma['status'] or 'unassigned'}"
    out = [head]
    for line, unit in rma["units"].items():
        counts = ", ".join(f"{unit[count]} {count}" for count in _COUNTS.values() if count in unit)
        found = ", ".join(f"{count} {disposition}" for disposition, count in unit["dispositions"].items())
        why = f"  ({unit['reason']})" if unit["reason"] else ""
        out.append(f"  {line}  {unit['sku']}  {counts}{'  → ' + found if found else ''}{why}")
    if rma["tracking_number"]:
        out.append(f"  label: {rma['carrier']} {rma['tracking_number']}")
    if rma["credited"]:
        fees = f", fees {_money(rma['fees'], rma['currency'])}" if rma["fees"] else ""
        out.append(f"  credited: {_money(rma['credited'], rma['currency'])}{fees}")
    if rma["manual_refund"]:
        out.append(f"  to be paid by hand: {rma['manual_refund']}")
    out += [
        f"  exception: {found['reason']} ({'open' if found['open'] else 'resolved'})" for found in rma["exceptions"]
    ]
    out.append("")
    for moment in rma["timeline"]:
        said = " ".join(part for part in (moment["reason"], f"by {moment['actor']}" if moment["actor"] else "") if part)
        units = ", ".join(
            f"{unit['qty']} × {unit['sku'] or unit['line_id']} {unit['disposition']}".rstrip()
            for unit in moment["lines"]
        )
        out.append(f"  {moment['at']}  {moment['type']:<18} {units}  {said}".rstrip())
    return "\n".join(out)
