"""An order for the terminal, from what ``ops.operator.order_view`` makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["candidate", "render", "settled", "table"]

_REFUSED = {
    "excluded": "refused these units before",
    "sku_tags": "may not send these articles",
    "country": "does not deliver to this country",
    "service": "does not offer this service level",
    "rate": "has no rate for this service and country",
    "capacity": "is full on every day in question",
    "calendar": "is closed on every day in question",
    "stock": "has none of it",
}
_SETTLED = {
    "only": "no other choice",
    "none": "no depot could",
    "depot_id": "all preferences tied; the depot's name decided",
}
_QUANTITIES = ("ordered", "open", "backordered", "allocated", "picked", "shipped", "delivered", "cancelled", "returned")


def render(order: dict[str, Any]) -> str:
    """All of it, section by section; one that is empty is left out."""
    sections = {
        "LINES": _lines(order["lines"]),
        "HOLDS": [_hold(hold) for hold in order["holds"]],
        "ALLOCATIONS": [line for allocation in order["allocations"] for line in _allocation(allocation)],
        "WAITING": [line for wait in order["waiting"] for line in _waiting(wait)],
        "SHIPMENTS": [line for shipment in order["shipments"] for line in _shipment(shipment)],
        "TIMELINE": _timeline(order["timeline"]),
    }
    body = [f"\n{title}\n" + "\n".join(f"  {line}" for line in lines) for title, lines in sections.items() if lines]
    return "\n".join([_head(order), *body])


def table(rows: Iterable[Iterable[Any]], numbers: frozenset[int] = frozenset()) -> list[str]:
    """Columns two spaces apart, the first row their names; ``numbers``: the columns that are right-aligned."""
    cells = [[_plain(str(cell)) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return [
        "  ".join(
            cell.rjust(width) if i in numbers else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def _plain(text: str) -> str:
    """One line without control characters: a cell never breaks its row, or the terminal."""
    return (
        text
        if text.isprintable()
        else "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    )


def _when(iso: str | None) -> str:
    return iso.replace("T", " ").partition(".")[0] + "Z" if iso else "–"


def _head(order: dict[str, Any]) -> str:
    name = f" ({order['name']})" if order["name"] and not order["order_key"].endswith(order["name"]) else ""
    facts = [f"{order['order_key']}{name}", order["status"]]
    facts += [f"placed {_when(order['placed_at'])}"] if order["placed_at"] else ["not placed yet"]
    facts += [part for part in (order["country"],) if part]
    facts += [f"total {order['total']} {order['currency']} (minor units)"] if order["total"] is not None else []
    facts += ["needed a hand"] if order["intervention"] else []
    return "   ".join(facts)


def _lines(lines: list[dict[str, Any]]) -> list[str]:
    if not lines:
        return []
    shown = [
        quantity for quantity in _QUANTITIES if quantity in {"ordered", "open"} or any(line[quantity] for line in lines)
    ]
    rows = [
        ["line", "sku", *shown],
        *([line["line_id"], line["sku"], *(line[quantity] for quantity in shown)] for line in lines),
    ]
    return table(rows, frozenset(range(2, 2 + len(shown))))


def _hold(hold: dict[str, Any]) -> str:
    by = f" (by {hold['actor']})" if hold["actor"] else ""
    return f"{hold['hold']} since {_when(hold['since'])}{by}{': ' + hold['reason'] if hold['reason'] else ''}"


def _units(lines: list[dict[str, Any]]) -> str:
    return ", ".join(f"{line['qty']} × {line['sku']}" for line in lines)


def _allocation(allocation: dict[str, Any]) -> list[str]:
    promise = f"ship by {_when(allocation['ship_by'])}, there by {_when(allocation['eta'])}"
    means = " ".join(part for part in (allocation["service"], allocation["carrier"]) if part)
    first = (
        f"{allocation['allocation_id']}  {allocation['status']}: {_units(allocation['lines'])} from {allocation['depot']} ({means}), {promise}"
        + (f", in bundle {allocation['group_id'][:8]}" if allocation.get("group_id") else "")
    )
    return [first, *_decision(allocation["decision"], allocation["rule_version"])]


def _waiting(wait: dict[str, Any]) -> list[str]:
    why = f": {wait['reason']}" if wait["reason"] else ""
    return [
        f"{wait['status']} since {_when(wait['since'])}: {_units(wait['lines'])}{why}",
        *_decision(wait["decision"], wait["rule_version"]),
    ]


def _decision(decision: Any, rules: str) -> list[str]:
    """Why: what settled it, then each depot with its figures or the reason it was refused."""
    if not isinstance(decision, dict):
        return [f"  decision: {decision}"] if decision else []
    said = settled(str(decision.get("decided_by", "")))
    chosen = {str(depot) for depot in decision.get("chosen") or ()}
    lines = [f"  decided with rules {rules or 'by default'}: {said}"]
    return lines + [f"    {candidate(c, chosen)}" for c in decision.get("candidates", ()) if isinstance(c, dict)]


def settled(by: str) -> str:
    """What settled a decision (its ``decided_by``)."""
    return _SETTLED.get(by, f"by preference: {by.replace('_', ' ')}" if by else "as recorded")


def candidate(c: dict[str, Any], chosen: set[str]) -> str:
    """A depot that a decision looked at: its figures, or why it was refused."""
    depot, refused = str(c.get("depot", "?")), c.get("refused")
    if refused:
        return f"✗ {depot}: {_REFUSED.get(str(refused), str(refused))}"
    has = ", ".join(f"{count} × {sku}" for sku, count in (c.get("available") or {}).items())
    short = f", too few of {', '.join(c['short'])}" if c.get("short") else ""
    return f"{'✓' if depot in chosen else '·'} {depot}: has {has}{short}; hands over on {c.get('day')}, cost {c.get('cost')}"


def _shipment(shipment: dict[str, Any]) -> list[str]:
    told = "the channel knows" if shipment["channel_told"] else "the channel has not been told yet"
    there = f", delivered {_when(shipment['delivered_at'])}" if shipment["delivered_at"] else ""
    tracking = " ".join(part for part in (shipment["carrier"], shipment["tracking_number"]) if part) or "no tracking"
    first = f"{shipment['shipment_id']}  {shipment['status']}: {_units(shipment['lines'])} from {shipment['depot']}, {tracking}"
    return [
        first,
        f"  shipped {_when(shipment['shipped_at'])}{there}; cost {shipment['cost']} {shipment['cost_currency']}; {told}",
    ]


def _timeline(moments: list[dict[str, Any]]) -> list[str]:
    rows = [["when (UTC)", "event", "status after", "what", "trace"]]
    for moment in moments:
        parts = (
            _units(moment["lines"]),
            moment["depot"],
            moment["tracking_number"],
            moment["reason"],
            f"by {moment['actor']}" if moment["actor"] else "",
        )
        rows.append(
            [
                _when(moment["occurred_at"]),
                moment["type"],
                moment["status"],
                "; ".join(part for part in parts if part),
                moment["trace"][:16],
            ]
        )
    return table(rows)
