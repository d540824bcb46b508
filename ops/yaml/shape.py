"""Has a file the shape of a type (a rule set: ``domain.rules.ruleset``)? Every field, type and limit is the type's; all problems at once."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

from domain.rules.hashes import hashed, kind_of
from domain.rules.ruleset import RuleSet

from .formats import FORMATS, closest, country_named
from .source import Path, Problem, Source

__all__ = ["check_shape"]

_NAMES = {
    inspect.StrType: "text",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
    inspect.ListType: "a list",
    inspect.StructType: "a group of fields",
    inspect.DictType: "a group of names with a value each",
}
_PYTHON: dict[type, Any] = {
    inspect.StrType: str,
    inspect.BoolType: bool,
    inspect.FloatType: (int, float),
    inspect.ListType: list,
    inspect.StructType: dict,
    inspect.DictType: dict,
    inspect.NoneType: type(None),
}
_FORMS = {
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": "a time HH:MM between 00:00 and 23:59",
    r"^(([01][0-9]|2[0-3]):[0-5][0-9])?$": "a time HH:MM between 00:00 and 23:59",
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$": "a date YYYY-MM-DD",
    r"^([A-Z]{2}|\*)$": "a country code of two capitals (ISO 3166), or * for every one",
    r"^[A-Z]{2}$": "a country code of two capitals (ISO 3166)",
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*$": "a name of letters, digits, '.', '_' and '-'",
    r"^[A-Za-z0-9*][A-Za-z0-9_.-]*$": "a name of letters, digits, '.', '_' and '-'",
    r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$": "a name of letters, digits, '.', '_' and '-'",
    r"^[A-Za-z0-9_.-]+$": "letters, digits, '.', '_' and '-'",
    r"^[a-z0-9-]+$": "a name of small letters, digits and '-'",
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$": "a date YYYY-MM-DD",
    r"^[A-Z0-9]+$": "the beginning of a postcode: capitals and digits, no space",
    r"^[a-z]{2,3}$": "a language of two small letters (ISO 639), as nl",
    r"^([a-z][a-z0-9_]*)?$": "a template's name: small letters, digits and '_'",
    r"^[A-Z]{3}$": "a currency of three capitals (ISO 4217)",
    r"^(email|domain|phone|address|customer):[0-9a-f]{16,64}$": "a hash, as email:6f9a…",
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?)?)?$": "a date, or a date and time",
}


_type_info = lru_cache(maxsize=8)(inspect.type_info)
"""A type's fields; looking them up takes longer than checking a file."""


def check_shape(source: Source, shape: Any = RuleSet) -> list[Problem]:
    """Every place where the file is not a rule set, or whatever ``shape`` it is to have."""
    if source.data is None:
        return [
            source.problem((), "the file is empty", "begin with `depots:`, or with a copy of ops/defaults/rules.yaml")
        ]
    found: list[Problem] = []
    _walk(source, (), source.data, _type_info(shape), found)
    return found


def _walk(source: Source, path: Path, value: Any, kind: inspect.Type, found: list[Problem]) -> None:
    extra: dict[str, Any] = {}
    if isinstance(kind, inspect.Metadata):
        extra, kind = kind.extra_json_schema or {}, kind.type
    if isinstance(kind, inspect.UnionType):
        _walk(source, path, value, next((k for k in kind.types if _is(value, k)), kind.types[0]), found)
        return
    known = extra.get("enum", [])
    if not _is(value, kind):
        found.append(source.problem(path, f"{_shown(value)} is not {_NAMES[type(kind)]}", _type_hint(value, kind)))
    elif isinstance(kind, inspect.StructType):
        _struct(source, path, value, kind, found)
    elif isinstance(kind, inspect.ListType):
        for i, item in enumerate(value):
            _walk(source, (*path, i), item, kind.item_type, found)
    elif isinstance(kind, inspect.DictType):
        for name, item in value.items():
            _walk(source, (*path, name), item, kind.value_type, found)
    elif known and value not in known:
        hint = closest(value, known) or f"one of {', '.join(known)}"
        found.append(source.problem(path, f"{_shown(value)} is not known here", hint))
    elif problem := _limits(source, path, value, kind):
        found.append(problem)
    elif (check := FORMATS.get(extra.get("format", ""))) and value and (finding := check(value)):
        found.append(source.problem(path, *finding))


def _is(value: Any, kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.Metadata):
        return _is(value, kind.type)
    if isinstance(kind, inspect.IntType):
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(kind, inspect.AnyType) or isinstance(value, _PYTHON[type(kind)])


def _struct(source: Source, path: Path, value: dict[str, Any], kind: inspect.StructType, found: list[Problem]) -> None:
    fields = {f.encode_name: f for f in kind.fields}
    for name, item in value.items():
        if name in fields:
            _walk(source, (*path, name), item, fields[name].type, found)
        else:
            hint = (
                closest(name, list(fields))
                or (elsewhere(name) if kind.cls is RuleSet else "")
                or f"fields here: {', '.join(fields)}"
            )
            found.append(source.problem((*path, name), "no such field", hint))
    for name, field in fields.items():
        if field.required and name not in value:
            found.append(source.problem((*path, name), "is missing", f"every {kind.cls.__name__} has one"))


