"""Does a rule set make sense? Names that exist, days that come, rows that can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from domain.rules.ruleset import CheckRule, Depot, FailureRule, PriorityClass, RuleSet
from ops.yaml.formats import closest
from ops.yaml.source import Path, Problem, Source, show

from .bundling import bundling_sense
from .conditions import check_more
from .notifications import notices_sense
from .returns import channel_returns_sense, returns_sense
from .routing import routing_sense

__all__ = ["check_sense"]

Finding = tuple[Path, str, str]
"""Where, what is wrong, the way out."""


def check_sense(source: Source, shape: list[Problem]) -> list[Problem]:
    """Every place where a rule says something that can't be or has no effect. Parts with a broken shape are left out."""
    broken = [problem.field for problem in shape]
    data = source.data
    found: list[Finding] = []
    for prefix, group in _groups(data):
        found += [((*prefix, *path), message, hint) for path, message, hint in _group(group, prefix, broken)]
        found += _notices(group, prefix, broken)
    found += _failures(_part(data, "failures", list[FailureRule], broken, ()))
    found += _whole(data)
    depots = _part(data, "depots", list[Depot], broken, ())
    found += routing_sense(data, depots, broken)
    if isinstance(data.get("bundling"), dict) and not any(bad.startswith("bundling") for bad in broken):
        every = [
            depot
            for prefix, group in _groups(data)
            for depot in _part(group, "depots", list[Depot], broken, prefix).values()
        ]
        bundling = bundling_sense(data["bundling"], every)
        found += [(("bundling", *path), message, hint) for path, message, hint in bundling]
    found += _returns(data, [depot.id for depot in depots.values()], broken)
    return [source.problem(*problem) for problem in found] + check_more(source, broken)


def _returns(data: dict[str, Any], depots: list[str], broken: list[str]) -> Iterator[Finding]:
    """The general rules about returns, and those for each channel as they are once laid over the general ones."""
    if any(bad.startswith("returns") for bad in broken):
        return
    general = data.get("returns") if isinstance(data.get("returns"), dict) else {}
    if general:
        yield from ((("returns", *path), message, hint) for path, message, hint in returns_sense(general, depots))
    for prefix, group in _groups(data):
        own = group.get("returns") if prefix[:1] == ("channels",) else None
        if isinstance(own, dict) and not any(bad.startswith(show((*prefix, "returns"))) for bad in broken):
            for path, message, hint in channel_returns_sense(general or {}, own, str(prefix[1]), depots):
                yield (*prefix, "returns", *path), message, hint


