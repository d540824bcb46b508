"""Which depots send an order's units: filters, then preferences in turn, then an answer that explains itself.

Pure: stock, rules and ``now`` come in, a decision goes out. The filters (excluded, condition, country, service, rate, calendar, capacity,
stock) leave candidates; sets of candidates that serve as many units as can be served are compared by the preferences of the
rule set, one after the other, and the first that is not a tie decides.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

import msgspec

from domain.records.values import DemandLine, LineQty
from domain.rules.ruleset import Depot, Rate, RuleSet

from .cutoff import Calendar
from .explain import Candidate, Seen, Want, explain
from .search import Available, Served, demand_of, search
from .sku_rules import SkuRules
from .zones import distance, zone_of

__all__ = ["Candidate", "Compiled", "Decision", "Parcel", "Want", "compiled", "decide", "eligible", "splittable"]


class Parcel(msgspec.Struct, frozen=True):
    """One depot's part of the answer."""

    candidate: Candidate
    lines: list[LineQty]


class Decision(msgspec.Struct, frozen=True):
    """The answer. ``left``: what nobody can send now. ``could``: the depots that may serve this demand once they have
    stock (sorted ids). ``later``: one was refused only because it is full or closed for now. ``record``: the explanation. ``whole``: it must not be split.
    """

    parcels: list[Parcel]
    left: list[DemandLine]
    could: list[str]
    later: bool
    record: dict[str, Any]
    whole: bool = False


_PASSING = ("capacity", "calendar")
"""Refusals that pass with time."""

_MEMO = 10_000


class Compiled:
    """A rule set with its calendars parsed."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self.depots = {depot.id: depot for depot in rules.depots}
        self.calendars = {depot.id: Calendar(depot) for depot in rules.depots}
        self.skus = SkuRules(rules)
        self._lanes: dict[tuple[str, str, str], tuple[int, int, Candidate | str]] = {}

    def candidate(self, depot: Depot, want: Want, now: int, full: Container[str]) -> Candidate | str:
        """The depot with its promise, or why not. Until the promised day's cut-off the answer stays the same, so it is kept."""
        if depot.id in want.excluded:
            return "excluded"
        if depot.id in want.barred:
            return "condition"
        if self.may_not_send(depot.id, want):
            return "sku_tags"
        if full:
            return self._judge(depot, want, now, full)
        key = (depot.id, want.country, want.service)
        since, until, known = self._lanes.get(key, (0, 0, ""))
        if not since <= now < until:
            known = self._judge(depot, want, now, full)
            until = known.promise.cutoff if isinstance(known, Candidate) else now + 1
            if len(self._lanes) >= _MEMO:
                self._lanes.clear()
            self._lanes[key] = now, until, known
        return known

    def may_not_send(self, depot: str, want: Want) -> bool:
        """The tags of the SKUs keep the depot from having any part in it."""
        if self.skus.plain:
            return False
        barred = set(self.skus.barred(depot, [line.sku for line in want.lines]))
        wanted = {line.sku for line in want.lines}
        return bool(barred) and (barred == wanted or not splittable(want, self.rules))

    def _judge(self, depot: Depot, want: Want, now: int, full: Container[str]) -> Candidate | str:
        if refusal := _refusal(depot, want):
            return refusal
        rate = _rate(depot, want) or Rate(0)
        calendar = self.calendars[depot.id]
        promise = calendar.promise(now, want.service, rate.transit_days, rate.delivers, full)
        if promise is None:
            return "capacity" if full else "calendar"
        return Candidate(depot, rate, promise)


_last: list[Compiled] = []


def compiled(rules: RuleSet) -> Compiled:
    """The compiled form of a rule set; the last one is kept, since rules change once a week and orders come every ms.

    Raises ZoneInfoNotFoundError or ValueError where a rule set was not checked.
    """
    if not _last or _last[0].rules is not rules:
        _last[:] = [Compiled(rules)]
    return _last[0]


def splittable(want: Want, rules: RuleSet) -> bool:
    """May its units leave in several parcels? An order in another currency than the rules' counts as below ``min_value``."""
    split = (want.routing or rules.routing).split
    worth = split.min_value == 0 or (want.currency == rules.currency and want.value >= split.min_value)
    return split.allowed and not want.whole and split.max_parcels > 1 and worth


def _any(allowed: list[str], value: str) -> bool:
    return "*" in allowed or value in allowed


def _rate(depot: Depot, want: Want) -> Rate | None:
    if not depot.rates:
        return Rate(0)
    rows = [rate for rate in depot.rates if rate.country in ("*", want.country) and rate.service in ("*", want.service)]
    return min(rows, key=lambda rate: (rate.country == "*", rate.service == "*", rate.cost), default=None)


def _refusal(depot: Depot, want: Want) -> str:
    """Why a depot may not serve this demand whatever its stock; ``""``: it may."""
    if depot.id in want.excluded:
        return "excluded"
    if depot.id in want.barred:
        return "condition"
    if not _any(depot.ships_to, want.country):
        return "country"
    if not _any(depot.services, want.service):
        return "service"
    return "" if _rate(depot, want) else "rate"


