"""What cancelled units pay back, beside credits and the channel's own refunds: together exactly what was paid, never more."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.order.aggregate import handle
from domain.order.ledger import ledger
from domain.order.state.order import Header, Line, OrderState, Shipment
from domain.order.state.reported import StoredAddress
from domain.records import commands as c
from domain.records.effects import ChannelCancel, Credit
from domain.records.values import InspectedLine, LineQty, RefundLine, ReturnLine
from domain.rules.returns import Returns
from domain.rules.ruleset import Depot, RuleSet

KEY, NOW = "shopify:acme:1001", 1_795_000_000_000
RULES = RuleSet("v1", depots=[Depot("A", "NL")], returns=Returns(shipping="never"))


def header(*, included: bool, discount: int, total: int, payments: list[tuple[str, str, int]]) -> Header:
    return Header(
        *(1, "h", "#1", NOW, "EUR", "paid", "cust", "", "", "", StoredAddress(country="NL"), "", "standard", "", None),
        total=total, shipping_total=0, shipping_tax=0, tax_included=included, tags=[], payments=payments,
        problems=[], risk="", test=False, fulfilled_by="merchant", cancelled_at=None, cancel_reason="", discount=discount,
    )  # fmt: skip


@st.composite
def orders(draw: st.DrawFn) -> tuple[OrderState, int]:
    """An order of which some units have shipped, and what its goods cost; paid by one to three payments."""
    lines = []
    for i in range(draw(st.integers(1, 3))):
        n, price = draw(st.integers(1, 4)), draw(st.integers(0, 5000))
        off = draw(st.integers(0, n * price))
        tax = draw(st.integers(0, (n * price - off) // 5))
        k = draw(st.integers(0, n))
        line = Line(f"L{i}", f"S{i}", unit_price=price, discount=off, tax=tax, wanted=n, ordered=n, open=n - k)
        line.shipped = line.delivered = k
        lines.append(line)
    included = draw(st.booleans())
    goods = sum(x.wanted * x.unit_price - x.discount + (0 if included else x.tax) for x in lines)
    discount = draw(st.integers(0, goods))
    total = goods - discount
    cuts = sorted(draw(st.lists(st.integers(0, total), max_size=2)))
    parts = [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]
    h = header(included=included, discount=discount, total=total, payments=[(f"P{i}", "card", n) for i, n in enumerate(parts)])  # fmt: skip
    parcel = Shipment("s1", "m", [LineQty(x.line_id, x.sku, x.shipped) for x in lines if x.shipped], "", "T", "", NOW)
    parcel.delivered_at = NOW
    shipped = any(x.shipped for x in lines)
    return OrderState(KEY, header=h, lines=lines, shipments=[parcel] if shipped else []), total


class Desk:
    """An order, and what it has paid."""

    def __init__(self, state: OrderState) -> None:
        self.state, self.n = state, 0
        self.cancels: list[ChannelCancel] = []
        self.credits: list[Credit] = []
        self.echoes: list[ChannelCancel] = []

    def send(self, command: c.OrderCommand) -> list[ChannelCancel]:
        result = handle(self.state, command, RULES)
        self.state = result.state
        made = [e for e in result.effects if isinstance(e, ChannelCancel)]
        self.cancels += made
        self.credits += [e for e in result.effects if isinstance(e, Credit)]
        return made

    def head(self, kind: str) -> dict[str, object]:
        self.n += 1
        return {"event_id": f"e{self.n}", "type": kind, "time": NOW + self.n, "source": "t", "trace": "t"}

    def fact(self, kind: str) -> dict[str, object]:
        digest = hashlib.sha256(f"{kind}{self.n}".encode()).hexdigest()[:16]
        told = {"order_key": KEY, "idempotency_key": f"{kind}/{self.n}", "delivery_id": "", "content_hash": digest}
        return {**self.head(kind), **told}

    def cancel(self, line: Line, n: int, *, confirm: bool = True) -> list[ChannelCancel]:
        said = {"version": NOW, "reason": "customer", "lines": [LineQty(line.line_id, line.sku, n)], "confirm": confirm}
        return self.send(c.OrderCancelled(**self.fact("OrderCancelled"), **said))  # type: ignore[arg-type]

    def outcome(self, e: ChannelCancel, *, ok: bool = True, reference: str | None = None) -> None:
        given = f"ref-{e.event_id}" if reference is None else reference
        said = {"kind": "ChannelCancel", "target": "x", "ok": ok, "attempts": 1, "reference": given if ok else ""}
        head = {**self.head("EffectOutcome"), "order_key": KEY, "effect_id": e.event_id}
        self.send(c.EffectOutcome(**head, **said, error="", allocation_id=""))  # type: ignore[arg-type]

    def echo(self, e: ChannelCancel) -> None:
        """The channel tells of the refund it made at our word."""
        taxes = self.state.header.tax_included  # type: ignore[union-attr]
        lines = [
            RefundLine(v.line_id, v.sku, v.qty, v.amount if taxes else v.amount - v.tax, v.tax, restock="cancel")
            for v in e.values
        ]
        said = {"refund_id": f"ref-{e.event_id}", "amount": e.amount, "currency": "EUR", "lines": lines}
        self.send(c.RefundReported(**self.fact("RefundReported"), **said))  # type: ignore[arg-type]

    def give_back(self) -> None:
        """All that shipped comes back and is as new."""
        units = {x.line_id: x.shipped for x in self.state.lines if x.shipped}
        if not units:
            return
        said = {"kind": "return", "via": "api", "return_id": "", "exchange": [], "label_payer": "", "actor": ""}
        lines = [ReturnLine(k, "", n, "changed_mind") for k, n in units.items()]
        self.send(c.ReturnRequested(**self.fact("ReturnRequested"), **said, lines=lines))  # type: ignore[arg-type]
        rma = self.state.book.rmas[-1].id  # type: ignore[union-attr]
        found = [InspectedLine(k, "", n, "RESTOCK") for k, n in units.items()]
        head = {**self.head("ReturnInspected"), "order_key": KEY, "idempotency_key": "", "wms": "w", "depot": "A"}
        told = {"receipt_id": "1", "rma_id": rma, "tracking_number": "", "occurred_at": NOW}
        self.send(c.ReturnInspected(**head, **told, lines=found))  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None)
@given(orders(), st.data())
def test_what_is_cancelled_in_parts_and_what_is_returned_come_to_exactly_what_was_paid(order, data):
    state, total = order
    desk, late = Desk(state), []
    while open_ := [x for x in desk.state.lines if x.open + x.requested]:
        line = data.draw(st.sampled_from(open_))
        n = data.draw(st.integers(1, line.open + line.requested))
        for e in desk.cancel(line, line.cancelled + n - sum(_told(desk, line))):
            # The channel's answer and its webhook race each other; either may be very late.
            steps = data.draw(st.permutations([lambda e=e: desk.outcome(e), lambda e=e: desk.echo(e)]))
            for step in steps:
                late.append(step) if data.draw(st.booleans()) else step()
    desk.give_back()
    for step in late:
        step()
    back = sum(e.amount for e in desk.cancels) + sum(e.amount for e in desk.credits)
    assert back == total
    by_payment: dict[str, int] = {}
    for e in [*desk.cancels, *desk.credits]:
        for p in e.payments:
            by_payment[p.payment_id] = by_payment.get(p.payment_id, 0) + p.amount
    assert by_payment == {k: n for k, _, n in desk.state.header.payments if n}
    assert ledger(desk.state).left == 0


def _told(desk: Desk, line: Line) -> list[int]:
    return [n for x in desk.state.cancels.values() for k, n in x.lines.items() if k == line.line_id]


def placed(qty: int = 3, *, paid: str = "paid") -> Desk:
    h = header(included=True, discount=0, total=qty * 1000, payments=[("P", "card", qty * 1000)])
    h = msgspec.structs.replace(h, payment_state=paid, payments=h.payments if paid == "paid" else [])
    return Desk(OrderState(KEY, header=h, lines=[Line("L", "S", unit_price=1000, wanted=qty, ordered=qty, open=qty)]))


def test_the_channels_own_cancellation_is_not_paid_by_us():
    desk = placed()
    assert desk.cancel(desk.state.lines[0], 1, confirm=False) == []
    assert desk.state.paid_back == {}


def test_what_could_not_be_told_is_not_counted_until_it_is_driven_again():
    desk = placed()
    (e,) = desk.cancel(desk.state.lines[0], 1)
    assert not e.complete
    assert ledger(desk.state).left == 2000
    desk.outcome(e, ok=False)
    assert ledger(desk.state).left == 3000
    desk.outcome(e)
    assert ledger(desk.state).left == 2000


def test_units_that_the_channel_had_cancelled_meanwhile_are_its_own_refund():
    desk = placed()
    (e,) = desk.cancel(desk.state.lines[0], 1)
    desk.outcome(e, reference="")
    assert (desk.state.paid_back, ledger(desk.state).left) == ({}, 3000)


@pytest.mark.parametrize("state", ["authorized", "pending"])
def test_nothing_goes_back_of_what_was_never_captured(state):
    (e,) = placed(paid=state).cancel(Line("L", "S"), 1)
    assert (e.amount, e.payments, [v.amount for v in e.values]) == (0, [], [1000])


def test_a_whole_cancellation_is_counted_once_though_the_channels_refund_has_an_id_of_its_own():
    desk = placed()
    (e,) = desk.cancel(desk.state.lines[0], 3)
    assert (e.amount, e.complete, ledger(desk.state).left) == (3000, True, 0)
    desk.outcome(e, reference="gid://shopify/Job/1")
    lines = [RefundLine("L", "S", 3, 3000, 0, "cancel")]
    said = {"refund_id": "r77", "amount": 3000, "currency": "EUR", "lines": lines}
    desk.send(c.RefundReported(**desk.fact("RefundReported"), **said))
    assert (ledger(desk.state).back, ledger(desk.state).left) == (3000, 0)


def test_what_was_paid_back_for_units_the_shop_takes_off_later_leaves_the_others_whole():
    """Where the channel holds the money, its total is all that is known of what was paid, and it sinks with the lines."""
    desk = placed(paid="paid")
    h = msgspec.structs.replace(desk.state.header, payments=[])
    desk.state = msgspec.structs.replace(desk.state, header=h)
    desk.cancel(desk.state.lines[0], 1)
    assert ledger(desk.state).left == 2000
    other = Line("M", "T", unit_price=500, wanted=1, ordered=1, open=1)
    for wanted, left in [(2, 1000), (1, 0), (0, 0)]:  # what a snapshot shows includes what was cancelled
        desk.state.lines[0].wanted = desk.state.lines[0].ordered = wanted
        total = wanted * 1000 + 500
        desk.state = msgspec.structs.replace(desk.state, lines=[desk.state.lines[0], other], header=msgspec.structs.replace(h, total=total))  # fmt: skip
        assert ledger(desk.state).left == left + 500


def test_payments_that_are_known_stay_the_bound_whatever_is_taken_off():
    desk = placed()
    desk.cancel(desk.state.lines[0], 1)
    desk.state.lines[0].wanted = desk.state.lines[0].ordered = 0
    assert (ledger(desk.state).cap, ledger(desk.state).left) == (3000, 2000)