def _groups(data: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The general rules, and those for each pool and channel."""
    yield (), data
    for kind in ("pools", "channels"):
        parts = data.get(kind)
        for name, group in parts.items() if isinstance(parts, dict) else ():
            if isinstance(group, dict):
                yield (kind, name), group


def _group(data: dict[str, Any], prefix: Path, broken: list[str]) -> Iterator[Finding]:
    for i, depot in _part(data, "depots", list[Depot], broken, prefix).items():
        yield from ((("depots", i, *path), message, hint) for path, message, hint in _depot(depot))
    yield from _twice(data, "depots", "id")
    classes = _part(data, "priorities", list[PriorityClass], broken, prefix)
    yield from _twice(data, "priorities", "name")
    yield from _unreachable(classes)
    yield from _checks(_part(data, "checks", list[CheckRule], broken, prefix))
    yield from _twice(data, "fraud", "name")


def _notices(group: dict[str, Any], prefix: Path, broken: list[str]) -> list[Finding]:
    at, part = (*prefix, "notifications"), group.get("notifications")
    if not isinstance(part, dict) or any(bad.startswith(show(at)) for bad in broken):
        return []
    return [((*at, *path), message, hint) for path, message, hint in notices_sense(part)]


def _part(data: dict[str, Any], name: str, kind: Any, broken: list[str], prefix: Path) -> dict[int, Any]:
    """The items of a list that have the right shape, by index."""
    items = data.get(name)
    if not isinstance(items, list):
        return {}
    whole = [i for i in range(len(items)) if not any(bad.startswith(show((*prefix, name, i))) for bad in broken)]
    return dict(zip(whole, msgspec.convert([items[i] for i in whole], kind), strict=True))


def _twice(data: dict[str, Any], name: str, field: str) -> Iterator[Finding]:
    first: dict[str, int] = {}
    items = data.get(name)
    for i, item in enumerate(items if isinstance(items, list) else []):
        value = item.get(field) if isinstance(item, dict) else None
        if isinstance(value, str) and value in first:
            yield (name, i, field), f"{value} is already {name}[{first[value]}]", "each has a name of its own"
        elif isinstance(value, str):
            first[value] = i


def _depot(depot: Depot) -> Iterator[Finding]:
    yield from _exceptions(depot)
    yield from _cutoffs(depot)
    yield from _rates(depot)
    for name in ("services", "ships_to", "working_days"):
        if not getattr(depot, name):
            yield (name,), "is empty, so this depot never ships", "leave it out for the default"


def _exceptions(depot: Depot) -> Iterator[Finding]:
    seen: set[str] = set()
    for i, exception in enumerate(depot.exceptions):
        if exception.date in seen:
            yield ("exceptions", i, "date"), f"{exception.date} has an exception already", "one a date"
        seen.add(exception.date)
        if exception.closed and exception.cutoff:
            yield ("exceptions", i), "is closed and has a cut-off", "one of the two"
        if exception.cutoff > depot.handover:
            yield ("exceptions", i, "cutoff"), f"{exception.cutoff} is after the hand-over at {depot.handover}", ""


def _cutoffs(depot: Depot) -> Iterator[Finding]:
    covered: dict[str, set[str]] = {}
    for i, cutoff in enumerate(depot.cutoffs):
        days = covered.setdefault(cutoff.service, set())
        if cutoff.time > (cutoff.handover or depot.handover):
            yield (
                ("cutoffs", i, "time"),
                f"{cutoff.time} is after the hand-over at {cutoff.handover or depot.handover}",
                "move one",
            )
        if cutoff.weekdays and days.issuperset(cutoff.weekdays):
            yield (
                ("cutoffs", i),
                f"an earlier row decides {cutoff.service} on all of these days",
                "take it out, or move it up",
            )
        days.update(cutoff.weekdays)
        yield from _offered(depot, ("cutoffs", i, "service"), cutoff.service)
    if depot.working_days and not set(depot.working_days) & set().union(*covered.values()):
        yield ("cutoffs",), "no cut-off on any working day, so this depot never ships", "give at least one"


def _rates(depot: Depot) -> Iterator[Finding]:
    seen: dict[tuple[str, str], int] = {}
    for i, rate in enumerate(depot.rates):
        key = (rate.country, rate.service)
        if key in seen:
            yield ("rates", i), f"rates[{seen[key]}] is for {rate.country} and {rate.service} too", "one row each"
        seen.setdefault(key, i)
        yield from _offered(depot, ("rates", i, "service"), rate.service)
        if rate.country != "*" and "*" not in depot.ships_to and rate.country not in depot.ships_to:
            yield ("rates", i, "country"), f"this depot does not ship to {rate.country}", "add it to ships_to"


def _offered(depot: Depot, path: Path, service: str) -> Iterator[Finding]:
    if service != "*" and "*" not in depot.services and service not in depot.services:
        yield path, f"this depot does not offer {service}", closest(service, depot.services) or "add it to services"


def _unreachable(classes: dict[int, PriorityClass]) -> Iterator[Finding]:
    """A class is never reached where an earlier one matches whatever it matches."""
    earlier: list[PriorityClass] = []
    for i, later in classes.items():
        for before in earlier:
            if _covers(before, later):
                yield (
                    ("priorities", i),
                    f"{later.name} is never reached: {before.name} matches all of it before",
                    "move it up",
                )
                break
        earlier.append(later)


def _covers(earlier: PriorityClass, later: PriorityClass) -> bool:
    def wider(wide: list[str], narrow: list[str]) -> bool:
        return not wide or (bool(narrow) and set(narrow) <= set(wide))

    if earlier.when and earlier.when != later.when:
        return False
    due = not earlier.due_within_hours or 0 < later.due_within_hours <= earlier.due_within_hours
    return due and all(
        wider(getattr(earlier, name), getattr(later, name)) for name in ("tags_any", "services", "channels")
    )


def _checks(checks: dict[int, CheckRule]) -> Iterator[Finding]:
    earlier: dict[int, CheckRule] = {}
    for i, check in checks.items():
        over = next(
            (
                place
                for place, other in earlier.items()
                if check.problem.startswith(other.problem) and other.when in ("", check.when)
            ),
            None,
        )
        if over is not None:
            yield ("checks", i), f"{check.problem} is never reached: checks[{over}] decides it before", "move it up"
        earlier[i] = check


def _failures(rules: dict[int, FailureRule]) -> Iterator[Finding]:
    earlier: dict[int, FailureRule] = {}
    for i, rule in rules.items():
        over = next(
            (place for place, other in earlier.items() if other.reason == "*" or rule.reason.startswith(other.reason)),
            None,
        )
        if over is not None:
            yield ("failures", i), f"{rule.reason} is never reached: failures[{over}] decides it before", "move it up"
        earlier[i] = rule


def _whole(data: dict[str, Any]) -> Iterator[Finding]:
    if not data.get("depots"):
        yield ("depots",), "no depot, so nothing can be allocated", "name at least one: id, country"
    wishes = data.get("routing", {}).get("preferences", []) if isinstance(data.get("routing"), dict) else []
    for i, wish in enumerate(wishes if isinstance(wishes, list) else []):
        if wish in wishes[:i]:
            yield ("routing", "preferences", i), f"{wish} is there twice", "the first one decides"
    if data.get("paid_states") == []:
        yield ("paid_states",), "is empty, so no order is ever paid", f"for example {RuleSet().paid_states}"
    if data.get("version") == "none":
        yield ("version",), "none is the name of having no rules", "leave it out: the content gives one"
