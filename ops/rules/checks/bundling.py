"""Does bundling make sense? Waves that come, at depots and with carriers there are, in rows that can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from domain.rules.ruleset import Bundling, Wave
from ops.yaml.formats import closest
from ops.yaml.source import Path

__all__ = ["bundling_sense"]

Finding = tuple[Path, str, str]


def bundling_sense(data: dict[str, Any], depots: list[Any]) -> Iterator[Finding]:
    """``data``: the ``bundling`` of a file, of the right shape; ``depots``: its depots that have it too."""
    rules = msgspec.convert(data, Bundling)
    if rules.enabled and not rules.waves:
        yield ("waves",), "no wave, so nothing would ever be bundled", 'for example {depot: "*", every_minutes: 60}'
    for index, wave in enumerate(rules.waves):
        at = ("waves", index)
        if bool(wave.times) == bool(wave.every_minutes):
            yield (
                at,
                "has both times and every_minutes" if wave.times else "never comes",
                "give times, or every_minutes",
            )
        yield from _names(at, wave, depots)
        if any(_covers(earlier, wave) for earlier in rules.waves[:index]):
            yield at, "is never reached: an earlier row decides for all of it", "move it up, or take it out"


def _names(at: Path, wave: Wave, depots: list[Any]) -> Iterator[Finding]:
    known = [depot.id for depot in depots]
    if wave.depot not in ("*", *known):
        yield (
            (*at, "depot"),
            f"there is no depot {wave.depot}",
            closest(wave.depot, known) or f"one of {', '.join(known)}",
        )
        return
    carriers = sorted(
        {route.carrier for depot in depots if wave.depot in ("*", depot.id) for route in depot.rates if route.carrier}
    )
    if wave.carrier not in ("*", *carriers):
        hint = closest(wave.carrier, carriers) or "a carrier of its rates, or * for all"
        yield (*at, "carrier"), f"no rate names the carrier {wave.carrier}", hint


def _covers(earlier: Wave, wave: Wave) -> bool:
    services = not earlier.services or (bool(wave.services) and set(wave.services) <= set(earlier.services))
    return services and earlier.depot in ("*", wave.depot) and earlier.carrier in ("*", wave.carrier)
