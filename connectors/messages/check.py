"""Are the templates fit to be sent? Every one that rules name, in every language, rendered with samples before a customer sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from jinja2 import TemplateSyntaxError, meta

from .catalogue import PARTS, Catalogue
from .config import Brand
from .render import VARIABLES, Renderer, RenderError, environment
from .sample import samples

__all__ = ["Use", "check", "check_texts"]

Use = tuple[str, str, str]
"""A template, the kind of message it is for, and the medium."""

_FRAME = {"body", "subject"}


def check(catalogue: Catalogue, uses: Iterable[Use], languages: Iterable[str], brand: Brand) -> list[tuple[Use, str]]:
    """What is wrong with the templates that are used; by use, a line each."""
    renderer, found = Renderer(catalogue), list[tuple[Use, str]]()
    wanted = list(languages)
    for use in dict.fromkeys(uses):
        found += [(use, problem) for problem in dict.fromkeys(_use(renderer, use, wanted, brand))]
    return found


def _use(renderer: Renderer, use: Use, languages: list[str], brand: Brand) -> Iterator[str]:
    name, kind, medium = use
    catalogue = renderer.catalogue
    if name not in catalogue.names:
        yield f"there is no template {name}; there are {', '.join(catalogue.names)}"
        return
    for language in languages:
        for part in ("subject", "text") if medium == "mail" else ("sms",):
            if catalogue.own(language, name, part) is None:
                yield f"{name}: there is no {part} in {language}: add {language}.yaml with {name}.{part} to messages.templates"
                break
        else:
            for message in samples(kind, medium, language):
                try:
                    renderer.render(msgspec.structs.replace(message, template=name), brand)
                except RenderError as e:
                    yield str(e)


def check_texts(catalogue: Catalogue) -> list[str]:
    """Syntax errors, and variables that no template has, in every text there is: also where no sample comes by."""
    found = []
    texts = [
        (f"{language}.yaml: {name}.{part}", text, part == "html")
        for language in catalogue.languages
        for name in catalogue.names
        for part in PARTS
        if (text := catalogue.own(language, name, part)) is not None
    ]
    texts += [(name, text, "html" in name) for name, text in catalogue.layouts.items()]
    for where, text, html in texts:
        env = environment(html=html)
        try:
            unknown = meta.find_undeclared_variables(env.parse(text)) - VARIABLES
        except TemplateSyntaxError as e:
            found.append(f"{where}: {e.message} (line {e.lineno})")
            continue
        if html or where.startswith("layout."):
            unknown -= _FRAME
        found += [
            f"{where}: no such variable: {name}; there are {', '.join(sorted(VARIABLES))}" for name in sorted(unknown)
        ]
    return found
