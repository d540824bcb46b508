"""Rule files: read whole or not at all, with the place of every error."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from domain.rules.ruleset import RuleSet
from ops.errors import UserError
from ops.yaml.editor_schema import editor_schema
from ops.yaml.shape import check_shape
from ops.yaml.source import Problem, Source, parse, read

from .calendars import CODE, expanded, masked
from .checks.semantics import check_sense

__all__ = ["DEFAULTS", "RulesError", "check", "check_source", "load", "schema"]

DEFAULTS = Path(__file__).parent.parent / "defaults" / "rules.yaml"
"""The set a new merchant begins with, and the demo's."""


class RulesError(UserError):
    """A rule file that can't be used: all its problems, a line each."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        super().__init__(
            "\n".join([f"{name} has {len(problems)} error(s):", *(problem.text(name) for problem in problems)])
        )
        self.problems = problems


def check(text: str) -> RuleSet | list[Problem]:
    """The rule set of a file's text, or everything that is wrong with it, from top to bottom.

    Without a ``version``, the content gives one: 12 hex digits of its SHA-256.
    """
    source = parse(text)
    return [source] if isinstance(source, Problem) else check_source(source)


def check_source(source: Source) -> RuleSet | list[Problem]:
    """The same for what was read already: a file, or the part of one that holds rules."""
    written = source.data
    source.data, problems = masked(source)
    problems += check_shape(source)
    if isinstance(source.data, dict):
        problems += check_sense(source, problems)
    if problems:
        return sorted(problems, key=lambda problem: (problem.line, problem.column, problem.field))
    rules = msgspec.convert(expanded(written), RuleSet)
    return rules if rules.version != "none" else msgspec.structs.replace(rules, version=_content_hash(rules))


def load(path: Path) -> RuleSet:
    """Read a rule file. Raises RulesError with every problem, or UserError where it can't be read."""
    source = read(path)
    result = [source] if isinstance(source, Problem) else check_source(source)
    if isinstance(result, RuleSet):
        return result
    raise RulesError(str(path), result)


def _content_hash(rules: RuleSet) -> str:
    return hashlib.sha256(msgspec.json.encode(rules, order="sorted")).hexdigest()[:12]


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a rule file, for editors."""
    shape = editor_schema(RuleSet)
    code = {
        "type": "string",
        "pattern": CODE,
        "description": "The public holidays of a country (NL) or a part of it (DE-BY)",
    }
    days = shape["$defs"]["Depot"]["properties"]["holidays"]
    days["items"] = {"anyOf": [days["items"], code]}
    shape["$defs"]["Depot"]["properties"]["holidays"] = {"anyOf": [code, days], "default": days.pop("default", [])}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Wharfinger rules",
        **shape,
    }
