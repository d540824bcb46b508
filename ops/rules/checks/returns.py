"""Do the rules about returns make sense? Depots that exist, rows that can be reached, labels that have somewhere to go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from domain.rules.returns import Returns, ReturnWindow
from ops.yaml.formats import closest
from ops.yaml.source import Path

__all__ = ["channel_returns_sense", "returns_sense"]

Finding = tuple[Path, str, str]
"""Where, what is wrong, the way out."""


def returns_sense(group: dict[str, Any], depots: list[str]) -> Iterator[Finding]:
    """Every finding in the ``returns`` group (of the right shape); ``depots``: the ids of all depots of the rule set."""
    rules = msgspec.convert(group, Returns)
    yield from _windows(rules.windows)
    yield from _reasons(rules)
    for i, place in enumerate(rules.locations):
        yield from _depot(("locations", i, "depot"), place.depot, depots)
        if any(_covers(earlier.countries, place.countries) for earlier in rules.locations[:i]):
            yield ("locations", i), "is never reached: a row before it is for these countries", "move it up"
        for field in ("street1", "postcode", "city"):
            if rules.label.carrier and not getattr(place, field):
                yield ("locations", i, field), "is missing, and labels need it", "give the depot's return address"
    for name in ("restock", "b_grade", "write_off"):
        yield from _depot((name, "depot"), getattr(rules, name).depot, depots)
    if rules.label.carrier and not rules.locations:
        yield ("label", "carrier"), "labels, but nowhere to send returns to", "give at least one of `locations`"
    if rules.exchange.reserve and rules.exchange.ship != "approved":
        yield (
            ("exchange", "reserve"),
            "nothing is asked for before the old goods are inspected",
            "give `ship: approved`, or leave it out",
        )
    if rules.fees.label and not rules.label.carrier:
        yield ("fees", "label"), "a fee for labels that are never made", "give `label.carrier`, or leave the fee out"


def channel_returns_sense(
    general: dict[str, Any], own: dict[str, Any], channel: str, depots: list[str]
) -> Iterator[Finding]:
    """Every finding in the fields that ``channel`` (``bol``, ``bol:acme``) has of its own, laid over the general ones."""
    own = {k: v for k, v in own.items() if v is not None}
    for path, message, hint in returns_sense({**general, **own}, depots):
        if path[0] in own:
            yield path, message, hint
    named: list[tuple[Path, list[str]]] = [
        (("windows", i), window.get("channels", [])) for i, window in enumerate(own.get("windows", []))
    ]
    for place, channels in (*named, (("label",), own.get("label", {}).get("channels", []))):
        if channels and not any(_same(channel, c) for c in channels):
            yield (*place, "channels"), f"is never for {channel}", "leave `channels` out here"


def _same(channel: str, other: str) -> bool:
    """One of them is the other, or an account of it."""
    return channel == other or channel.startswith(f"{other}:") or other.startswith(f"{channel}:")


def _covers(earlier: list[str], later: list[str]) -> bool:
    return not earlier or (bool(later) and set(later) <= set(earlier))


def _windows(windows: list[ReturnWindow]) -> Iterator[Finding]:
    for i, window in enumerate(windows):
        if any(
            _covers(earlier.channels, window.channels) and _covers(earlier.countries, window.countries)
            for earlier in windows[:i]
        ):
            yield ("windows", i), "is never reached: a row before it decides for all of these", "move it up"


def _reasons(rules: Returns) -> Iterator[Finding]:
    for i, reason in enumerate(rules.reasons):
        over = next(
            (
                before
                for before, earlier in enumerate(rules.reasons[:i])
                if reason.code.lower().startswith(earlier.code.lower())
            ),
            None,
        )
        if over is not None:
            yield ("reasons", i), f"{reason.code} is never reached: reasons[{over}] decides it before", "move it up"


def _depot(path: Path, depot: str, known: list[str]) -> Iterator[Finding]:
    if depot and known and depot not in known:
        yield path, f"no depot {depot} in these rules", closest(depot, known) or f"one of {', '.join(known)}"
