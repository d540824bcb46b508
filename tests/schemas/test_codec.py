"""The codec against fastavro, and against hostile bytes."""

from __future__ import annotations

import io
import random
import string
import tracemalloc
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.records import commands, events, values
from schemas.catalogue import RECORDS, SCHEMA_IDS, SCHEMAS, STRUCTS
from schemas.codec import DecodeError, EncodeError, decode, decode_as_writer, encode
from schemas.explain import check_bytes

TRACE = "0af7651916cd43dd8448eb211c80319c"
LONGS = st.one_of(
    st.integers(-70, 300),
    st.sampled_from([0, -1, 8191, 8192, (1 << 34) - 1, 1 << 34, (1 << 41) - 1, 1 << 41, (1 << 63) - 1, -(1 << 63)]),
    st.integers(1_600_000_000_000, 2_300_000_000_000),
    st.integers(-(1 << 63), (1 << 63) - 1),
)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12) | st.sampled_from(
    ["", "x" * 63, "é" * 40, "y" * 9000]
)


class Filler:
    """Makes values of a schema out of drawn texts and numbers. (Drawing every field of an order anew takes Hypothesis seconds.)"""

    def __init__(self, texts: list[str], longs: list[int], rng: random.Random) -> None:
        self.texts, self.longs, self.rng = texts, longs, rng
        self.named: dict[str, Any] = {}

    def many(self) -> range:
        return range(self.rng.choice([0, 0, 1, 2, 3, 70]))

    def make(self, schema: Any) -> Any:
        if isinstance(schema, list):
            return self.rng.choice([self.make(next(s for s in schema if s != "null")), None])
        if isinstance(schema, str):
            return self.scalar(schema)
        if schema["type"] == "array":
            first = self.make(schema["items"])  # also where none is kept: it may name a type that is used further on
            return [first, *(self.make(schema["items"]) for _ in self.many())][self.rng.choice([0, 1]) :]
        if schema["type"] == "map":
            return {self.rng.choice(self.texts): self.make(schema["values"]) for _ in self.many()}
        self.named[schema["name"]] = schema
        return STRUCTS[schema["name"]](**{f["name"]: self.make(f["type"]) for f in schema["fields"]})

    def scalar(self, kind: str) -> Any:
        if kind == "long":
            return self.rng.choice(self.longs)
        if kind == "string":
            return self.rng.choice(self.texts)
        if kind == "bytes":
            return self.rng.choice(self.texts).encode("utf-16")
        return self.rng.random() < 0.5 if kind == "boolean" else self.make(self.named[kind.rpartition(".")[2]])


FILLERS = st.builds(
    Filler,
    st.lists(TEXTS, min_size=1, max_size=5),
    st.lists(LONGS, min_size=1, max_size=5),
    st.builds(random.Random, st.integers(0, 1 << 32)),
)


def plain(record: Any) -> Any:
    """As fastavro wants it: dicts, lists, str, int, bytes."""
    return msgspec.to_builtins(record, builtin_types=(bytes,))


def by_fastavro(name: str, record: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMAS[name], plain(record))
    return b"\x00" + SCHEMA_IDS[name].to_bytes(4, "big") + out.getvalue()


def released() -> commands.AllocationReleased:
    line = values.LineQty("line-1", "SKU-1", 2)
    return commands.AllocationReleased(
        "6f9a2c1e-4b7d-5e0f-8a3b-9c2d1e0f4a5b", "AllocationReleased", 1_763_906_788_000, "orders", TRACE,
        "main", "shopify:acme:1", "main/shopify:acme:1/1", [line, line], "cancelled",
    )  # fmt: skip


EVERY = pytest.mark.parametrize("name", list(SCHEMAS))


@EVERY
@settings(max_examples=40, deadline=None)
@given(filler=FILLERS)
def test_a_record_comes_back_as_it_was_and_its_bytes_are_fastavros(name: str, filler: Filler) -> None:
    record = filler.make(SCHEMAS[name])
    value = encode(record)
    assert value == by_fastavro(name, record)
    assert decode(value) == record
    theirs = fastavro.schemaless_reader(io.BytesIO(value[5:]), SCHEMAS[name], None)
    assert msgspec.convert(theirs, RECORDS[name]) == record


BYTES = st.sampled_from([0, 1, 2, 127, 128, 129, 255]) | st.integers(0, 255)


