"""Zones: where a customer lives, as far as rules care: a country and the beginnings of its postcodes. Pure."""

from __future__ import annotations

from domain.rules.ruleset import Depot, Zone

__all__ = ["FAR", "distance", "zone_of"]

FAR = 1_000_000
"""The distance of a depot to a zone that its rules do not name."""


def zone_of(zones: list[Zone], country: str, postcode: str) -> str:
    """The name of the zone whose postcode beginning is the longest that fits (the first of equals); ``""``: none."""
    plain = "".join(text for text in postcode.upper() if text.isalnum())
    best, found = -1, ""
    for zone in zones:
        if zone.country != country:
            continue
        for start in zone.postcodes or [""]:
            if plain.startswith(start) and len(start) > best:
                best, found = len(start), zone.name
    return found


def distance(depot: Depot, zone: str) -> int:
    """How far the depot is from the zone, in whatever unit its rules use."""
    return depot.zones.get(zone, FAR)
