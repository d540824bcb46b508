"""Event records to ClickHouse as they lie in Kafka: their Avro bodies behind one another in one Avro file, read by ClickHouse itself. Pure.

Nothing is decoded here, so nothing is checked here either; ClickHouse does it, row by row. A body's end shows nowhere in an Avro file: one byte
too few or too many and all that follow are read askew. So each body lies between two equal marks, its offset and a random number that no record
can know: where the second mark is not the first, or a text is no UTF-8, the statement fails as a whole and nothing is inserted. Who wrote it
then reads the records one by one (`batches.Batch.read`) and finds the one that is no event.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from typing import Any

from schemas.catalogue import SCHEMA_IDS, SCHEMAS
from schemas.varint import write_long

from .rows import Table

__all__ = ["COLUMNS", "AvroTable"]

COLUMNS = ("kafka_partition", "kafka_offset")
"""What a row has beside its event's fields."""
_TYPES = {"string": "String", "long": "Int64", "boolean": "Bool"}
_HEADER = 5
_MARK = 16
_TIMES = frozenset({"time", "occurred_at", "placed_at", "ship_by", "eta"})
"""Milliseconds that are DateTime64(3, 'UTC') columns."""


def _type(schema: Any) -> str:
    if isinstance(schema, list):
        (inner,) = (branch for branch in schema if branch != "null")
        return f"Nullable({_type(inner)})"
    if isinstance(schema, dict) and schema["type"] == "array":
        inner_fields = ", ".join(f"{field['name']} {_type(field['type'])}" for field in schema["items"]["fields"])
        return f"Array(Tuple({inner_fields}))"
    return _TYPES[schema["type"] if isinstance(schema, dict) else schema]


def _is_text(schema: Any) -> bool:
    return bool((schema["type"] if isinstance(schema, dict) else schema) == "string")


class AvroTable:
    """What is the same for every batch of a table: the file's head, the structure ClickHouse reads it as, the columns it becomes."""

    def __init__(self, table: Table) -> None:
        name = table.record.__name__
        schema = SCHEMAS[name]
        self.name = table.name
        self.header = b"\x00" + SCHEMA_IDS[name].to_bytes(4, "big")
        """What each value of a batch must begin with."""
        mark = {"type": "fixed", "name": "Mark", "size": _MARK}
        fields = [{"name": "_begin", "type": mark}, *schema["fields"], {"name": "_end", "type": "Mark"}]
        self._schema = json.dumps({**schema, "fields": fields}).encode()
        plain = ", ".join(f"{field['name']} {_type(field['type'])}" for field in schema["fields"])
        self._structure = f"_begin FixedString({_MARK}), {plain}, _end FixedString({_MARK})"
        self._columns, self._values, texts = _columns(schema["fields"])
        # Joined with a separator: half a character in one field and half in the next must not make a whole one.
        self._check = f"_begin != _end OR NOT isValidUTF8(concatWithSeparator(' ', {', '.join(texts)}))"

    def statement(self, file: str, partition: int) -> str:
        """The INSERT of one file. Nothing in it comes from the records."""
        columns = ", ".join(f"`{column}`" for column in (*self._columns, *COLUMNS))
        offset = "reinterpretAsUInt64(substring(_begin, 1, 8))"
        source = f"file('{file}', 'Avro', '{self._structure}')"
        return (  # every part of it is ours: names of the schema, a path, a number
            f"INSERT INTO {self.name} ({columns}) SELECT {', '.join(self._values)}, {partition}, {offset} FROM {source} "  # noqa: S608
            f"WHERE NOT throwIf({self._check}, 'not the records they claim to be')"
        )

    def file(self, values: Iterable[bytes], offsets: Iterable[int]) -> bytes | None:
        """The Avro file of a batch; None where a value is not of the table's present schema (an older one, or no record at all)."""
        header, secret = self.header, secrets.token_bytes(8)
        parts: list[bytes] = []
        add = parts.append
        for value, offset in zip(values, offsets, strict=True):
            if value[:_HEADER] != header:
                return None
            mark = offset.to_bytes(8, "little") + secret
            add(mark)
            add(value[_HEADER:])
            add(mark)
        body, sync = b"".join(parts), secrets.token_bytes(16)
        counts = write_long(len(parts) // 3), write_long(len(body))
        return b"".join((b"Obj\x01", write_long(2), *_meta(self._schema), b"\x00", sync, *counts, body, sync))


def _meta(schema: bytes) -> list[bytes]:
    entries = (b"avro.schema", schema, b"avro.codec", b"null")
    return [part for entry in entries for part in (write_long(len(entry)), entry)]


def _columns(fields: list[Any]) -> tuple[list[str], list[str], list[str]]:
    """Column names, their expressions over the file's fields, and the expressions that are text."""
    names, values, texts = [], [], []
    for field in fields:
        name, schema = field["name"], field["type"]
        if isinstance(schema, dict) and schema["type"] == "array":
            for inner in schema["items"]["fields"]:
                part = f"tupleElement(`{name}`, '{inner['name']}')"
                names.append(f"{name}.{inner['name']}")
                values.append(part)
                if _is_text(inner["type"]):
                    texts.append(f"arrayStringConcat({part}, ' ')")
        else:
            names.append(name)
            values.append(f"fromUnixTimestamp64Milli({name}, 'UTC')" if name in _TIMES else name)
            if _is_text(schema):
                texts.append(name)
    return names, values, texts
