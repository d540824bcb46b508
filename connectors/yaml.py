"""YAML as people write it for us (rules, wharf.yaml, scenarios, texts), read within bounds: what a file may unfold to is known before it does.

An alias (``*name``) costs what it stands for, each time; a node that holds itself is refused, and so is what lies deeper or is larger than any
file of ours. Whatever is wrong is a YamlError with its line and column.
"""

from __future__ import annotations

import math
import os
import select
import time
from pathlib import Path
from typing import Any

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "YamlError", "decode", "read_text", "reader", "safe_load", "where"]

MAX_BYTES = 2_000_000
MAX_NODES = 100_000
"""Values, keys and groups of a file, with every alias unfolded. The largest lists (hashes of a fraud rule) are a fifth of it."""
MAX_DEPTH = 64
"""Groups within groups; rules have 7."""
PIPE_SECONDS = 10.0


class YamlError(ValueError):
    """A file that can't be read. ``line`` and ``column`` count from 1; ``hint`` is the way out, or ``""``."""

    def __init__(self, message: str, line: int = 1, column: int = 1, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.line, self.column, self.hint = message, line, column, hint

    def text(self, name: str) -> str:
        """``wharf.yaml:3:1: …; …``, one line."""
        said = f"{name}:{self.line}:{self.column}: {self.message}" + (f"; {self.hint}" if self.hint else "")
        return " ".join(said.split())


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """The text of a file, or of a pipe as the shell's ``<(…)`` makes them. Raises YamlError (no UTF-8, too large), OSError.

    A pipe that nobody writes to is given ten seconds.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return decode(_read(handle, limit))
    finally:
        os.close(handle)


def _read(handle: int, limit: int) -> bytes:
    got, end = bytearray(), time.monotonic() + PIPE_SECONDS
    while len(got) <= limit:
        if not select.select([handle], [], [], max(end - time.monotonic(), 0))[0]:
            raise YamlError(f"nothing came out of this pipe for {PIPE_SECONDS:.0f} s", hint="give a file")
        part = os.read(handle, 1 << 16)
        if not part:
            return bytes(got)
        got += part
    raise YamlError(f"it is larger than {limit // 1_000_000} MB", hint="split it, or look whether it is the right file")


def decode(data: bytes) -> str:
    """UTF-8, with a byte order mark or without, lines ended as anywhere. Raises YamlError at the first byte that is none."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line, column = data.count(b"\n", 0, e.start) + 1, e.start - (data.rfind(b"\n", 0, e.start) + 1) + 1
        raise YamlError(
            f"this is no UTF-8 (byte 0x{data[e.start]:02x})", line, column, "save the file as UTF-8"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def where(text: str, at: int) -> tuple[int, int]:
    """Line and column of a character, from 1."""
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1


def reader(kind: str = "safe") -> Any:
    """ruamel's reader of a kind (``safe``, ``rt``) that composes within the bounds; raises its own YAMLError, with a mark."""
    from ruamel.yaml import YAML

    yaml = YAML(typ=kind, pure=True)
    yaml.Composer = _bounded(yaml.Composer)
    yaml.Constructor = _placed(yaml.Constructor)
    return yaml


def safe_load(text: str) -> Any:
    """Plain data. Raises YamlError."""
    from ruamel.yaml import YAMLError

    try:
        return reader().load(text)
    except YAMLError as e:
        raise explained(e, text) from None


def explained(error: Any, text: str) -> YamlError:
    """ruamel's error with its place, in its own words; what it has no place for stands at the top."""
    mark = getattr(error, "problem_mark", None)
    position = getattr(error, "position", None)
    if mark is None and isinstance(position, int):  # a character that no YAML may have
        code = getattr(error, "character", 0)
        shown = f"U+{code if isinstance(code, int) else ord(code):04X}"
        return YamlError(f"the character {shown} has no place in a text file", *where(text, position), "delete it")
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    said = str(getattr(error, "problem", None) or error).splitlines()[0]
    if said.startswith("found duplicate key"):  # its value may be a secret
        said = said.partition(" with value ")[0]
    if said.startswith(_OURS):
        said, _, hint = said.removeprefix(_OURS).partition("; ")
        return YamlError(said, line, column, hint)
    return YamlError(f"this is no YAML: {said}", line, column)


_OURS = "bounds: "


def _unusable(value: Any) -> str:
    """What YAML may hold and nothing of ours can: said with the way out; ``""`` for the rest."""
    if isinstance(value, int) and abs(value) >= 1 << 63:
        return "this number is too large; put it in quotes if it is a text"
    if isinstance(value, float) and not math.isfinite(value):
        return "this is no number; put it in quotes if it is a text"
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= text <= "\udfff" for text in value):
        return "half a character (\\ud800 to \\udfff) stands in this text; write the character itself"
    return ""


def _bounded(base: type) -> type:
    """A composer that counts what each node stands for."""
    from ruamel.yaml.composer import ComposerError
    from ruamel.yaml.events import AliasEvent

    class Bounded(base):  # type: ignore[misc]  # chosen at run time
        def __init__(self, *found: Any, **k: Any) -> None:
            super().__init__(*found, **k)
            self._nodes = self._depth = 0
            self._weights: dict[str, int] = {}

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.parser.peek_event()
            if isinstance(event, AliasEvent):
                self._alias(event)
                return super().compose_node(parent, index)
            before = self._nodes
            self._count(event, 1)
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise self._refused(
                    event, f"nested deeper than {MAX_DEPTH} levels; look for brackets that are not closed"
                )
            if event.anchor is not None:
                if event.anchor in self._weights:
                    raise self._refused(event, f"the anchor &{event.anchor} is there twice; give it another name")
                self._weights[event.anchor] = 0  # not known before its end
            node = super().compose_node(parent, index)
            self._depth -= 1
            if event.anchor is not None:
                self._weights[event.anchor] = self._nodes - before
            return node

        def _alias(self, event: Any) -> None:
            weight = self._weights.get(event.anchor)
            if weight == 0:
                raise self._refused(event, f"*{event.anchor} stands inside of itself; write the value out")
            self._count(event, weight or 1)

        def _count(self, event: Any, nodes: int) -> None:
            self._nodes += nodes
            if self._nodes > MAX_NODES:
                raise self._refused(event, f"with its aliases it has more than {MAX_NODES:,} values; write fewer")

        @staticmethod
        def _refused(event: Any, said: str) -> Exception:
            error: Exception = ComposerError(None, None, _OURS + said, event.start_mark)
            return error

    return Bounded


def _placed(base: type) -> type:
    """A constructor whose every error has a place: a tag or number that Python can't make is the file's fault."""
    from ruamel.yaml import YAMLError
    from ruamel.yaml.constructor import ConstructorError

    class Placed(base):  # type: ignore[misc]  # chosen at run time
        def construct_object(self, node: Any, deep: bool = False) -> Any:
            try:
                value = super().construct_object(node, deep)
            except YAMLError:
                raise
            except Exception as e:  # int(), float(), base64, sets of lists: ruamel lets them all through
                said = f"{_OURS}this can't be read as {str(node.tag).rpartition(':')[2]} ({type(e).__name__}); "
                raise ConstructorError(None, None, said + "put it in quotes", node.start_mark) from e
            if said := _unusable(value):
                raise ConstructorError(None, None, _OURS + said, node.start_mark)
            return value

    return Placed
