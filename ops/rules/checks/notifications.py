"""Do the rules about messages make sense? Rows that can be reached, languages there are, customers that may be spoken to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from domain.rules.notifications import MessageRule, Notifications
from domain.rules.ruleset import WEEK
from ops.yaml.formats import FORMATS, closest
from ops.yaml.source import Path

__all__ = ["notices_sense"]

Finding = tuple[Path, str, str]
"""Where, what is wrong, the way out."""


def notices_sense(group: dict[str, Any]) -> Iterator[Finding]:
    """Every finding in a ``notifications`` group of the right shape."""
    if any(row.get("events") == [] for row in group.get("messages", [])):
        for i, row in enumerate(group["messages"]):
            if row.get("events") == []:
                yield ("messages", i, "events"), "is empty, so the row says nothing", "name at least one event"
        return
    rules = msgspec.convert(group, Notifications)
    yield from _unreachable(rules.messages)
    yield from _languages(rules)
    for i, row in enumerate(rules.messages):
        if row.channels and all({c, c.partition(":")[0]} & set(rules.silent_channels) for c in row.channels):
            hint = "take it out of silent_channels, if its customers may be written to"
            yield ("messages", i, "channels"), "is only for channels that are silent", hint
        for j, medium in enumerate(row.media):
            if medium in row.media[:j]:
                yield ("messages", i, "media", j), f"{medium} is there twice", ""
    if set(rules.quiet.weekdays) >= set(WEEK):
        yield ("quiet", "weekdays"), "every day is quiet, so it never ends", "leave at least one day out"
    for name in ("by_country", "timezones"):
        for country in getattr(rules, name):
            finding = (
                FORMATS["country"](country)
                if re.fullmatch("[A-Z]{2}", country)
                else (f"{country} is no country", "a code of ISO 3166, as NL")
            )
            if finding:
                yield (name, country), *finding


def _unreachable(rows: list[MessageRule]) -> Iterator[Finding]:
    for i, row in enumerate(rows):
        over = [
            next((j for j, e in enumerate(rows[:i]) if kind in e.events and _covers(e, row)), None)
            for kind in row.events
        ]
        if None not in over:
            yield ("messages", i), f"is never reached: messages[{over[0]}] decides it before", "move it up"
        for j, kind in enumerate(row.events):
            if kind in row.events[:j]:
                yield ("messages", i, "events", j), f"{kind} is there twice", ""


def _covers(e: MessageRule, row: MessageRule) -> bool:
    def wider(a: list[str], b: list[str]) -> bool:
        return not a or (bool(b) and set(b) <= set(a))

    fields = ("channels", "countries", "languages")
    return e.when in ("", row.when) and all(wider(getattr(e, f), getattr(row, f)) for f in fields)


def _languages(rules: Notifications) -> Iterator[Finding]:
    def there(path: Path, language: str) -> Iterator[Finding]:
        if language not in rules.languages:
            hint = closest(language, rules.languages) or f"one of {', '.join(rules.languages)}, or add it to languages"
            yield path, f"there are no texts in {language}", hint

    yield from there(("language",), rules.language)
    named = msgspec.structs.asdict(rules)["by_country"]
    usual = Notifications().by_country
    for country, language in named.items():
        if usual.get(country) != language:
            yield from there(("by_country", country), language)
    for i, row in enumerate(rules.messages):
        for j, language in enumerate(row.languages):
            yield from there(("messages", i, "languages", j), language)
