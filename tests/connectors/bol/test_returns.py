"""Returns at the simulated Bol: handled once, whatever gets lost; Bol pays to the cent."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from connectors.bol.send import BolSender
from domain.records.effects import ChannelReturn, Credit
from domain.records.values import CreditLine, ReturnedLine
from lab.simulators.bol.market import Fates

META: dict[str, Any] = {"time": 0, "source": "orders", "trace": "0" * 32}


def delivered(bol: Any, qty: int = 3, discount: int = 0) -> tuple[Any, Any]:
    """An order with one item, all of it shipped and paid for."""
    order = bol.sim.market.orders[bol.place()[0]]
    item = order.items[0]
    order.items = [item]
    item.qty, item.discount = qty, discount
    bol.sim.payments._captured[order.id, item.id] = qty * item.price - discount
    item.shipped = qty
    return order, item


def announced(bol: Any, order: Any, item: Any, qty: int) -> Any:
    market = bol.sim.market
    market.announcements += 1
    market._announce(order, item, qty)
    return next(reversed(market.rmas.values()))


def credit(order: Any, item: Any, rma: Any, qty: int, *, before: int = 0, n: int = 1) -> Credit:
    return Credit(
        event_id=f"credit-{n}",
        type="Credit",
        **META,
        order_key=f"bol:acme:{order.id}",
        target="bol:acme",
        channel_order_id=order.id,
        rma_id=f"bol:acme:{order.id}/r1",
        return_id=rma.return_id if rma else "",
        channel_rma=rma.id if rma else "",
        currency="EUR",
        amount=qty * item.price,
        tax=0,
        lines=[CreditLine(item.id, item.sku, qty, qty * item.price, 0)],
        shipping=0,
        shipping_tax=0,
        fees=[],
        payments=[],
        results=[],
        reason="return",
        credited_before=before,
    )


def paid_back(bol: Any) -> list[int]:
    return [e["amount"] for e in bol.sim.payments.ledger.entries("refunded")]


async def test_a_return_is_handled_and_bol_pays(start: Any) -> None:
    async with start() as bol:
        order, item = delivered(bol)
        rma = announced(bol, order, item, 2)
        sent = await BolSender("acme", bol.client).send(credit(order, item, rma, 2), 0)
        assert (sent.ok, sent.error) == (True, "")
        assert [(r, n) for r, n, _ in rma.results] == [("RETURN_RECEIVED", 2)]
        assert paid_back(bol) == [2 * item.price]


async def test_the_same_credit_again_handles_nothing_more(start: Any) -> None:
    async with start() as bol:
        order, item = delivered(bol)
        rma = announced(bol, order, item, 3)
        effect = credit(order, item, rma, 1)
        for _ in range(3):
            assert (await BolSender("acme", bol.client).send(effect, 0)).ok
        assert paid_back(bol) == [item.price]
        second = credit(order, item, rma, 2, before=1, n=2)
        for _ in range(2):
            assert (await BolSender("acme", bol.client).send(second, 0)).ok
        assert [n for _, n, _ in rma.results] == [1, 2]
        assert sum(paid_back(bol)) == 3 * item.price


async def test_a_timeout_that_took_effect_is_seen_by_the_next_attempt(start: Any) -> None:
    fates = Fates(process_minutes=(0.1, 0.6), failure=0, timeout=1, timeout_took_effect=1, returned=0)
    async with start(fates=fates) as bol:
        order, item = delivered(bol)
        rma = announced(bol, order, item, 1)
        effect = credit(order, item, rma, 1)
        first = await BolSender("acme", bol.client).send(effect, 0)
        assert (first.ok, first.permanent) == (False, False)
        assert (await BolSender("acme", bol.client).send(effect, 0)).ok
        assert paid_back(bol) == [item.price]


async def test_a_request_still_in_the_queue_is_waited_for(start: Any) -> None:
    fates = Fates(process_minutes=(30, 40), failure=0, timeout=0, returned=0)
    async with start(fates=fates) as bol:
        order, item = delivered(bol)
        rma = announced(bol, order, item, 1)
        effect = credit(order, item, rma, 1)
        hasty = await BolSender("acme", bol.client, patience=0.3).send(effect, 0)
        assert (hasty.ok, hasty.permanent) == (False, False)
        assert (await BolSender("acme", bol.client).send(effect, 0)).ok
        assert paid_back(bol) == [item.price]
        assert len(bol.sim.market.processes) == 1


async def test_a_return_that_bol_does_not_know_is_made_and_handled_once(start: Any) -> None:
    async with start() as bol:
        order, item = delivered(bol)
        effect = msgspec.structs.replace(credit(order, item, None, 2), time=bol.now())
        for _ in range(2):
            sent = await BolSender("acme", bol.client).send(effect, 0)
            assert (sent.ok, sent.error) == (True, "")
        assert [(x.qty, x.open) for x in bol.sim.market.rmas.values()] == [(2, 0)]
        assert paid_back(bol) == [2 * item.price]


async def test_the_parts_that_bol_pays_add_up_to_what_was_paid(start: Any) -> None:
    async with start() as bol:
        order, item = delivered(bol, qty=3, discount=1000)
        rma = announced(bol, order, item, 3)
        for n in range(3):
            assert (await BolSender("acme", bol.client).send(credit(order, item, rma, 1, before=n, n=n), 0)).ok
        assert len(paid_back(bol)) == 3
        assert sum(paid_back(bol)) == 3 * item.price - 1000
        assert max(paid_back(bol)) - min(paid_back(bol)) <= 1


async def test_an_amount_without_units_is_left_to_a_person(start: Any) -> None:
    async with start() as bol:
        order, item = delivered(bol)
        sent = await BolSender("acme", bol.client).send(credit(order, item, None, 0), 0)
        assert (sent.ok, sent.permanent) == (False, True)
        assert "whole units" in sent.error


@pytest.mark.parametrize("action", ["refuse", "approve", "close", "create"])
async def test_refused_units_are_told_once_and_the_rest_is_not_bols_business(start: Any, action: str) -> None:
    async with start() as bol:
        order, item = delivered(bol)
        rma = announced(bol, order, item, 1)
        effect = ChannelReturn(
            event_id="told",
            type="ChannelReturn",
            **META,
            order_key=f"bol:acme:{order.id}",
            target="bol:acme",
            channel_order_id=order.id,
            rma_id=f"bol:acme:{order.id}/r1",
            return_id=rma.return_id,
            channel_rma=rma.id,
            action=action,
            lines=[ReturnedLine(item.id, item.sku, 1)],
            reason="wrong item",
        )
        for _ in range(2):
            assert (await BolSender("acme", bol.client).send(effect, 0)).ok
        refused = [("RETURN_DOES_NOT_MEET_CONDITIONS", 1)] if action == "refuse" else []
        assert [(r, n) for r, n, _ in rma.results] == refused
        assert paid_back(bol) == []
