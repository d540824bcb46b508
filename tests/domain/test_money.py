"""Money: the refunds of any sequence add up, to the cent."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Rejected
from domain.money import LineValue, exponent, line_value, refund_units, running_share, spread, to_refund


@pytest.mark.parametrize(("code", "digits"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("USD", 2), ("CLF", 4)])
def test_a_currency_has_its_own_minor_unit(code: str, digits: int) -> None:
    assert exponent(code) == digits


@pytest.mark.parametrize("code", ["", "eur", "EURO", "E1R"])
def test_what_is_no_currency_is_refused_by_name(code: str) -> None:
    with pytest.raises(Rejected, match="currency"):
        exponent(code)


def test_case_18_three_refunds_of_a_discounted_line_add_up_with_their_vat() -> None:
    value = line_value(qty=3, unit_price=2999, discount=1000, tax=1388, tax_included=True)
    refunds = [refund_units(value, n, 1) for n in range(3)]
    assert [r.gross for r in refunds] == [2666, 2665, 2666]
    assert [r.tax for r in refunds] == [463, 462, 463]


def test_case_19_tax_comes_on_top_where_it_is_not_included() -> None:
    value = line_value(qty=2, unit_price=10000, discount=2000, tax=1800, tax_included=False)
    assert refund_units(value, 0, 1).gross == 9900


def test_more_units_than_were_bought_never_go_back() -> None:
    with pytest.raises(Rejected, match="qty"):
        refund_units(LineValue(2, 200, 0), 1, 2)


def test_case_22_a_refund_goes_to_the_original_payments_and_never_above_them() -> None:
    captured = [("card", 5000), ("gift", 3000)]
    assert to_refund(6000, captured, {}) == [("card", 5000), ("gift", 1000)]
    assert to_refund(1500, captured, {"card": 5000, "gift": 1000}) == [("gift", 1500)]
    with pytest.raises(Rejected, match="captured"):
        to_refund(2001, captured, {"card": 5000, "gift": 1000})


@given(
    value=st.builds(LineValue, st.integers(1, 50), st.integers(0, 10**9), st.integers(0, 10**8)),
    cuts=st.lists(st.integers(0, 50), max_size=8),
)
def test_any_sequence_of_refunds_adds_up_to_exactly_what_was_paid(value: LineValue, cuts: list[int]) -> None:
    points = sorted({0, value.qty, *(c % (value.qty + 1) for c in cuts)})
    refunds = [refund_units(value, a, b - a) for a, b in itertools.pairwise(points)]
    assert sum(r.gross for r in refunds) == value.gross
    assert sum(r.tax for r in refunds) == value.tax
    assert all(r.gross >= 0 and r.tax >= 0 for r in refunds)


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_a_spread_adds_up_and_is_nowhere_off_by_a_unit(total: int, weights: list[int]) -> None:
    parts = spread(total, weights)
    assert sum(parts) == total
    if sum(weights):
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - total * weight / sum(weights)) <= 1.0 + 1e-6


@given(st.integers(0, 10**9), st.integers(1, 1000))
def test_running_shares_begin_at_nothing_and_end_at_all(total: int, parts: int) -> None:
    assert running_share(total, 0, parts) == 0
    assert running_share(total, parts, parts) == total
