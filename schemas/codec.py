"""Bytes <-> records, in the Confluent wire format: 0x00, the schema's id in four bytes (big-endian), the Avro body.

Readers and writers are generated at import from ``schemas/avro/*.avsc`` (``schemas.generate``) and take or give the domain
struct of the same name. A value whose id is an older, released schema is read with that one through fastavro, with Avro's schema
resolution: what it lacks gets the present schema's default.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec

from domain.records.record import Record

from .catalogue import RECORDS, RELEASED, SCHEMA_IDS, SCHEMAS, STRUCTS
from .explain import FieldError, check_bytes, check_value
from .generate import compile_function, reader_source, writer_source

__all__ = ["SCHEMA_IDS", "DecodeError", "EncodeError", "decode", "decode_as_writer", "encode"]

HEADER = 5


class DecodeError(ValueError):
    """Bytes that are no record of ours.

    ``code`` is stable and counted: empty, magic, schema (an unknown id), truncated, trailing, utf8, length, varint, count, union,
    boolean; ``field`` is the path to the place, with the type first.
    """

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(f"{code}: {field}: {message}")
        self.code = code
        self.field = field
        self.message = message


class EncodeError(ValueError):
    """A record that can't be written: ``field`` has another type than its schema, no valid Unicode, or more than 64 bits."""

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(f"{code}: {field}: {message}")
        self.code = code
        self.field = field
        self.message = message


def _head(schema_id: int) -> bytes:
    return b"\x00" + schema_id.to_bytes(4, "big")


_READERS: dict[bytes, Callable[[bytes], Record]] = {
    _head(SCHEMA_IDS[name]): compile_function(f"read_{name}", reader_source(schema, STRUCTS), STRUCTS)
    for name, schema in SCHEMAS.items()
}
_WRITERS: dict[type, Callable[[Record], bytes]] = {
    RECORDS[name]: compile_function(f"write_{name}", writer_source(schema, SCHEMA_IDS[name], STRUCTS), STRUCTS)
    for name, schema in SCHEMAS.items()
}
_NAMES = {schema_id: name for name, schema_id in SCHEMA_IDS.items()}


def encode(record: Record) -> bytes:
    """The record's bytes. Raises EncodeError naming the field."""
    try:
        return _WRITERS[record.__class__](record)
    except (KeyError, AttributeError, TypeError, ValueError, OverflowError) as e:
        _explain_encode(record, e)


def decode(value: bytes) -> Record:
    """The record in a topic's value. Raises DecodeError and nothing else, whatever the bytes are."""
    try:
        return _READERS[value[:HEADER]](value)
    except (KeyError, IndexError, ValueError, TypeError) as e:
        return _decode_slowly(value, e)


def _decode_slowly(value: Any, cause: Exception) -> Record:
    """An older schema's record, or the error that names the field."""
    if not isinstance(value, bytes) or not value:
        raise DecodeError("empty", "value", f"expected bytes, got {'none' if not value else type(value).__name__}")
    if value[0] != 0:
        raise DecodeError("magic", "value", f"begins with 0x{value[0]:02x}, not with 0x00 (Confluent wire format)")
    if len(value) < HEADER:
        raise DecodeError("truncated", "value", f"{len(value)} bytes: no room for a schema id")
    schema_id = int.from_bytes(value[1:HEADER], "big")
    if schema_id not in _NAMES and schema_id in RELEASED:
        return decode_as_writer(value, RELEASED[schema_id])
    if schema_id not in _NAMES:
        raise DecodeError("schema", "value", f"unknown schema id {schema_id}; schemas/ids.json has {sorted(_NAMES)}")
    _check(SCHEMAS[_NAMES[schema_id]], value)
    # Not reached while the generated code and the walk agree, which a property test holds.
    raise DecodeError("malformed", _NAMES[schema_id], f"{type(cause).__name__}: {cause}") from cause


def _check(schema: Any, value: bytes) -> None:
    try:
        check_bytes(schema, value)
    except FieldError as e:
        raise DecodeError(e.code, f"{schema['name']}.{e.field}", e.message) from None


def decode_as_writer(value: bytes, writer_schema: Any) -> Record:
    """Read a value that was written with ``writer_schema`` (an older version of a type, or one with more fields) as the present type.

    Raises DecodeError.
    """
    import fastavro

    name = writer_schema["name"].rpartition(".")[2]
    if name not in RECORDS:
        raise DecodeError("schema", "value", f"no type {name!r}")
    _check(writer_schema, value)  # before fastavro, which trusts the lengths it reads
    try:
        data = fastavro.schemaless_reader(
            io.BytesIO(value[HEADER:]), writer_schema, SCHEMAS[name], return_record_name=False
        )
        return msgspec.convert(data, RECORDS[name])
    except (fastavro.schema.SchemaParseException, fastavro.read.SchemaResolutionError, msgspec.ValidationError) as e:
        raise DecodeError("schema", name, f"can't be read as the present schema: {e}") from e


def _explain_encode(record: Any, cause: Exception) -> NoReturn:
    name = type(record).__name__
    if type(record) not in _WRITERS:
        raise EncodeError("type", name, "is no record of any topic (schemas/ids.json)") from None
    try:
        check_value(SCHEMAS[name], record)
    except FieldError as e:
        raise EncodeError(e.code, f"{name}.{e.field}", e.message) from None
    raise EncodeError("type", name, str(cause)) from cause
