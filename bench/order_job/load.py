"""Makes the job's input: order events of which 5 % come twice, seeded."""

from __future__ import annotations

import random
from collections.abc import Iterator

from confluent_kafka import Producer

from .codec import BenchEvent, write_event

__all__ = ["KINDS", "events", "fill"]

KINDS = ("PLACED", "ALLOCATED", "PICKED", "SHIPPED")
OPEN = 5_000
"""Orders that move at the same time."""


def events(count: int, seed: int, duplicates: float = 0.05) -> Iterator[BenchEvent]:
    """``count`` events in all, duplicates included; each order's four events are in order, the orders interleaved."""
    rng = random.Random(seed)
    open_orders: list[list[int]] = []
    made = number = 0
    recent: list[BenchEvent] = []
    while made < count:
        if recent and rng.random() < duplicates:
            yield recent[rng.randrange(len(recent))]
            made += 1
            continue
        if len(open_orders) < OPEN:
            open_orders.append([number, 0])
            number += 1
        place = rng.randrange(len(open_orders))
        order, step = open_orders[place]
        event = BenchEvent(
            f"{rng.getrandbits(128):032x}",
            f"shopify:acme:{order}",
            KINDS[step],
            f"SKU-{order % 2000:05}",
            1 + order % 3,
            1_760_000_000_000 + made,
        )
        if step == len(KINDS) - 1:
            open_orders[place] = open_orders[-1]
            open_orders.pop()
        else:
            open_orders[place][1] = step + 1
        recent.append(event)
        if len(recent) > 1000:
            recent = recent[500:]
        yield event
        made += 1


def fill(bootstrap: str, topic: str, count: int, seed: int) -> int:
    """Produce the input. Returns the number of distinct events in it: what the output must hold."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "linger.ms": 20,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    distinct = set()
    for event in events(count, seed):
        distinct.add(event.event_id)
        while True:
            try:
                producer.produce(topic, write_event(event), event.order_key)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    if producer.flush(120):
        raise RuntimeError(f"{topic}: the broker did not take the whole load within 120 s")
    return len(distinct)
