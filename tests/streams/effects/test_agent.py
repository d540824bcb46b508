"""The agents on batches in memory: what is sent, in which order, and what is published, kept and dead-lettered."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

import pytest

from domain.records.commands import EffectOutcome, StockReported
from domain.records.effects import ChannelRefetch, Effect, PickOrderCancel, Sent
from schemas.codec import decode, encode
from schemas.topics import DLQ, EFFECTS, EFFECTS_RETRY, ORDERS_IN, POOLS_IN
from streams.effects import Desk, Policy, pending
from streams.effects.agent import EffectsAgent
from streams.runtime import Batch, Message, Output, Table

NOW = 1_763_906_788_000
TRACE = "0af7651916cd43dd8448eb211c80319c"
POLICY = Policy(base_ms=40, cap_ms=200, attempts=5, patience_ms=50, slots=4, breaker_failures=50, wake_ms=20)

Answer = Callable[[Effect], Awaitable[Sent]]


class Wms:
    """A target that records what it was sent."""

    def __init__(self, answer: Answer) -> None:
        self.seen: list[str] = []
        self.at_once = self.most_at_once = 0
        self._answer = answer

    async def send(self, effect: Effect, now: int) -> Sent:
        assert now == NOW
        self.seen.append(effect.event_id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer(effect)
        finally:
            self.at_once -= 1


def always(sent: Sent) -> Wms:
    async def answer(_: Effect) -> Sent:
        return sent

    return Wms(answer)


def failing(times: int, sent: Sent | None = None) -> Wms:
    """Fails each effect so many times, then takes it."""
    tries: dict[str, int] = defaultdict(int)

    async def answer(effect: Effect) -> Sent:
        tries[effect.event_id] += 1
        return (
            Sent(ok=False, error="503 busy")
            if tries[effect.event_id] <= times
            else sent or Sent(ok=True, reference="r")
        )

    return Wms(answer)


def cancel(effect_id: str, order: str = "1", target: str = "wms") -> PickOrderCancel:
    key = f"shopify:acme:{order}"
    return PickOrderCancel(effect_id, "PickOrderCancel", NOW, "orders", TRACE, key, target, f"main/{key}/1", [], "x")


class World:
    """Both agents with a log each and one table partition, cycle by cycle."""

    def __init__(self, policy: Policy = POLICY, **senders: Wms) -> None:
        self.wall = 1_000_000.0
        self.table = Table.empty("effects.table/0")
        self.retry: list[Message] = []
        self.done = 0
        self.out: list[Output] = []
        self.dead = 0
        self.loop_began = asyncio.get_running_loop().time()
        desk = Desk(senders, policy, lambda: NOW, self.ms)
        self.agent = EffectsAgent(desk, lambda: NOW, "wharf-effects-0")

    def ms(self) -> int:
        return int(self.wall + (asyncio.get_running_loop().time() - self.loop_began) * 1000)

    async def effects(self, *effects: Effect | bytes) -> None:
        """One cycle of ``wharf.effects``."""
        messages = [
            Message(EFFECTS.name, 0, i, b"key" if isinstance(e, bytes) else (e.order_key or e.target).encode(),
                    e if isinstance(e, bytes) else encode(e), [("ce_id", b"x")], NOW)
            for i, e in enumerate(effects)
        ]  # fmt: skip
        batch = Batch(EFFECTS.name, messages, None)
        await self.agent.effects(batch)
        self._take(batch)

    async def cycle(self) -> bool:
        """One cycle of the retry topic. False: nothing to read, or it stands still."""
        batch = Batch(EFFECTS_RETRY.name, self.retry[self.done :], {0: self.table})
        if not len(batch):
            return False
        await self.agent.effects_retry(batch)
        before, self.done = self.done, batch.next_offsets()[0]
        self.table.seal(self.done)
        self._take(batch)
        self.table.apply()
        return self.done > before

    async def until_quiet(self, seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds):
            while len(self.retry) > self.done:
                await self.cycle()
                await asyncio.sleep(0.005)

    def _take(self, batch: Batch) -> None:
        self.dead += batch.dead
        for o in batch.outputs:
            if o.topic == EFFECTS_RETRY.name:
                self.retry.append(Message(o.topic, 0, len(self.retry), o.key, o.value or b"", o.headers, NOW))
            else:
                self.out.append(o)

    def outcomes(self) -> list[EffectOutcome]:
        found = [decode(o.value or b"") for o in self.out if o.topic == ORDERS_IN.name]
        return [f for f in found if isinstance(f, EffectOutcome)]

    def letters(self) -> list[dict[str, bytes]]:
        return [dict(o.headers) for o in self.out if o.topic == DLQ.name]


async def test_an_effect_carried_out_tells_its_order_with_the_allocation_and_the_receivers_reference() -> None:
    world = World(wms=always(Sent(ok=True, reference="po-7")))
    await world.effects(cancel("e1"))
    [outcome] = world.outcomes()
    assert (outcome.ok, outcome.attempts, outcome.reference, outcome.error) == (True, 1, "po-7", "")
    assert (outcome.effect_id, outcome.kind, outcome.target) == ("e1", "PickOrderCancel", "wms")
    assert (outcome.allocation_id, outcome.trace, outcome.time) == ("main/shopify:acme:1/1", TRACE, NOW)
    assert world.out[0].key == b"shopify:acme:1"
    assert dict(world.out[0].headers)["ce_type"] == b"wharfinger.EffectOutcome"


async def test_the_same_outcome_made_again_after_a_crash_has_the_same_id() -> None:
    ids = []
    for _ in range(2):
        world = World(wms=always(Sent(ok=True)))
        await world.effects(cancel("e1"))
        ids.append(world.outcomes()[0].event_id)
    assert ids[0] == ids[1]


async def test_a_failed_and_a_redriven_outcome_have_different_ids() -> None:
    refused, taken = World(wms=always(Sent(ok=False, permanent=True))), World(wms=always(Sent(ok=True)))
    await refused.effects(cancel("e1"))
    await taken.effects(cancel("e1"))
    assert refused.outcomes()[0].event_id != taken.outcomes()[0].event_id


async def test_facts_in_an_answer_go_to_their_aggregates_input() -> None:
    stock = StockReported(
        "s1", "StockReported", NOW, "threepl:wms/api", TRACE, "main", "k", "COUNT", "depot-a", "A", "new", 3, ""
    )
    world = World(wms=always(Sent(ok=True, pools=[stock])))
    await world.effects(cancel("e1"))
    assert [(o.topic, o.key) for o in world.out[1:]] == [(POOLS_IN.name, b"main")]
    assert decode(world.out[1].value or b"") == stock


async def test_a_quick_failure_is_mended_within_the_batch() -> None:
    wms = failing(1)
    world = World(wms=wms)
    await world.effects(cancel("e1"))
    assert world.retry == []
    assert world.outcomes()[0].attempts == 2
    assert wms.seen == ["e1", "e1"], "the same idempotency key both times"


async def test_what_keeps_failing_waits_in_the_retry_table_and_succeeds_later() -> None:
    world = World(Policy(base_ms=400, cap_ms=400, patience_ms=100, wake_ms=20), wms=failing(2))
    await world.effects(cancel("e1"))
    marks = dict(world.retry[0].headers)
    assert marks["wharf-attempt"] == b"1"
    assert int(marks["wharf-not-before"]) > world.ms()
    assert (marks["wharf-error"], marks["wharf-origin"]) == (b"503 busy", b"wharf.effects/0/0")
    await world.cycle()
    assert pending.count(world.table) == 1
    await world.until_quiet()
    assert [o.attempts for o in world.outcomes()] == [3]
    assert pending.count(world.table) == 0
    assert world.table.items() == [(pending.COUNT, b"0")]


async def test_at_the_end_of_all_attempts_it_goes_to_the_dlq_and_the_order_is_told() -> None:
    world = World(wms=failing(99))
    await world.effects(cancel("e1"))
    await world.until_quiet()
    [outcome], [letter] = world.outcomes(), world.letters()
    assert (outcome.ok, outcome.attempts) == (False, POLICY.attempts)
    assert outcome.error == "given up after 5 attempts: 503 busy"
    assert letter["__connect.errors.topic"] == b"wharf.effects", "a redrive begins anew"
    assert letter["wharf.error.code"] == b"effect.failed"
    assert b"given up after 5 attempts" in letter["__connect.errors.exception.message"]
    assert letter["ce_id"] == b"x"
    assert not any(name.startswith("wharf-") for name in letter), "attempts so far don't follow it"
    assert world.dead == 1


async def test_an_effect_is_given_up_after_its_time_however_few_its_attempts() -> None:
    policy = Policy(base_ms=5, attempts=10_000, give_up_ms=60, patience_ms=20, wake_ms=5, cap_ms=5)
    world = World(policy, wms=failing(10_000))
    await world.effects(cancel("e1"))
    await world.until_quiet()
    assert "given up" in world.outcomes()[0].error


async def test_a_permanent_refusal_is_not_tried_again() -> None:
    wms = always(Sent(ok=False, error="422 unknown sku", permanent=True))
    world = World(wms=wms)
    await world.effects(cancel("e1"))
    assert wms.seen == ["e1"]
    assert (world.outcomes()[0].ok, world.outcomes()[0].error) == (False, "422 unknown sku")
    assert len(world.letters()) == 1


@pytest.mark.parametrize(
    ("target", "entry"),
    [("depot-x", b"threepl.depot-x"), ("shopify:acme", b"channels.shopify.acme")],
    ids=["WMS", "channel"],
)
async def test_an_unknown_target_goes_to_the_dlq_naming_the_connection_to_configure(target: str, entry: bytes) -> None:
    world = World()
    await world.effects(cancel("e1", target=target))
    [letter] = world.letters()
    assert b"add " + entry in letter["__connect.errors.exception.message"]
    assert letter["wharf.error.code"] == b"effect.target"
    assert not world.outcomes()[0].ok


async def test_poison_goes_to_the_dlq_and_the_rest_goes_on() -> None:
    world = World(wms=always(Sent(ok=True)))
    not_an_effect = encode(StockReported("s1", "S", NOW, "x", TRACE, "main", "k", "COUNT", "d", "A", "new", 3, ""))
    await world.effects(b"\x00\x00\x00\x00\x63", cancel("e1"), not_an_effect)
    assert [x.get("wharf.error.code") for x in world.letters()] == [b"schema", b"record.type"]
    assert len(world.outcomes()) == 1


async def test_a_sender_that_raises_is_tried_again_and_ends_in_the_dlq() -> None:
    async def broken(_: Effect) -> Sent:
        raise KeyError("id")

    world = World(wms=Wms(broken))
    await world.effects(cancel("e1"))
    await world.until_quiet()
    assert world.outcomes()[0].error == "given up after 5 attempts: KeyError: 'id'"


async def test_what_an_answer_says_but_can_not_be_kept_is_a_dead_letter() -> None:
    bad = StockReported("s1", "S", NOW, "x", TRACE, "main", "\ud800", "COUNT", "d", "A", "new", 3, "")
    world = World(wms=always(Sent(ok=True, pools=[bad])))
    await world.effects(cancel("e1"))
    assert world.letters()[0]["wharf.error.field"] == b"StockReported.idempotency_key"
    assert [o.ok for o in world.outcomes()] == [False]


async def test_effects_of_one_order_keep_their_order_and_those_of_many_go_side_by_side() -> None:
    async def slow(_: Effect) -> Sent:
        await asyncio.sleep(0.01)
        return Sent(ok=True)

    wms = Wms(slow)
    world = World(wms=wms)
    await world.effects(*(cancel(f"{order}{n}", order) for n in range(3) for order in "abcdef"))
    for order in "abcdef":
        assert [e for e in wms.seen if e[0] == order] == [f"{order}0", f"{order}1", f"{order}2"]
    assert wms.most_at_once == POLICY.slots


async def test_one_that_waits_holds_back_the_later_ones_of_its_order_and_target_only() -> None:
    failed = 0

    async def fails_first(effect: Effect) -> Sent:
        nonlocal failed
        failed += effect.event_id == "e1"
        return Sent(ok=effect.event_id != "e1" or failed > 1, error="503", retry_after=0.3)

    wms, other = Wms(fails_first), always(Sent(ok=True))
    world = World(wms=wms, other=other)
    await world.effects(cancel("e1"), cancel("e2"), cancel("x", "2"), cancel("o", target="other"))
    assert sorted(wms.seen) == ["e1", "x"]
    assert other.seen == ["o"]
    await world.cycle()
    await world.effects(cancel("e3"))
    assert "e3" not in wms.seen, "a later batch does not overtake either"
    await world.until_quiet()
    assert [e for e in wms.seen if e[0] == "e"] == ["e1", "e1", "e2", "e3"]
    await world.effects(cancel("e4"))
    assert wms.seen[-1] == "e4", "nothing waits any more"


async def test_the_other_sides_word_on_when_to_come_back_counts() -> None:
    world = World(wms=always(Sent(ok=False, error="429", retry_after=60.0)))
    before = world.ms()
    await world.effects(cancel("e1"))
    assert int(dict(world.retry[0].headers)["wharf-not-before"]) >= before + 60_000


async def test_a_silent_target_does_not_hold_up_the_others_and_its_answer_is_fetched() -> None:
    release = asyncio.Event()

    async def silent(_: Effect) -> Sent:
        await release.wait()
        return Sent(ok=True, reference="late")

    dead, well = Wms(silent), always(Sent(ok=True))
    world = World(dead=dead, well=well)
    began = world.ms()
    await world.effects(
        *(cancel(f"d{i}", str(i), "dead") for i in range(20)), *(cancel(f"w{i}", str(i), "well") for i in range(20))
    )
    assert world.ms() - began < 20_000, "it never answers"
    assert len(well.seen) == 20
    assert len(dead.seen) == POLICY.slots
    for _ in range(5):
        await world.cycle()
    assert len(dead.seen) == POLICY.slots, "an attempt under way is not made again"
    release.set()
    await world.until_quiet()
    assert sorted(dead.seen) == sorted(f"d{i}" for i in range(20)), "each was sent once"
    assert sum(o.reference == "late" for o in world.outcomes()) == 20


async def test_an_open_breaker_spends_no_attempts() -> None:
    wms = always(Sent(ok=False, error="502"))
    world = World(Policy(base_ms=1_000, patience_ms=50, breaker_failures=5, breaker_ms=60_000, slots=4), wms=wms)
    await world.effects(*(cancel(f"e{i}", str(i)) for i in range(100)))
    assert 5 <= len(wms.seen) <= 8
    attempts = [dict(m.headers)["wharf-attempt"] for m in world.retry]
    assert attempts.count(b"0") == 100 - len(wms.seen)


async def test_a_refetch_has_no_outcome_and_one_in_a_batch_is_enough() -> None:
    wms = always(Sent(ok=True))
    world = World(**{"bol:acme": wms})
    fetch = ChannelRefetch("f1", "ChannelRefetch", NOW, "bol", TRACE, "", "bol:acme", "order", "7")
    await world.effects(fetch, fetch)
    assert wms.seen == ["f1"]
    assert world.out == []


async def test_wake_ups_end_with_the_last_waiting_effect() -> None:
    world = World(wms=failing(3))
    await world.effects(cancel("e1"), cancel("e2", "2"))
    await world.until_quiet()
    wakes = [m for m in world.retry if not m.key]
    assert len(wakes) >= 1
    assert all(decode(m.value).type == "Tick" for m in wakes)
    assert world.done == len(world.retry)


async def test_a_wake_up_that_can_not_be_read_is_a_dead_letter() -> None:
    world = World()
    world.retry.append(Message(EFFECTS_RETRY.name, 0, 0, b"", b"junk", [], NOW))
    await world.cycle()
    assert world.letters()[0]["wharf.error.code"] == b"magic"