@EVERY
@settings(max_examples=40, deadline=None)
@given(
    filler=FILLERS, hits=st.lists(st.tuples(st.floats(0, 0.999), BYTES), min_size=1, max_size=4), cut=st.floats(0, 2)
)
def test_corrupted_bytes_raise_decode_error_or_are_a_record(
    name: str, filler: Filler, hits: list[tuple[float, int]], cut: float
) -> None:
    value = bytearray(encode(filler.make(SCHEMAS[name])))
    for where, byte in hits:
        value[int(where * len(value))] = byte
    read_or_refuse(bytes(value[: int(cut * len(value))]))


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(list(SCHEMAS)), body=st.binary(max_size=200))
def test_noise_after_a_valid_head_raises_nothing_but_decode_error(name: str, body: bytes) -> None:
    read_or_refuse(b"\x00" + SCHEMA_IDS[name].to_bytes(4, "big") + body)


def read_or_refuse(value: bytes) -> None:
    """Whatever is read must agree with the slow walk; whatever is refused must name a cause."""
    try:
        record = decode(value)
    except DecodeError as e:
        refused = e
    else:
        check_bytes(SCHEMAS[type(record).__name__], value)
        assert decode(encode(record)) == record
        return
    assert refused.code in CODES
    assert refused.field


CODES = {"empty", "magic", "schema", "truncated", "trailing", "utf8", "length", "varint", "count", "union", "boolean"}


HUGE = b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"
HEAD_3 = b"\x00\x00\x00\x00\x03"


@pytest.mark.parametrize(
    ("value", "code", "field"),
    [
        pytest.param(b"", "empty", "value", id="no bytes"),
        pytest.param(b"{}", "magic", "value", id="JSON"),
        pytest.param(b"\x00\x00\x00", "truncated", "value", id="no room for an id"),
        pytest.param(b"\x00\x00\x01\x00\x00", "schema", "value", id="unknown id"),
        pytest.param(HEAD_3, "truncated", "AllocationReleased.event_id", id="no body"),
        pytest.param(HEAD_3 + HUGE, "truncated", "AllocationReleased.event_id", id="an exabyte of text announced"),
        pytest.param(HEAD_3 + b"\x01", "length", "AllocationReleased.event_id", id="negative length"),
        pytest.param(
            HEAD_3 + b"\xff" * 10 + b"\x01", "varint", "AllocationReleased.event_id", id="eleven bytes of number"
        ),
        pytest.param(HEAD_3 + b"\x02\xff", "utf8", "AllocationReleased.event_id", id="no UTF-8"),
        pytest.param(
            HEAD_3 + b"\x00" * 8 + HUGE, "count", "AllocationReleased.lines", id="an exabyte of lines announced"
        ),
        pytest.param(
            HEAD_3 + b"\x00" * 8 + b"\x02\x00\x02", "truncated", "AllocationReleased.lines[0].sku", id="in a line"
        ),
    ],
)
def test_bad_bytes_name_the_cause_and_the_field(value: bytes, code: str, field: str) -> None:
    with pytest.raises(DecodeError) as e:
        decode(value)
    assert (e.value.code, e.value.field) == (code, field)


@pytest.mark.parametrize("junk", [None, "text", 7, bytearray(b"\x00\x00\x00\x00\x12")], ids=str)
def test_what_is_no_bytes_raises_decode_error(junk: Any) -> None:
    with pytest.raises(DecodeError):
        decode(junk)


def test_trailing_bytes_are_refused() -> None:
    with pytest.raises(DecodeError, match="1 bytes after the record's end"):
        decode(encode(released()) + b"\x00")


def test_every_truncation_is_refused() -> None:
    value = encode(released())
    for n in range(len(value)):
        with pytest.raises(DecodeError):
            decode(value[:n])


