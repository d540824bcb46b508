"""Do the rules for articles, zones and parking make sense? Names that exist, and rules that have an effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from domain.rules.ruleset import Depot, Routing
from ops.yaml.formats import closest
from ops.yaml.source import Path

__all__ = ["routing_sense"]

Finding = tuple[Path, str, str]


def routing_sense(data: dict[str, Any], depots: dict[int, Depot], broken: list[str]) -> Iterator[Finding]:
    """``data``: the file; ``depots``: those of the right shape by index; ``broken``: fields that do not have it."""
    zones, tags = _zones(data), data.get("sku_tags")
    for i, depot in depots.items():
        yield from _named(("depots", i, "zones"), list(depot.zones), zones, "zone", "zones")
        for name in ("refuses_tags", "only_tags"):
            known = list(tags) if isinstance(tags, dict) else []
            yield from _named(("depots", i, name), getattr(depot, name), known, "tag", "sku_tags")
    routing = data.get("routing")
    if not isinstance(routing, dict) or any(bad.startswith("routing") for bad in broken):
        return
    rules = msgspec.convert({k: v for k, v in routing.items() if k in ("preferences", "park")}, Routing)
    if "zone" in rules.preferences and not any(d.zones for d in depots.values()):
        yield (
            ("routing", "preferences"),
            "zone never decides: no depot has zones",
            "give the depots `zones: {NAME: distance}`",
        )
    for j, rule in enumerate(rules.park):
        if not (rule.until_date or rule.minutes or rule.complete):
            yield ("routing", "park", j), f"{rule.name} parks nothing", "give until_date, minutes, or complete: true"


def _zones(data: dict[str, Any]) -> list[str]:
    zones = data.get("zones")
    return [str(zone.get("name")) for zone in zones if isinstance(zone, dict)] if isinstance(zones, list) else []


def _named(at: Path, names: list[str], known: list[str], what: str, where: str) -> Iterator[Finding]:
    for name in names:
        if name not in known:
            yield at, f"there is no {what} {name}", closest(name, known) or f"name it under {where}"
