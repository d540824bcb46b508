"""The orders and pools agents over a table in memory: what they write, publish and refuse."""

from __future__ import annotations

import facts
import msgspec
import pytest

from domain.order.state.order import OrderState
from domain.records.commands import AllocationRequested
from domain.records.effects import CustomerMessage
from domain.records.events import OrderEvent
from domain.records.record import Record
from domain.rules.notifications import MessageRule, Notifications
from schemas.codec import decode
from schemas.topics import DLQ, EFFECTS, ORDERS_EVENTS, ORDERS_IN, POOLS_EVENTS, POOLS_IN
from streams.common import RULES_KEY
from streams.order_timers import HOURS_KEY, MINUTES_KEY, PIECE, remind, take_due
from streams.orders import orders
from streams.pools import POOLS_KEY, known_pools, pools
from streams.runtime import Batch, Staged, Table


class Partition:
    """A partition worked by an agent, batch after batch."""

    def __init__(self, agent, topic: str) -> None:
        self.agent = agent
        self.topic = topic
        self.table = Table.empty("t/0")
        self.offset = 0

    async def fold(self, *records: tuple[str, Record | bytes]) -> Batch:
        messages = []
        for key, record in records:
            messages.append(facts.message(self.topic, self.offset, key, record))
            self.offset += 1
        batch = Batch(self.topic, messages, {0: self.table})
        await self.agent(batch)
        self.table.seal(self.offset)
        self.table.apply()
        return batch


def sent(batch: Batch, topic: str) -> list[Record]:
    return [decode(o.value or b"") for o in batch.outputs if o.topic == topic]


@pytest.fixture
def order_partition() -> Partition:
    return Partition(orders, ORDERS_IN.name)


@pytest.fixture
def pool_partition() -> Partition:
    return Partition(pools, POOLS_IN.name)


async def test_an_order_is_placed_and_asks_its_pool_for_units(order_partition: Partition) -> None:
    batch = await order_partition.fold(("", facts.rules()), (facts.order_key(1), facts.upserted(1)))
    [placed, *_] = sent(batch, ORDERS_EVENTS.name)
    [request] = sent(batch, POOLS_IN.name)
    assert isinstance(placed, OrderEvent)
    assert placed.type == "PLACED"
    assert isinstance(request, AllocationRequested)
    assert request.pool == "main"
    [output] = [o for o in batch.outputs if o.topic == POOLS_IN.name]
    assert output.key == b"main"
    headers = dict(output.headers)
    assert headers["ce_id"] == request.event_id.encode()
    assert headers["traceparent"].split(b"-")[1] == facts.TRACE.encode()


async def test_the_same_order_twice_asks_once(order_partition: Partition) -> None:
    one = (facts.order_key(1), facts.upserted(1))
    batch = await order_partition.fold(("", facts.rules()), one, one)
    again = await order_partition.fold(one)
    assert len(sent(batch, POOLS_IN.name)) == 1
    assert sent(again, POOLS_IN.name) == []


@pytest.mark.parametrize(
    ("key", "value", "stage", "code"),
    [
        pytest.param("shopify:acme:1", b"nonsense", "VALUE_CONVERTER", b"magic", id="no-avro"),
        pytest.param("shopify:acme:2", facts.upserted(1), "TRANSFORMATION", b"record.key", id="under-another-key"),
        pytest.param("shopify:acme:1", facts.stock(1), "VALUE_CONVERTER", b"record.type", id="not-an-orders-command"),
    ],
)
async def test_what_can_not_be_folded_is_dead_lettered_and_the_rest_goes_on(
    order_partition: Partition, key: str, value: Record | bytes, stage: str, code: bytes
) -> None:
    batch = await order_partition.fold((key, value), (facts.order_key(3), facts.upserted(3)))
    [dead] = [o for o in batch.outputs if o.topic == DLQ.name]
    headers = dict(dead.headers)
    assert headers["__connect.errors.stage"] == stage.encode()
    assert headers["wharf.error.code"] == code
    assert order_partition.table.get(b"shopify:acme:3") is not None


async def test_rules_that_can_not_be_read_leave_the_old_ones_in_force(order_partition: Partition) -> None:
    await order_partition.fold(("", facts.rules()))
    before = order_partition.table.get(RULES_KEY)
    broken = type(facts.rules())("e", "RulesPublished", 0, "test", "", "default", "v2", '{"version": 2}')
    batch = await order_partition.fold(("", broken))
    assert batch.dead == 1
    assert order_partition.table.get(RULES_KEY) == before


