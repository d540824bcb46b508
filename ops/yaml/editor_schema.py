"""JSON Schema of a struct, the same on every Python."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

__all__ = ["editor_schema"]


def editor_schema(shape: Any) -> dict[str, Any]:
    """JSON Schema (2020-12) of a type. Descriptions are its docstrings without the indentation of the code.

    Python keeps that indentation up to 3.12 and takes it off from 3.13 on.
    """
    found: dict[str, Any] = _cleaned(msgspec.json.schema(shape))
    return found


def _cleaned(node: Any) -> Any:
    if isinstance(node, list):
        return [_cleaned(item) for item in node]
    if not isinstance(node, dict):
        return node
    cleaned = {key: _cleaned(item) for key, item in node.items()}
    if isinstance(cleaned.get("description"), str):
        cleaned["description"] = inspect.cleandoc(cleaned["description"])
    return cleaned
