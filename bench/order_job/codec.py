"""The job's records and their codec, generated from ``schema/`` the way Wharfinger generates its own.

Every Python peer decodes and encodes with it, so that what is compared is the stream library.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from schemas.generate import compile_function, reader_source, writer_source

__all__ = [
    "EVENT_ID",
    "OUTPUT_ID",
    "BenchEvent",
    "BenchOutput",
    "read_event",
    "read_output",
    "write_event",
    "write_output",
]

EVENT_ID, OUTPUT_ID = 1001, 1002


class BenchEvent(msgspec.Struct, frozen=True):
    """See ``schema/BenchEvent.avsc``."""

    event_id: str
    order_key: str
    kind: str
    sku: str
    qty: int
    time: int


class BenchOutput(msgspec.Struct, frozen=True):
    """See ``schema/BenchOutput.avsc``."""

    event_id: str
    order_key: str
    status: str
    qty: int
    reserved: int
    shipped: int
    time: int


def _schema(name: str) -> Any:
    return json.loads((Path(__file__).parent / "schema" / f"{name}.avsc").read_text())


_STRUCTS: dict[str, type] = {"BenchEvent": BenchEvent, "BenchOutput": BenchOutput}
read_event = compile_function("read_BenchEvent", reader_source(_schema("BenchEvent"), _STRUCTS), _STRUCTS)
write_event = compile_function("write_BenchEvent", writer_source(_schema("BenchEvent"), EVENT_ID, _STRUCTS), _STRUCTS)
read_output = compile_function("read_BenchOutput", reader_source(_schema("BenchOutput"), _STRUCTS), _STRUCTS)
write_output = compile_function(
    "write_BenchOutput", writer_source(_schema("BenchOutput"), OUTPUT_ID, _STRUCTS), _STRUCTS
)
