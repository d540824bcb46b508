"""The texts: those that come with Wharfinger, and a folder of the merchant's own laid over them, text by text.

A language is a YAML file (``nl.yaml``) of templates by name, each with ``subject``, ``text``, ``sms``, and where it differs ``html`` and
``whatsapp``; ``words`` are for the layouts (``layout.txt.j2``, ``layout.html.j2``), which may be replaced too.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from connectors.yaml import YamlError, read_text, safe_load

__all__ = ["PARTS", "Catalogue", "TemplatesError"]

PARTS = ("subject", "text", "html", "sms", "whatsapp")
LAYOUTS = ("layout.txt.j2", "layout.html.j2")
_FALLBACK = "en"


class TemplatesError(ValueError):
    """Texts that can't be used; the message names the file and the field."""


class Catalogue:
    """Every text by language, name and part. Raises TemplatesError for a folder or file that can't be read."""

    def __init__(self, folder: Path | None = None) -> None:
        self.layouts: dict[str, str] = {}
        self._files: dict[tuple[str, ...], str] = {}
        self._texts: dict[str, dict[str, dict[str, str]]] = {}
        self._lay(files("connectors.messages").joinpath("templates"))
        if folder is not None:
            if not folder.is_dir():
                raise TemplatesError(f"{folder}: messages.templates is no folder")
            self._lay(folder)

    @property
    def languages(self) -> list[str]:
        """Those that have a file."""
        return sorted(self._texts)

    @property
    def names(self) -> list[str]:
        """Every template there is in any language."""
        return sorted({name for texts in self._texts.values() for name in texts if name != "words"})

    def words(self, language: str) -> dict[str, str]:
        """Return the words of the layouts, by language."""
        return {**self._texts[_FALLBACK]["words"], **self._texts.get(language, {}).get("words", {})}

    def own(self, language: str, name: str, part: str) -> str | None:
        """The text of this very language."""
        return self._texts.get(language, {}).get(name, {}).get(part)

    def file(self, language: str, name: str, part: str) -> str:
        """The file that this text, or the layout it is put into, comes from."""
        layout = self._files.get((f"{part}.j2",))
        return layout or self._files.get((language, name, part), f"{language}.yaml")

    def find(self, language: str, name: str, part: str) -> tuple[str, str] | None:
        """The language and text to use: a customer is better told in English than not at all."""
        for found in (language, _FALLBACK, *self.languages):
            text = self.own(found, name, part)
            if text is not None:
                return found, text
        return None

    def _lay(self, folder: Traversable) -> None:
        for file in sorted(folder.iterdir(), key=lambda f: f.name):
            if file.name in LAYOUTS:
                self.layouts[file.name] = _text(file)
                self._files[(file.name,)] = str(file)
            elif file.name.endswith((".yaml", ".yml")):
                texts = self._texts.setdefault(file.name.rpartition(".")[0], {})
                language = file.name.rpartition(".")[0]
                for name, parts in _read(file).items():
                    self._files |= {(language, name, part): str(file) for part in parts}
                    texts[name] = {**texts.get(name, {}), **parts}


def _text(file: Traversable) -> str:
    """Read a text. Raises TemplatesError naming the file."""
    try:
        return read_text(file) if isinstance(file, Path) else file.read_text(encoding="utf-8")
    except YamlError as e:
        raise TemplatesError(e.text(str(file))) from e
    except OSError as e:
        raise TemplatesError(f"{file}: {e.strerror or e}") from e


def _read(file: Traversable) -> dict[str, dict[str, str]]:
    try:
        data: Any = safe_load(_text(file)) or {}
    except YamlError as e:
        raise TemplatesError(e.text(str(file))) from e
    if not isinstance(data, dict):
        raise TemplatesError(f"{file}: templates by name are needed, each with {', '.join(PARTS)}")
    for name, parts in data.items():
        if not isinstance(parts, dict):
            raise TemplatesError(f"{file}: {name}: parts are needed: {', '.join(PARTS)}")
        for part, text in parts.items():
            if name != "words" and part not in PARTS:
                raise TemplatesError(f"{file}: {name}.{part}: no such part; there are {', '.join(PARTS)}")
            if not isinstance(text, str):
                raise TemplatesError(f"{file}: {name}.{part}: text is needed, in quotes")
    return data
