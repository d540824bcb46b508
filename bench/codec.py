"""Codec against fastavro, microseconds a record: ``python -m bench.codec [--save]``. The best of many short runs, for a busy machine only adds."""

from __future__ import annotations

import argparse
import io
import timeit
from collections.abc import Callable
from typing import Any

import fastavro
import msgspec

from bench.results import table, write
from domain.records import commands, events, values
from schemas.catalogue import SCHEMAS
from schemas.codec import decode, encode

EVENT = "6f9a2c1e-4b7d-5e0f-8a3b-9c2d1e0f4a5b"
TRACE = "0af7651916cd43dd8448eb211c80319c"
NOW = 1_795_428_000_000
KEY = "shopify:acme:5678901234"
HOME = values.Address("Ada L", "", "Kade 1", "", "1012 AB", "Amsterdam", "", "NL", "+31201234567")


def _head(kind: str, source: str) -> tuple[str, str, int, str, str]:
    return EVENT, kind, NOW, source, TRACE


def records() -> dict[str, Any]:
    """From the smallest to the largest that is common."""
    lines = [values.OrderLine(f"{index}", f"SKU-{index}", 2, 2999, 1041, 0, "v", "A nice thing") for index in (1, 2)]
    client = values.Client("c0ffee", "ada@example.org", "+31201234567", "nl", HOME, HOME)
    order = values.Order(
        KEY, "shopify", "acme", "5678901234", "#1001", NOW, NOW, "EUR", "paid", lines, client, values.Delivery(), 11996
    )
    return {
        "Tick, flat": commands.Tick(*_head("Tick", "worker")),
        "StockReported, flat": commands.StockReported(
            *_head("StockReported", "threepl:nl-1/webhook"), "main", "count/7", "COUNT", "nl-1", "SKU-1", "new", 12, "7"
        ),
        "AllocationReleased, 1 line": commands.AllocationReleased(
            *_head("AllocationReleased", "orders"), "main", KEY, f"main/{KEY}/1", [values.LineQty("1", "SKU-1", 2)], "x"
        ),
        "OrderEvent, 1 line": events.OrderEvent(
            *_head("SHIPPED", "orders"), KEY, 7, "shopify", "acme", "5678901234", "SHIPPED", NOW, NOW, "NL",
            [values.EventLine("1", "SKU-1", 2, 5998)], True, f"main/{KEY}/1", "s-1", "nl-1", "standard", "PostNL",
            "3SABC123", NOW, NOW, 5998, 495, "EUR", "", "", "", False, "v1", "", "EUR",
        ),
        "OrderUpserted, 2 lines, 2 addresses": commands.OrderUpserted(
            *_head("OrderUpserted", "shopify:acme/webhook"), KEY, f"order@{NOW}", EVENT, "0123456789abcdef", order
        ),
    }  # fmt: skip


def micros(call: Callable[[], object]) -> float:
    """The best of 300 runs of 200 calls: short enough to fall between the others of a busy machine."""
    return min(timeit.repeat(call, number=200, repeat=300)) / 200 * 1e6


def _row(name: str, record: Any) -> dict[str, Any]:
    kind = type(record).__name__
    schema = fastavro.parse_schema(SCHEMAS[kind])
    value, plain = encode(record), msgspec.to_builtins(record, builtin_types=(bytes,))

    def fast_write() -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, plain)
        return out.getvalue()

    def fast_read() -> Any:
        return fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None)

    def fast_read_struct() -> Any:
        return msgspec.convert(fast_read(), type(record))

    def fast_write_struct() -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, msgspec.to_builtins(record, builtin_types=(bytes,)))
        return out.getvalue()

    assert decode(value) == fast_read_struct() == record
    assert value[5:] == fast_write()
    calls: dict[str, Callable[[], object]] = {
        "decode": lambda: decode(value),
        "fastavro to dict": fast_read,
        "to struct": fast_read_struct,
        "encode": lambda: encode(record),
        "fastavro from dict": fast_write,
        "from struct": fast_write_struct,
    }
    return {"record": name, "bytes": len(value)} | {label: round(micros(call), 2) for label, call in calls.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.codec", description=__doc__)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    rows = [_row(name, record) for name, record in records().items()]
    print(table({"rows": rows}))
    if args.save:
        write("codec", "codec: microseconds a record, the generated code and fastavro", "µs", rows)


if __name__ == "__main__":
    main()
