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
        if row.channels and all(
            {channel, channel.partition(":")[0]} & set(rules.silent_channels) for channel in row.channels
        ):
            hint = "take it out of silent_channels, if its customers may be written to"
            yield ("messages", i, "channels"), "is only for channels that are silent", hint
        for place, medium in enumerate(row.media):
            if medium in row.media[:place]:
                yield ("messages", i, "media", place), f"{medium} is there twice", ""
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
            next(
                (before for before, earlier in enumerate(rows[:i]) if kind in earlier.events and _covers(earlier, row)),
                None,
            )
            for kind in row.events
        ]
        if None not in over:
            yield ("messages", i), f"is never reached: messages[{over[0]}] decides it before", "move it up"
        for place, kind in enumerate(row.events):
            if kind in row.events[:place]:
                yield ("messages", i, "events", place), f"{kind} is there twice", ""


def _covers(earlier: MessageRule, row: MessageRule) -> bool:
    def wider(wide: list[str], narrow: list[str]) -> bool:
        return not wide or (bool(narrow) and set(narrow) <= set(wide))

    fields = ("channels", "countries", "languages")
    return earlier.when in ("", row.when) and all(wider(getattr(earlier, name), getattr(row, name)) for name in fields)


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
        for place, language in enumerate(row.languages):
            yield from there(("messages", i, "languages", place), language)
