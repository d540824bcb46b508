"""Cancellations of a part against the simulated shop: exactly these units, exactly their money, once."""

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
from connectors.shopify.send import ShopifySender
from connectors.shopify.translate import translate
from domain.order.aggregate import handle
from domain.order.ledger import ledger
from domain.order.state.order import OrderState
from domain.records.commands import EffectOutcome, OrderCancelled
from domain.records.effects import ChannelCancel
from domain.records.values import CreditLine, LineQty, PaymentPart
from domain.rules.ruleset import Depot, RuleSet
from lab.simulators.shopify.command import ShopFaults, ShopifyConfig
from lab.simulators.shopify.orders import SimOrder
from lab.simulators.shopify.rest_bodies import order_body, refund_body
from lab.simulators.shopify.server import ShopifySimulator
from lab.simulators.timeline import serving

START = 1_795_000_000_000
RULES = RuleSet("v1", depots=[Depot("a", "NL")])
ID = "1f0a9c52-5b7e-5c31-9d10-6a2f4b8c9e01"


@dataclass
class Shop:
    sim: ShopifySimulator
    sender: ShopifySender

    def order(self, *, paid: bool = True) -> SimOrder:
        """One of whose first line there are at least two units, and to which nothing else happens."""
        for n in range(1, 200):
            order = self.sim.shop.place(n)
            if order.lines[0].qty > 1 and (order.financial_status == "paid") is paid:
                return order
        raise AssertionError("no such order in this seed")

    def cancel(self, order: SimOrder, qty: int, amount: int, *, line: int = 0, payment: str | None = None) -> ChannelCancel:  # fmt: skip
        x, payment = order.lines[line], str(order.payment) if payment is None else payment
        parts = [PaymentPart(payment, "shopify_payments", amount)] if amount and payment else []
        values = [CreditLine(str(x.id), x.product.sku, qty, amount, 0)]
        return ChannelCancel(
            ID, "ChannelCancel", START, "orders", "0" * 32, f"shopify:acme:{order.id}", "shopify:acme", str(order.id),
            [LineQty(str(x.id), x.product.sku, qty)], "unfillable", "EUR", amount, values, parts,
        )  # fmt: skip

    @property
    def paid_back(self) -> list[tuple[int, str]]:
        return [(e["amount"], e["by"]) for e in self.sim.payments.ledger.entries("refunded")]


@pytest.fixture
def shop() -> Any:
    @asynccontextmanager
    async def run(**settings: Any) -> AsyncIterator[Shop]:
        config = ShopifyConfig(orders=0, faults=ShopFaults(0, 0, 0), throttle=0)
        sim = ShopifySimulator(config, lambda: START + int(time.monotonic() * 1000))
        async with serving(sim.app()) as url:
            account = ShopifyAccount(api_url=url, token="simulated", secrets=["simulated"], **settings)
            client = ShopifyClient(account)
            yield Shop(sim, ShopifySender("acme", client))
            await client.close()

    return run


