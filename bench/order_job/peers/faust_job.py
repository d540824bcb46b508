"""The order job on stock Faust (at-least-once: its ``exactly_once`` is not one). Environment: see ``main``."""

from __future__ import annotations

import os
from typing import Any

import faust
import msgspec

from bench.order_job.codec import read_event, write_output
from bench.order_job.fold import OrderRow, StockRow, apply

BOOTSTRAP, SOURCE, TARGET, GROUP, STATE = os.environ["ORDER_JOB"].split("|")

encode = msgspec.msgpack.encode
order_row = msgspec.msgpack.Decoder(OrderRow).decode
stock_row = msgspec.msgpack.Decoder(StockRow).decode

app = faust.App(
    GROUP,
    broker=f"kafka://{BOOTSTRAP}",
    store="memory://",
    datadir=STATE,
    web_enabled=False,
    topic_partitions=4,
    topic_replication_factor=1,
    consumer_auto_offset_reset="earliest",
    broker_max_poll_records=2000,
    stream_wait_empty=False,
    producer_linger=0.02,
    producer_compression_type="lz4",
)
source = app.topic(SOURCE, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
target = app.topic(TARGET, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
orders = app.Table("orders", partitions=4, key_type=bytes, value_type=bytes)
stock = app.Table("stock", partitions=4, key_type=bytes, value_type=bytes)


@app.agent(source)
async def fold(stream: Any) -> None:
    """One event at a time: Faust's tables can't be written from its batches (``take``)."""
    async for message in stream.events():
        event = read_event(message.value)
        sku = event.sku.encode()
        held, units = orders.get(message.key), stock.get(sku)
        order = order_row(held) if held else OrderRow(seen=[])
        shelf = stock_row(units) if units else StockRow()
        output = apply(event, order, shelf)
        if output is not None:
            orders[message.key] = encode(order)
            stock[sku] = encode(shelf)
            await target.send(key=message.key, value=write_output(output))


if __name__ == "__main__":
    app.main()
