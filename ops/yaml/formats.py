"""Values that have the right form and still don't exist: days, countries, time zones. Each check gives what is wrong and a hint."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

__all__ = ["FORMATS", "closest", "country_named"]

Finding = tuple[str, str]
"""What is wrong, and the way out."""


def closest(value: Any, known: list[str]) -> str:
    """A hint at what was probably meant."""
    found = difflib.get_close_matches(str(value), known, 1, 0.6)
    return f"did you mean {found[0]}?" if found else ""


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    """ISO 3166-1 alpha-2 codes with their names, from the time zone database."""
    from importlib import resources

    text = resources.files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text(encoding="utf-8")
    return dict(line.split("\t", 1) for line in text.splitlines() if line and not line.startswith("#"))


def country_named(name: str) -> str:
    """A hint at the code of a country that is given by its English name."""
    names = {text.casefold(): code for code, text in _countries().items()}
    names |= {
        "great britain": "GB",
        "united kingdom": "GB",
        "england": "GB",
        "united states": "US",
        "usa": "US",
        "holland": "NL",
    }
    names |= {
        "nederland": "NL",
        "deutschland": "DE",
        "belgië": "BE",
        "belgique": "BE",
        "österreich": "AT",
        "españa": "ES",
        "italia": "IT",
    }
    found = difflib.get_close_matches(name.casefold(), list(names), 1, 0.8)
    return f"did you mean {names[found[0]]}?" if found else ""


def _country(value: str) -> Finding | None:
    if value == "*" or value in _countries():
        return None
    known = {"UK": "did you mean GB?", "EL": "did you mean GR?"}
    return f"{value} is no country", known.get(value, "a code of ISO 3166, as NL")


def _date(value: str) -> Finding | None:
    try:
        date.fromisoformat(value)
    except ValueError:
        return f"{value} is no day of the calendar", ""
    return None


def _timezone(value: str) -> Finding | None:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        hint = closest(value, sorted(available_timezones())) or "a name of the IANA list, as Europe/Amsterdam"
        return f"{value} is no time zone", hint
    return None


FORMATS: dict[str, Callable[[str], Finding | None]] = {"date": _date, "country": _country, "timezone": _timezone}
"""By the ``format`` of a field's type in ``domain.rules.ruleset``."""