async def test_a_part_is_taken_off_the_order_and_paid_back_to_the_cent_once(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        sent = [await s.sender.send(s.cancel(order, 1, 1234), START) for _ in range(3)]
        assert [x.ok for x in sent] == [True] * 3, sent
        (refund,) = order.refunds
        assert {x.reference for x in sent} == {str(refund.id)}
        assert (refund.restock, refund.lines) == ("cancel", [(order.lines[0].id, 1)])
        assert mark(ID) in refund.note
        assert s.paid_back == [(1234, "wharfinger:cancel")]
        assert order.lines[0].cancelled == 1
        assert (order.cancelled_at, order.financial_status) == (None, "partially_refunded")


async def test_the_shipping_goes_back_with_the_cancellation_that_makes_it_the_whole_order(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        effect = msgspec.structs.replace(s.cancel(order, 1, 1429), shipping=195)
        assert (await s.sender.send(effect, START)).ok
        assert (s.paid_back, order.refunds[0].shipping) == ([(1429, "wharfinger:cancel")], 195)


async def test_shopifys_own_key_stops_a_repeat_that_overtakes_the_look(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        await s.sender.send(s.cancel(order, 1, 1234), START)
        order.refunds[0].note = "somebody emptied the note"
        assert (await s.sender.send(s.cancel(order, 1, 1234), START)).ok
        assert (len(s.paid_back), order.lines[0].cancelled) == (1, 1)


async def test_all_that_is_left_of_a_shipped_order_is_refunded_and_the_shipped_part_is_not(shop: Any) -> None:
    """``orderCancel`` would be refused, and would pay back all of it."""
    async with shop() as s:
        order = s.order()
        first, rest = order.lines[0], order.lines[0].qty - 1
        shipped = [(x.id, x.qty) for x in order.lines[1:]] + [(first.id, 1)]
        for place in {x.place for x in order.lines}:
            s.sim.shop.fulfil(
                order, [(i, n) for i, n in shipped if order.line(i).place == place], {"number": f"3S{place}"}
            )
        sent = await s.sender.send(s.cancel(order, rest, 999), START)
        assert (sent.ok, sent.error) == (True, "")
        assert (s.paid_back, order.cancelled_at) == ([(999, "wharfinger:cancel")], None)
        assert first.remaining == 0


async def test_an_order_that_shows_no_payments_is_paid_back_over_its_transactions(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        assert (await s.sender.send(s.cancel(order, 1, 500, payment=""), START)).ok
        assert s.paid_back == [(500, "wharfinger:cancel")]


async def test_what_was_never_captured_is_taken_off_without_money(shop: Any) -> None:
    async with shop() as s:
        order = s.order(paid=False)
        assert (await s.sender.send(s.cancel(order, 1, 0), START)).ok
        assert (s.paid_back, order.lines[0].cancelled, order.financial_status) == ([], 1, "pending")


async def test_a_merchant_who_pays_back_himself_has_the_units_taken_off_only(shop: Any) -> None:
    async with shop(cancel_refunds=False) as s:
        order = s.order()
        assert (await s.sender.send(s.cancel(order, 1, 1234), START)).ok
        assert (s.paid_back, order.lines[0].cancelled) == ([], 1)


async def test_units_that_the_shop_cancelled_first_are_not_paid_twice(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        line = order.lines[0]
        line.cancelled = line.qty
        sent = await s.sender.send(s.cancel(order, 1, 1234), START)
        assert (sent.ok, sent.reference) == (True, "")  # nothing of ours: the shop's refund is a fact of its own
        line.cancelled = line.qty - 1
        sent = await s.sender.send(s.cancel(order, 2, 1234), START)
        assert (sent.ok, sent.permanent) == (False, True)
        assert "fewer units" in sent.error
        assert s.paid_back == []


async def test_more_than_was_captured_is_never_paid(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        sent = await s.sender.send(s.cancel(order, 1, order.total + 1), START)
        assert (sent.ok, sent.permanent) == (False, True)
        assert "more than is left" in sent.error
        assert (s.paid_back, order.lines[0].cancelled) == ([], 0)


def read(state: OrderState | None, topic: str, body: dict[str, Any]) -> OrderState:
    """Fold what the shop's webhook says. Nothing that the shop says may lead to a message back to it."""
    for fact in translate(topic, msgspec.json.encode(body), "acme", START, "a" * 32).orders:
        result = handle(state, fact, RULES)
        state = result.state
        assert [e for e in result.effects if isinstance(e, ChannelCancel)] == []
    assert state is not None
    return state


async def test_from_our_word_to_the_shops_own_webhooks_the_money_is_counted_once(shop: Any) -> None:
    async with shop() as s:
        order = s.order()
        line, whole = order.lines[0], s.sim.payments.left(str(order.id), str(order.payment))
        state = read(None, "orders/create", order_body(order))
        asked = OrderCancelled(
            "c1", "OrderCancelled", START, "t", "a" * 32, state.key, "cancel/1", "", "0" * 16,
            START, "customer", [LineQty(str(line.id), line.product.sku, 1)], True,
        )  # fmt: skip
        result = handle(state, asked, RULES)
        (effect,) = [e for e in result.effects if isinstance(e, ChannelCancel)]
        assert effect.amount > 0
        sent = await s.sender.send(effect, START)
        assert (sent.ok, sent.error) == (True, "")
        left = s.sim.payments.left(str(order.id), str(order.payment))
        assert whole - left == effect.amount == sum(n for n, _ in s.paid_back)
        # Its webhooks come before its answer is written down, and the order's newest state again after it.
        state = read(result.state, "refunds/create", refund_body(order, order.refunds[0]))
        state = read(state, "orders/updated", order_body(order))
        assert ledger(state).left == left
        answer = EffectOutcome(
            "o1", "EffectOutcome", START, "effects", "a" * 32, state.key, effect.event_id, "ChannelCancel",
            effect.target, True, 1, sent.reference, "", "",
        )  # fmt: skip
        state = handle(state, answer, RULES).state
        assert ledger(state).left == left
        mine = next(x for x in state.lines if x.line_id == str(line.id))
        assert (mine.cancelled, mine.ordered, state.holds) == (1, line.qty, {})
