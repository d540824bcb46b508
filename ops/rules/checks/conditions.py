"""Conditions, lists, layers and dates of a rule set: do they say what can be?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from domain.rules.fraud import needs_history
from domain.rules.ruleset import FraudRule, RuleSet, Velocity
from ops.rules.effective_date import effective_ms
from ops.yaml.formats import closest
from ops.yaml.source import Path, Problem, Source, show

from .cel_types import check_condition

__all__ = ["check_more"]

Finding = tuple[Path, str, str]


def check_more(source: Source, broken: list[str]) -> list[Problem]:
    """Everything wrong with them. ``broken``: fields whose shape is not right."""
    data: dict[str, Any] = source.data
    found = [*_fraud(data), *_layers(data), *_date(data)]
    problems = [
        source.problem(*problem) for problem in found if not any(show(problem[0]).startswith(bad) for bad in broken)
    ]
    for path, text, place in _conditions(data, ()):
        error = check_condition(text, place)
        if error is not None:
            line, column = source.inside(path, text, error.at)
            problems.append(Problem(line, column, show(path), error.message, error.hint))
    return problems


_PLACES = {
    "checks": "order",
    "fraud": "order",
    "priorities": "pool",
    "depots": "pool",
    "routing": "pool",
    "notifications": "order",
}
"""Where the conditions of a group are judged."""


def _conditions(value: Any, path: Path, place: str = "") -> Iterator[tuple[Path, str, str]]:
    """Every condition of the file: where it stands, its text, where it is judged."""
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from _conditions(item, (*path, i), place)
    elif isinstance(value, dict):
        place = _place_of(value) if place == "order" and path[-2:-1] == ("fraud",) else place
        for name, item in value.items():
            at = (*path, name)
            if name in ("when", "until") and isinstance(item, str) and place:
                if item:
                    yield at, item, "order" if name == "until" else place
            elif len(at) in (1, 3) and name in _PLACES:
                yield from _conditions(item, at, _PLACES[name])
            elif place or name in ("channels", "pools") or path[:1] in (("channels",), ("pools",)):
                yield from _conditions(item, at, place)


def _place_of(rule: dict[str, Any]) -> str:
    """A fraud rule over other orders is judged in the pool, which knows less of this one."""
    when = rule.get("when")
    velocity = Velocity(1) if rule.get("velocity") else None
    return (
        "customer"
        if needs_history(FraudRule("x", when if isinstance(when, str) else "", velocity=velocity))
        else "order"
    )


def _rules(data: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    layers: list[tuple[Path, Any]] = [((), data)]
    layers += (
        [(("channels", k), v) for k, v in (data.get("channels") or {}).items() if isinstance(v, dict)]
        if isinstance(data.get("channels"), dict)
        else []
    )
    for prefix, group in layers:
        for i, rule in enumerate(group.get("fraud") or [] if isinstance(group.get("fraud"), list) else []):
            if isinstance(rule, dict):
                yield (*prefix, "fraud", i), rule


def _fraud(data: dict[str, Any]) -> Iterator[Finding]:
    lists = data.get("lists") if isinstance(data.get("lists"), dict) else {}
    for path, rule in _rules(data):
        if not (rule.get("when") or rule.get("listed") or rule.get("velocity")):
            yield path, "matches every order", "say when: `when`, `listed` or `velocity`"
        named = rule.get("listed")
        for i, name in enumerate(named if isinstance(named, list) else []):
            if name not in (lists or {}):
                hint = closest(name, list(lists or {})) or "add it under `lists`"
                yield (*path, "listed", i), f"no list {name}", hint
        velocity = rule.get("velocity")
        if isinstance(velocity, dict) and not (velocity.get("max_orders") or velocity.get("max_amount")):
            yield (*path, "velocity"), "has no limit", "max_orders or max_amount"
        if rule.get("action", "hold") != "hold":
            for name in ("hold", "until", "release_after_hours"):
                if rule.get(name):
                    yield (*path, name), f"has no meaning with action {rule['action']}", "leave it out"
        if isinstance(named, list) and velocity:
            yield from _known_to_the_pool(path, lists or {}, named)


def _known_to_the_pool(path: Path, lists: dict[str, Any], named: list[Any]) -> Iterator[Finding]:
    kinds = {str(x).partition(":")[0] for name in named for x in lists.get(name) or ()}
    if kinds - {"customer", "address"}:
        yield (
            (*path, "listed"),
            "a rule with `velocity` sees only address: and customer: hashes",
            "split it in two rules",
        )


def _layers(data: dict[str, Any]) -> Iterator[Finding]:
    channels, pools = data.get("channels"), data.get("pools")
    for name in channels if isinstance(channels, dict) else ():
        if not name or name.count(":") > 1 or name != name.strip(":"):
            yield ("channels", name), f"{name} is neither a channel nor an account", "as bol, or bol:acme"
    for name in pools if isinstance(pools, dict) else ():
        if not name or not all(char.isdigit() or char == "-" or ("a" <= char <= "z") for char in name):
            yield ("pools", name), f"{name} is no pool", "small letters, digits and '-'"


def _date(data: dict[str, Any]) -> Iterator[Finding]:
    told = {k: data[k] for k in ("effective_from", "timezone") if isinstance(data.get(k), str)}
    if "effective_from" in told:
        try:
            effective_ms(msgspec.structs.replace(RuleSet(), **told))
        except (ValueError, KeyError, OSError):
            yield ("effective_from",), f"{told['effective_from']} is no moment", 'as "2026-12-01 00:00"'
