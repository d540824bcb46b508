"""Scenario files: read whole or not at all, with the place of every error."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from domain.rules.ruleset import RuleSet
from ops.errors import UserError
from ops.rules.load import check_source, load
from ops.yaml.editor_schema import editor_schema
from ops.yaml.shape import check_shape
from ops.yaml.source import Path as Field
from ops.yaml.source import Problem, Source
from ops.yaml.source import read as read_source

from .form import Scenario
from .semantics import check_sense, moments

__all__ = ["Case", "ScenarioError", "read", "schema"]


class ScenarioError(UserError):
    """A scenario that can't be run: all its problems, a line each."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        super().__init__("\n".join(problem.text(name) for problem in problems))
        self.problems = problems


class Case(msgspec.Struct, frozen=True):
    """A scenario ready to run. ``at``: when each step happens, UTC ms; ``published``: the rule sets its steps publish."""

    name: str
    scenario: Scenario
    source: Source
    rules: RuleSet
    zone: ZoneInfo
    starts: int
    at: list[int]
    published: dict[int, RuleSet]


def read(path: Path, rules: RuleSet | None = None) -> Case:
    """Read a scenario file; ``rules`` in the place of its own. Raises ScenarioError, or UserError where it can't be read."""
    name = str(path)
    source = read_source(path)
    if isinstance(source, Problem):
        raise ScenarioError(name, [source])
    if source.data is None:
        raise ScenarioError(name, [source.problem((), "the file is empty", "begin with `scenario:` and a sentence")])
    problems = check_shape(source, Scenario)
    if problems:
        raise ScenarioError(name, _sorted(problems))
    return _case(name, path, source, rules)


def _case(name: str, path: Path, source: Source, override: RuleSet | None) -> Case:
    scenario, problems = msgspec.convert(source.data, Scenario), list[Problem]()
    rules = override or _rules(path, source, scenario, problems)
    published = {}
    for i, step in enumerate(scenario.steps):
        if step.rules is not None and (found := _part(source, ("steps", i, "rules"), problems)):
            published[i] = found
    starts, at = moments(source, scenario, problems)
    problems += check_sense(source, scenario, [rule_set for rule_set in (rules, *published.values()) if rule_set])
    if problems or rules is None:
        raise ScenarioError(name, _sorted(problems))
    return Case(name, scenario, source, rules, ZoneInfo(scenario.timezone), starts, at, published)


def _rules(path: Path, source: Source, scenario: Scenario, problems: list[Problem]) -> RuleSet | None:
    if bool(scenario.rules) == bool(scenario.rules_file):
        what = "both are there" if scenario.rules else "is missing"
        problems.append(
            source.problem(("rules",), what, "give `rules:` here, or `rules_file:` with a path from this file")
        )
        return None
    if scenario.rules:
        return _part(source, ("rules",), problems)
    try:
        return load(path.parent / scenario.rules_file)
    except UserError as e:
        problems.append(source.problem(("rules_file",), str(e)))
        return None


def _part(source: Source, field: Field, problems: list[Problem]) -> RuleSet | None:
    """The rule set that stands in a part of the file."""
    found = check_source(source.part(field))
    if isinstance(found, RuleSet):
        return found
    top = source.problem(field, "").field
    problems += [msgspec.structs.replace(problem, field=f"{top}.{problem.field}".rstrip(".")) for problem in found]
    return None


def _sorted(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.line, problem.column, problem.field))


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a scenario file, for editors; rules are checked by the schema of rule files beside it."""
    found = editor_schema(Scenario)
    rules = {"$ref": "../../ops/defaults/rules.schema.json"}
    for name in ("Scenario", "Step"):
        found["$defs"][name]["properties"]["rules"] = rules
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Wharfinger scenario", **found}
