"""Schemas, structs, ids and releases fit each other."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_origin, get_type_hints

import fastavro
import msgspec
import pytest

from schemas import topics
from schemas.catalogue import RECORDS, RELEASED, SCHEMA_IDS, SCHEMAS, STRUCTS
from schemas.compatibility import changes_that_break, unreadable
from schemas.generate import SchemaMismatch, reader_source
from schemas.release import problems

EVERY = pytest.mark.parametrize("name", list(SCHEMAS))
ZERO = {"string": "", "long": 0, "boolean": False}


def records(schema: Any) -> Iterator[Any]:
    """Every record inside a schema, itself first."""
    if isinstance(schema, list):
        for branch in schema:
            yield from records(branch)
    elif isinstance(schema, dict):
        if schema["type"] == "record":
            yield schema
        for inner in (schema.get("items"), *(f["type"] for f in schema.get("fields", ()))):
            yield from records(inner)


def avro_of(annotation: Any) -> Any:
    """The Avro type that a field of this Python type must have; records by name."""
    if get_origin(annotation) is list:
        return {"array": avro_of(get_args(annotation)[0])}
    if get_origin(annotation) is dict:
        return {"map": avro_of(get_args(annotation)[1])}
    if get_origin(annotation) is not None:
        return ["null", avro_of(next(a for a in get_args(annotation) if a is not type(None)))]
    scalars = {str: "string", int: "long", bool: "boolean", bytes: "bytes"}
    return scalars.get(annotation) or annotation.__name__


def shape(schema: Any) -> Any:
    if isinstance(schema, list):
        return [shape(s) for s in schema]
    if isinstance(schema, str):
        return schema.rpartition(".")[2]
    if schema["type"] in {"array", "map"}:
        return {schema["type"]: shape(schema.get("items") or schema["values"])}
    return schema["name"]


@EVERY
def test_a_schema_has_its_structs_fields_types_and_defaults(name: str) -> None:
    for record in records(SCHEMAS[name]):
        struct = STRUCTS[record["name"]]
        assert [f["name"] for f in record["fields"]] == list(struct.__struct_fields__)
        hints = get_type_hints(struct)
        for field, info in zip(record["fields"], msgspec.structs.fields(struct), strict=True):
            assert shape(field["type"]) == avro_of(hints[info.name]), f"{record['name']}.{info.name}"
            if info.default is not msgspec.NODEFAULT and not isinstance(info.default, msgspec.Struct):
                assert field["default"] == info.default, f"{record['name']}.{info.name}"
            elif info.default_factory is not msgspec.NODEFAULT:
                assert field["default"] == info.default_factory(), f"{record['name']}.{info.name}"


@EVERY
def test_a_schema_is_valid_avro_with_docs_and_a_unit_for_every_number(name: str) -> None:
    fastavro.parse_schema(copy.deepcopy(SCHEMAS[name]))
    assert SCHEMAS[name]["name"] == name
    assert SCHEMAS[name]["namespace"] == "wharfinger"
    for record in records(SCHEMAS[name]):
        assert record["doc"]
        bare = [f["name"] for f in record["fields"] if "long" in f["type"] and not f.get("doc")]
        assert bare == [], f"{record['name']}: say the unit"


@EVERY
def test_a_field_beyond_the_metadata_has_a_default_so_that_it_can_be_removed(name: str) -> None:
    needed = {"event_id", "type", "time", "source", "trace", "headers", "body"}
    subrecords = {"Order", "Client", "Delivery", "Address"}
    for record in records(SCHEMAS[name]):
        for f in record["fields"]:
            assert "default" in f or f["name"] in needed or shape(f["type"]) in subrecords, f["name"]


def test_every_record_of_every_topic_has_a_schema_and_an_id_of_its_own() -> None:
    carried = {
        t.__name__ for topic in topics.TOPICS for t in (get_args(topic.values) or (topic.values,)) if t is not bytes
    }
    assert carried == set(RECORDS) == set(SCHEMAS) == set(SCHEMA_IDS)
    assert len(set(SCHEMA_IDS.values())) == len(SCHEMA_IDS)


def test_the_present_schemas_may_be_released() -> None:
    assert problems(SCHEMAS, SCHEMA_IDS, RELEASED) == []


def test_every_present_schema_is_released_under_its_id() -> None:
    missing = {name: i for name, i in SCHEMA_IDS.items() if i not in RELEASED}
    assert missing == {}, "run: python -m schemas.release --execute"


BASE = {
    "type": "record",
    "name": "T",
    "fields": [
        {"name": "a", "type": "long"},
        {"name": "b", "type": "string", "default": ""},
        {"name": "u", "type": ["null", "long"], "default": None},
        {
            "name": "rows",
            "type": {
                "type": "array",
                "items": {"type": "record", "name": "Row", "fields": [{"name": "q", "type": "long"}]},
            },
        },
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["X", "Y"]}, "default": "X"},
    ],
}


def changed(change: Callable[[Any], None]) -> Any:
    new = copy.deepcopy(BASE)
    change(new)
    return new


def field(name: str, kind: Any, **more: Any) -> Callable[[Any], None]:
    return lambda s: s["fields"].append({"name": name, "type": kind, **more})


def retype(i: int, kind: Any) -> Callable[[Any], None]:
    return lambda s: s["fields"][i].update(type=kind)


def in_row(change: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda s: change(s["fields"][3]["type"]["items"])


@pytest.mark.parametrize(
    ("change", "old_by_new", "new_by_old"),
    [
        pytest.param(lambda s: s.update(doc="better"), True, True, id="a doc"),
        pytest.param(field("c", "string", default=""), True, True, id="a new field with a default"),
        pytest.param(field("c", "string"), False, True, id="a new field without one"),
        pytest.param(lambda s: s["fields"].pop(1), True, True, id="a field with a default removed"),
        pytest.param(lambda s: s["fields"].pop(0), True, False, id="a field without one removed"),
        pytest.param(lambda s: s["fields"].reverse(), True, True, id="fields in another order"),
        pytest.param(retype(0, "string"), False, False, id="another type"),
        pytest.param(retype(0, "double"), True, False, id="long made double"),
        pytest.param(retype(1, "bytes"), True, True, id="string made bytes"),
        pytest.param(retype(0, ["null", "long"]), True, False, id="made nullable"),
        pytest.param(retype(2, "long"), False, True, id="null taken away"),
        pytest.param(retype(2, ["long", "null"]), True, True, id="branches in another order"),
        pytest.param(retype(2, ["null", "long", "string"]), True, False, id="a third branch"),
        pytest.param(lambda s: s["fields"][0].update(name="z"), False, False, id="a field renamed"),
        pytest.param(lambda s: s["fields"][0].update(name="z", aliases=["a"]), True, False, id="renamed with an alias"),
        pytest.param(in_row(field("r", "long")), False, True, id="in a sub-record: a field without default"),
        pytest.param(in_row(field("r", "long", default=0)), True, True, id="in a sub-record: one with a default"),
        pytest.param(in_row(lambda r: r.update(name="Line")), False, False, id="a sub-record renamed"),
        pytest.param(lambda s: s["fields"][4]["type"]["symbols"].append("Z"), True, False, id="a new symbol"),
        pytest.param(retype(3, {"type": "map", "values": "long"}), False, False, id="an array made a map"),
    ],
)
def test_the_checker_knows_what_reads_what(change: Callable[[Any], None], old_by_new: bool, new_by_old: bool) -> None:
    new = changed(change)
    assert (unreadable(BASE, new) == []) is old_by_new
    assert (unreadable(new, BASE) == []) is new_by_old
    assert (changes_that_break(BASE, new) == []) is (old_by_new and new_by_old)


def test_a_schema_changed_under_its_released_id_is_refused_with_the_way_out() -> None:
    assert problems({"T": changed(field("c", "string", default=""))}, {"T": 3}, {3: BASE}) == [
        "T: changed since id 3 was released: give it the id 4 in schemas/ids.json"
    ]
    assert problems({"T": changed(field("c", "string", default=""))}, {"T": 4}, {3: BASE}) == []


def test_an_incompatible_change_is_refused_under_any_id() -> None:
    found = problems({"T": changed(field("c", "string"))}, {"T": 4}, {3: BASE})
    assert found == [
        "T, against its release 3: new readers can't read old records: c: the writer lacks it and it has no default"
    ]


def test_a_type_that_was_released_may_not_go() -> None:
    assert problems({}, {}, {3: BASE}) == ["T: released, and gone: topics still hold its records"]


def test_a_schema_that_differs_from_its_struct_is_refused_at_import() -> None:
    schema = copy.deepcopy(SCHEMAS["Tick"])
    schema["fields"].append({"name": "extra", "type": "long", "default": 0})
    with pytest.raises(SchemaMismatch, match=r"Tick: the schema has the fields .*'extra'.*make them equal"):
        reader_source(schema, STRUCTS)


def test_a_type_the_codec_does_not_know_is_refused_at_import() -> None:
    schema = copy.deepcopy(SCHEMAS["Tick"])
    schema["fields"][2]["type"] = "double"
    with pytest.raises(SchemaMismatch, match="does not know the Avro type 'double'"):
        reader_source(schema, STRUCTS)