def eligible(want: Want, rules: RuleSet) -> list[str]:
    """The depots (sorted ids) that may serve this demand whenever they have stock, a free place and an open day."""
    may = compiled(rules)
    return sorted(
        depot.id for depot in rules.depots if not _refusal(depot, want) and not may.may_not_send(depot.id, want)
    )


Value = Callable[[list[Candidate], Served, Want, Available], Any]
"""A preference: the smaller value wins."""


def _balance(depots: list[Candidate], served: Served, _want: Want, available: Available) -> int:
    left = 0
    for candidate in depots:
        skus = {line_qty.sku for line_qty in served.lines[candidate.depot.id]}
        taken = sum(line_qty.qty for line_qty in served.lines[candidate.depot.id])
        left += sum(available[text].get(candidate.depot.id, 0) for text in skus) - taken
    return -left


VALUES: dict[str, Value] = {
    "fewest_parcels": lambda cs, _s, _w, _a: len(cs),
    "earliest_ship": lambda cs, _s, _w, _a: max(c.promise.day for c in cs),
    "meets_promise": lambda cs, _s, w, _a: sum(
        w.latest_delivery is not None and c.promise.eta > w.latest_delivery for c in cs
    ),
    "earliest_eta": lambda cs, _s, _w, _a: max(c.promise.eta for c in cs),
    "cost": lambda cs, _s, _w, _a: sum(c.rate.cost for c in cs),
    "same_country": lambda cs, _s, w, _a: sum(c.depot.country != w.country for c in cs),
    "zone": lambda cs, _s, w, _a: sum(distance(c.depot, w.zone) for c in cs),
    "stock_balance": _balance,
    "sequence": lambda cs, _s, _w, _a: sorted(c.depot.sequence for c in cs),
}


def decide(want: Want, available: Available, rules: Compiled, now: int, full: Mapping[str, set[str]]) -> Decision:
    """Answer a demand.

    ``available``: units this request may take, SKU → depot (safety stock and what is kept for others already off); ``full``:
    ship days (ISO) without capacity, by depot.
    """
    routing = want.routing or rules.rules.routing
    may_split = splittable(want, rules.rules)
    judged = {item: rules.candidate(depot, want, now, full.get(item, ())) for item, depot in rules.depots.items()}
    refused = {item: candidate for item, candidate in judged.items() if isinstance(candidate, str)}
    fit = {item: candidate for item, candidate in judged.items() if isinstance(candidate, Candidate)}
    if rules.rules.zones:
        want = msgspec.structs.replace(want, zone=zone_of(rules.rules.zones, want.country, want.postcode))
    names = _ordered(fit, want, available, routing.preferences)
    demand = demand_of(want.lines, may_split, routing.split.max_parcels, keep_sets=routing.keep_sets_together)
    options = search(demand, names, available, stop_early=routing.preferences[:1] == ["fewest_parcels"])
    ranked = sorted(
        ((_values(option, fit, want, available, routing.preferences), option) for option in options),
        key=lambda found: (found[0], found[1].depots),
    )
    served = ranked[0][1] if ranked else None
    parcels = [Parcel(fit[depot], served.lines[depot]) for depot in served.depots] if served else []
    could = sorted(text for text in judged if refused.get(text, "calendar") in _PASSING)
    later = any(value in _PASSING for value in refused.values())
    seen = Seen(want, available, rules.rules, now, may_split, refused, fit, ranked)
    return Decision(parcels, _left(want.lines, parcels), could, later, explain(seen), not may_split)


def _ordered(fit: dict[str, Candidate], want: Want, available: Available, wishes: list[str]) -> list[str]:
    """Candidates that have any of it, the preferred ones first: that order decides who sends what within a set of depots."""
    skus = {line.sku for line in want.lines}
    some = [text for text in fit if any(available[name].get(text, 0) > 0 for name in skus)]
    if len(some) < 2:
        return some
    lines = {text: [LineQty("", name, 0) for name in skus] for text in some}
    return sorted(some, key=lambda text: (_values(Served((text,), lines, 0), fit, want, available, wishes), text))


def _values(
    served: Served, fit: dict[str, Candidate], want: Want, available: Available, wishes: list[str]
) -> list[Any]:
    depots = [fit[depot] for depot in served.depots]
    return [VALUES[wish](depots, served, want, available) for wish in wishes]


def _left(lines: list[DemandLine], parcels: list[Parcel]) -> list[DemandLine]:
    sent: dict[str, int] = {}
    for parcel in parcels:
        for line_qty in parcel.lines:
            sent[line_qty.line_id] = sent.get(line_qty.line_id, 0) + line_qty.qty
    return [msgspec.structs.replace(line, qty=n) for line in lines if (n := line.qty - sent.get(line.line_id, 0)) > 0]
