"""What there is on the wire: schemas and ids by type name, the structs they become, and every schema ever released by its id."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, get_args

import msgspec

from domain.records import commands, effects, events, values
from domain.records import raw_delivery as raw
from domain.records.record import Record

__all__ = ["RECORDS", "RELEASED", "SCHEMAS", "SCHEMA_IDS", "STRUCTS"]

_HERE = files("schemas")


def _load(folder: str) -> dict[str, Any]:
    found = (file for file in _HERE.joinpath(folder).iterdir() if file.name.endswith(".avsc"))
    return {file.name.removesuffix(".avsc"): json.loads(file.read_text(encoding="utf-8")) for file in found}


SCHEMA_IDS: dict[str, int] = json.loads(_HERE.joinpath("ids.json").read_text(encoding="utf-8"))
"""The id of each type's present schema. A schema that changes after its release takes a new id, above all others."""

_avro = _load("avro")
SCHEMAS: dict[str, Any] = {name: _avro[name] for name in SCHEMA_IDS}
"""The present schemas by type name, in the order of their ids. KeyError here: an id without its .avsc."""

RELEASED: dict[int, Any] = {int(name.partition("-")[0]): schema for name, schema in _load("released").items()}
"""Every schema that was ever written with, by id (``released/ID-NAME.avsc``): what old records are read with."""

RECORDS: dict[str, type[Record]] = {
    t.__name__: t
    for t in (
        *get_args(commands.OrderCommand),
        *get_args(commands.PoolCommand),
        *get_args(effects.Effect),
        events.OrderEvent,
        events.PoolEvent,
        raw.RawDelivery,
    )
}
"""The records of all topics by their names."""

STRUCTS: dict[str, type[msgspec.Struct]] = {**{name: getattr(values, name) for name in values.__all__}, **RECORDS}
"""Records and the data inside them."""
