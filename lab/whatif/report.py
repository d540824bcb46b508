"""Two worlds side by side: the figures, and which orders went elsewhere and why. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from .order_result import Row

__all__ = ["compare", "figures", "reason"]

HOUR_MS = 3_600_000
EXAMPLES = 1000
"""Moved orders listed at most; the reasons count all of them."""


def figures(rows: list[Row]) -> dict[str, Any]:
    """The figures of one world. ``cost`` by currency, minor units; rates are parts of 1, None where there is nothing to divide."""
    served = [r for r in rows if r.depots]
    promised = [r for r in served if r.promised]
    cost: Counter[str] = Counter()
    for row in served:
        cost[row.currency] += row.cost
    waits = sorted(r.served_at - r.at for r in rows if r.waited and r.served_at)
    return {
        "orders": len(rows),
        "parcels": len({text for r in served for text in r.parcels}),
        "cost": dict(sorted(cost.items())),
        "split_orders": (split := sum(len(r.parcels) > 1 for r in served)),
        "split_rate": _rate(split, len(served)),
        "promised_orders": len(promised),
        "on_time_orders": (on_time := sum(not r.late for r in promised)),
        "on_time_rate": _rate(on_time, len(promised)),
        "hours_to_ship_by": round(sum(r.ship_by - r.at for r in served) / HOUR_MS / len(served), 2) if served else None,
        "backordered_orders": sum(r.waited for r in rows),
        "still_waiting_orders": sum(bool(r.waiting) for r in rows),
        "median_wait_hours": round(waits[len(waits) // 2] / HOUR_MS, 2) if waits else None,
        "unfillable_orders": sum(bool(r.unfillable) and not r.depots for r in rows),
        "held_orders": sum(r.held for r in rows),
    }


def _rate(n: int, of: int) -> float | None:
    return round(n / of, 4) if of else None


def compare(old: Iterable[Row], new: Iterable[Row], really: dict[str, set[str]]) -> dict[str, Any]:
    """Both worlds, the orders that moved, and how far the old world agrees with what happened (``really``: first depots by order)."""
    before, after = {row.key: row for row in old}, {row.key: row for row in new}
    moves = [fields for k, row in before.items() if (fields := _move(row, after[k]))]
    told = [k for k in before if k in really]
    same = sum(set(before[k].first) == really[k] for k in told)
    return {
        "old": figures(list(before.values())),
        "new": figures(list(after.values())),
        "moved_orders": len(moves),
        "reasons": dict(Counter(move["reason"] for move in moves).most_common()),
        "moves": moves[:EXAMPLES],
        "old_rules_agree_with_the_log": _rate(same, len(told)),
    }


def _move(row: Row, b: Row) -> dict[str, Any] | None:
    if (row.depots, row.held, bool(row.waiting), bool(row.unfillable)) == (
        b.depots,
        b.held,
        bool(b.waiting),
        bool(b.unfillable),
    ):
        return None
    return {
        "order": row.key,
        "from": row.depots,
        "to": b.depots,
        "parcels": [len(row.parcels), len(b.parcels)],
        "cost": [row.cost, b.cost],
        "waited": [row.waited, b.waited],
        "reason": reason(row, b),
    }


def reason(row: Row, b: Row) -> str:
    """Why an order came out otherwise: a depot refused now, or allowed now; else the preference that decided; else stock others took or left."""
    if (whole := _as_a_whole(row, b)) or (why := _depot(row, b)):
        return whole or why
    return f"preference: {b.why}" if b.why not in ("", "only", "none") else "stock that other orders took or left"


def _as_a_whole(row: Row, b: Row) -> str:
    if row.held != b.held:
        return "a rule holds it now" if b.held else "no rule holds it any more"
    return "no depot may serve it now" if b.unfillable and not row.unfillable else ""


def _depot(row: Row, b: Row) -> str:
    """A depot that left or came, for what it says of itself; or that it waits, or no longer does."""
    left = [depot for depot in row.depots if depot not in b.depots]
    for text in left:
        now, then = b.refused.get(text, ""), row.refused.get(text, "")
        if now and now != then:
            return f"{text} refuses now: {now}" if now != "stock" else f"{text} has less left: other orders took it"
    for text in b.depots:
        then = row.refused.get(text, "")
        if text not in row.depots and then and then != b.refused.get(text, ""):
            return (
                f"{text} takes it now: it refused before ({then})"
                if then != "stock"
                else f"{text} has more left: other orders left it"
            )
    if bool(row.waiting) != bool(b.waiting):
        return "it waits now: stock is kept or taken" if b.waiting else "it no longer waits"
    return ""
