"""One movement of money told in several ways counts once; a refund that fails gives nothing back; another currency is not counted as our own."""

from __future__ import annotations

from itertools import permutations

import msgspec
import pytest

from domain.errors import Rejected
from domain.order.captures import captured
from domain.order.ledger import ledger
from domain.order.state.order import Line, OrderState, Shipment
from domain.records import commands as c
from domain.records.effects import Credit
from domain.records.values import LineQty, RefundLine, RefundTransaction
from tests.domain.order.returns.test_laws import FREE, KEY, NOW, Desk, header


@pytest.fixture
def desk():
    """Two units of 10.00, delivered; paid by card (15.00) and voucher (5.00)."""
    payments = [("card", "pay", 1500), ("voucher", "gift", 500)]
    h = header(included=True, shipping=0, discount=0, total=2000, payments=payments)
    line = Line("L0", "S0", unit_price=1000, wanted=2, ordered=2, shipped=2, delivered=2)
    parcel = Shipment("s1", "main/a/1", [LineQty("L0", "S0", 2)], "", "T", "", NOW, delivered_at=NOW)
    return Desk(OrderState(KEY, header=h, lines=[line], shipments=[parcel]), FREE)


def refund(desk, number="9", *parts, lines=(), amount=None, currency="EUR"):
    told = [RefundTransaction(*part) for part in parts]
    paid = sum(t.amount for t in told if t.status == "success") if amount is None else amount
    said = {"refund_id": number, "amount": paid, "currency": currency, "lines": list(lines), "transactions": told}
    desk.send(c.RefundReported(**desk.fact("RefundReported", **said)))


def transaction(desk, number, amount, *, kind="refund", status="success", currency="EUR"):
    payment = "card"
    said = {"transaction_id": number, "kind": kind, "status": status, "amount": amount, "currency": currency}
    desk.send(c.PaymentChanged(**desk.fact("PaymentChanged", **said, payment_id=payment)))


def back_with(desk, n):
    desk.inspect(desk.request({"L0": n}), {("L0", "RESTOCK"): n}, receipt=f"{desk.n}")
    return [e.amount for e in desk.effects if isinstance(e, Credit)]


def answered(desk, ok=True):
    credit = [e for e in desk.effects if isinstance(e, Credit)][-1]
    f = {**desk.head("EffectOutcome"), "order_key": KEY, "effect_id": credit.event_id}
    said = {"kind": "Credit", "target": "x", "ok": ok, "attempts": 1, "error": "" if ok else "no", "allocation_id": ""}
    desk.send(c.EffectOutcome(**f, **said, reference="gid://shopify/Refund/77" if ok else ""))


@pytest.mark.parametrize("order", list(permutations(["pending", "success", "alone"])))
def test_a_refund_told_pending_done_and_as_a_transaction_alone_counts_once_in_any_order(desk, order):
    for how in order:
        if how == "alone":
            transaction(desk, "t9", 300)
        else:
            refund(desk, "9", ("t9", "card", how, 300))
    book = ledger(desk.state)
    assert (book.back, book.refunded["card"], book.left) == (300, 300, 1700)


def test_money_that_is_on_its_way_back_is_gone_and_comes_again_when_its_transfer_fails(desk):
    refund(desk, "9", ("t9", "voucher", "pending", 500))
    assert (ledger(desk.state).left, ledger(desk.state).refunded["voucher"]) == (1500, 500)
    refund(desk, "9", ("t9", "voucher", "failure", 500))
    assert ledger(desk.state).left == 2000
    refund(desk, "9", ("t9", "voucher", "pending", 500))
    assert ledger(desk.state).left == 2000, "a late word of its beginning changes nothing"


def test_units_that_a_failed_refund_was_for_are_due_again(desk):
    lines = [RefundLine("L0", "S0", 1, 1000, 0, "return")]
    refund(desk, "9", ("t9", "card", "pending", 1000), lines=lines)
    assert back_with(desk, 1) == []
    assert desk.state.book.rmas[0].ended == "CLOSED"
    refund(desk, "9", ("t9", "card", "failure", 1000), lines=lines)
    assert [e.amount for e in desk.effects if isinstance(e, Credit)] == [1000]


def test_each_part_of_a_refund_goes_to_the_payment_that_it_names(desk):
    refund(desk, "9", ("t1", "card", "success", 400), ("t2", "voucher", "success", 500))
    assert ledger(desk.state).refunded == {"card": 400, "voucher": 500}
    assert back_with(desk, 1) == [1000]
    assert [(p.payment_id, p.amount) for e in desk.effects if isinstance(e, Credit) for p in e.payments] == [
        ("card", 1000)
    ]