@lru_cache(maxsize=1)
def _homes() -> dict[str, list[str]]:
    """The groups of a rule set that have a field of a name: ``unfillable_after_days`` → ``routing``."""
    homes: dict[str, list[str]] = {}
    top = _type_info(RuleSet)
    for group in top.fields if isinstance(top, inspect.StructType) else ():
        kind = group.type.type if isinstance(group.type, inspect.Metadata) else group.type
        inner = kind.item_type if isinstance(kind, inspect.ListType) else kind
        inner = inner.type if isinstance(inner, inspect.Metadata) else inner
        for field in inner.fields if isinstance(inner, inspect.StructType) else ():
            homes.setdefault(field.encode_name, []).append(group.encode_name)
    return homes


def elsewhere(name: str) -> str:
    """A hint at the groups of a rule set that do have a field of this name, where there are at most three; else ``""``."""
    homes = _homes().get(name, [])
    return f"it belongs into {' or '.join(homes)}" if 0 < len(homes) <= 3 else ""


def _limits(source: Source, path: Path, value: Any, kind: inspect.Type) -> Problem | None:
    if isinstance(kind, inspect.IntType) and kind.ge is not None and value < kind.ge:
        return source.problem(path, f"{value} is below {kind.ge}")
    if isinstance(kind, inspect.IntType) and kind.le is not None and value > kind.le:
        return source.problem(path, f"{value} is above {kind.le}")
    if isinstance(kind, inspect.StrType) and kind.pattern and not re.search(kind.pattern, value):
        return source.problem(path, f"{_shown(value)} is not {_FORMS[kind.pattern]}", _form_hint(value, kind.pattern))
    return None


def _form_hint(value: str, pattern: str) -> str:
    if pattern.startswith("^(email|"):
        # No list holds anybody's data: what stands here is a hash, and this is the one that is meant.
        return f"write {hashed(kind, value)}" if (kind := kind_of(value)) else "`wharf rules hash VALUE` makes one"
    if "[ T]" in pattern:
        return 'write "2026-12-01" or "2026-12-01 00:00"'
    if re.fullmatch(r"[0-9]:[0-5][0-9]", value):
        return f'write "0{value}"'
    return _date_hint(value) or _code_hint(value, pattern)


def _date_hint(value: str) -> str:
    """A date or a time of day that is written otherwise."""
    if match := re.fullmatch(r"([0-9]{1,2})[-./]([0-9]{1,2})[-./]([0-9]{4})", value):
        return f'the year first, then the month: "{match[3]}-{match[2]:0>2}-{match[1]:0>2}", if {match[1]} is the day'
    if match := re.fullmatch(r"([0-9]{1,2}) ?(?::([0-5][0-9]))? ?([ap])m", value.lower()):
        return f'write "{int(match[1]) % 12 + 12 * (match[3] == "p"):02}:{match[2] or "00"}"'
    return ""


_CURRENCIES = {
    "euro": "EUR",
    "euros": "EUR",
    "dollar": "USD",
    "dollars": "USD",
    "pound": "GBP",
    "pounds": "GBP",
    "€": "EUR",
    "$": "USD",
    "£": "GBP",
}


def _code_hint(value: str, pattern: str) -> str:
    """The code that a name stands for."""
    if re.fullmatch(r"[a-z]{2,3}", value):
        return f"write {value.upper()}"
    if "[A-Z]{3}" in pattern:
        code = _CURRENCIES.get(value.lower(), "")
        return f"did you mean {code}?" if code else "as EUR"
    if "[A-Z]{2}" in pattern:
        return country_named(value) or "as NL"
    return ""


def _type_hint(value: Any, kind: inspect.Type) -> str:
    if isinstance(kind, inspect.IntType) and (match := re.fullmatch(r"([0-9]+)[.,]([0-9]{1,2})", str(value))):
        return f"money is in minor units: {match[1]}{match[2]:<02} for {value}"
    if isinstance(kind, inspect.BoolType) and str(value).lower() in ("yes", "no", "on", "off"):
        return f"write {'true' if str(value).lower() in ('yes', 'on') else 'false'}"
    if isinstance(kind, inspect.StrType) and isinstance(value, bool | int | float):
        return f'in quotes it is text: "{str(value).lower() if isinstance(value, bool) else value}"'
    if isinstance(kind, inspect.ListType) and isinstance(value, dict):
        return "a list has a dash before each: `- " + (f"{next(iter(value))}: …`" if value else "…`")
    if isinstance(kind, inspect.ListType) and value is not None:
        return f"a list of one is [{value}]"
    return ""


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return "nothing" if value is None else text if len(text) <= 60 else text[:57] + "…"
