"""Tables and batches without Kafka: layers, staging, heads, dead letters."""

from __future__ import annotations

import pytest

from schemas.dead_letters import PREFIX
from streams.runtime import Batch, Message, Record, StateLost, Table
from streams.runtime.head import BEGINNING, HEAD, Head, fingerprint, start_offset
from streams.runtime.message import Output
from streams.runtime.pace import Pace
from streams.runtime.ticks import Ticker


def message(offset: int, value: bytes = b"v", key: bytes = b"k", partition: int = 0) -> Message:
    return Message("in", partition, offset, key, value, [("ce_id", b"e")], 0)


def batch_of(*messages: Message) -> tuple[Batch, Table]:
    table = Table.empty("t/0")
    return Batch("in", list(messages), {0: table}), table


def test_a_write_is_seen_by_the_next_record_but_not_in_the_base_before_the_commit() -> None:
    batch, table = batch_of(message(0), message(1))
    with batch.record(batch.messages[0]) as record:
        record.table.put(b"k", b"1")
        assert table.get(b"k") is None
    with batch.record(batch.messages[1]) as record:
        assert record.table.get(b"k") == b"1"
    assert len(table) == 0
    table.seal(2)
    assert (table.get(b"k"), len(table)) == (b"1", 0)
    table.apply()
    assert (table.get(b"k"), len(table)) == (b"1", 1)


def test_a_fold_reads_the_writes_that_are_being_committed_and_drops_only_its_own() -> None:
    table = Table.empty("t/0")
    table.put(b"a", b"1")
    table.seal(1)
    table.put(b"a", b"2")
    table.delete(b"b")
    assert table.get(b"a") == b"2"
    table.drop()
    assert table.get(b"a") == b"1"


def test_a_record_that_raises_loses_its_own_writes_and_outputs_only_and_is_dead_lettered() -> None:
    batch, table = batch_of(message(0), message(1), message(2))
    for m in batch:
        with batch.record(m) as record:
            record.table.put(b"%d" % m.offset, b"x")
            record.send("out", b"k", b"%d" % m.offset, [])
            record.decoded()
            if m.offset == 1:
                raise ValueError("no")
    outputs = [o.value for o in batch.outputs if o.topic == "out"]
    assert outputs == [b"0", b"2"]
    assert [table.get(b"%d" % i) for i in range(3)] == [b"x", None, b"x"]
    [dead] = [o for o in batch.outputs if o.topic == "wharf.dlq"]
    headers = dict(dead.headers)
    assert headers["ce_id"] == b"e"
    assert headers[PREFIX + "topic"] == b"in"
    assert headers[PREFIX + "offset"] == b"1"
    assert headers[PREFIX + "stage"] == b"TRANSFORMATION"
    assert headers[PREFIX + "exception.class.name"] == b"builtins.ValueError"
    assert headers[PREFIX + "exception.message"] == b"no"


def test_out_of_memory_is_no_fault_of_the_record() -> None:
    batch, _ = batch_of(message(0))
    with pytest.raises(MemoryError), batch.record(batch.messages[0]):
        raise MemoryError
    assert batch.outputs == []


def test_a_dead_letter_too_large_for_its_headers_leaves_the_value_out_and_says_so() -> None:
    batch, _ = batch_of(message(0, b"x" * 999_990))
    batch.dead_letter(batch.messages[0], ValueError("no"))
    [dead] = batch.outputs
    assert dead.value == b""
    assert dict(dead.headers)["wharf.error.value.omitted"] == b"999990"


def test_a_value_larger_than_kafka_takes_is_refused_at_the_record_that_makes_it() -> None:
    batch, table = batch_of(message(0), message(1))
    for m, act in zip(batch, ("put", "send"), strict=True):
        with batch.record(m) as record:
            if act == "put":
                record.table.put(b"k", b"x" * 1_000_001)
            else:
                record.send("out", b"k", b"x" * 1_000_001, [])
    assert [o.topic for o in batch.outputs] == ["wharf.dlq", "wharf.dlq"]
    assert not table.dirty


