"""Records that ClickHouse reads itself (`sinks.clickhouse.avro`): the same rows as by columns, and nothing that is no event."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from domain.records.record import Record
from schemas import codec
from schemas.topics import ORDERS_EVENTS, POOLS_EVENTS
from schemas.varint import write_long
from sinks.clickhouse import writer
from sinks.clickhouse.batches import Batch, Poison
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.writer import Writer
from tests.sinks.events import START, order_event, pool_event, units

TABLES = {ORDERS_EVENTS.name: "order_events", POOLS_EVENTS.name: "pool_events"}


@pytest.fixture
def client(clickhouse: Any) -> Iterator[Any]:
    migrate(clickhouse)
    return clickhouse


def message(topic: str, offset: int, value: bytes) -> Any:
    return SimpleNamespace(topic=lambda: topic, partition=lambda: 0, offset=lambda: offset, value=lambda: value)


def taken(topic: str, values: Sequence[bytes], first: int = 0) -> Batch:
    batch = Batch(topic, 0, first)
    for offset, value in enumerate(values, first):
        batch.take(message(topic, offset, value))
    return batch


def decoded(topic: str, events: Sequence[Record]) -> Batch:
    offsets = list(range(len(events)))
    return Batch(topic, 0, 0, offsets[-1], offsets, list(events))


def rows(client: Any, topic: str) -> list[tuple[Any, ...]]:
    return list(
        client.query(
            "SELECT * EXCEPT ingested_at FROM {table:Identifier} ORDER BY kafka_offset", {"table": TABLES[topic]}
        ).result_rows
    )


def texts(chance: random.Random) -> str:
    return "".join(chance.choice("aZ09 '\"\\\t\n\0ä€😀") for _ in range(chance.choice((0, 1, 7, 63, 64, 200))))


def some_orders(chance: random.Random, count: int) -> list[Record]:
    longs = (0, 1, -1, 63, 64, -65, 8191, 8192, 2**40, 2**62, -(2**62))
    return [
        order_event(
            str(n),
            1,
            chance.choice(("PLACED", "SHIPPED", "Größe")),
            lines=[
                units(texts(chance), texts(chance), chance.choice(longs[:9])) for _ in range(chance.choice((0, 1, 3)))
            ],
            reason=texts(chance),
            decision=texts(chance),
            carrier=texts(chance),
            complete=chance.random() < 0.5,
            ship_by=chance.choice((None, START + n)),
            eta=chance.choice((None, START)),
            amount=chance.choice(longs),
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_batch_as_it_is_becomes_the_same_rows_as_by_columns(client: Any, seed: int) -> None:
    for topic, events in (
        (ORDERS_EVENTS.name, some_orders(random.Random(seed), 60)),
        (POOLS_EVENTS.name, [pool_event(n) for n in range(20)]),
    ):
        quick = Writer(client, _no_letters)
        quick._insert_columns = None  # type: ignore[assignment,method-assign]  # it must not be needed
        quick.write([taken(topic, [codec.encode(e) for e in events])])
        as_is = rows(client, topic)
        client.command(f"TRUNCATE TABLE {TABLES[topic]}")
        client.command("TRUNCATE TABLE sink_progress")
        Writer(client, _no_letters).write([decoded(topic, events)])
        assert as_is == rows(client, topic)
        assert len(as_is) == len(events)


def _no_letters(poison: Sequence[Poison]) -> None:
    assert not poison


GOOD = [codec.encode(order_event(str(n), 1, "PLACED", lines=[units("1", "A", 2)], reason="late")) for n in range(6)]
_AT = GOOD[2].index(b"late") - 1
_SWALLOWS_THE_NEXT = (
    GOOD[2][:_AT] + write_long(4 + len(GOOD[2]) - _AT - 5 + 32 + len(GOOD[3]) - 5 - 40) + GOOD[2][_AT + 1 :]
)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(GOOD[2][:-1], id="truncated"),
        pytest.param(GOOD[2][:40], id="cut in half"),
        pytest.param(GOOD[2] + b"\0", id="one byte too many"),
        pytest.param(GOOD[2].replace(b"late", b"\xff\xfe\xfd\xfc"), id="no UTF-8"),
        pytest.param(_SWALLOWS_THE_NEXT, id="a length that reaches into the next record"),
        pytest.param(GOOD[2][:_AT] + write_long(1 << 40) + GOOD[2][_AT + 1 :], id="a length of a terabyte"),
        pytest.param(GOOD[2][:_AT] + write_long(-5) + GOOD[2][_AT + 1 :], id="a negative length"),
        pytest.param(b"\0\0\0\xff\xff" + GOOD[2][5:], id="an unknown schema"),
        pytest.param(b"{}", id="JSON"),
        pytest.param(b"", id="nothing"),
        pytest.param(codec.encode(pool_event(1)), id="another topic's record"),
    ],
)
def test_one_that_is_no_event_goes_to_the_dlq_and_the_others_into_the_table(client: Any, bad: bytes) -> None:
    letters: list[int] = []
    writing = Writer(client, lambda poison: letters.extend(int(p.message.offset() or 0) for p in poison))
    done = writing.write([taken(ORDERS_EVENTS.name, [*GOOD[:2], bad, *GOOD[3:]], first=10)])
    assert [(b.first, b.last) for b in done] == [(10, 15)]
    assert letters == [12]
    offsets = client.query("SELECT kafka_offset FROM order_events ORDER BY kafka_offset").result_rows
    assert [r[0] for r in offsets] == [10, 11, 13, 14, 15]
    assert [r[0] for r in rows(client, ORDERS_EVENTS.name)] == [codec.decode(v).event_id for v in GOOD[:2] + GOOD[3:]]
    assert (writing.events, writing.poison) == (5, 1)


def test_a_batch_written_again_under_its_token_is_dropped(client: Any) -> None:
    batch = taken(ORDERS_EVENTS.name, GOOD)
    Writer(client, _no_letters)._insert(batch)
    Writer(client, _no_letters)._insert(batch)
    assert len(rows(client, ORDERS_EVENTS.name)) == len(GOOD)


def test_without_the_token_a_batch_written_again_doubles(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = iter("ab")
    monkeypatch.setattr(writer, "token", lambda _: next(tokens))
    client.command("SYSTEM STOP MERGES order_events")
    for _ in range(2):
        Writer(client, _no_letters)._insert(taken(ORDERS_EVENTS.name, GOOD))
    assert len(rows(client, ORDERS_EVENTS.name)) == 2 * len(GOOD), "so the test above proves something"


def test_after_an_insert_whose_answer_was_lost_the_same_rows_by_columns_are_dropped(client: Any) -> None:
    class Lossy:
        """ClickHouse does it, and its answer does not come."""

        uri = client.uri

        def __getattr__(self, name: str) -> Any:
            return getattr(client, name)

        def command(self, *args: Any, **kwargs: Any) -> Any:
            client.command(*args, **kwargs)
            raise TimeoutError("no answer")

    Writer(Lossy(), _no_letters)._insert(taken(ORDERS_EVENTS.name, GOOD))
    assert len(rows(client, ORDERS_EVENTS.name)) == len(GOOD)
