"""Rules about problems and payment, and the status of every mix of quantities."""

from __future__ import annotations

import pytest

from domain.order.state.order import Line, OrderState
from domain.order.state.status import FINAL, STATUSES, status
from domain.rules.checks import is_paid, judge
from domain.rules.ruleset import CheckRule, RuleSet

PAID = RuleSet().paid_states


def _judge(rules=None, **told):
    given = {"risk": "", "payment_state": "paid", "total": 100, "transactions": [], "rules": rules or RuleSet()}
    return judge(told.pop("problems", []), **{**given, **told})


@pytest.mark.parametrize(
    ("code", "holds"),
    [
        ("address.postcode", ["INCORRECT_ADDRESS"]),
        ("risk.high", ["FRAUD_RISK"]),
        ("money.total", ["MANUAL"]),
        ("phone.invalid", []),
        ("weather.rain", []),
    ],
)
def test_the_usual_rules_make_of_a_problem(code, holds):
    assert list(_judge(problems=[(code, "f", "")]).holds) == holds


def test_the_first_rule_that_matches_decides():
    rules = RuleSet(checks=[CheckRule("address.po_box", action="ignore"), CheckRule("address")])
    assert _judge(rules, problems=[("address.po_box", "street1", "")]).holds == {}
    assert list(_judge(rules, problems=[("address.city", "city", "")]).holds) == ["INCORRECT_ADDRESS"]


def test_a_refusal_names_the_problem_and_holds_nothing():
    verdict = _judge(
        RuleSet(checks=[CheckRule("money", action="refuse")]), problems=[("money.total", "total", "off by 3")]
    )
    assert (verdict.refusal, verdict.holds) == ("money.total total off by 3", {})


def test_all_reasons_of_a_hold_are_told():
    verdict = _judge(problems=[("address.city", "city", ""), ("address.postcode", "postcode", "bad")])
    assert verdict.holds["INCORRECT_ADDRESS"] == "address.city city; address.postcode postcode bad"


@pytest.mark.parametrize(
    ("state", "transactions", "paid"),
    [
        ("paid", [], True),
        ("partially_paid", [], True),
        ("pending", [], False),
        ("", [], False),
        ("failed", [("sale", "success", 100)], True),
        ("pending", [("authorization", "success", 100), ("void", "success", 100)], False),
        ("pending", [("authorization", "success", 100), ("capture", "success", 100)], True),
        ("pending", [("sale", "success", 100), ("refund", "success", 1)], False),
        ("refunded", [("sale", "success", 100)], False),
    ],
)
def test_paid_is(state, transactions, paid):
    assert is_paid(state, 100, transactions, PAID) is paid


def test_a_free_order_without_a_transaction_is_not_paid_by_itself():
    assert not is_paid("pending", 0, [], PAID)
    assert is_paid("pending", 0, [("sale", "success", 0)], PAID)


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ({"open": 2}, "PLACED"),
        ({"requested": 2}, "PLACED"),
        ({"backordered": 2}, "BACKORDERED"),
        ({"open": 2, "unfillable": 2}, "UNFILLABLE"),
        ({"allocated": 1, "backordered": 1}, "PARTIALLY_ALLOCATED"),
        ({"allocated": 2}, "ALLOCATED"),
        ({"allocated": 1, "picked": 1}, "ALLOCATED"),
        ({"picked": 1, "cancelled": 1}, "PICKED"),
        ({"shipped": 1, "open": 1}, "PARTIALLY_SHIPPED"),
        ({"shipped": 1, "cancelled": 1}, "SHIPPED"),
        ({"shipped": 2, "delivered": 1}, "SHIPPED"),
        ({"shipped": 2, "delivered": 2}, "COMPLETED"),
        ({"cancelled": 2}, "CANCELLED"),
    ],
    ids=lambda x: "-".join(f"{n}{k}" for k, n in x.items()) if isinstance(x, dict) else x,
)
def test_the_status_of(kit, desk, units, expected):
    desk.upsert()
    state = OrderState(kit.KEY, header=desk.state.header, lines=[Line("L1", "S", ordered=2, **units)])
    assert status(state) == expected
    assert expected in STATUSES
    assert (expected in FINAL) is (not units.keys() & {"open", "requested", "backordered", "allocated", "picked"})
