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
        "HOLDS": [_hold(h) for h in order["holds"]],
        "ALLOCATIONS": [line for a in order["allocations"] for line in _allocation(a)],
        "WAITING": [line for w in order["waiting"] for line in _waiting(w)],
        "SHIPMENTS": [line for s in order["shipments"] for line in _shipment(s)],
        "TIMELINE": _timeline(order["timeline"]),
    }
    body = [f"\n{title}\n" + "\n".join(f"  {line}" for line in lines) for title, lines in sections.items() if lines]
    return "\n".join([_head(order), *body])


def table(rows: Iterable[Iterable[Any]], numbers: frozenset[int] = frozenset()) -> list[str]:
    """Columns two spaces apart, the first row their names; ``numbers``: the columns that are right-aligned."""
    cells = [[_plain(str(c)) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return [
        "  ".join(
            c.rjust(w) if i in numbers else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def _plain(text: str) -> str:
    """One line without control characters: a cell never breaks its row, or the terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _when(iso: str | None) -> str:
    return iso.replace("T", " ").partition(".")[0] + "Z" if iso else "–"


def _head(o: dict[str, Any]) -> str:
    name = f" ({o['name']})" if o["name"] and not o["order_key"].endswith(o["name"]) else ""
    facts = [f"{o['order_key']}{name}", o["status"]]
    facts += [f"placed {_when(o['placed_at'])}"] if o["placed_at"] else ["not placed yet"]
    facts += [x for x in (o["country"],) if x]
    facts += [f"total {o['total']} {o['currency']} (minor units)"] if o["total"] is not None else []
    facts += ["needed a hand"] if o["intervention"] else []
    return "   ".join(facts)


def _lines(lines: list[dict[str, Any]]) -> list[str]:
    if not lines:
        return []
    shown = [q for q in _QUANTITIES if q in {"ordered", "open"} or any(x[q] for x in lines)]
    rows = [["line", "sku", *shown], *([x["line_id"], x["sku"], *(x[q] for q in shown)] for x in lines)]
    return table(rows, frozenset(range(2, 2 + len(shown))))


def _hold(h: dict[str, Any]) -> str:
    by = f" (by {h['actor']})" if h["actor"] else ""
    return f"{h['hold']} since {_when(h['since'])}{by}{': ' + h['reason'] if h['reason'] else ''}"


def _units(lines: list[dict[str, Any]]) -> str:
    return ", ".join(f"{x['qty']} × {x['sku']}" for x in lines)


def _allocation(a: dict[str, Any]) -> list[str]:
    promise = f"ship by {_when(a['ship_by'])}, there by {_when(a['eta'])}"
    means = " ".join(x for x in (a["service"], a["carrier"]) if x)
    first = f"{a['allocation_id']}  {a['status']}: {_units(a['lines'])} from {a['depot']} ({means}), {promise}" + (
        f", in bundle {a['group_id'][:8]}" if a.get("group_id") else ""
    )
    return [first, *_decision(a["decision"], a["rule_version"])]


def _waiting(w: dict[str, Any]) -> list[str]:
    why = f": {w['reason']}" if w["reason"] else ""
    return [
        f"{w['status']} since {_when(w['since'])}: {_units(w['lines'])}{why}",
        *_decision(w["decision"], w["rule_version"]),
    ]


def _decision(decision: Any, rules: str) -> list[str]:
    """Why: what settled it, then each depot with its figures or the reason it was refused."""
    if not isinstance(decision, dict):
        return [f"  decision: {decision}"] if decision else []
    said = settled(str(decision.get("decided_by", "")))
    chosen = {str(d) for d in decision.get("chosen") or ()}
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
    has = ", ".join(f"{n} × {sku}" for sku, n in (c.get("available") or {}).items())
    short = f", too few of {', '.join(c['short'])}" if c.get("short") else ""
    return f"{'✓' if depot in chosen else '·'} {depot}: has {has}{short}; hands over on {c.get('day')}, cost {c.get('cost')}"


def _shipment(s: dict[str, Any]) -> list[str]:
    told = "the channel knows" if s["channel_told"] else "the channel has not been told yet"
    there = f", delivered {_when(s['delivered_at'])}" if s["delivered_at"] else ""
    tracking = " ".join(x for x in (s["carrier"], s["tracking_number"]) if x) or "no tracking"
    first = f"{s['shipment_id']}  {s['status']}: {_units(s['lines'])} from {s['depot']}, {tracking}"
    return [first, f"  shipped {_when(s['shipped_at'])}{there}; cost {s['cost']} {s['cost_currency']}; {told}"]


def _timeline(moments: list[dict[str, Any]]) -> list[str]:
    rows = [["when (UTC)", "event", "status after", "what", "trace"]]
    for m in moments:
        parts = (
            _units(m["lines"]),
            m["depot"],
            m["tracking_number"],
            m["reason"],
            f"by {m['actor']}" if m["actor"] else "",
        )
        rows.append(
            [_when(m["occurred_at"]), m["type"], m["status"], "; ".join(p for p in parts if p), m["trace"][:16]]
        )
    return table(rows)
