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
        units = [{"sku": sku, "qty": n} for sku, n in zip(row["lines.sku"], row["lines.qty"], strict=True)]
        entry["outcome"].append({"event": row["type"], "depot": row["depot"], "units": units, "reason": row["reason"]})
    return list(found.values())


def _data(decision: str) -> Any:
    try:
        return msgspec.json.decode(decision)
    except msgspec.DecodeError:
        return {"text": decision}


def text(key: str, found: list[dict[str, Any]]) -> str:
    """For the terminal."""
    if not found:
        return f"{key}: no pool has decided on it yet (held, cancelled first, or shipped by its channel): `wharf orders show {key}`"
    parts = [f"{key}: {len(found)} decision(s)"]
    for n, entry in enumerate(found, 1):
        parts += ["", *_entry(n, entry)]
    return "\n".join(parts)


def _entry(n: int, entry: dict[str, Any]) -> Iterator[str]:
    d = entry["decision"]
    if "because" in d:
        yield from _stopped(n, entry, d)
        return
    if "parked" in d:
        yield f"{n}. {entry['time'][:16].replace('T', ' ')}Z  rules {entry['rule_version']}: parked by {d['parked']}, nothing is reserved"
        return
    asked = ", ".join(f"{qty} × {sku}" for sku, qty in d.get("demand", {}).items()) or "?"
    split = "may be split" if d.get("split") else "may not be split"
    at = entry["time"][:19].replace("T", " ") + "Z"
    yield f"{n}. {at}  rules {entry['rule_version']}, class {d.get('class', '?')}: asked for {asked}, {split}"
    chosen = {str(c) for c in d.get("chosen") or ()}
    yield "   depots"
    yield from (f"     {candidate(c, chosen)}" for c in d.get("candidates", ()))
    if d.get("options"):
        yield "   preferences, in turn"
        yield from (f"     {line}" for line in _preferences(d))
    yield f"   settled: {settled(str(d.get('decided_by', '')))}"
    for o in entry["outcome"]:
        units = ", ".join(f"{x['qty']} × {x['sku']}" for x in o["units"])
        where = f" at {o['depot']}" if o["depot"] else ""
        yield f"   → {o['event']} {units}{where}" + (f" ({o['reason']})" if o["reason"] else "")


def _stopped(n: int, entry: dict[str, Any], d: dict[str, Any]) -> Iterator[str]:
    at = entry["time"][:19].replace("T", " ") + "Z"
    yield f"{n}. {at}  rules {entry['rule_version']}: {d.get('hold', 'held')} because of"
    yield from (f"     {why}" for why in d["because"])
    for o in entry["outcome"]:
        yield f"   → {o['event']}"


def _preferences(d: dict[str, Any]) -> list[str]:
    """The best options beside each other, a row a preference; smaller is better, the first that differs decides."""
    options = d["options"]
    head = ["", *(" + ".join(map(str, o["depots"])) for o in options), ""]
    units = ["units sent", *(str(o["units"]) for o in options), ""]
    rows = []
    for i, wish in enumerate(d.get("preferences", ())):
        values = [o["values"][i] if i < len(o["values"]) else "" for o in options]
        rows.append([str(wish), *map(_value, values), "← decides" if wish == d.get("decided_by") else ""])
    return table([head, units, *rows])


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
