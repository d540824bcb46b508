"""Bundling: allocations of one customer to one address leave as one parcel, gathered in waves.

Pure. A wave belongs to a depot and a carrier; what may leave together there is what has the same ``group_key``. An allocation waits for
the next wave, but never so long that its hand-over is in danger: ``due`` says until when. One that would not wait at all joins no wave.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from domain.money import spread
from domain.records.values import AllocationPlan, ParcelPart
from domain.rules.ruleset import Bundling, Wave

from .cutoff import HORIZON_DAYS, Calendar

__all__ = ["MINUTE", "BundleCost", "bundle_cost", "due", "group_key", "next_wave", "share_of", "wave_for"]

MINUTE = 60_000


def wave_for(rules: Bundling, plan: AllocationPlan, tags: Sequence[str], channel: str) -> Wave | None:
    """The wave an allocation belongs to: the first row that fits; None where it is not to be bundled."""
    if not rules.enabled or any(tag in rules.never_tags for tag in tags):
        return None
    if rules.channels and channel not in rules.channels:
        return None
    for row in rules.waves:
        place = row.depot in ("*", plan.depot) and row.carrier in ("*", plan.carrier)
        if place and (not row.services or plan.service in row.services):
            return row
    return None


def group_key(plan: AllocationPlan, customer_key: str, address_hash: str, channel: str, rules: Bundling) -> str:
    """What allocations must have in common to leave as one parcel; ``""``: customer or address is not known, so nothing has."""
    if not (customer_key and address_hash):
        return ""
    shared = "" if rules.across_channels else channel
    parts = (
        plan.depot,
        plan.carrier,
        plan.service,
        str(plan.eta),
        plan.cost_currency,
        customer_key,
        address_hash,
        shared,
    )
    return "\x1f".join(parts)


def next_wave(wave: Wave, calendar: Calendar, now: int) -> int | None:
    """The first wave after ``now`` on a day the depot works; None: none within the horizon."""
    first = calendar.today(now)
    for n in range(HORIZON_DAYS):
        day = first + timedelta(days=n)
        if not calendar.is_open(day):
            continue
        if wave.every_minutes:
            at, step = calendar.instant(day, "00:00"), wave.every_minutes * MINUTE
            at += max(0, (now - at) // step + 1) * step
            if at < calendar.instant(day + timedelta(days=1), "00:00"):
                return at
        for clock in sorted(wave.times):
            if (at := calendar.instant(day, clock)) > now:
                return at
    return None


def due(wave: Wave, rules: Bundling, calendar: Calendar, now: int, ship_by: int) -> int:
    """Until when an allocation waits: the next wave, at the latest ``lead_minutes`` before its hand-over and ``max_wait_minutes``
    from now. Not after ``now``: it does not wait.
    """
    latest = ship_by - rules.lead_minutes * MINUTE
    if rules.max_wait_minutes:
        latest = min(latest, now + rules.max_wait_minutes * MINUTE)
    at = next_wave(wave, calendar, now)
    return max(now, latest if at is None else min(at, latest))


class BundleCost(msgspec.Struct, frozen=True):
    """What is expected to be paid, minor units: one by one, as one parcel, and each member's share of that, in the order given."""

    alone: int
    together: int
    shares: list[int]

    @property
    def saving(self) -> int:
        """What is not paid."""
        return self.alone - self.together


def bundle_cost(costs: Sequence[int]) -> BundleCost:
    """One parcel costs what the dearest of its members would; the shares add up to it exactly."""
    together = max(costs)
    return BundleCost(sum(costs), together, spread(together, costs))


def share_of(cost: int, parts: Sequence[ParcelPart], allocation_id: str) -> int:
    """An allocation's share of what a parcel cost, by units; all shares add up to ``cost``, whoever asks first.

    An allocation that is no part of the parcel has no share; without parts the parcel is its own.
    """
    if not parts:
        return cost
    units: dict[str, int] = {}
    for parcel_part in parts:
        units[parcel_part.allocation_id] = units.get(parcel_part.allocation_id, 0) + parcel_part.units
    names = sorted(units)
    shares = dict(zip(names, spread(cost, [units[n] for n in names]), strict=True))
    return shares.get(allocation_id, 0)
