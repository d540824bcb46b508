"""A rule file's text as plain data, with the line and column of every part. YAML 1.2, and JSON, which is a part of it."""

from __future__ import annotations

import re
from pathlib import Path as FilePath
from typing import Any

import msgspec

from connectors.yaml import YamlError, explained, read_text, reader
from ops.errors import UserError

__all__ = ["Path", "Problem", "Source", "parse", "read"]

Path = tuple[str | int, ...]
"""Where a value is: keys and indices from the top."""


class Problem(msgspec.Struct, frozen=True):
    """Something wrong in a rule file. ``line`` and ``column`` count from 1; ``hint`` is the way out, or ``""``."""

    line: int
    column: int
    field: str
    message: str
    hint: str = ""

    def text(self, name: str) -> str:
        """Format as one line: ``rules.yaml:12:7: depots[1].timezone: …``."""
        where = f"{name}:{self.line}:{self.column}: "
        return (
            where + (f"{self.field}: " if self.field else "") + self.message + (f"; {self.hint}" if self.hint else "")
        )


class Source:
    """The data of a file, or of a part of one, and where its parts are. ``origin``: the part's own line and column, from 0."""

    def __init__(self, tree: Any, origin: tuple[int, int] = (0, 0), text: str = "") -> None:
        self._tree = tree
        self._origin = origin
        self._text = text
        self.data = _plain(tree)

    def place(self, path: Path) -> tuple[int, int]:
        """Line and column of the value at ``path``, or of what should hold it, from 1."""
        node, (line, column) = self._tree, self._origin
        for name in path:
            # `1001:` is a number to YAML and a name to us
            step = next((k for k in node if str(k) == name), name) if isinstance(node, dict) else name
            try:
                marks = node.lc.data[step]
                node = node[step]
            except (AttributeError, KeyError, IndexError, TypeError):
                break
            line, column = marks[-2], marks[-1]
        return line + 1, column + 1

    def part(self, path: Path) -> Source:
        """What is at ``path`` as a source of its own; places are still those of the whole file."""
        tree = self._tree
        for step in path:
            tree = tree[step]
        line, column = self.place(path)
        return Source(tree, (line - 1, column - 1), self._text)

    def inside(self, path: Path, value: str, at: int) -> tuple[int, int]:
        """Line and column of the character ``at`` of the text that stands at ``path``, however it is written (quotes, blocks)."""
        line, column = self.place(path)
        lines = self._text.split("\n")
        start = sum(len(line_) + 1 for line_ in lines[: line - 1]) + column - 1
        if self._text[start : start + 1] in ("|", ">"):
            start = self._text.find("\n", start) + 1
        end = start
        for wanted in value[: at + 1].rstrip() if at < len(value) else value:
            if wanted.isspace():
                continue
            while start < len(self._text) and self._text[start] != wanted:  # a quote, an escape, a fold
                start += 1
            end, start = start, start + 1
        end = start if at >= len(value.rstrip()) else end
        before = self._text[:end]
        return before.count("\n") + 1, end - (before.rfind("\n") + 1) + 1

    def problem(self, path: Path, message: str, hint: str = "") -> Problem:
        """A problem with the value at ``path``."""
        return Problem(*self.place(path), show(path), message, hint)


def show(path: Path) -> str:
    """Write a place the way people do: ``depots[1].timezone``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def parse(text: str) -> Source | Problem:
    """Read YAML or JSON; a Problem where it is neither, or a key is there twice."""
    from ruamel.yaml import YAMLError

    yaml = reader("rt")
    # A date stays text: ours to check, with its place (YAML's own reader fails on 30 February without one).
    yaml.Constructor.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)
    try:
        return Source(yaml.load(text), text=text)
    except YAMLError as e:
        return _problem(explained(e, text))


def read(path: FilePath) -> Source | Problem:
    """The same for a file. Raises UserError where it can't be opened."""
    try:
        return parse(read_text(path))
    except YamlError as e:
        return _problem(e)
    except OSError as e:
        raise UserError(f"{path}: {e.strerror or e}") from e


def _problem(error: YamlError) -> Problem:
    if key := _TWICE.search(error.message):
        return Problem(
            error.line,
            error.column,
            key[1],
            "stands here for the second time in this group",
            "put both into one, or drop one",
        )
    hint = error.hint or next((hint for words, hint in _YAML_HINTS if words in error.message), "")
    return Problem(error.line, error.column, "", error.message, hint)


_TWICE = re.compile(r'found duplicate key "([^"]*)"')
_YAML_HINTS = (
    ("\\t", "indent with spaces; a tab is none"),
    ("expected ',' or '}'", "a comma is missing, or a { before it is not closed by }"),
    ("expected ',' or ']'", "a comma is missing, or a [ before it is not closed by ]"),
    ("expected <block end>", "this line begins in another column than its neighbours: put them below each other"),
    ("mapping values are not allowed", "a text with a colon in it stands in quotes; else look at the indentation"),
    ("while scanning a quoted", "a quote is not closed"),
    ("unexpected end of stream", "a quote is not closed"),
    ("could not find expected ':'", "every field is written as NAME: VALUE"),
    ("expected alphabetic or numeric character", "a * stands in quotes"),
    ("found undefined alias", "a value that begins with * stands in quotes"),
    ("cannot start any token", "a value that begins with this character stands in quotes"),
)
"""What a person has to do about YAML's own words; the first that fits."""


def _plain(node: Any) -> Any:
    """The same as dict, list, str, int, float, bool, None."""
    if isinstance(node, dict):
        return {str(k): _plain(v) for k, v in node.items()}
    if isinstance(node, list):
        return [_plain(v) for v in node]
    if node is None or isinstance(node, bool):
        return node
    for plain in (int, float, str):
        if isinstance(node, plain):
            return plain(node)
    return str(node)
