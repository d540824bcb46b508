"""The slow reading and writing: says which field is wrong. Used only once the generated code has failed, or for an old schema."""

from __future__ import annotations

from typing import Any

from .source import kind_of, named_types
from .varint import Malformed, read_count, read_long, read_span, write_long

__all__ = ["FieldError", "check_bytes", "check_value"]


class FieldError(ValueError):
    """``field`` is the path to what is wrong (``order.lines[2].sku``), ``code`` a stable word for the cause."""

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.code = code
        self.field = field
        self.message = message


def _resolve(schema: Any, named: dict[str, Any]) -> Any:
    return named.get(schema.rpartition(".")[2], schema) if isinstance(schema, str) else schema


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


class _Bytes:
    """Walks the body of a value as its schema says, building nothing."""

    def __init__(self, schema: Any, body: bytes, position: int) -> None:
        self.b = body
        self.p = position
        self.named = named_types(schema)

    def walk(self, schema: Any, path: str) -> None:
        schema = _resolve(schema, self.named)
        kind = kind_of(schema)
        try:
            self.step(kind, schema, path)
        except IndexError:
            raise FieldError("truncated", path, f"the bytes end at {len(self.b)}") from None
        except Malformed as e:
            raise FieldError(e.code, path, f"{e} at byte {self.p}") from None
        except UnicodeDecodeError as e:
            raise FieldError("utf8", path, f"no UTF-8 at byte {self.p}: {e.reason}") from None

    def step(self, kind: str, schema: Any, path: str) -> None:
        if kind == "record":
            for field in schema["fields"]:
                self.walk(field["type"], _join(path, field["name"]))
        elif kind in {"array", "map"}:
            self.blocks(schema, path)
        elif kind == "union":
            branch, self.p = read_long(self.b, self.p)
            if not 0 <= branch < len(schema):
                raise Malformed("union", f"branch {branch} of {len(schema)}")
            self.walk(schema[branch], path)
        elif kind in {"string", "bytes"}:
            begin, end = read_span(self.b, self.p)
            if kind == "string":
                self.b[begin:end].decode()
            self.p = end
        elif kind in {"long", "int"}:
            _, self.p = read_long(self.b, self.p)
        elif kind == "boolean":
            if self.b[self.p] > 1:
                raise Malformed("boolean", f"{self.b[self.p]} is neither 0 nor 1")
            self.p += 1

    def blocks(self, schema: Any, path: str) -> None:
        i = 0
        while True:
            twice, self.p = read_count(self.b, self.p)
            if not twice:
                return
            for _ in range(twice >> 1):
                if schema["type"] == "map":
                    self.walk("string", f"{path}[{i}]")
                self.walk(schema.get("items") or schema["values"], f"{path}[{i}]")
                i += 1


def check_bytes(schema: Any, value: bytes, begin: int = 5) -> None:
    """Walk a value's body. Raises FieldError for the first thing that is wrong; returns where nothing is."""
    walker = _Bytes(schema, value, begin)
    walker.walk(schema, "")
    if walker.p != len(value):
        raise FieldError("trailing", schema["name"], f"{len(value) - walker.p} bytes after the record's end")


def check_value(schema: Any, value: Any, path: str = "", named: dict[str, Any] | None = None) -> None:
    """Compare a struct with its schema. Raises FieldError for the first value that can't be written."""
    named = named_types(schema) if named is None else named
    schema = _resolve(schema, named)
    kind = kind_of(schema)
    if kind == "record":
        for field in schema["fields"]:
            where = _join(path, field["name"])
            if not hasattr(value, field["name"]):
                raise FieldError("type", where, f"{type(value).__name__} has no such field")
            check_value(field["type"], getattr(value, field["name"]), where, named)
    elif kind == "union":
        if value is not None:
            check_value(next(branch for branch in schema if branch != "null"), value, path, named)
    elif kind in {"array", "map"}:
        items = value.items() if isinstance(value, dict) else value
        for i, item in enumerate(_iterable(items, kind, path)):
            if kind == "map":
                check_value("string", item[0], f"{path}[{i}]", named)
            check_value(
                schema.get("items") or schema["values"], item[1] if kind == "map" else item, f"{path}[{i}]", named
            )
    else:
        _check_scalar(kind, value, path)


def _iterable(value: Any, kind: str, path: str) -> Any:
    try:
        return iter(value)
    except TypeError:
        raise FieldError("type", path, f"expected {kind}, got {type(value).__name__}") from None


def _check_scalar(kind: str, value: Any, path: str) -> None:
    want = {"string": str, "bytes": (bytes, bytearray), "long": int, "int": int, "boolean": (bool, int)}[kind]
    if not isinstance(value, want):  # type: ignore[arg-type]
        raise FieldError("type", path, f"expected {kind}, got {type(value).__name__}")
    try:
        if kind == "string":
            value.encode()
        elif kind in {"long", "int"}:
            write_long(value)
    except UnicodeEncodeError as e:
        raise FieldError("utf8", path, f"can't be written as UTF-8: {e.reason}") from None
    except OverflowError as e:
        raise FieldError("range", path, str(e)) from None
