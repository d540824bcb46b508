"""The order job on Quix Streams, exactly-once. Arguments: bootstrap input output group state-dir."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from quixstreams import Application
from quixstreams.models import TopicConfig

from bench.order_job.codec import read_event, write_output
from bench.order_job.fold import OrderRow, StockRow, apply

encode = msgspec.msgpack.encode
order_row = msgspec.msgpack.Decoder(OrderRow).decode
stock_row = msgspec.msgpack.Decoder(StockRow).decode


def fold(value: bytes, state: Any) -> bytes | None:
    """State is bytes in the store, as in our tables. A SKU's row lies under its own prefix of the same partition's store:
    Quix offers no other way to a second key without a repartition, which would only make it slower."""
    event = read_event(value)
    shelf = state._transaction
    held, units = state.get_bytes("order"), shelf.get_bytes(event.sku, prefix=b"stock")
    order = order_row(held) if held else OrderRow(seen=[])
    stock = stock_row(units) if units else StockRow()
    output = apply(event, order, stock)
    if output is None:
        return None
    state.set_bytes("order", encode(order))
    shelf.set_bytes(event.sku, encode(stock), prefix=b"stock")
    return write_output(output)


def main() -> None:
    bootstrap, source, target, group, state_dir = sys.argv[1:6]
    app = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        state_dir=state_dir,
        producer_extra_config={"compression.type": "lz4", "linger.ms": 5},
        loglevel="WARNING",
        topic_create_timeout=30,
    )
    config = TopicConfig(num_partitions=4, replication_factor=1)
    frame = app.dataframe(app.topic(source, key_deserializer="bytes", value_deserializer="bytes", config=config))
    frame = frame.apply(fold, stateful=True).filter(lambda value: value is not None)
    frame.to_topic(app.topic(target, key_serializer="bytes", value_serializer="bytes", config=config))
    app.run()


if __name__ == "__main__":
    main()
