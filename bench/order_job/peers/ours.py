"""The order job on Wharfinger's runtime, exactly-once. Arguments: bootstrap input output table group slot [property=value …]."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping

import msgspec

from bench.order_job.codec import read_event, write_output
from bench.order_job.fold import OrderRow, StockRow, apply
from streams.runtime import Batch, Record, Runtime, RuntimeConfig

encode = msgspec.msgpack.encode
order_row = msgspec.msgpack.Decoder(OrderRow).decode
stock_row = msgspec.msgpack.Decoder(StockRow).decode


def build(
    bootstrap: str,
    source: str,
    target: str,
    table: str,
    *,
    group: str,
    slot: int,
    kafka: Mapping[str, str] | None = None,
) -> Runtime:
    """One agent: its table holds orders and SKUs. ``kafka``: librdkafka properties to try out."""
    runtime = Runtime(RuntimeConfig(bootstrap=bootstrap, group=group, slot=slot, now=lambda: 0, kafka=kafka or {}))

    @runtime.agent(source, table=table)
    async def fold(batch: Batch) -> None:
        batch.each(work)

    def work(record: Record) -> None:
        event = read_event(record.message.value)
        record.decoded()
        rows, key, sku = record.table, record.message.key, b"\x01" + event.sku.encode()
        held, units = rows.get(key), rows.get(sku)
        order = order_row(held) if held else OrderRow(seen=[])
        shelf = stock_row(units) if units else StockRow()
        output = apply(event, order, shelf)
        if output is not None:
            rows.put(key, encode(order))
            rows.put(sku, encode(shelf))
            record.send(target, key, write_output(output), [])

    return runtime


async def main() -> None:
    bootstrap, source, target, table, group, slot = sys.argv[1:7]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    kafka = dict(pair.split("=", 1) for pair in sys.argv[7:])
    await build(bootstrap, source, target, table, group=group, slot=int(slot), kafka=kafka).run(stop)


if __name__ == "__main__":
    asyncio.run(main())
