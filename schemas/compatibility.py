"""What may change in a schema: whether records written with one can be read with another, by Avro's resolution rules.

The rules are those of the Avro 1.12 specification, "Schema Resolution". A change is *fully* compatible when each side reads the other, so that
consumers and producers may be upgraded in any order, and events kept for ever stay readable.
"""

from __future__ import annotations

from typing import Any

from .source import NAMED, named_types

__all__ = ["canonical", "changes_that_break", "unreadable"]

_PROMOTED = {
    ("int", "long"),
    ("int", "float"),
    ("int", "double"),
    ("long", "float"),
    ("long", "double"),
    ("float", "double"),
    ("string", "bytes"),
    ("bytes", "string"),
}

_Seen = tuple[tuple[str, str], ...]


def canonical(schema: Any) -> Any:
    """The schema without its docs: equal for two schemas whose records and defaults are the same."""
    if isinstance(schema, list):
        return [canonical(branch) for branch in schema]
    if isinstance(schema, dict):
        keep = {k: v if k == "default" else canonical(v) for k, v in schema.items() if k != "doc"}
        return dict(sorted(keep.items()))
    return schema


def changes_that_break(old: Any, new: Any) -> list[str]:
    """Why the change from ``old`` to ``new`` is not fully compatible; empty where it is."""
    return [f"new readers can't read old records: {why}" for why in unreadable(old, new)] + [
        f"old readers can't read new records: {why}" for why in unreadable(new, old)
    ]


def unreadable(writer: Any, reader: Any) -> list[str]:
    """Why a reader with ``reader`` can't read what ``writer`` wrote: one line a place; empty where it can."""
    return _Resolver(named_types(writer), named_types(reader)).resolve(writer, reader, "", ())


def _short(name: str) -> str:
    return name.rpartition(".")[2]


class _Resolver:
    """Compares two schemas, each with its own named types."""

    def __init__(self, writer_names: dict[str, Any], reader_names: dict[str, Any]) -> None:
        self.names = (writer_names, reader_names)

    def resolve(self, writer: Any, reader: Any, path: str, seen: _Seen) -> list[str]:
        writer, reader = self._named(0, writer), self._named(1, reader)
        if isinstance(writer, list):
            return [p for branch in writer for p in self.resolve(branch, reader, path, seen)]
        if isinstance(reader, list):
            if any(not self.resolve(writer, branch, path, seen) for branch in reader):
                return []
            return [f"{path}: no branch of {[_kind(b) for b in reader]} takes {_kind(writer)}"]
        kinds = (_kind(writer), _kind(reader))
        if kinds[0] != kinds[1]:
            return [] if kinds in _PROMOTED else [f"{path}: {kinds[0]} can't be read as {kinds[1]}"]
        return self._same_kind(kinds[0], writer, reader, path, seen)

    def _named(self, side: int, schema: Any) -> Any:
        return self.names[side].get(_short(schema), schema) if isinstance(schema, str) else schema

    def _same_kind(self, kind: str, writer: Any, reader: Any, path: str, seen: _Seen) -> list[str]:
        if kind in {"array", "map"}:
            inner, mark = ("items", "[]") if kind == "array" else ("values", "{}")
            return self.resolve(writer[inner], reader[inner], path + mark, seen)
        return self._same_named(kind, writer, reader, path, seen) if kind in NAMED else []

    def _same_named(self, kind: str, writer: Any, reader: Any, path: str, seen: _Seen) -> list[str]:
        if _short(reader["name"]) != _short(writer["name"]) and _short(writer["name"]) not in _aliases(reader):
            return [f"{path}: {writer['name']} is not {reader['name']}, nor one of its aliases"]
        if kind == "fixed":
            return (
                [] if writer["size"] == reader["size"] else [f"{path}: size {writer['size']} is not {reader['size']}"]
            )
        if kind == "enum":
            return _symbols(writer, reader, path)
        pair = (writer["name"], reader["name"])
        return [] if pair in seen else self._fields(writer, reader, path, (*seen, pair))

    def _fields(self, writer: Any, reader: Any, path: str, seen: _Seen) -> list[str]:
        written = {f["name"]: f for f in writer["fields"]}
        problems = []
        for field in reader["fields"]:
            where = f"{path}.{field['name']}" if path else field["name"]
            match = next((written[name] for name in (field["name"], *_aliases(field)) if name in written), None)
            if match is not None:
                problems += self.resolve(match["type"], field["type"], where, seen)
            elif "default" not in field:
                problems.append(f"{where}: the writer lacks it and it has no default")
        return problems


def _kind(schema: Any) -> str:
    return "union" if isinstance(schema, list) else str(schema["type"] if isinstance(schema, dict) else schema)


def _aliases(named: Any) -> list[str]:
    return [_short(alias) for alias in named.get("aliases", ())]


def _symbols(writer: Any, reader: Any, path: str) -> list[str]:
    lost = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
    return (
        [f"{path}: the symbols {lost} are unknown and there is no default"] if lost and "default" not in reader else []
    )
