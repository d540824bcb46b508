"""What differs between two rule sets, field by field."""

from __future__ import annotations

from typing import Any

import msgspec

from domain.rules.ruleset import RuleSet
from ops.yaml.source import Path, show

__all__ = ["Change", "changes"]


class Change(msgspec.Struct, frozen=True):
    """One field: before and after; ``None`` where it is not there."""

    field: str
    before: Any
    after: Any


def changes(old: RuleSet | None, new: RuleSet) -> list[Change]:
    """Every field that differs, the version aside; depots, classes and checks are matched by name, so a moved one shows as its place."""
    before = _flat(msgspec.to_builtins(old)) if old else {}
    after = _flat(msgspec.to_builtins(new))
    return [
        Change(k, before.get(k), after.get(k))
        for k in sorted({*before, *after})
        if before.get(k) != after.get(k) and k != "version"
    ]


_NAMED = {"depots": "id", "priorities": "name", "checks": "problem", "fraud": "name", "failures": "reason"}


def _flat(value: Any, path: Path = ()) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    if isinstance(value, dict):
        for k, v in value.items():
            flat |= _flat(v, (*path, k))
    elif isinstance(value, list) and path and path[-1] in _NAMED and len(path) in (1, 3):
        name = _NAMED[str(path[-1])]
        for i, item in enumerate(value):
            flat |= _flat({**item, "place": i + 1}, (*path, _free(flat, path, item[name])))
    elif isinstance(value, list) and any(isinstance(x, dict) for x in value):
        for i, item in enumerate(value):
            flat |= _flat(item, (*path, i))
    else:
        flat[show(path)] = value
    return flat


def _free(flat: dict[str, Any], path: Path, name: str) -> str:
    """Several rules may be for one problem, each with a condition of its own."""
    taken, number = {k for k in flat if k.startswith(show((*path, name)))}, 2
    while any(k.startswith(show((*path, name)) + ".") for k in taken):
        name, number = f"{name.partition('#')[0]}#{number}", number + 1
        taken = {k for k in flat if k.startswith(show((*path, name)))}
    return name