def test_a_redriven_record_that_fails_again_carries_only_the_last_cause() -> None:
    first = Message("in", 0, 7, b"k", b"v", [("ce_id", b"e"), (PREFIX + "exception.message", b"old")], 0)
    batch, _ = batch_of(first)
    batch.dead_letter(first, ValueError("new"))
    found = [v for k, v in batch.outputs[0].headers if k == PREFIX + "exception.message"]
    assert found == [b"new"]


def test_what_lies_behind_a_deferred_record_is_left_for_later() -> None:
    batch, _ = batch_of(message(0), message(1), message(2), message(5, partition=1))
    done = []
    for m in batch:
        if (m.partition, m.offset) == (0, 1):
            batch.defer(m, 1000)
            continue
        with batch.record(m):
            done.append((m.partition, m.offset))
    assert done == [(0, 0), (1, 5)]
    assert batch.next_offsets() == {0: 1, 1: 6}
    assert batch.deferred == {0: (1, 1000)}


def test_deferring_behind_a_record_that_is_done_is_refused() -> None:
    batch, _ = batch_of(message(0), message(1))
    with batch.record(batch.messages[1]):
        assert batch.topic == "in"
    with pytest.raises(ValueError, match="already done"):
        batch.defer(batch.messages[0], 1000)


def test_each_changed_key_goes_to_the_changelog_once_and_unchanged_ones_not_at_all() -> None:
    table = Table("t/0", {b"same": b"1", b"gone": b"1"}, Head(5, 2, 0))
    table.put(b"same", b"2")
    table.put(b"same", b"1")
    table.put(b"new", b"1")
    table.put(b"new", b"2")
    table.delete(b"gone")
    table.delete(b"never")
    changes = dict(table.seal(9))
    assert set(changes) == {b"new", b"gone", HEAD}
    assert (changes[b"new"], changes[b"gone"]) == (b"2", None)
    assert (table.head.offset, table.head.count) == (9, 2)


def test_the_head_agrees_with_the_table_after_any_writes() -> None:
    table = Table.empty("t/0")
    for cycle in range(5):
        for i in range(20):
            table.put(b"k%d" % (i * cycle % 7), b"%d" % (i + cycle))
        table.delete(b"k%d" % cycle)
        table.seal(cycle)
        table.apply()
    total = sum(fingerprint(k, v) for k, v in table.items()) % (1 << 64)
    assert table.head == Head(4, len(table), total)


@pytest.mark.parametrize("key", [b"", HEAD], ids=["empty", "head"])
def test_the_runtimes_own_keys_are_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="runtime's own"):
        Table.empty("t/0").put(key, b"x")


HEAD_AT_40 = Head(40, 3, 77)


@pytest.mark.parametrize(
    ("head", "count", "total", "committed", "start"),
    [
        pytest.param(None, 0, 0, None, BEGINNING, id="a-new-group-begins-at-the-beginning"),
        pytest.param(HEAD_AT_40, 3, 77, 40, 40, id="all-agree"),
        pytest.param(HEAD_AT_40, 3, 77, None, 40, id="offsets-forgotten-by-kafka-are-the-heads"),
    ],
)
def test_a_whole_table_says_where_to_go_on(
    head: Head | None, count: int, total: int, committed: int | None, start: int
) -> None:
    assert start_offset("t/0", head, count=count, total=total, committed=committed) == start


@pytest.mark.parametrize(
    ("head", "count", "total", "committed"),
    [
        pytest.param(None, 0, 0, 40, id="empty-changelog"),
        pytest.param(None, 2, 5, 40, id="head-cut-away"),
        pytest.param(None, 2, 5, None, id="no-head-no-offsets"),
        pytest.param(HEAD_AT_40, 2, 50, 40, id="a-key-cut-away"),
        pytest.param(HEAD_AT_40, 3, 78, 40, id="an-older-value"),
        pytest.param(HEAD_AT_40, 3, 77, 44, id="lost-tail"),
        pytest.param(HEAD_AT_40, 3, 77, 12, id="offsets-reset"),
    ],
)
def test_a_table_that_lost_something_is_refused_and_the_way_back_is_named(
    head: Head | None, count: int, total: int, committed: int | None
) -> None:
    with pytest.raises(StateLost, match="wharf replay state"):
        start_offset("t/0", head, count=count, total=total, committed=committed)


