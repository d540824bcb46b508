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
    for r in served:
        cost[r.currency] += r.cost
    waits = sorted(r.served_at - r.at for r in rows if r.waited and r.served_at)
    return {
        "orders": len(rows),
        "parcels": len({p for r in served for p in r.parcels}),
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
    before, after = {r.key: r for r in old}, {r.key: r for r in new}
    moves = [m for k, a in before.items() if (m := _move(a, after[k]))]
    told = [k for k in before if k in really]
    same = sum(set(before[k].first) == really[k] for k in told)
    return {
        "old": figures(list(before.values())),
        "new": figures(list(after.values())),
        "moved_orders": len(moves),
        "reasons": dict(Counter(m["reason"] for m in moves).most_common()),
        "moves": moves[:EXAMPLES],
        "old_rules_agree_with_the_log": _rate(same, len(told)),
    }


def _move(a: Row, b: Row) -> dict[str, Any] | None:
    if (a.depots, a.held, bool(a.waiting), bool(a.unfillable)) == (
        b.depots,
        b.held,
        bool(b.waiting),
        bool(b.unfillable),
    ):
        return None
    return {
        "order": a.key,
        "from": a.depots,
        "to": b.depots,
        "parcels": [len(a.parcels), len(b.parcels)],
        "cost": [a.cost, b.cost],
        "waited": [a.waited, b.waited],
        "reason": reason(a, b),
    }


def reason(a: Row, b: Row) -> str:
    """Why an order came out otherwise: a depot refused now, or allowed now; else the preference that decided; else stock others took or left."""
    if (whole := _as_a_whole(a, b)) or (why := _depot(a, b)):
        return whole or why
    return f"preference: {b.why}" if b.why not in ("", "only", "none") else "stock that other orders took or left"


def _as_a_whole(a: Row, b: Row) -> str:
    if a.held != b.held:
        return "a rule holds it now" if b.held else "no rule holds it any more"
    return "no depot may serve it now" if b.unfillable and not a.unfillable else ""


def _depot(a: Row, b: Row) -> str:
    """A depot that left or came, for what it says of itself; or that it waits, or no longer does."""
    left = [d for d in a.depots if d not in b.depots]
    for d in left:
        now, then = b.refused.get(d, ""), a.refused.get(d, "")
        if now and now != then:
            return f"{d} refuses now: {now}" if now != "stock" else f"{d} has less left: other orders took it"
    for d in b.depots:
        then = a.refused.get(d, "")
        if d not in a.depots and then and then != b.refused.get(d, ""):
            return (
                f"{d} takes it now: it refused before ({then})"
                if then != "stock"
                else f"{d} has more left: other orders left it"
            )
    if bool(a.waiting) != bool(b.waiting):
        return "it waits now: stock is kept or taken" if b.waiting else "it no longer waits"
    return ""