def test_hostile_lengths_allocate_nothing() -> None:
    bodies = [b"\x00" * 8 + HUGE + b"\x00" * 1000, HUGE + b"a" * 1000, b"\x00" * 8 + b"\x01" + b"\x00" * 1000]
    tracemalloc.start()
    for body in bodies:
        with pytest.raises(DecodeError):
            decode(HEAD_3 + body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000


def test_blocks_with_a_negative_count_and_a_size_are_read() -> None:
    record = released()
    value = encode(record)
    line = b"\x0cline-1\x0aSKU-1\x04"
    as_blocks = b"\x01" + bytes([2 * len(line)]) + line
    assert decode(value.replace(b"\x04" + line * 2 + b"\x00", as_blocks * 2 + b"\x00")) == record


@pytest.mark.parametrize("zero", [b"\x80\x00", b"\x80\x80\x00"], ids=["two bytes", "three bytes"])
def test_a_zero_of_more_bytes_than_it_needs_ends_a_list_too(zero: bytes) -> None:
    record = msgspec.structs.replace(released(), lines=[])
    value = encode(record)
    assert decode(value[:-11] + zero + value[-10:]) == record
    theirs = fastavro.schemaless_reader(
        io.BytesIO((value[:-11] + zero + value[-10:])[5:]), SCHEMAS["AllocationReleased"], None
    )
    assert theirs["lines"] == []


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        pytest.param({"reason": "\ud800"}, "utf8", "AllocationReleased.reason", id="a lone surrogate"),
        pytest.param({"reason": None}, "type", "AllocationReleased.reason", id="none for text"),
        pytest.param({"time": 1 << 63}, "range", "AllocationReleased.time", id="more than 64 bits"),
        pytest.param({"time": 1.5}, "type", "AllocationReleased.time", id="a fraction"),
        pytest.param({"lines": 7}, "type", "AllocationReleased.lines", id="no list"),
        pytest.param(
            {"lines": [values.LineQty("1", "A", 1), values.LineQty("2", 7, 1)]},  # type: ignore[arg-type]
            "type", "AllocationReleased.lines[1].sku", id="in the second line",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_written_names_the_field(change: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(EncodeError) as e:
        encode(msgspec.structs.replace(released(), **change))
    assert (e.value.code, e.value.field) == (code, field)


def test_what_is_no_record_can_not_be_written() -> None:
    with pytest.raises(EncodeError, match="LineQty: is no record of any topic"):
        encode(values.LineQty("1", "A", 1))  # type: ignore[arg-type]


def older(schema: Any) -> Any:
    """The schema as a version before this one would have it: without its last field."""
    return {**schema, "fields": schema["fields"][:-1]}


def test_an_older_writers_record_gets_the_new_fields_default() -> None:
    schema = older(SCHEMAS["AllocationReleased"])
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, plain(released()))
    read = decode_as_writer(b"\x00\x00\x00\x00\x63" + out.getvalue(), schema)
    assert read == msgspec.structs.replace(released(), reason="")


def test_a_newer_writers_extra_field_is_skipped() -> None:
    schema = SCHEMAS["AllocationReleased"]
    newer = {**schema, "fields": [*schema["fields"], {"name": "note", "type": "string", "default": ""}]}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, newer, {**plain(released()), "note": "new"})
    assert decode_as_writer(b"\x00\x00\x00\x00\x63" + out.getvalue(), newer) == released()


def test_hostile_bytes_of_an_older_writer_raise_decode_error() -> None:
    schema = older(SCHEMAS["AllocationReleased"])
    rng = random.Random(7)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, plain(released()))
    codes = set()
    for _ in range(300):
        body = bytearray(out.getvalue())
        body[rng.randrange(len(body))] = rng.randrange(256)
        try:
            decode_as_writer(b"\x00\x00\x00\x00\x63" + bytes(body), schema)
        except DecodeError as e:
            codes.add(e.code)
    assert {"truncated", "utf8"} < codes <= CODES


def test_an_id_that_was_released_and_replaced_is_read_with_its_own_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    from schemas import codec

    schema = older(SCHEMAS["AllocationReleased"])
    monkeypatch.setitem(codec.RELEASED, 99, schema)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, plain(released()))
    assert decode(b"\x00\x00\x00\x00\x63" + out.getvalue()) == msgspec.structs.replace(released(), reason="")


def test_a_traceback_through_generated_code_shows_its_lines() -> None:
    import traceback

    from schemas.codec import _READERS

    try:
        _READERS[HEAD_3](HEAD_3)
    except IndexError:
        assert "n = b[e]" in traceback.format_exc()
    else:
        pytest.fail("read beyond the end")


def test_event_types_are_text_that_every_reader_takes() -> None:
    for kind in events.CORE_EVENTS:
        assert set(kind) <= set(string.ascii_uppercase + "_")


def test_the_field_is_named_also_where_its_type_was_named_by_a_list_that_is_empty() -> None:
    decided = commands.AllocationDecided(
        "e", "AllocationDecided", 1, "pools", TRACE, "shopify:acme:1", "main", 1, "v1", [], [], [values.LineQty("1", "A", 1)], "", ""
    )  # fmt: skip
    value = encode(decided)
    with pytest.raises(DecodeError) as bad:
        decode(value.replace(b"\x02A\x02", b"\x02\xff\x02"))
    assert (bad.value.code, bad.value.field) == ("utf8", "AllocationDecided.unfillable[0].sku")
    wrong = msgspec.structs.replace(decided, unfillable=[values.LineQty("1", "A", None)])  # type: ignore[arg-type]
    with pytest.raises(EncodeError, match=r"AllocationDecided.unfillable\[0\].qty"):
        encode(wrong)