def test_a_tick_is_written_again_only_after_it_came_back_and_its_time_is_up() -> None:
    ticker = Ticker({"in": 1000}, lambda topic, partition, now: b"%d" % now)
    [first] = ticker.due([("in", 3), ("other", 0)], 5_000)
    assert first == Output("in", b"", b"5000", [], 3)
    ticker.wrote([first], 5_000)
    assert ticker.due([("in", 3)], 9_000) == []
    ticker.saw([message(0, key=b"", partition=3)])
    assert ticker.due([("in", 3)], 5_999) == []
    assert [t.value for t in ticker.due([("in", 3)], 6_000)] == [b"6000"]


def test_each_folds_record_after_record_and_drops_what_a_failing_one_wrote_and_sent() -> None:
    batch, table = batch_of(message(0), message(1), message(2))

    def work(record: Record) -> None:
        offset = record.message.offset
        before = record.table.get(b"last")
        record.table.put(b"last", b"%d" % offset)
        record.table.put(b"%d" % offset, b"x")
        record.send("out", b"k", b"%d after %s" % (offset, before or b"none"), [])
        record.decoded()
        if offset == 1:
            raise ValueError("no")

    batch.each(work)
    assert [o.value for o in batch.outputs if o.topic == "out"] == [b"0 after none", b"2 after 0"]
    assert [table.get(b"%d" % i) for i in range(3)] == [b"x", None, b"x"]
    [dead] = [o for o in batch.outputs if o.topic == "wharf.dlq"]
    assert dict(dead.headers)[PREFIX + "stage"] == b"TRANSFORMATION"
    assert batch.dead == 1


def test_each_keeps_the_partitions_apart() -> None:
    tables = {0: Table.empty("t/0"), 1: Table.empty("t/1")}
    batch = Batch("in", [message(0), message(0, partition=1), message(1)], tables)
    batch.each(lambda record: record.table.put(b"%d" % record.message.offset, b"%d" % record.message.partition))
    assert [tables[n].get(b"0") for n in (0, 1)] == [b"0", b"1"]
    assert [tables[n].get(b"1") for n in (0, 1)] == [b"0", None]


def test_each_stops_a_partition_at_a_deferred_record() -> None:
    batch, _ = batch_of(message(0), message(1), message(2))
    seen = []

    def work(record: Record) -> None:
        seen.append(record.message.offset)
        batch.defer(batch.messages[1], 5)

    batch.each(work)
    assert seen == [0]
    assert batch.next_offsets() == {0: 1}
    with pytest.raises(ValueError, match="already done"):
        batch.defer(batch.messages[0], 5)


def test_out_of_memory_leaves_each() -> None:
    batch, _ = batch_of(message(0))

    def work(record: Record) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        batch.each(work)
    assert batch.outputs == []


def test_batches_grow_under_lag_while_they_are_quick_and_shrink_when_they_are_slow() -> None:
    pace = Pace(10_000)
    sizes = []
    for records, seconds in (
        (1000, 0.02),
        (1500, 0.03),
        (2000, 0.05),
        (4000, 0.2),
        (4000, 0.6),
        (2000, 3.0),
        (1000, 3.0),
    ):
        pace.took(records, seconds)
        sizes.append(pace.size)
    assert sizes == [2000, 2000, 4000, 4000, 2000, 1000, 1000]


def test_batches_stay_within_the_limit() -> None:
    pace = Pace(40)
    pace.took(40, 0.0)
    assert pace.size == 40
    pace.took(40, 9.0)
    assert pace.size == 40
