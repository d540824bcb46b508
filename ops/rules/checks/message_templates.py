"""Do the templates that rules name exist, and can they be sent? Rendered with samples in every language of the rules, with the place of each error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from connectors.messages.catalogue import Catalogue, TemplatesError
from connectors.messages.check import Use, check, check_texts
from connectors.messages.config import Brand
from domain.rules.notifications import TEMPLATES, Notifications
from domain.rules.ruleset import RuleSet
from ops.errors import UserError
from ops.settings import ConfigError, own_texts
from ops.yaml.source import Path as Field
from ops.yaml.source import Problem, Source, read

__all__ = ["catalogue_of", "every_use", "texts_problems"]

_BRAND = Brand.model_validate({"name": "Example", "url": "https://shop.example", "contact": "help@shop.example"})


def catalogue_of(config: Path) -> Catalogue:
    """The texts in use with this ``wharf.yaml``. Raises UserError."""
    try:
        return Catalogue(own_texts(config))
    except (TemplatesError, ConfigError) as e:
        raise UserError(str(e)) from e


def every_use() -> list[Use]:
    """Each kind of message over each kind of medium, with its own template."""
    return [(name, kind, medium) for kind, name in TEMPLATES.items() for medium in ("mail", "sms")]


def texts_problems(file: Path, rules: RuleSet, config: Path) -> list[Problem]:
    """What is wrong with the texts that a rule file's messages are made of; empty where it has none. Raises UserError."""
    groups = list(_groups(rules))
    if not any(group.messages for _, group in groups):
        return []
    catalogue, source = catalogue_of(config), read(file)
    if isinstance(source, Problem):
        return [source]
    found = [source.problem((), text, "texts: docs/notifications.md") for text in check_texts(catalogue)]
    for prefix, group in groups:
        found += _group(catalogue, source, prefix, group)
    return found


def _groups(rules: RuleSet) -> Iterator[tuple[Field, Notifications]]:
    yield ("notifications",), rules.notifications
    for name, layer in rules.channels.items():
        if layer.notifications is not None:
            yield ("channels", name, "notifications"), layer.notifications


def _group(catalogue: Catalogue, source: Source, prefix: Field, group: Notifications) -> Iterator[Problem]:
    for i, row in enumerate(group.messages):
        uses = [(row.template or TEMPLATES[kind], kind, medium) for kind in row.events for medium in row.media]
        languages = row.languages or group.languages
        for text in dict.fromkeys(text for _, text in check(catalogue, uses, languages, _BRAND)):
            yield source.problem((*prefix, "messages", i, *(("template",) if row.template else ())), text, "")
