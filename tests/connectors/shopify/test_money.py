"""What Shopify says of money: refunds in all their states, discounts on no line, duties, tips, payments in a buyer's own currency."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.shopify.translate import translate
from domain.records.commands import OrderUpserted, PaymentChanged, RefundReported

NOW = 1_795_000_000_000


def told(topic: str, body: dict[str, Any]) -> Any:
    return translate(topic, json.dumps(body).encode(), "acme", NOW, "0" * 32, delivery_id="d").orders[0]


def refund(status: str | None, **more: Any) -> RefundReported:
    paid = {"id": 31, "kind": "refund", "status": status, "amount": "12.50", "currency": "EUR", "parent_id": 7}
    body = {"id": 3, "order_id": 1, "refund_line_items": [], "transactions": [paid], **more}
    found: RefundReported = told("refunds/create", body)
    return found


@pytest.mark.parametrize(
    ("status", "state", "amount"),
    [("pending", "pending", 0), ("success", "success", 1250), ("failure", "failure", 0), ("error", "failure", 0), (None, "success", 1250)],
)  # fmt: skip
def test_a_refund_tells_how_each_of_its_transactions_stands_and_from_which_payment(status, state, amount):
    fact = refund(status)
    (part,) = fact.transactions
    assert (part.transaction_id, part.payment_id, part.status, part.amount) == ("31", "7", state, 1250)
    assert fact.amount == amount


def test_each_state_of_a_refund_is_a_fact_of_its_own_and_the_same_state_is_the_same():
    keys = {refund(status).idempotency_key for status in ("pending", "success", "failure")}
    assert len(keys) == 3
    assert {key.partition("@")[0] for key in keys} == {"refund/3"}
    assert refund("pending").idempotency_key == refund("pending").idempotency_key


def test_a_transaction_names_the_payment_that_it_belongs_to():
    body = {"id": 9, "order_id": 1, "kind": "refund", "status": "success", "amount": "5.00", "currency": "EUR"}
    fact: PaymentChanged = told("order_transactions/create", {**body, "parent_id": 7, "gateway": "pay"})
    assert (fact.payment_id, fact.gateway, fact.currency) == ("7", "pay", "EUR")


def order(*lines: dict[str, Any], total: str, **more: Any) -> Any:
    plain = {"quantity": 1, "requires_shipping": True}
    items = [{"id": i, **plain, **line} for i, line in enumerate(lines, 1)]
    times = {"created_at": "2026-11-02T09:00:00Z", "updated_at": "2026-11-02T09:00:00Z"}
    body = {"id": 1, "currency": "EUR", **times, "line_items": items, "total_price": total, "financial_status": "paid"}
    fact: OrderUpserted = told("orders/create", {**body, "taxes_included": True, **more})
    return fact.order


def money_problems(made: Any) -> list[str]:
    return [p.detail for p in made.problems if p.code == "money.total"]


def test_a_discount_of_the_order_that_is_on_no_line_is_the_orders():
    made = order({"price": "30.00", "quantity": 2}, total="45.00", total_discounts="15.00")
    assert (made.discount, money_problems(made)) == (1500, [])


def test_a_discount_that_is_on_its_lines_is_not_taken_off_twice():
    line = {"price": "30.00", "quantity": 2, "discount_allocations": [{"amount": "15.00"}]}
    assert order(line, total="45.00", total_discounts="15.00").discount == 0


def test_a_tip_that_is_a_line_is_counted_once_beside_duties():
    tip = {"price": "3.00", "requires_shipping": False, "tip_payment_gateway": "pay"}
    duties = {"original_total_duties_set": {"shop_money": {"amount": "8.00", "currency_code": "EUR"}}}
    assert money_problems(order({"price": "40.00"}, tip, total="51.00", total_tip_received="3.00", **duties)) == []
    assert money_problems(order({"price": "40.00"}, total="51.00", total_tip_received="3.00", **duties)) == []
    assert money_problems(order({"price": "40.00"}, tip, total="54.00", total_tip_received="3.00", **duties)) != []


def test_the_tax_on_duties_is_in_the_total_where_prices_are_without_tax():
    line = {"price": "50.00", "tax_lines": [{"price": "10.00"}], "duties": [{"tax_lines": [{"price": "1.60"}]}]}
    duties = {"original_total_duties_set": {"shop_money": {"amount": "8.00", "currency_code": "EUR"}}}
    assert money_problems(order(line, total="69.60", taxes_included=False, **duties)) == []
