"""Credits and returns against the simulated shop: to the cent, once, never above what was captured."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from connectors.shopify.client import ShopifyClient
from connectors.shopify.config import ShopifyAccount
from connectors.shopify.credit import mark
from connectors.shopify.returns import reason_code
from connectors.shopify.send import ShopifySender
from domain.records.effects import ChannelReturn, Credit
from domain.records.values import CreditLine, Fee, PaymentPart, ReturnedLine
from lab.simulators.shopify.command import ShopFaults, ShopifyConfig
from lab.simulators.shopify.orders import SimOrder
from lab.simulators.shopify.server import ShopifySimulator
from lab.simulators.timeline import serving

START = 1_795_000_000_000
KEY = "1f0a9c52-5b7e-5c31-9d10-6a2f4b8c9e0"


@dataclass
class Shop:
    sim: ShopifySimulator
    sender: ShopifySender

    def order(self, n: int = 1) -> SimOrder:
        """An order, paid and wholly fulfilled."""
        order = self.sim.shop.place(n)
        if order.financial_status == "pending":
            self.sim.shop._pay(order)
        self.sim.shop.fulfil(order, [(x.id, x.qty) for x in order.lines], {"number": f"3S{n}"})
        return order

    @property
    def paid_back(self) -> list[int]:
        return [e["amount"] for e in self.sim.payments.ledger.entries("refunded")]


@pytest.fixture
def shop() -> Any:
    @asynccontextmanager
    async def run() -> AsyncIterator[Shop]:
        config = ShopifyConfig(orders=0, faults=ShopFaults(0, 0, 0), throttle=0)
        sim = ShopifySimulator(config, lambda: START + int(time.monotonic() * 1000))
        async with serving(sim.app()) as url:
            client = ShopifyClient(ShopifyAccount(api_url=url, token="simulated", secrets=["simulated"]))
            yield Shop(sim, ShopifySender("acme", client))
            await client.close()

    return run


def credit(order: SimOrder, amount: int, qty: int = 1, n: int = 1, **changes: Any) -> Credit:
    line = order.lines[0]
    whole = Credit(
        event_id=f"{KEY}{n}",
        type="Credit",
        time=START,
        source="orders",
        trace="0" * 32,
        order_key=f"shopify:acme:{order.id}",
        target="shopify:acme",
        channel_order_id=str(order.id),
        rma_id=f"shopify:acme:{order.id}/r1",
        return_id="",
        channel_rma="",
        currency="EUR",
        amount=amount,
        tax=0,
        lines=[CreditLine(str(line.id), line.product.sku, qty, amount, 0)],
        shipping=0,
        shipping_tax=0,
        fees=[],
        payments=[PaymentPart("order", "shopify_payments", amount)],
        results=[],
        reason="return",
    )
    return msgspec.structs.replace(whole, **changes)


def told(order: SimOrder, action: str, return_id: str = "", qty: int = 1) -> ChannelReturn:
    line = order.lines[0]
    return ChannelReturn(
        event_id=f"{KEY}9",
        type="ChannelReturn",
        time=START,
        source="orders",
        trace="0" * 32,
        order_key=f"shopify:acme:{order.id}",
        target="shopify:acme",
        channel_order_id=str(order.id),
        rma_id=f"shopify:acme:{order.id}/r1",
        return_id=return_id,
        channel_rma="",
        action=action,
        lines=[ReturnedLine(str(line.id), line.product.sku, qty, "too small")],
        reason="no",
    )


async def test_a_credit_goes_back_to_the_payment_to_the_cent(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        sent = await s.sender.send(credit(order, 1234), START)
        assert (sent.ok, sent.error) == (True, "")
        assert s.paid_back == [1234]
        (refund,) = order.refunds
        assert sent.reference == str(refund.id)
        assert mark(f"{KEY}1") in refund.note
        assert (refund.restock, refund.lines) == ("no_restock", [(order.lines[0].id, 1)])
        assert order.financial_status == "partially_refunded"


async def test_the_same_credit_again_pays_nothing_more(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        effect = credit(order, 1234)
        references = [(await s.sender.send(effect, START)).reference for _ in range(3)]
        assert len(set(references)) == 1
        assert s.paid_back == [1234]


async def test_shopifys_own_key_stops_a_repeat_that_overtakes_the_look(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        effect = credit(order, 1234)
        await s.sender.send(effect, START)
        order.refunds[0].note = "somebody emptied the note"
        again = await s.sender.send(effect, START)
        assert again.ok
        assert s.paid_back == [1234]


async def test_more_than_was_captured_is_never_asked_for(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        sent = await s.sender.send(credit(order, order.total + 1), START)
        assert (sent.ok, sent.permanent) == (False, True)
        assert "payments: 0.01 EUR more than is left" in sent.error
        assert s.paid_back == []


async def test_what_the_shop_itself_paid_back_counts(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        first = await s.sender.send(credit(order, order.total - 100), START)
        second = await s.sender.send(credit(order, 200, qty=0, n=2), START)
        assert (first.ok, second.ok) == (True, False)
        third = await s.sender.send(credit(order, 100, qty=0, n=3), START)
        assert third.ok
        assert sum(s.paid_back) == order.total
        assert order.financial_status == "refunded"


async def test_a_fee_and_shipping_are_part_of_one_refund(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        effect = credit(order, 1000, shipping=495, fees=[Fee("restocking", 200)])
        assert (await s.sender.send(effect, START)).ok
        assert s.paid_back == [1000]
        assert order.refunds[0].shipping == 495


async def test_a_credit_in_another_currency_is_refused(shop: Any) -> None:
    async with shop() as s:
        sent = await s.sender.send(credit(s.order(), 100, currency="USD"), START)
        assert (sent.ok, sent.permanent) == (False, True)
        assert "currency" in sent.error


async def test_units_of_a_return_of_shopifys_are_processed_in_it(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        s.sim.returns.request(order)
        (found,) = order.returns
        line = found.lines[0]
        effect = credit(
            order,
            700,
            return_id=str(found.id),
            lines=[CreditLine(str(line.line), "", line.qty, 700, 0)],
        )
        early = await s.sender.send(effect, START)
        assert (early.ok, early.permanent) == (False, True), "a return that nobody approved can't be processed"
        assert (await s.sender.send(told(order, "approve", str(found.id)), START)).ok
        sent = await s.sender.send(effect, START)
        assert (sent.ok, sent.error, sent.reference) == (True, "", str(order.refunds[0].id))
        assert (await s.sender.send(effect, START)).reference == sent.reference
        assert s.paid_back == [700]
        assert line.processed == line.qty


async def test_units_that_are_processed_already_are_left_to_a_person(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        s.sim.returns.request(order)
        (found,) = order.returns
        found.status, line = "OPEN", found.lines[0]
        line.processed = line.qty
        effect = credit(order, 700, return_id=str(found.id), lines=[CreditLine(str(line.line), "", 1, 700, 0)])
        sent = await s.sender.send(effect, START)
        assert (sent.ok, sent.permanent) == (False, True)
        assert s.paid_back == []


@pytest.mark.parametrize("notes", [True, False], ids=["refunds-bear-the-note", "refunds-bear-no-note"])
async def test_an_answer_that_was_lost_never_has_the_next_unit_of_a_return_processed(shop: Any, notes: bool) -> None:
    async with shop() as s:
        order = s.order(next(n for n in range(1, 99) if s.order(n).lines[0].qty > 1))
        s.sim.returns.notes_reach_refunds = notes
        line = order.lines[0]
        made = s.sim.returns._made(order, "OPEN", [(line.id, 2, "UNWANTED", "")])
        first = credit(order, 500, return_id=str(made.id))
        paid = await s.sender.send(first, START)  # the answer is lost: the same effect comes again
        again = await s.sender.send(first, START)
        if notes:
            assert (again.ok, again.reference) == (True, paid.reference)
        else:
            assert (again.ok, again.permanent) == (False, True)
            assert f"refund {paid.reference} is of this amount" in again.error
        assert (s.paid_back, made.lines[0].processed) == ([500], 1)
        second = credit(order, 500, n=2, return_id=str(made.id), credited_before=1)
        assert (await s.sender.send(second, START)).ok
        assert (s.paid_back, made.lines[0].processed) == ([500, 500], 2)


async def test_units_that_the_merchant_processed_himself_for_another_amount_stop_nothing(shop: Any) -> None:
    async with shop() as s:
        order = s.order(next(n for n in range(1, 99) if s.order(n).lines[0].qty > 1))
        made = s.sim.returns._made(order, "OPEN", [(order.lines[0].id, 2, "UNWANTED", "")])
        made.lines[0].processed = 1
        assert (await s.sender.send(credit(order, 500, return_id=str(made.id)), START)).ok
        assert (s.paid_back, made.lines[0].processed) == ([500], 2)


async def test_a_unit_that_turns_up_after_its_return_was_closed_is_credited_on_it_once_it_is_open_again(
    shop: Any,
) -> None:
    async with shop() as s:
        order = s.order(next(n for n in range(1, 99) if s.order(n).lines[0].qty > 1))
        made = s.sim.returns._made(order, "CLOSED", [(order.lines[0].id, 2, "UNWANTED", "")])
        made.lines[0].processed = 1
        late = credit(order, 500, n=2, return_id=str(made.id), credited_before=1)
        sent = [await s.sender.send(late, START) for _ in range(2)]
        assert [x.ok for x in sent] == [True, True], sent
        assert (s.paid_back, made.lines[0].processed, made.status) == ([500], 2, "OPEN")


async def test_what_an_exchange_of_an_older_version_calls_its_lines_and_order_is_an_amount_of_the_shops_order(
    shop: Any,
) -> None:
    async with shop() as s:
        order = s.order()
        old = credit(order, 500, lines=[CreditLine("x1", "NEW", 1, 500, 0)], channel_order_id=f"{order.id}~x1~x2")
        assert (await s.sender.send(old, START)).ok
        assert (s.paid_back, order.refunds[0].lines) == ([500], [])


async def test_a_return_is_made_once_and_closed(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        first = await s.sender.send(told(order, "create"), START)
        again = await s.sender.send(told(order, "create"), START)
        assert (first.ok, first.error) == (True, "")
        assert first.reference == again.reference == str(order.returns[0].id)
        assert order.returns[0].lines[0].reason == "SIZE_TOO_SMALL"
        for _ in range(2):
            assert (await s.sender.send(told(order, "close", first.reference), START)).ok
        assert order.returns[0].status == "CLOSED"


@pytest.mark.parametrize(("action", "status"), [("approve", "OPEN"), ("decline", "DECLINED"), ("refuse", "REQUESTED")])
async def test_a_decision_is_told_once(shop: Any, action: str, status: str) -> None:
    async with shop() as s:
        order = s.order()
        s.sim.returns.request(order)
        for _ in range(2):
            assert (await s.sender.send(told(order, action, str(order.returns[0].id)), START)).ok
        assert order.returns[0].status == status


async def test_more_units_than_were_fulfilled_cannot_be_returned(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        sent = await s.sender.send(told(order, "create", qty=order.lines[0].qty + 1), START)
        assert (sent.ok, sent.permanent) == (False, True)
        assert order.returns == []


async def test_a_request_on_the_shops_page_for_units_that_come_back_already_makes_room(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        line = order.lines[0]
        rival = s.sim.returns._made(order, "REQUESTED", [(line.id, line.qty, "UNWANTED", "")])
        first = await s.sender.send(told(order, "create", qty=line.qty), START)
        again = await s.sender.send(told(order, "create", qty=line.qty), START)
        assert (first.ok, first.error) == (True, "")
        assert [r.status for r in order.returns] == ["DECLINED", "OPEN"]
        assert first.reference == again.reference == str(order.returns[1].id)
        # The refusal that was decided for that request follows, and finds it done.
        assert (await s.sender.send(told(order, "decline", str(rival.id)), START)).ok


@pytest.mark.parametrize(("status", "more"), [("OPEN", 0), ("CLOSED", 0), ("REQUESTED", 1)])
async def test_a_return_that_someone_approved_or_whose_refusal_would_not_be_enough_stays(
    shop: Any, status: str, more: int
) -> None:
    async with shop() as s:
        order = s.order()
        line = order.lines[0]
        s.sim.returns._made(order, status, [(line.id, line.qty, "UNWANTED", "")])
        sent = await s.sender.send(told(order, "create", qty=line.qty + more), START)
        assert (sent.ok, sent.permanent) == (False, True)
        assert [r.status for r in order.returns] == [status]


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("defective", "DEFECTIVE"),
        ("Artikel is defect/werkt niet", "DEFECTIVE"),
        ("UNWANTED", "UNWANTED"),
        ("", "UNKNOWN"),
    ],
)
def test_a_reason_gets_shopifys_code(reason: str, code: str) -> None:
    assert reason_code(reason) == code
