"""What the generated readers and writers share: the source under construction, and what a schema may hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["NAMED", "Schema", "SchemaMismatch", "Source", "kind_of", "named_types", "nullable"]

NAMED = frozenset({"record", "enum", "fixed"})

Schema = Any


class SchemaMismatch(TypeError):
    """A struct and its schema don't have the same fields in the same order, or the schema uses a type the codec doesn't know."""


class Source:
    """Lines of Python with an indent, the named types seen so far, and the structs they become."""

    def __init__(self, structs: Mapping[str, type]) -> None:
        self.lines: list[str] = []
        self.depth = 0
        self.named: dict[str, Schema] = {}
        self.structs = structs

    def add(self, *lines: str) -> None:
        self.lines += ["    " * self.depth + line for line in lines]

    def resolve(self, schema: Schema) -> Schema:
        """The schema itself where it is named; a named one is remembered."""
        if isinstance(schema, str) and "." in schema:
            return self.named[schema.rpartition(".")[2]]
        if isinstance(schema, dict) and schema["type"] == "record":
            self.named[schema["name"]] = schema
            self.match(schema)
        return schema

    def match(self, record: Schema) -> None:
        names = [field["name"] for field in record["fields"]]
        struct = self.structs.get(record["name"])
        have = None if struct is None else list(getattr(struct, "__struct_fields__", ()))
        if have != names:
            raise SchemaMismatch(
                f"{record['name']}: the schema has the fields {names}, the struct {have}: make them equal"
            )


def kind_of(schema: Schema) -> str:
    if isinstance(schema, list):
        return "union"
    return str(schema["type"] if isinstance(schema, dict) else schema)


def nullable(schema: Schema, where: str) -> tuple[int, Schema]:
    """The index of null in a union of two, and the other schema."""
    if len(schema) != 2 or "null" not in schema:
        raise SchemaMismatch(f"{where}: the codec knows unions of null and one type, not {schema}")
    null = schema.index("null")
    return null, schema[1 - null]


def named_types(schema: Any, found: dict[str, Any] | None = None) -> dict[str, Any]:
    """The named types inside a schema, by short name: a type may be used before (or though) the place that names it is empty."""
    found = {} if found is None else found
    if isinstance(schema, list):
        for branch in schema:
            named_types(branch, found)
    elif isinstance(schema, dict):
        if schema["type"] in NAMED:
            found[schema["name"]] = schema
        for inner in (
            schema.get("items"),
            schema.get("values"),
            *(field["type"] for field in schema.get("fields", ())),
        ):
            named_types(inner, found)
    return found
