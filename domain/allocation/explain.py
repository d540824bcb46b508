"""Why an order went where it went: a decision as data, compact enough to be kept with every allocation."""

from __future__ import annotations

from typing import Any

import msgspec

from domain.records.values import DemandLine
from domain.rules.ruleset import Depot, Rate, Routing, RuleSet

from .cutoff import Promise
from .search import Available, Served

__all__ = ["Candidate", "Seen", "Want", "explain"]


class Want(msgspec.Struct, frozen=True):
    """A demand and what the rules look at; ``value`` is the order's total in minor units of ``currency``.

    ``routing``: the one for this order, where it is not the general one; ``barred``: depots whose condition is not true of it;
    ``whole``: the condition for a split is not true of it.
    """

    lines: list[DemandLine]
    country: str
    service: str
    value: int
    currency: str
    excluded: list[str]
    latest_delivery: int | None
    routing: Routing | None = None
    barred: list[str] = []
    whole: bool = False
    postcode: str = ""
    zone: str = ""


class Candidate(msgspec.Struct, frozen=True):
    """A depot that passed every filter, and what it would promise."""

    depot: Depot
    rate: Rate
    promise: Promise


class Seen(msgspec.Struct, frozen=True):
    """Everything a decision looked at. ``ranked``: the best sets of depots, with the value of each preference."""

    want: Want
    available: Available
    rules: RuleSet
    now: int
    may_split: bool
    refused: dict[str, str]
    fit: dict[str, Candidate]
    ranked: list[tuple[list[Any], Served]]


def explain(seen: Seen) -> dict[str, Any]:
    """What was asked, each depot's figures or refusal, the best options and what settled it (``docs/rules.md``)."""
    need: dict[str, int] = {}
    for line in seen.want.lines:
        need[line.sku] = need.get(line.sku, 0) + line.qty
    wishes = (seen.want.routing or seen.rules.routing).preferences
    return {
        "rules": seen.rules.version,
        "now": seen.now,
        "demand": need,
        "split": seen.may_split,
        "candidates": [_shown(depot.id, seen, need) for depot in seen.rules.depots],
        "preferences": wishes,
        **({"zone": seen.want.zone} if seen.rules.zones else {}),
        "options": [{"depots": served.depots, "units": served.units, "values": v} for v, served in seen.ranked[:3]],
        "chosen": seen.ranked[0][1].depots if seen.ranked else (),
        "decided_by": _decider(seen.ranked, wishes),
    }


def _shown(depot: str, seen: Seen, need: dict[str, int]) -> dict[str, Any]:
    if depot in seen.refused:
        return {"depot": depot, "refused": seen.refused[depot]}
    candidate = seen.fit[depot]
    has = {text: seen.available[text].get(depot, 0) for text in need}
    shown: dict[str, Any] = {
        "depot": depot,
        "available": has,
        "day": candidate.promise.day,
        "cost": candidate.rate.cost,
    }
    if all(n <= 0 for n in has.values()):
        shown["refused"] = "stock"
    elif short := [item for item, n in need.items() if has[item] < n]:
        shown["short"] = short
    return shown


def _decider(ranked: list[tuple[list[Any], Served]], wishes: list[str]) -> str:
    """The preference at which the runner-up fell behind; ``only`` where there was no choice, ``none`` without an answer."""
    if len(ranked) < 2:
        return "only" if ranked else "none"
    (first, _), (second, _) = ranked[0], ranked[1]
    return next((text for text, a, b in zip(wishes, first, second, strict=True) if a != b), "depot_id")
