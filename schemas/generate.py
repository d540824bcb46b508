"""Writes the codec: from an Avro schema the Python source of one reader and one writer for the struct of the same name.

The source is straight-line code with every sub-record inline, for a call costs as much as three fields. A schema holds records, arrays,
maps, nullable values, ``string``, ``bytes``, ``long`` and ``boolean``; anything else is refused at import.
``python -m schemas.generate OrderUpserted`` prints what is generated.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Mapping
from typing import Any

from .source import Schema, SchemaMismatch, Source, kind_of, nullable
from .varint import LENGTHS, Malformed, read_count, read_long, read_span, write_long

__all__ = ["SchemaMismatch", "compile_function", "reader_source", "writer_source"]

# ---- readers: `b` the bytes, `e` the position after what has been read


def reader_source(schema: Schema, structs: Mapping[str, type]) -> str:
    """The source of ``read_NAME(b)``, which takes a whole value; it raises IndexError, ValueError or Malformed."""
    src = Source(structs)
    src.add(f"def read_{schema['name']}(b):")
    src.depth += 1
    src.add("e = 5")
    _read(src, schema, "f")
    src.add("if e != len(b):", "    raise Malformed('trailing' if e < len(b) else 'truncated', '')", "return f")
    return "\n".join(src.lines) + "\n"


def _read(src: Source, schema: Schema, to: str) -> None:
    schema = src.resolve(schema)
    kind = kind_of(schema)
    if kind not in _READ:
        raise SchemaMismatch(f"{to}: the codec does not know the Avro type {kind!r}: add it to schemas/generate.py")
    _READ[kind](src, schema, to)


def _read_long(src: Source, _: Schema, to: str) -> None:
    src.add("n = b[e]", "e += 1", "if n < 128:", f"    {to} = n >> 1 if not n & 1 else ~(n >> 1)")
    src.add("else:", f"    {to}, e = read_long(b, e - 1)")


def _read_bytes(src: Source, schema: Schema, to: str) -> None:
    # 129: more than one byte, or negative. A slice beyond the end is noticed by what comes after it, or by the last check.
    src.add("n = b[e]", "p = e + 1", "e = p + (n >> 1)", "if n & 129:", "    p, e = read_span(b, p - 1)")
    src.add(f"{to} = b[p:e]" + ("" if kind_of(schema) == "bytes" else ".decode()"))


def _read_boolean(src: Source, _: Schema, to: str) -> None:
    src.add(
        "n = b[e]", "e += 1", "if n > 1:", "    raise Malformed('boolean', f'{n} is neither 0 nor 1')", f"{to} = n == 1"
    )


def _read_union(src: Source, schema: Schema, to: str) -> None:
    null, other = nullable(schema, to)
    src.add("n = b[e]", "e += 1", f"if n == {2 * null}:", f"    {to} = None", f"elif n == {2 - 2 * null}:")
    src.depth += 1
    _read(src, other, to)
    src.depth -= 1
    src.add("else:", "    raise Malformed('union', f'branch {n} of two')")


def _read_blocks(src: Source, item: Callable[[], None]) -> None:
    src.add("n = b[e]", "e += 1", "while n:")
    src.depth += 1
    # A zero may come in more bytes than it needs: it ends the blocks like any other.
    src.add("if n & 129:", "    n, e = read_count(b, e - 1)", "    if not n:", "        break")
    src.add("for _ in range(n >> 1):")
    src.depth += 1
    item()
    src.depth -= 1
    src.add("n = b[e]", "e += 1")
    src.depth -= 1


def _read_array(src: Source, schema: Schema, to: str) -> None:
    def item() -> None:
        _read(src, schema["items"], f"{to}_i")
        src.add(f"{to}.append({to}_i)")

    src.add(f"{to} = []")
    _read_blocks(src, item)


def _read_map(src: Source, schema: Schema, to: str) -> None:
    def item() -> None:
        _read(src, "string", f"{to}_k")
        _read(src, schema["values"], f"{to}_v")
        src.add(f"{to}[{to}_k] = {to}_v")

    src.add(f"{to} = {{}}")
    _read_blocks(src, item)


def _read_record(src: Source, schema: Schema, to: str) -> None:
    names = [f"{to}_{f['name']}" for f in schema["fields"]]
    for field, name in zip(schema["fields"], names, strict=True):
        _read(src, field["type"], name)
    src.add(f"{to} = {schema['name']}({', '.join(names)})")


_READ: dict[str, Callable[[Source, Schema, str], None]] = {
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


class _Parts(Source):
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
    kind = kind_of(schema)
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
    null, other = nullable(schema, what)
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
