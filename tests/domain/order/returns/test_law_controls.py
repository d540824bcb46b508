"""Negative controls: with one guard of returns or money switched off, the laws must fail. A law that still held would be blind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

import domain.order.ledger
import domain.order.returns.credit
import domain.order.returns.receiving
from domain.money import Refund, line_value, running_share
from domain.order.ledger import Ledger
from domain.order.state.returns import GOOD, Receipt, RmaLine
from tests.domain.order.returns import test_laws as laws

OFTEN = settings(
    max_examples=300,
    derandomize=True,
    database=None,
    deadline=None,
    stateful_step_count=25,
    report_multiple_bugs=False,
    phases=[Phase.generate],  # that it fails is enough, the smallest failure is nobody's concern
    suppress_health_check=list(HealthCheck),
)
RANDOM = st.randoms(use_true_random=False)


def one_by_one() -> None:
    OFTEN(given(state=laws.shipped_orders(), order=RANDOM)(laws.one_by_one))()


def with_fees() -> None:
    OFTEN(given(state=laws.shipped_orders(), order=RANDOM)(laws.with_fees))()


def any_history() -> None:
    run_state_machine_as_test(laws.Returning, settings=settings(OFTEN, max_examples=900))  # 300 miss one guard in six


def each_unit_rounded_alone(value: Any, before: int, now: int) -> Refund:
    """The usual way: a unit's price, rounded, times the units."""
    return Refund(now * running_share(value.gross, 1, value.qty), now * running_share(value.tax, 1, value.qty))


def no_discount(qty: int, unit_price: int, discount: int, tax: int, tax_included: bool) -> Any:
    return line_value(qty, unit_price, 0, tax, tax_included)


def all_that_was_found(x: RmaLine) -> dict[str, int]:
    """Due again, whether it was credited or not."""
    return {d: n for d in GOOD if (n := x.found.get(d, 0))}


class Forgetful(dict[str, int]):
    """A receipt that never knows what it told before."""

    def get(self, key: str, default: int = 0) -> int:  # type: ignore[override]
        return default


@pytest.mark.parametrize(
    ("law", "owner", "name", "broken"),
    [
        pytest.param(
            one_by_one, domain.order.ledger, "refund_units", each_unit_rounded_alone, id="each-unit-rounded-alone"
        ),
        pytest.param(one_by_one, domain.order.ledger, "line_value", no_discount, id="the-lines-discount-forgotten"),
        pytest.param(one_by_one, domain.order.ledger, "credits_of", lambda s: [], id="earlier-credits-forgotten"),
        pytest.param(
            one_by_one, domain.order.ledger, "spread", lambda total, w: [0] * len(w), id="the-orders-discount-forgotten"
        ),
        pytest.param(
            with_fees,
            domain.order.returns.credit,
            "_money_tax",
            lambda tax, money, amount: tax + money + 1,
            id="more-tax-than-money",
        ),
        pytest.param(any_history, RmaLine, "due", property(all_that_was_found), id="credited-units-due-again"),
        pytest.param(
            any_history, domain.order.ledger, "foreign_refunds", lambda s: {}, id="the-channels-refunds-forgotten"
        ),
        pytest.param(
            any_history,
            domain.order.returns.receiving,
            "_receipt",
            lambda r, c: Receipt(c.receipt_id, c.wms, c.depot, found=Forgetful()),
            id="a-receipt-told-again-counts-again",
        ),
        pytest.param(
            any_history,
            domain.order.returns.receiving,
            "put_away",
            lambda session, unit, receipt, r: (receipt.depot, ""),
            id="goods-that-never-reach-the-stock",
        ),
        pytest.param(
            one_by_one,
            Ledger,
            "payments",
            lambda self, amount: [(self.captured[0][0], amount)] if self.captured else [],
            id="all-to-the-first-payment",
        ),
    ],
)
def test_without_its_guard_a_law_fails(
    monkeypatch: pytest.MonkeyPatch, law: Callable[[], None], owner: Any, name: str, broken: Any
) -> None:
    monkeypatch.setattr(owner, name, broken)
    with pytest.raises(AssertionError):
        law()


@pytest.mark.parametrize("law", [one_by_one, with_fees, any_history])
def test_with_all_guards_the_same_histories_hold(law: Callable[[], None]) -> None:
    law()
