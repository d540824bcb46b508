"""Why an order went where it went: each decision of the pool with its candidates, what every rule did, and what came of it. Pure.

The figures are those of the decision itself (kept with the ALLOCATED, BACKORDERED and UNFILLABLE events), not of the stock or rules of now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ops.operator.order_text import candidate, settled, table

__all__ = ["decisions", "text"]


Row = Mapping[str, Any]


def decisions(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """One entry a decision, in their order. ``rows``: the order's deciding events from ``order_events``, by ``seq``.

    A decision that split an order stands on several events: they are its ``outcome``.
    """
    found: dict[tuple[Any, str], dict[str, Any]] = {}
    for row in rows:
        if not row["decision"]:
            continue
        entry = found.setdefault(
            (row["time"], row["decision"]),
            {
                "time": row["time"].isoformat().replace("+00:00", "Z"),
                "rule_version": row["rule_version"],
                "decision": _data(row["decision"]),
                "outcome": [],
            },
        )
        units = [
            {"sku": sku, "qty": quantity} for sku, quantity in zip(row["lines.sku"], row["lines.qty"], strict=True)
        ]
        entry["outcome"].append({"event": row["type"], "depot": row["depot"], "units": units, "reason": row["reason"]})
    return list(found.values())


def _data(decision: str) -> Any:
    try:
        return msgspec.json.decode(decision)
    except msgspec.DecodeError:
        return {"text": decision}


def text(key: str, found: list[dict[str, Any]]) -> str:
    """Format it as text for the terminal."""
    if not found:
        return f"{key}: no pool has decided on it yet (held, cancelled first, or shipped by its channel): `wharf orders show {key}`"
    parts = [f"{key}: {len(found)} decision(s)"]
    for number, entry in enumerate(found, 1):
        parts += ["", *_entry(number, entry)]
    return "\n".join(parts)


def _entry(number: int, entry: dict[str, Any]) -> Iterator[str]:
    decision = entry["decision"]
    if "because" in decision:
        yield from _stopped(number, entry, decision)
        return
    if "parked" in decision:
        yield f"{number}. {entry['time'][:16].replace('T', ' ')}Z  rules {entry['rule_version']}: parked by {decision['parked']}, nothing is reserved"
        return
    asked = ", ".join(f"{qty} × {sku}" for sku, qty in decision.get("demand", {}).items()) or "?"
    split = "may be split" if decision.get("split") else "may not be split"
    at = entry["time"][:19].replace("T", " ") + "Z"
    yield f"{number}. {at}  rules {entry['rule_version']}, class {decision.get('class', '?')}: asked for {asked}, {split}"
    chosen = {str(c) for c in decision.get("chosen") or ()}
    yield "   depots"
    yield from (f"     {candidate(c, chosen)}" for c in decision.get("candidates", ()))
    if decision.get("options"):
        yield "   preferences, in turn"
        yield from (f"     {line}" for line in _preferences(decision))
    yield f"   settled: {settled(str(decision.get('decided_by', '')))}"
    for outcome in entry["outcome"]:
        units = ", ".join(f"{unit['qty']} × {unit['sku']}" for unit in outcome["units"])
        where = f" at {outcome['depot']}" if outcome["depot"] else ""
        yield f"   → {outcome['event']} {units}{where}" + (f" ({outcome['reason']})" if outcome["reason"] else "")


def _stopped(number: int, entry: dict[str, Any], decision: dict[str, Any]) -> Iterator[str]:
    at = entry["time"][:19].replace("T", " ") + "Z"
    yield f"{number}. {at}  rules {entry['rule_version']}: {decision.get('hold', 'held')} because of"
    yield from (f"     {why}" for why in decision["because"])
    for outcome in entry["outcome"]:
        yield f"   → {outcome['event']}"


def _preferences(decision: dict[str, Any]) -> list[str]:
    """The best options beside each other, a row a preference; smaller is better, the first that differs decides."""
    options = decision["options"]
    head = ["", *(" + ".join(map(str, option["depots"])) for option in options), ""]
    units = ["units sent", *(str(option["units"]) for option in options), ""]
    rows = []
    for i, wish in enumerate(decision.get("preferences", ())):
        values = [option["values"][i] if i < len(option["values"]) else "" for option in options]
        rows.append([str(wish), *map(_value, values), "← decides" if wish == decision.get("decided_by") else ""])
    return table([head, units, *rows])


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
