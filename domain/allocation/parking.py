"""Parking: demand that is not to be served yet waits without reserving anything and without keeping stock from others. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from zoneinfo import ZoneInfo

import msgspec

from domain.rules.ruleset import ParkRule

from .sku_rules import matches

__all__ = ["LOOK_AGAIN_MS", "Parked", "parked"]

HOUR = 3_600_000
LOOK_AGAIN_MS = HOUR
"""How often a demand that waits for all of its goods is looked at."""


class Parked(msgspec.Struct, frozen=True):
    """Which rule parks a demand, and until when (UTC ms; None: until everything of it is there)."""

    rule: str
    until: int | None


def parked(
    rules: Sequence[ParkRule],
    zone: ZoneInfo,
    now: int,
    placed_at: int,
    *,
    skus: Sequence[str],
    tags: Sequence[str],
    channel: str,
    service: str,
) -> Parked | None:
    """The first rule that fits and whose time has not come; None: it may go."""
    for rule in rules:
        if not _fits(rule, skus, tags, channel, service):
            continue
        until = max(_date(rule.until_date, zone), placed_at + rule.minutes * 60_000 if rule.minutes else 0)
        if now < until:
            return Parked(rule.name, until)
        if rule.complete:
            return Parked(rule.name, None)
    return None


def _fits(rule: ParkRule, skus: Sequence[str], tags: Sequence[str], channel: str, service: str) -> bool:
    return (
        (not rule.skus or any(matches(name, sku) for name in rule.skus for sku in skus))
        and (not rule.tags_any or any(tag in rule.tags_any for tag in tags))
        and (not rule.channels or channel in rule.channels)
        and (not rule.services or service in rule.services)
    )


def _date(day: str, zone: ZoneInfo) -> int:
    if not day:
        return 0
    return round(datetime.combine(datetime.fromisoformat(day).date(), time(), zone).timestamp() * 1000)
