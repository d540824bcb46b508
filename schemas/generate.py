"""Writes the codec: from an Avro schema the Python source of one reader and one writer for the struct of the same name.

The source is straight-line code with every sub-record inline, for a call costs as much as three fields. A schema holds records, arrays,
maps, nullable values, ``string``, ``bytes``, ``long`` and ``boolean``; anything else is refused at import.
``python -m schemas.generate OrderUpserted`` prints what is generated.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Mapping
from typing import Any

from .varint import LENGTHS, Malformed, read_count, read_long, read_span, write_long

__all__ = ["SchemaMismatch", "compile_function", "reader_source", "writer_source"]

Schema = Any


class SchemaMismatch(TypeError):
    """A struct and its schema don't have the same fields in the same order, or the schema uses a type the codec doesn't know."""


class _Source:
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
        names = [f["name"] for f in record["fields"]]
        struct = self.structs.get(record["name"])
        have = None if struct is None else list(getattr(struct, "__struct_fields__", ()))
        if have != names:
            raise SchemaMismatch(
                f"{record['name']}: the schema has the fields {names}, the struct {have}: make them equal"
            )


def _kind(schema: Schema) -> str:
    if isinstance(schema, list):
        return "union"
    return str(schema["type"] if isinstance(schema, dict) else schema)


def _nullable(schema: Schema, where: str) -> tuple[int, Schema]:
    """The index of null in a union of two, and the other schema."""
    if len(schema) != 2 or "null" not in schema:
        raise SchemaMismatch(f"{where}: the codec knows unions of null and one type, not {schema}")
    null = schema.index("null")
    return null, schema[1 - null]


# ---- readers: `b` the bytes, `e` the position after what has been read


def reader_source(schema: Schema, structs: Mapping[str, type]) -> str:
    """The source of ``read_NAME(b)``, which takes a whole value; it raises IndexError, ValueError or Malformed."""
    src = _Source(structs)
    src.add(f"def read_{schema['name']}(b):")
    src.depth += 1
    src.add("e = 5")
    _read(src, schema, "f")
    src.add("if e != len(b):", "    raise Malformed('trailing' if e < len(b) else 'truncated', '')", "return f")
    return "\n".join(src.lines) + "\n"


def _read(src: _Source, schema: Schema, to: str) -> None:
    schema = src.resolve(schema)
    kind = _kind(schema)
    if kind not in _READ:
        raise SchemaMismatch(f"{to}: the codec does not know the Avro type {kind!r}: add it to schemas/generate.py")
    _READ[kind](src, schema, to)


def _read_long(src: _Source, _: Schema, to: str) -> None:
    src.add("n = b[e]", "e += 1", "if n < 128:", f"    {to} = n >> 1 if not n & 1 else ~(n >> 1)")
    src.add("else:", f"    {to}, e = read_long(b, e - 1)")


def _read_bytes(src: _Source, schema: Schema, to: str) -> None:
    # 129: more than one byte, or negative. A slice beyond the end is noticed by what comes after it, or by the last check.
    src.add("n = b[e]", "p = e + 1", "e = p + (n >> 1)", "if n & 129:", "    p, e = read_span(b, p - 1)")
    src.add(f"{to} = b[p:e]" + ("" if _kind(schema) == "bytes" else ".decode()"))


def _read_boolean(src: _Source, _: Schema, to: str) -> None:
    src.add(
        "n = b[e]", "e += 1", "if n > 1:", "    raise Malformed('boolean', f'{n} is neither 0 nor 1')", f"{to} = n == 1"
    )


def _read_union(src: _Source, schema: Schema, to: str) -> None:
    null, other = _nullable(schema, to)
    src.add("n = b[e]", "e += 1", f"if n == {2 * null}:", f"    {to} = None", f"elif n == {2 - 2 * null}:")
    src.depth += 1
    _read(src, other, to)
    src.depth -= 1
    src.add("else:", "    raise Malformed('union', f'branch {n} of two')")


def _read_blocks(src: _Source, item: Callable[[], None]) -> None:
    src.add("n = b[e]", "e += 1", "while n:")
    src.depth += 1
    src.add("if n & 129:", "    n, e = read_count(b, e - 1)", "for _ in range(n >> 1):")
    src.depth += 1
    item()
    src.depth -= 1
    src.add("n = b[e]", "e += 1")
    src.depth -= 1


def _read_array(src: _Source, schema: Schema, to: str) -> None:
    def item() -> None:
        _read(src, schema["items"], f"{to}_i")
        src.add(f"{to}.append({to}_i)")

    src.add(f"{to} = []")
    _read_blocks(src, item)


def _read_map(src: _Source, schema: Schema, to: str) -> None:
    def item() -> None:
        _read(src, "string", f"{to}_k")
        _read(src, schema["values"], f"{to}_v")
        src.add(f"{to}[{to}_k] = {to}_v")

    src.add(f"{to} = {{}}")
    _read_blocks(src, item)


def _read_record(src: _Source, schema: Schema, to: str) -> None:
    names = [f"{to}_{f['name']}" for f in schema["fields"]]
    for field, name in zip(schema["fields"], names, strict=True):
        _read(src, field["type"], name)
    src.add(f"{to} = {schema['name']}({', '.join(names)})")


_READ: dict[str, Callable[[_Source, Schema, str], None]] = {
    "long": _read_long,
    "string": _read_bytes,
    "bytes": _read_bytes,
    "boolean": _read_boolean,
    "union": _read_union,
    "array": _read_array,
    "map": _read_map,
    "record": _read_record,
}


# ---- writers: `out` the list of parts, joined at the end


class _Parts(_Source):
    """Also gathers expressions, to add as many parts as possible in one go."""

    def __init__(self, structs: Mapping[str, type]) -> None:
        super().__init__(structs)
        self.parts: list[str] = []

    def flush(self) -> None:
        if self.parts:
            self.add(f"out += ({', '.join(self.parts)},)")
            self.parts = []


def writer_source(schema: Schema, schema_id: int, structs: Mapping[str, type]) -> str:
    """The source of ``write_NAME(f)``, which gives a whole value; it raises AttributeError, TypeError, ValueError or OverflowError."""
    src = _Parts(structs)
    src.add(f"def write_{schema['name']}(f):")
    src.depth += 1
    head = b"\x00" + schema_id.to_bytes(4, "big")
    src.parts.append(repr(head))
    _write(src, schema, "f")
    if len(src.lines) == 1:  # flat: one expression
        src.add(f"return b''.join(({', '.join(src.parts)},))")
    else:
        src.flush()
        src.lines.insert(1, "    out = []")
        src.add("return b''.join(out)")
    return "\n".join(src.lines) + "\n"


def _write(src: _Parts, schema: Schema, what: str) -> None:
    schema = src.resolve(schema)
    kind = _kind(schema)
    if kind not in _WRITE:
        raise SchemaMismatch(f"{what}: the codec does not know the Avro type {kind!r}: add it to schemas/generate.py")
    _WRITE[kind](src, schema, what)


def _long(what: str) -> str:
    return f"LENGTHS[n] if 0 <= (n := {what}) < 8192 else write_long(n)"


def _write_long(src: _Parts, _: Schema, what: str) -> None:
    src.parts.append(_long(what))


def _write_string(src: _Parts, _: Schema, what: str) -> None:
    src.parts += [f"LENGTHS[n] if (n := len(s := {what}.encode())) < 8192 else write_long(n)", "s"]


def _write_bytes(src: _Parts, _: Schema, what: str) -> None:
    src.parts += [f"LENGTHS[n] if (n := len(s := {what})) < 8192 else write_long(n)", "s"]


def _write_boolean(src: _Parts, _: Schema, what: str) -> None:
    src.parts.append(f"b'\\x01' if {what} else b'\\x00'")


def _write_union(src: _Parts, schema: Schema, what: str) -> None:
    null, other = _nullable(schema, what)
    src.flush()
    src.add(f"if {what} is None:", f"    out.append({bytes([2 * null])!r})", "else:")
    src.depth += 1
    src.parts.append(repr(bytes([2 - 2 * null])))
    _write(src, other, what)
    src.flush()
    src.depth -= 1


def _write_blocks(src: _Parts, what: str, loop: str, item: Callable[[], None]) -> None:
    src.flush()
    src.add(f"if {what}:")
    src.depth += 1
    src.add(f"out.append({_long(f'len({what})')})", loop)
    src.depth += 1
    item()
    src.flush()
    src.depth -= 2
    src.parts.append(repr(b"\x00"))


def _write_array(src: _Parts, schema: Schema, what: str) -> None:
    name = f"i{src.depth}"
    _write_blocks(src, what, f"for {name} in {what}:", lambda: _write(src, schema["items"], name))


def _write_map(src: _Parts, schema: Schema, what: str) -> None:
    key, value = f"k{src.depth}", f"v{src.depth}"

    def item() -> None:
        _write(src, "string", key)
        _write(src, schema["values"], value)

    _write_blocks(src, what, f"for {key}, {value} in {what}.items():", item)


def _write_record(src: _Parts, schema: Schema, what: str) -> None:
    for field in schema["fields"]:
        _write(src, field["type"], f"{what}.{field['name']}")


_WRITE: dict[str, Callable[[_Parts, Schema, str], None]] = {
    "long": _write_long,
    "string": _write_string,
    "bytes": _write_bytes,
    "boolean": _write_boolean,
    "union": _write_union,
    "array": _write_array,
    "map": _write_map,
    "record": _write_record,
}


def compile_function(name: str, source: str, structs: Mapping[str, type]) -> Callable[[Any], Any]:
    """The function that ``source`` defines. Its source is in ``linecache``, so a traceback shows its lines."""
    filename = f"<schemas.generate {name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    space: dict[str, Any] = {
        **structs,
        "LENGTHS": LENGTHS,
        "Malformed": Malformed,
        "read_count": read_count,
        "read_long": read_long,
        "read_span": read_span,
        "write_long": write_long,
    }
    exec(compile(source, filename, "exec"), space)  # noqa: S102 -- the source is ours, made from schemas/avro
    function: Callable[[Any], Any] = space[name]
    return function


def _main() -> None:
    import sys

    from .catalogue import SCHEMA_IDS, SCHEMAS, STRUCTS

    for name in sys.argv[1:]:
        sys.stdout.write(reader_source(SCHEMAS[name], STRUCTS) + "\n\n")
        sys.stdout.write(writer_source(SCHEMAS[name], SCHEMA_IDS[name], STRUCTS))


if __name__ == "__main__":
    _main()