async def test_a_pool_reserves_and_answers_the_order(order_partition: Partition, pool_partition: Partition) -> None:
    asked = await order_partition.fold(("", facts.rules()), (facts.order_key(1), facts.upserted(1)))
    [request] = sent(asked, POOLS_IN.name)
    batch = await pool_partition.fold(("", facts.rules()), ("main", facts.stock(5)), ("main", request))
    [answer] = sent(batch, ORDERS_IN.name)
    assert "RESERVED" in [e.type for e in sent(batch, POOLS_EVENTS.name)]
    settled = await order_partition.fold((facts.order_key(1), answer))
    assert [e.type for e in sent(settled, EFFECTS.name)] == ["PickOrder"]


async def test_a_pool_is_known_to_the_ticks_once_it_was_spoken_to(pool_partition: Partition) -> None:
    await pool_partition.fold(("main", facts.stock(5)))
    assert known_pools(pool_partition.table.get(POOLS_KEY)) == ("main",)
    batch = await pool_partition.fold(("", facts.tick(facts.T0 + 60_000)))
    assert batch.dead == 0


async def test_folding_the_same_log_again_gives_the_same_table_and_the_same_bytes(order_partition: Partition) -> None:
    log: list[tuple[str, Record | bytes]] = [("", facts.rules())]
    log += [(facts.order_key(n % 5), facts.upserted(n % 5, time=facts.T0 + n)) for n in range(20)]
    first = await order_partition.fold(*log)
    again = Partition(orders, ORDERS_IN.name)
    second = await again.fold(*log)
    assert again.table.items() == order_partition.table.items()
    assert [(o.topic, o.key, o.value) for o in first.outputs] == [(o.topic, o.key, o.value) for o in second.outputs]


async def test_a_message_waits_for_its_window_and_goes_with_the_first_tick_after_it_once(
    order_partition: Partition,
) -> None:
    told = Notifications([MessageRule(["PLACED"])], collapse_minutes=5)
    minute = 60_000
    placed = await order_partition.fold(("", facts.rules(told)), (facts.order_key(1), facts.upserted(1)))
    early = await order_partition.fold(("", facts.tick(facts.T0 + 5 * minute - 1)))
    assert sent(placed, EFFECTS.name) == sent(early, EFFECTS.name) == []
    on_time = await order_partition.fold(("", facts.tick(facts.T0 + 6 * minute)))
    [message] = sent(on_time, EFFECTS.name)
    assert isinstance(message, CustomerMessage)
    assert (message.to, message.template, message.target) == ("a@example.test", "order_confirmed", "message:mail")
    later = await order_partition.fold(("", facts.tick(facts.T0 + 90 * minute)))
    assert sent(later, EFFECTS.name) == []


async def test_an_order_without_rules_of_messages_keeps_nothing_of_them(order_partition: Partition) -> None:
    batch = await order_partition.fold(("", facts.rules()), (facts.order_key(1), facts.upserted(1)))
    state = msgspec.msgpack.decode(order_partition.table.get(facts.order_key(1).encode()) or b"", type=OrderState)
    assert (state.notices, state.wake, sent(batch, EFFECTS.name)) == (None, 0, [])


def test_an_order_is_reminded_once_in_the_hour_after_it_is_due() -> None:
    table = Staged(Table.empty("t/0"))
    hour = 3_600_000
    remind(table, b"a", 10 * hour + 1)
    remind(table, b"b", 11 * hour)
    remind(table, b"a", 11 * hour)
    remind(table, b"c", 12 * hour)
    assert take_due(table, 10 * hour + 2) == []
    assert take_due(table, 11 * hour) == [b"a", b"b"]
    assert take_due(table, 11 * hour) == []
    assert take_due(table, 13 * hour) == [b"c"]


def test_an_order_that_is_due_within_the_hour_is_reminded_in_that_minute() -> None:
    table = Staged(Table.empty("t/0"))
    now, minute = 10 * 3_600_000, 60_000
    remind(table, b"soon", now + 5 * minute - 1, now)
    remind(table, b"later", now + 61 * minute, now)
    remind(table, b"soon", now + 5 * minute, now)
    assert take_due(table, now + 5 * minute - 1) == []
    assert take_due(table, now + 5 * minute) == [b"soon"]
    assert take_due(table, now + 119 * minute) == []
    assert take_due(table, now + 120 * minute) == [b"later"]
    assert {key for key, value in table.writes.items() if value is not None} == {HOURS_KEY, MINUTES_KEY}


def test_a_reminder_writes_no_more_where_thousands_are_due_in_the_same_hour() -> None:
    kept = Table.empty("orders/0")
    table = Staged(kept)
    keys = [b"shopify:acme:%d" % n for n in range(3 * PIECE + 50)]
    for key in keys:
        remind(table, key, 3_600_000)
    remind(table, keys[-1], 3_600_000)
    assert max(len(value or b"") for value in table.writes.values()) < PIECE * 25
    assert take_due(table, 3_600_000) == keys
    assert {key for key, value in table.writes.items() if value is not None} == {HOURS_KEY}
    assert take_due(table, 3_600_000) == []
