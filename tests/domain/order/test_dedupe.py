"""Duplicates, conflicts, versions: hard cases 1, 2, 4 and 5 of domain.md."""

from __future__ import annotations

import msgspec
import pytest

from domain.order.aggregate import handle
from domain.order.dedupe import KEPT_KEYS
from domain.records.commands import RefundReported
from domain.records.values import WmsLine


def test_the_same_fact_twice_is_one_order_and_a_counted_duplicate(desk):
    desk.upsert(digest="aa", delivery="d1")
    before = msgspec.structs.replace(desk.state, duplicates=0, seq=0)
    (again,) = desk.upsert(digest="aa", delivery="d1")
    assert again.type == "DUPLICATE"
    assert desk.state.duplicates == 1
    assert msgspec.structs.replace(desk.state, duplicates=0, seq=0) == before
    assert len(desk.effects) == 1


def test_poll_and_webhook_of_one_order_are_one_order(desk):
    desk.upsert(digest="aa", delivery="webhook-1")
    (poll,) = desk.upsert(digest="aa", delivery="")
    assert poll.type == "DUPLICATE"
    assert desk.types().count("PLACED") == 1


def test_one_delivery_id_with_two_contents_is_rejected_and_changes_nothing(desk, kit, refused):
    desk.upsert(digest="aa", delivery="d1")
    before = msgspec.msgpack.encode(desk.state)
    with refused("conflict.delivery"):
        desk.upsert(kit.snapshot(version=9), digest="bb", delivery="d1")
    assert msgspec.msgpack.encode(desk.state) == before


def test_one_delivery_may_carry_several_facts(desk, kit):
    desk.upsert(digest="aa", delivery="d1")
    f = desk.fact("RefundReported", "refund/1", "bb", "d1")
    desk.send(RefundReported(**f, refund_id="1", amount=5, currency="EUR", lines=[]))
    assert desk.types()[-1] == "REFUNDED"


def test_an_older_version_is_kept_in_the_log_without_effect(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=2), version=9))
    (stale,) = desk.upsert(kit.snapshot(kit.line(qty=5), version=8))
    assert stale.type == "STALE"
    assert desk.units() == {"allocated": 2}
    assert desk.state.stale == 1


@pytest.mark.parametrize("order", [(2, 3), (3, 2)], ids=["smaller-first", "greater-first"])
def test_two_contents_of_one_version_end_the_same_in_either_order(desk, kit, order):
    for n in order:
        desk.upsert(kit.snapshot(kit.line(qty=n), version=7), digest=f"{n:016x}")
    assert desk.units() == {"allocated": 3}
    assert desk.state.header.content_hash == f"{3:016x}"


def test_the_loser_of_a_tie_stays_the_loser_when_told_again(desk, kit):
    for n in (2, 3, 2):
        desk.upsert(kit.snapshot(kit.line(qty=n), version=7), digest=f"{n:016x}")
    assert desk.types()[-1] == "STALE"
    assert desk.units() == {"allocated": 3}


def test_another_order_than_the_key_says_is_rejected(desk, kit, refused):
    desk.upsert()
    with refused("order.key"):
        desk.upsert(msgspec.structs.replace(kit.snapshot(version=2), order_key="shopify:acme:2"))


def test_a_line_twice_or_below_zero_is_rejected_with_its_place(desk, kit, refused):
    with refused("order.line"):
        desk.upsert(kit.snapshot(kit.line(), kit.line()))
    with refused("order.line"):
        desk.upsert(kit.snapshot(kit.line(qty=-1)))
    assert desk.state is None


def test_what_only_we_could_have_caused_is_rejected_for_an_unknown_order(desk, refused):
    with refused("order.unknown"):
        desk.wms("PICKED")
    with refused("order.unknown"):
        desk.scan("DELIVERED")


def test_a_decision_on_an_order_that_was_only_cancelled_is_rejected(desk, refused):
    desk.cancel()
    with refused("order.unknown"):
        desk.send(desk.pool.answer(1, {}, [], desk.now))


def test_no_more_than_the_kept_keys_are_remembered(desk):
    for i in range(KEPT_KEYS + 10):
        desk.pay("sale", "pending", i, f"t{i}")
    assert len(desk.state.keys) == KEPT_KEYS


def test_a_full_replay_reaches_the_same_bytes(desk, kit):
    desk.upsert(kit.snapshot(kit.line(qty=3)))
    desk.cancel(*kit.qty(L1=1))
    desk.wms("CANCELLED", 1, WmsLine("L1", "SKU-L1", cancelled=1))
    desk.ship()
    desk.scan("DELIVERED")
    state, events = None, []
    for command in desk.log:
        result = handle(state, command, desk.rules)
        state, events = result.state, events + result.events
    assert msgspec.msgpack.encode(state) == msgspec.msgpack.encode(desk.state)
    assert msgspec.msgpack.encode(events) == msgspec.msgpack.encode(desk.events)
