from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import clickhouse_connect
import pytest

from domain.records.record import Record
from ops.servers.clickhouse import Engine
from schemas.topics import ORDERS_EVENTS, POOLS_EVENTS
from sinks.clickhouse import progress
from sinks.clickhouse.batches import Batch, Poison
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.progress import Fenced, StateMismatch
from sinks.clickhouse.ranges import Rewind, State, Stored
from sinks.clickhouse.writer import Writer
from tests.sinks.events import START, order_event, pool_event, units
from tests.sinks.writable_http import WritableServer

KEY = (ORDERS_EVENTS.name, 0)


class Crash(Exception):
    pass


@pytest.fixture(params=["chdb", "http"])
def client(request: pytest.FixtureRequest, clickhouse: Any, engine: Engine) -> Iterator[Any]:
    """Both of clickhouse-connect's clients, in process and over HTTP, on the same engine."""
    migrate(clickhouse)
    if request.param == "chdb":
        yield clickhouse
        return
    server = WritableServer(str(engine.directory / "data"))
    with clickhouse_connect.get_client(host="127.0.0.1", port=server.port, database=clickhouse.database) as client:
        yield client
    server.close()


def batch(first: int, last: int, topic: str = ORDERS_EVENTS.name) -> Batch:
    offsets = list(range(first, last + 1))
    events: list[Record] = [
        order_event(str(o // 3), o % 3 + 1, "PLACED", lines=[units("1", "A", 2)])
        if topic == ORDERS_EVENTS.name
        else pool_event(o)
        for o in offsets
    ]
    return Batch(topic, 0, first, last, offsets, events)


def write(client: Any, *batches: Batch) -> list[Batch]:
    return Writer(client, _no_letters).write(batches)


def _no_letters(poison: Sequence[Poison]) -> None:
    assert not poison


def inserted(client: Any) -> list[int]:
    """Without FINAL: the rows as they were inserted, doubles and all."""
    return [r[0] for r in client.query("SELECT kafka_offset FROM order_events ORDER BY kafka_offset").result_rows]


def test_an_event_comes_back_as_it_went_in(client: Any) -> None:
    event = order_event(
        "7", 1, "SHIPPED", lines=[units("1", "A", 2), units("2", "Ä'\t", 1)], ship_by=START + 5, complete=True
    )
    write(client, Batch(*KEY, 4, 4, [4], [event]))
    (row,) = client.query(
        "SELECT * EXCEPT ingested_at, toUnixTimestamp64Milli(assumeNotNull(ship_by)) AS ms FROM order_events"
    ).named_results()
    assert row["lines.sku"] == ["A", "Ä'\t"]
    assert row["lines.qty"] == [2, 1]
    assert (row["ms"], row["eta"], row["complete"], row["kafka_offset"]) == (START + 5, None, True, 4)
    plain = {
        f
        for f in type(event).__struct_fields__
        if f not in ("lines", "returned", "time", "occurred_at", "placed_at", "ship_by", "eta")
    }
    assert {f: row[f] for f in plain} == {f: getattr(event, f) for f in plain}


def test_both_topics_are_written_in_one_go_and_their_progress_is_stored(client: Any) -> None:
    orders, pools = batch(0, 4), batch(10, 12, POOLS_EVENTS.name)
    assert write(client, orders, pools) == [orders, pools]
    assert progress.load(client) == {
        KEY: Stored(0, 4, State.AFTER),
        (POOLS_EVENTS.name, 0): Stored(10, 12, State.AFTER),
    }
    assert client.command("SELECT count() FROM pool_moves") == 1


@pytest.mark.parametrize(
    "action", [0, 1, 2], ids=["before the bounds are stored", "before the insert", "before the end is stored"]
)
@pytest.mark.parametrize("applied", [False, True], ids=["refused", "applied, answer lost"])
def test_a_write_cut_off_anywhere_leaves_each_row_once_when_repeated_longer(
    client: Any, action: int, applied: bool
) -> None:
    write(client, batch(0, 4))
    with pytest.raises(Crash):
        write(Failing(client, action, applied), batch(5, 9))
    write(client, batch(5, 14))
    assert inserted(client) == list(range(15))
    assert progress.load(client)[KEY].last == 14


def test_without_the_token_the_same_crash_would_double_rows(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = iter("abc")
    monkeypatch.setattr("sinks.clickhouse.writer.token", lambda _: next(tokens))
    with pytest.raises(Crash):
        write(Failing(client, 1, applied=True), batch(0, 4))
    write(client, batch(0, 4))
    assert inserted(client) == sorted([*range(5), *range(5)])
    assert client.command("SELECT count() FROM order_events FINAL") == 5  # the second net


def test_a_batch_read_again_after_a_rebalance_is_not_written_again(client: Any) -> None:
    write(client, batch(0, 9))
    write(client, batch(3, 12))
    assert inserted(client) == list(range(13))


def test_a_batch_that_ends_inside_an_open_range_waits(client: Any) -> None:
    with pytest.raises(Crash):
        write(Failing(client, 1, applied=True), batch(0, 9))
    assert write(client, batch(0, 4)) == []
    assert write(client, batch(0, 9))
    assert inserted(client) == list(range(10))


def test_a_batch_that_misses_the_start_of_an_open_range_rewinds(client: Any) -> None:
    with pytest.raises(Crash):
        write(Failing(client, 1, applied=False), batch(0, 9))
    with pytest.raises(Rewind):
        write(client, batch(10, 19))


class Pausing:
    """A client that stands still before its ``n``-th call (looks and inserts alike) while something else happens."""

    def __init__(self, client: Any, n: int, meanwhile: Callable[[], object]) -> None:
        self._client, self._n, self._meanwhile = client, n, meanwhile

    def __getattr__(self, name: str) -> Any:
        there = getattr(self._client, name)
        if name not in ("query", "insert"):
            return there

        def call(*args: Any, **options: Any) -> Any:
            self._n -= 1
            if self._n < 0:
                meanwhile, self._n = self._meanwhile, 1 << 30
                meanwhile()
            return there(*args, **options)

        return call


def owner(client: Any, random: int) -> Writer:
    """A writer that has claimed the partition."""
    writer = Writer(client, _no_letters)
    writer.claim([KEY], random)
    return writer


CALLS = ["look", "store BEFORE", "look again", "insert", "store AFTER", "after all of it"]


@pytest.mark.parametrize("pause", range(len(CALLS)), ids=CALLS)
@pytest.mark.parametrize("last", [7, 9, 14], ids=["shorter", "the same", "longer"])
def test_a_sink_that_wakes_up_after_another_took_over_doubles_and_loses_nothing(
    client: Any, pause: int, last: int
) -> None:
    """The zombie has 5..9 in hand; whoever took over cuts other ranges. Without FINAL: a double would show."""
    owner(client, 1).write([batch(0, 4)])

    def take_over() -> None:
        new = owner(client, 2)
        start = progress.load(client)[KEY]
        if start.state is State.BEFORE:
            new.write([batch(start.first, max(last, start.last))])
        elif last > start.last:
            new.write([batch(start.last + 1, last)])
        new.write([batch(progress.load(client)[KEY].last + 1, 20)])

    zombie = Pausing(client, pause, take_over)
    writer = Writer(zombie, _no_letters)
    zombie._n += 2  # its own claim: a look and an insert
    writer.claim([KEY], 1)
    with contextlib.suppress(Fenced):
        writer.write([batch(5, 9)])
    if pause == len(CALLS) - 1:
        take_over()
    with pytest.raises(Fenced, match="claimed by another sink"):
        writer.write([batch(10, 12)])
    assert inserted(client) == list(range(21))
    assert progress.load(client)[KEY].last == 20


def test_of_two_that_claim_at_the_same_moment_one_goes_on(client: Any) -> None:
    other: list[Writer] = []
    first = Writer(Pausing(client, 1, lambda: other.append(owner(client, 7))), _no_letters)
    first.claim([KEY], 3)  # the other claimed between its look and its insert: the same count, another random part
    with pytest.raises(Fenced):
        first.write([batch(0, 4)])
    other[0].write([batch(0, 6)])
    first.claim([KEY], 3)
    first.write([batch(7, 9)])
    assert inserted(client) == list(range(10))


def test_progress_of_before_there_were_owners_counts(client: Any) -> None:
    write(client, batch(0, 4))
    owner(client, 9).write([batch(3, 6)])
    assert inserted(client) == list(range(7))


def test_another_kafka_is_refused(client: Any) -> None:
    progress.claim_source(client, "one")
    progress.claim_source(client, "one")
    with pytest.raises(StateMismatch, match="filled from Kafka cluster one, this is two"):
        progress.claim_source(client, "two")


class Failing:
    """A client whose ``n``-th insert of a write raises, before or after ClickHouse has applied it."""

    def __init__(self, client: Any, n: int, applied: bool) -> None:
        self._client, self._n, self._applied = client, n, applied

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def insert(self, *args: Any, **options: Any) -> Any:
        self._n -= 1
        if self._n < 0 and not self._applied:
            raise Crash
        result = self._client.insert(*args, **options)
        if self._n < 0:
            raise Crash
        return result
