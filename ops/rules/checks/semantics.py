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
    broken = [p.field for p in shape]
    data = source.data
    found: list[Finding] = []
    for prefix, group in _groups(data):
        found += [((*prefix, *path), message, hint) for path, message, hint in _group(group, prefix, broken)]
        found += _notices(group, prefix, broken)
    found += _failures(_part(data, "failures", list[FailureRule], broken, ()))
    found += _whole(data)
    depots = _part(data, "depots", list[Depot], broken, ())
    found += routing_sense(data, depots, broken)
    if isinstance(data.get("bundling"), dict) and not any(b.startswith("bundling") for b in broken):
        every = [
            d for prefix, group in _groups(data) for d in _part(group, "depots", list[Depot], broken, prefix).values()
        ]
        bundling = bundling_sense(data["bundling"], every)
        found += [(("bundling", *path), message, hint) for path, message, hint in bundling]
    found += _returns(data, [d.id for d in depots.values()], broken)
    return [source.problem(*f) for f in found] + check_more(source, broken)


def _returns(data: dict[str, Any], depots: list[str], broken: list[str]) -> Iterator[Finding]:
    """The general rules about returns, and those for each channel as they are once laid over the general ones."""
    if any(b.startswith("returns") for b in broken):
        return
    general = data.get("returns") if isinstance(data.get("returns"), dict) else {}
    if general:
        yield from ((("returns", *path), message, hint) for path, message, hint in returns_sense(general, depots))
    for prefix, group in _groups(data):
        own = group.get("returns") if prefix[:1] == ("channels",) else None
        if isinstance(own, dict) and not any(b.startswith(show((*prefix, "returns"))) for b in broken):
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
    if not isinstance(part, dict) or any(b.startswith(show(at)) for b in broken):
        return []
    return [((*at, *path), message, hint) for path, message, hint in notices_sense(part)]


def _part(data: dict[str, Any], name: str, kind: Any, broken: list[str], prefix: Path) -> dict[int, Any]:
    """The items of a list that have the right shape, by index."""
    items = data.get(name)
    if not isinstance(items, list):
        return {}
    whole = [i for i in range(len(items)) if not any(b.startswith(show((*prefix, name, i))) for b in broken)]
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


def _depot(d: Depot) -> Iterator[Finding]:
    yield from _exceptions(d)
    yield from _cutoffs(d)
    yield from _rates(d)
    for name in ("services", "ships_to", "working_days"):
        if not getattr(d, name):
            yield (name,), "is empty, so this depot never ships", "leave it out for the default"


def _exceptions(d: Depot) -> Iterator[Finding]:
    seen: set[str] = set()
    for i, e in enumerate(d.exceptions):
        if e.date in seen:
            yield ("exceptions", i, "date"), f"{e.date} has an exception already", "one a date"
        seen.add(e.date)
        if e.closed and e.cutoff:
            yield ("exceptions", i), "is closed and has a cut-off", "one of the two"
        if e.cutoff > d.handover:
            yield ("exceptions", i, "cutoff"), f"{e.cutoff} is after the hand-over at {d.handover}", ""


def _cutoffs(d: Depot) -> Iterator[Finding]:
    covered: dict[str, set[str]] = {}
    for i, c in enumerate(d.cutoffs):
        days = covered.setdefault(c.service, set())
        if c.time > (c.handover or d.handover):
            yield ("cutoffs", i, "time"), f"{c.time} is after the hand-over at {c.handover or d.handover}", "move one"
        if c.weekdays and days.issuperset(c.weekdays):
            yield (
                ("cutoffs", i),
                f"an earlier row decides {c.service} on all of these days",
                "take it out, or move it up",
            )
        days.update(c.weekdays)
        yield from _offered(d, ("cutoffs", i, "service"), c.service)
    if d.working_days and not set(d.working_days) & set().union(*covered.values()):
        yield ("cutoffs",), "no cut-off on any working day, so this depot never ships", "give at least one"


def _rates(d: Depot) -> Iterator[Finding]:
    seen: dict[tuple[str, str], int] = {}
    for i, r in enumerate(d.rates):
        key = (r.country, r.service)
        if key in seen:
            yield ("rates", i), f"rates[{seen[key]}] is for {r.country} and {r.service} too", "one row each"
        seen.setdefault(key, i)
        yield from _offered(d, ("rates", i, "service"), r.service)
        if r.country != "*" and "*" not in d.ships_to and r.country not in d.ships_to:
            yield ("rates", i, "country"), f"this depot does not ship to {r.country}", "add it to ships_to"


def _offered(d: Depot, path: Path, service: str) -> Iterator[Finding]:
    if service != "*" and "*" not in d.services and service not in d.services:
        yield path, f"this depot does not offer {service}", closest(service, d.services) or "add it to services"


def _unreachable(classes: dict[int, PriorityClass]) -> Iterator[Finding]:
    """A class is never reached where an earlier one matches whatever it matches."""
    earlier: list[PriorityClass] = []
    for i, c in classes.items():
        for e in earlier:
            if _covers(e, c):
                yield ("priorities", i), f"{c.name} is never reached: {e.name} matches all of it before", "move it up"
                break
        earlier.append(c)


def _covers(e: PriorityClass, c: PriorityClass) -> bool:
    def wider(a: list[str], b: list[str]) -> bool:
        return not a or (bool(b) and set(b) <= set(a))

    if e.when and e.when != c.when:
        return False
    due = not e.due_within_hours or 0 < c.due_within_hours <= e.due_within_hours
    return due and all(wider(getattr(e, n), getattr(c, n)) for n in ("tags_any", "services", "channels"))


def _checks(checks: dict[int, CheckRule]) -> Iterator[Finding]:
    earlier: dict[int, CheckRule] = {}
    for i, c in checks.items():
        over = next((j for j, e in earlier.items() if c.problem.startswith(e.problem) and e.when in ("", c.when)), None)
        if over is not None:
            yield ("checks", i), f"{c.problem} is never reached: checks[{over}] decides it before", "move it up"
        earlier[i] = c


def _failures(rules: dict[int, FailureRule]) -> Iterator[Finding]:
    earlier: dict[int, FailureRule] = {}
    for i, r in rules.items():
        over = next((j for j, e in earlier.items() if e.reason == "*" or r.reason.startswith(e.reason)), None)
        if over is not None:
            yield ("failures", i), f"{r.reason} is never reached: failures[{over}] decides it before", "move it up"
        earlier[i] = r


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
