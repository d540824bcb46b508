"""The smallest set of depots that serves a demand: exact for the usual sizes, a documented bound beyond.

Every set of up to ``max_parcels`` depots is looked at, smallest first, while there are at most ``EXACT_SETS`` of them (8 depots
and any number of parcels: 255). Beyond that, single depots and as many sizes as fit are still exact, so a single-parcel answer
is found whenever one exists; larger sets come from the greedy cover (at most ln(n) + 1 times the smallest). A set that contains
one that already serves everything is never better, so it is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from math import comb

import msgspec

from domain.records.values import DemandLine, LineQty

__all__ = ["EXACT_SETS", "Demand", "Served", "demand_of", "search"]

EXACT_SETS = 600
_PLACINGS = 512

Available = Mapping[str, Mapping[str, int]]
"""Units a request may take: SKU → depot → units."""


class Demand(msgspec.Struct, frozen=True):
    """What is wanted: ``sets`` each leave whole from one depot, the units of ``loose`` lines may be divided."""

    sets: list[list[DemandLine]]
    loose: list[DemandLine]
    max_parcels: int


class Served(msgspec.Struct, frozen=True):
    """What a set of depots would send: the lines by depot (each has some), and the units in all."""

    depots: tuple[str, ...]
    lines: dict[str, list[LineQty]]
    units: int


def demand_of(lines: list[DemandLine], splittable: bool, max_parcels: int, *, keep_sets: bool = True) -> Demand:
    """Group lines: sold sets (``bundle_id``) stay whole, if they are to; where the order must not be split, all of it is one set."""
    if not splittable:
        return Demand([lines], [], 1)
    if not keep_sets:
        return Demand([], lines, max_parcels)
    sets: dict[str, list[DemandLine]] = {}
    for line in lines:
        if line.bundle_id:
            sets.setdefault(line.bundle_id, []).append(line)
    return Demand(list(sets.values()), [demand_line for demand_line in lines if not demand_line.bundle_id], max_parcels)


def search(demand: Demand, depots: list[str], available: Available, stop_early: bool) -> list[Served]:
    """Every set of depots worth comparing, from ``depots`` in order of preference; all serve as many units as can be.

    ``stop_early``: fewest parcels come before all else, so larger sets than the first that serves everything are left out.
    """
    target = _attainable(demand, depots, available)
    found: list[Served] = []
    full: list[frozenset[str]] = []
    best = 0
    for chosen in _sets(demand, depots, available) if target else ():
        if full and ((stop_early and len(chosen) > len(full[0])) or any(f.issubset(chosen) for f in full)):
            continue
        served = _serve(demand, chosen, available)
        if served is None or served.units < best:
            continue
        if served.units > best:
            best, found = served.units, []
        found.append(served)
        if best == target:
            full.append(frozenset(chosen))
    return found


def _attainable(demand: Demand, depots: list[str], available: Available) -> int:
    """An upper bound of the units that can be served at all."""
    need: dict[str, int] = {}
    for line in demand.loose:
        need[line.sku] = need.get(line.sku, 0) + line.qty
    units = sum(min(n, sum(available[sku].get(depot, 0) for depot in depots)) for sku, n in need.items())
    for group in demand.sets:
        if any(_fits(group, depot, available) for depot in depots):
            units += sum(demand_line.qty for demand_line in group)
    return units


def _fits(group: list[DemandLine], depot: str, left: Available) -> bool:
    need: dict[str, int] = {}
    for line in group:  # two lines (or parts of a set) may share a SKU: their demand is summed first
        need[line.sku] = need.get(line.sku, 0) + line.qty
    return all(left[sku].get(depot, 0) >= n for sku, n in need.items())


def _sets(demand: Demand, depots: list[str], available: Available) -> Iterator[tuple[str, ...]]:
    budget = EXACT_SETS
    for size in range(1, min(demand.max_parcels, len(depots)) + 1):
        budget -= comb(len(depots), size)
        if budget < 0 and size > 1:
            yield _greedy(demand, depots, available)
            return
        yield from combinations(depots, size)


def _greedy(demand: Demand, depots: list[str], available: Available) -> tuple[str, ...]:
    """Add the depot that serves most more units, until nothing is gained or the parcels are used up."""
    chosen: tuple[str, ...] = ()
    units = 0
    while len(chosen) < demand.max_parcels:
        gains = [
            (_units(demand, (*chosen, text), available), -i, text)
            for i, text in enumerate(depots)
            if text not in chosen
        ]
        if not gains or max(gains)[0] <= units:
            break
        units, _, depot = max(gains)
        chosen = (*chosen, depot)
    return tuple(text for text in depots if text in chosen)


def _units(demand: Demand, chosen: tuple[str, ...], available: Available) -> int:
    return sum(line_qty.qty for lines in _assign(demand, chosen, available).values() for line_qty in lines)


def _serve(demand: Demand, chosen: tuple[str, ...], available: Available) -> Served | None:
    """What these depots send; None where one of them would send nothing (a smaller set does the same)."""
    lines = _assign(demand, chosen, available)
    if len(lines) < len(chosen):
        return None
    return Served(chosen, lines, sum(line_qty.qty for part in lines.values() for line_qty in part))


def _assign(demand: Demand, chosen: tuple[str, ...], available: Available) -> dict[str, list[LineQty]]:
    left = {sku: dict(by_depot) for sku, by_depot in available.items()}
    lines: dict[str, list[LineQty]] = {}
    for group, depot in zip(demand.sets, _place(demand, chosen, available), strict=True):
        if depot:
            for line in group:
                _take(line, depot, line.qty, left, lines)
    for line in demand.loose:
        _divide(line, chosen, left, lines)
    return {text: lines[text] for text in chosen if text in lines}


def _take(
    line: DemandLine, depot: str, qty: int, left: dict[str, dict[str, int]], to: dict[str, list[LineQty]]
) -> None:
    left[line.sku][depot] -= qty
    to.setdefault(depot, []).append(LineQty(line.line_id, line.sku, qty))


def _divide(
    line: DemandLine, chosen: tuple[str, ...], left: dict[str, dict[str, int]], to: dict[str, list[LineQty]]
) -> None:
    """A line goes whole to the first depot that has all of it, else to each in turn."""
    stock = left[line.sku]
    whole = next((text for text in chosen if stock.get(text, 0) >= line.qty), None)
    need = line.qty
    for depot in (whole,) if whole else chosen:
        n = min(need, max(stock.get(depot, 0), 0))
        if n:
            _take(line, depot, n, left, to)
            need -= n


def _place(demand: Demand, chosen: tuple[str, ...], available: Available) -> list[str]:
    """A depot for each set (``""``: it does not go), so that sets and what they leave to loose lines are most units together."""
    if not demand.sets:
        return []
    placing = _Placing(demand, chosen, available)
    placing.place(0, 0)
    return placing.best


class _Placing:
    """Every way to give each set to a depot or to none, those in order first; exact within ``_PLACINGS`` steps."""

    def __init__(self, demand: Demand, chosen: tuple[str, ...], available: Available) -> None:
        self._sets, self._chosen = demand.sets, chosen
        self._loose, skus = dict[str, int](), {demand_line.sku for group in demand.sets for demand_line in group}
        for line in demand.loose:  # what no set takes goes as it goes, wherever the sets are
            if line.sku in skus:
                self._loose[line.sku] = self._loose.get(line.sku, 0) + line.qty
        self._left = {sku: {text: available[sku].get(text, 0) for text in chosen} for sku in skus}
        self._units = [sum(demand_line.qty for demand_line in group) for group in demand.sets]
        self._rest = [sum(self._units[i:]) for i in range(len(self._units) + 1)]
        self._placed, self._most, self._steps = [""] * len(demand.sets), -1, 0
        self.best = list(self._placed)

    def place(self, i: int, units: int) -> None:
        """Try set ``i`` and those after it; ``units``: of the sets placed so far."""
        self._steps += 1
        bound = units + self._rest[i] + (self._loose_units() if self._loose else 0)
        if bound <= self._most:
            return
        if i == len(self._sets):
            self._most, self.best = bound, list(self._placed)
            return
        for depot in self._chosen:
            if _fits(self._sets[i], depot, self._left):
                self._book(i, depot, -1)
                self.place(i + 1, units + self._units[i])
                self._book(i, depot, 1)
            if bound <= self._most or (self._steps > _PLACINGS and self._most >= 0):
                return
        self.place(i + 1, units)

    def _book(self, i: int, depot: str, sign: int) -> None:
        self._placed[i] = depot if sign < 0 else ""
        for line in self._sets[i]:
            self._left[line.sku][depot] += sign * line.qty

    def _loose_units(self) -> int:
        """Contested units that loose lines could have of what is left now."""
        units = 0
        for sku, n in self._loose.items():
            left = self._left[sku]
            units += min(n, sum(left.values()))
        return units