def test_the_echo_of_our_credit_is_known_by_its_number_in_any_spelling_and_alone_by_its_amount(desk):
    back_with(desk, 1)
    transaction(desk, "t77", 1000)
    assert ledger(desk.state).left == 1000
    answered(desk)
    refund(desk, "77", ("t77", "card", "success", 1000), lines=[RefundLine("L0", "S0", 1, 1000, 0, "no_restock")])
    assert ledger(desk.state).left == 1000


def test_a_refund_of_the_same_amount_that_came_before_a_credit_is_not_its_echo(desk):
    refund(desk, "5", ("t5", "card", "success", 1000))
    back_with(desk, 1)
    assert ledger(desk.state).left == 0


def test_what_is_refunded_in_another_currency_leaves_unknown_what_is_left_and_a_person_sees_to_it(desk):
    refund(desk, "9", ("t9", "card", "success", 790), currency="GBP")
    told = next(e for e in desk.events if e.type == "REFUNDED")
    assert (told.amount, told.currency) == (790, "GBP")
    assert back_with(desk, 2) == []
    (credit,) = desk.state.book.rmas[0].credits
    assert (credit.status, credit.error) == ("MANUAL", "refund 9 is in GBP: what is left is not known")
    with pytest.raises(Rejected, match="in GBP"):
        ledger(desk.state).payments(1)


def test_an_order_that_its_channel_calls_refunded_gives_nothing_back_though_no_refund_was_told(desk):
    desk.state.header = msgspec.structs.replace(desk.state.header, payment_state="refunded")
    assert ledger(desk.state).left == 0
    assert back_with(desk, 1) == []
    assert desk.state.book.rmas[0].credits[0].status == "MANUAL"


@pytest.mark.parametrize(
    ("shown", "told", "sums"),
    [
        ([("order", "", 500)], [("a", 900)], {"a": 900}),
        ([("order", "", 900)], [("a", 500)], {"order": 900}),
        ([("a", "", 500)], [("a", 900), ("b", 100)], {"a": 900, "b": 100}),
        ([("a", "", 500)], [("b", 100)], {"a": 500, "b": 100}),
        ([], [("a", 100), ("b", 200)], {"a": 100, "b": 200}),
    ],
)
def test_payments_that_an_order_shows_and_transactions_that_are_told_are_the_same_money(desk, shown, told, sums):
    desk.state.header = msgspec.structs.replace(desk.state.header, payments=shown)
    for number, amount in told:
        transaction(desk, number, amount, kind="sale")
    transaction(desk, "yen", 100_000, kind="sale", currency="JPY")
    transaction(desk, "no", 700, kind="sale", status="failure")
    assert {k: n for k, _, n in captured(desk.state)} == sums


def test_a_payment_in_another_currency_says_nothing_of_whether_the_order_is_paid(desk):
    state = msgspec.structs.replace(desk.state.header, payment_state="pending", payments=[])
    desk.state.header = state
    transaction(desk, "t1", 500_000, kind="sale", currency="JPY")
    assert desk.state.found == {"AWAITING_PAYMENT": "payment is pending"}
    transaction(desk, "t2", 2000, kind="sale")
    assert desk.state.found == {}


def test_a_credit_that_was_refused_twice_with_the_same_words_is_for_a_person_again(desk):
    back_with(desk, 1)
    answered(desk, ok=False)
    desk.resolve(desk.state.book.rmas[0].id, "retry")
    answered(desk, ok=False)
    assert desk.state.book.rmas[0].credits[0].status == "MANUAL"


def test_a_part_that_is_more_than_the_credit_or_meant_for_several_is_refused(desk):
    back_with(desk, 1)
    answered(desk, ok=False)
    with pytest.raises(Rejected, match="no part of one credit"):
        desk.resolve(desk.state.book.rmas[0].id, "retry", amount=1001)


@pytest.mark.parametrize("off", [-2, -1, 1, 2])
def test_a_total_that_its_channel_rounded_otherwise_than_its_lines_goes_back_to_the_cent(desk, off):
    """WooCommerce and others: 10 lines rounded one by one come to 179.26, the customer paid 179.25."""
    payments = [("card", "pay", 2000 + off)]
    desk.state.header = msgspec.structs.replace(desk.state.header, total=2000 + off, payments=payments)
    back_with(desk, 1)
    answered(desk)
    back_with(desk, 1)
    assert sum(e.amount for e in desk.effects if isinstance(e, Credit)) == 2000 + off
    assert desk.state.book.rmas[1].credits[0].status == "PENDING"
