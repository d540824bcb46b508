"""Public holidays by country, at the edge: a rule file may say ``holidays: NL`` or ``[DE-BY, "2026-12-24"]``; the rules hold dates.

So a decision needs no calendar but its own rules, and a replay of it none but those it was made by. The dates are those of the
``holidays`` library for ``YEARS``; a rule set that shall have newer ones is published again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ops.yaml.formats import closest
from ops.yaml.source import Path, Problem, Source

__all__ = ["CODE", "YEARS", "collapsed", "expanded", "masked", "public_holidays"]

YEARS = range(2025, 2036)
CODE = r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$"
"""ISO 3166-1 alpha-2, or 3166-2 with the subdivision (DE-BY)."""
_SOME_DAY = "2026-01-01"
_code = re.compile(CODE)


@lru_cache(maxsize=64)
def public_holidays(code: str) -> tuple[str, ...]:
    """The public holidays of ``NL`` or ``DE-BY`` in ``YEARS``, sorted ISO dates. Raises LookupError for what has no calendar."""
    import holidays

    country, _, subdivision = code.partition("-")
    try:
        found = holidays.country_holidays(country, subdiv=subdivision or None, years=YEARS)
    except NotImplementedError as e:
        known = holidays.list_supported_countries()
        parts = known.get(country, [])
        hint = closest(subdivision, list(parts)) if parts else closest(country, list(known))
        raise LookupError(hint or (f"parts of {country}: {', '.join(parts)}" if parts else "give the dates")) from e
    return tuple(sorted(day.isoformat() for day in found))


def masked(source: Source) -> tuple[Any, list[Problem]]:
    """The file's data with a date in the place of each code, so that its shape can be checked; and codes there are none of."""
    problems: list[Problem] = []

    def one(path: Path, code: str) -> list[str]:
        try:
            public_holidays(code)
        except LookupError as e:
            problems.append(source.problem(path, f"there is no calendar of public holidays for {code}", str(e)))
        return [_SOME_DAY]

    return _with(source.data, one), problems


def expanded(data: Any) -> Any:
    """The same data with the dates in the place of each code."""
    # A day that was given besides is one day.
    return _with(data, lambda _, code: list(public_holidays(code)), once=True)


def collapsed(body: dict[str, Any]) -> dict[str, Any]:
    """Rules for people: where a depot has all the holidays of its country, the country's code in their place."""
    depots = []
    for depot in body.get("depots", []):
        try:
            days = public_holidays(depot["country"])
        except LookupError:
            days = ()
        rest = [day for day in depot["holidays"] if day not in days]
        whole = bool(days) and len(rest) == len(depot["holidays"]) - len(days)
        depots.append({**depot, "holidays": [depot["country"], *rest]} if whole else depot)
    return {**body, "depots": depots}


Put = Callable[[Path, str], list[str]]


def _with(data: Any, put: Put, *, once: bool = False) -> Any:
    """A copy of a rule file's data with every code among its depots' holidays replaced by what ``put`` gives."""
    if not isinstance(data, dict) or not isinstance(data.get("depots"), list):
        return data
    depots = [_depot(index, depot, put, once) for index, depot in enumerate(data["depots"])]
    return {**data, "depots": depots}


def _depot(index: int, depot: Any, put: Put, once: bool) -> Any:
    days = depot.get("holidays") if isinstance(depot, dict) else None
    path: Path = ("depots", index, "holidays")
    if isinstance(days, str) and _code.match(days):
        return {**depot, "holidays": put(path, days)}
    if not isinstance(days, list) or not any(isinstance(d, str) and _code.match(d) for d in days):
        return depot
    all_days: list[Any] = []
    for number, day in enumerate(days):
        all_days += put((*path, number), day) if isinstance(day, str) and _code.match(day) else [day]
    return {**depot, "holidays": list(dict.fromkeys(all_days)) if once else all_days}
