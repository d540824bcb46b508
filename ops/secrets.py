"""``${NAME}`` and ``${file:/path}`` in ``wharf.yaml``: secrets put into their places, and taken out of what is said about them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

__all__ = ["Expanded", "Missing", "expand"]

MAX_BYTES = 65_536
"""Of a secret file: a certificate chain has some thousand."""
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}|\$\{file:([^}]+)\}")
_SECRET = re.compile(r"token|secret|password|key|authorization", re.IGNORECASE)


class Missing(ValueError):
    """A secret that is not there; ``path`` is the field that names it."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


class Expanded:
    """The data with its secrets, and what they are."""

    def __init__(self) -> None:
        self.data: Any = None
        self.secrets: set[str] = set()

    def without_secrets(self, text: str) -> str:
        """The text with every secret replaced by ``…``, the longest first."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "…").replace(repr(secret)[1:-1], "…")
        return text


def expand(data: Any) -> Expanded:
    """Put the values of variables and files into plain data. Raises Missing."""
    found = Expanded()
    found.data = _value(data, (), found.secrets)
    return found


def _value(value: Any, path: tuple[str | int, ...], secrets: set[str]) -> Any:
    if isinstance(value, dict):
        return {k: _value(v, (*path, str(k)), secrets) for k, v in value.items()}
    if isinstance(value, list):
        return [_value(v, (*path, i), secrets) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value
    made = _VARIABLE.sub(lambda match: _looked_up(match, path, secrets), value)
    if made and any(_SECRET.search(str(step)) for step in path):
        secrets.add(made)
    return made


def _looked_up(match: re.Match[str], path: tuple[str | int, ...], secrets: set[str]) -> str:
    text = _file(Path(match[2]), path) if match[2] else os.environ.get(match[1])
    if text is None:
        raise Missing(path, f"the environment variable {match[1]} is not set")
    if text:
        secrets.add(text)
    return text


def _file(file: Path, path: tuple[str | int, ...]) -> str:
    if not file.is_file():
        raise Missing(path, f"the secret file {file} is not there")
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
        text = data.decode().strip()
    except (OSError, UnicodeDecodeError) as e:
        why = e.strerror if isinstance(e, OSError) else "it is no UTF-8"
        raise Missing(path, f"the secret file {file} can't be read: {why}") from None
    if len(data) > MAX_BYTES:
        raise Missing(path, f"the secret file {file} is larger than {MAX_BYTES} bytes: is it the right one?")
    return text
