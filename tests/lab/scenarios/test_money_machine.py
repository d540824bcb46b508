"""A family of orders and all who speak of its money, in any order: no payment gives back more than it took, nothing goes back twice, nothing is kept in silence.

The shop here is a provider with a ledger of its own: it refuses what a payment has not left, makes refunds at our word and by itself, and tells of
each one when it likes: as a refund object that is pending first, as a transaction alone, or late, after everything else. ``WHARF_EXAMPLES`` makes it larger.
"""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.order.ledger import ledger
from domain.order.state.order import OrderState
from domain.order.state.rma_status import rma_status
from domain.records import commands as c
from domain.records.effects import ChannelCancel, Credit, Effect
from domain.records.values import RefundLine, RefundTransaction
from lab.scenarios.form import Cancel, LineForm, OrderForm, Payment, Step
from lab.scenarios.form_returns import ExchangeForm, Inspect, RequestReturn, Resolve
from lab.scenarios.laws import broken
from lab.scenarios.load import read
from lab.scenarios.world import World

FILE = """\
scenario: a family
starts: "2026-11-02 10:00"
rules:
  depots: [{{id: A, country: NL}}]
  returns: {{undelivered: allow, shipping: {shipping}, claims_up_to: 100000, exchange: {{ship: {ship}, out_of_stock: {stock}}}}}
stock: {{A: {{X: {x}, Y: 20, NEW: 40}}}}
warehouses: {{A: {{ships_after: 1h, delivers_after: 2h, cancels: accept}}}}
steps: [{{at: "+1m", expect: {{rejected: []}}}}]
"""
ROOT = "shopify:shop:1"


@cache
def case(shipping: str, ship: str, stock: str, x: int) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "family.yaml"
        file.write_text(FILE.format(shipping=shipping, ship=ship, stock=stock, x=x))
        return read(file)


class Shop:
    """The channel's provider: ``left`` by payment, ``made`` refunds (id → object as it would be told), what it paid at our word by effect."""

    def __init__(self, world: World, left: dict[str, int]) -> None:
        self.world, self.left, self.captured = world, dict(left), dict(left)
        self.pays, self.n = True, 0
        self.ours: dict[str, int] = {}
        self.untold: list[tuple[str, int, list[RefundLine], str]] = []
        self.refused: list[str] = []
        outside = world._outside
        plain = outside._outcome

        def outcome(effect: Effect, now: int, *, ok: bool) -> c.EffectOutcome:
            reference = ""
            if isinstance(effect, Credit | ChannelCancel):
                ok, reference = self.pay(effect)
            made = plain(effect, now, ok=ok)
            return c.EffectOutcome(
                **{**{f: getattr(made, f) for f in made.__struct_fields__}, "reference": reference or made.reference}
            )

        outside._outcome = outcome  # type: ignore[method-assign, assignment]

    def pay(self, effect: Credit | ChannelCancel) -> tuple[bool, str]:
        if effect.event_id in self.ours:
            return True, f"gid://shopify/Refund/{self.ours[effect.event_id]}"
        assert effect.channel_order_id == "1", f"the channel knows no order {effect.channel_order_id}"
        lines = effect.lines if isinstance(effect, Credit) else effect.values
        assert {line.line_id for line in lines} <= {"X", "Y", ""}, "the channel has no such line"
        assert sum(part.amount for part in effect.payments) == effect.amount
        for part in effect.payments:
            assert part.amount <= self.left.get(part.payment_id, 0), f"{part} of {self.left}: more than it has left"
        if not self.pays:
            return False, ""
        for part in effect.payments:
            self.left[part.payment_id] -= part.amount
        number = self.number()
        self.ours[effect.event_id] = number
        restock = "cancel" if isinstance(effect, ChannelCancel) else "no_restock"
        told = [RefundLine(line.line_id, "", line.qty, line.amount, line.tax, restock) for line in lines if line.qty]
        first = effect.payments[0].payment_id if effect.payments else ""
        self.untold.append((str(number), effect.amount, told, first))
        return True, f"gid://shopify/Refund/{number}"

    def number(self) -> int:
        self.n += 1
        return 9000 + self.n

    def tell(self, refund_id: str, amount: int, lines: list[RefundLine], payment: str, status: str = "success") -> None:
        """One telling of a refund, by a webhook of its own."""
        self.n += 1
        parts = [RefundTransaction(f"t{refund_id}", payment, status, amount)] if amount else []
        paid = amount if status == "success" else 0
        marks = {"order_key": ROOT, "idempotency_key": f"refund/{refund_id}@{status}", "delivery_id": f"d{self.n}"}
        head = {
            **self.world.facts.head("RefundReported", self.world.now, "shopify:shop"),
            **marks,
            "content_hash": status,
        }
        self.world.send([("orders", c.RefundReported(**head, refund_id=refund_id, amount=paid, currency="EUR", lines=lines, transactions=parts))])  # fmt: skip

    def transaction(self, refund_id: str, amount: int, payment: str, status: str = "success") -> None:
        """The refund's transaction, told alone."""
        marks = {"order_key": ROOT, "idempotency_key": f"transaction/t{refund_id}@{status}", "delivery_id": ""}
        head = {
            **self.world.facts.head("PaymentChanged", self.world.now, "shopify:shop"),
            **marks,
            "content_hash": status,
        }
        said = {"transaction_id": f"t{refund_id}", "kind": "refund", "status": status, "amount": amount}
        self.world.send([("orders", c.PaymentChanged(**head, **said, currency="EUR", payment_id=payment))])


class Family(RuleBasedStateMachine):
    """One order, its exchanges and theirs; the channel, the customer and a person act in any order."""

    @initialize(
        shipping=st.sampled_from(["never", "whole_order", "share"]),
        ship=st.sampled_from(["inspected", "inspected", "approved"]),
        stock=st.sampled_from(["backorder", "credit"]),
        x=st.integers(1, 3),
        y=st.integers(0, 2),
        price=st.integers(1, 3000),
        freight=st.integers(0, 900),
        off=st.integers(0, 500),
        net=st.booleans(),
        cut=st.integers(0, 100),
        held_back=st.integers(0, 1),
    )
    def start(
        self,
        *,
        shipping: str,
        ship: str,
        stock: str,
        x: int,
        y: int,
        price: int,
        freight: int,
        off: int,
        net: bool,
        cut: int,
        held_back: int,
    ) -> None:
        self.world = World(case(shipping, ship, stock, max(0, x - held_back)))
        lines = [LineForm("X", x, price=price, tax=x * price // 6)]
        lines += [LineForm("Y", y, price=2 * price, tax=y * price // 3)] if y else []
        goods = sum(line.qty * line.price + (line.tax if net else 0) for line in lines)
        total = goods + freight - min(off, goods)
        first = total * cut // 100
        self.payments = {k: n for k, n in (("P1", first), ("P2", total - first)) if n}
        self.total = total
        self.shop = Shop(self.world, self.payments)
        self.do(order=OrderForm(order="1", lines=lines, shipping=freight, discount=min(off, goods), tax_included=not net, payments=self.payments))  # fmt: skip
        self.exchanges, self.receipt, self.kept = 0, 0, 0
        self.wait(1)

    # -- the customer ----------------------------------------------------------------------------------------------------
    @rule(data=st.data(), n=st.integers(1, 2), back=st.booleans())
    def asks_for_a_return(self, data: Any, n: int, back: bool) -> None:
        order, line = self.shipped(data)
        if order:
            self.do(request_return=RequestReturn(order=order, lines={line: n}))
            if back:
                self.inspect(order, line, n)

    @rule(data=st.data(), n=st.integers(1, 2), goods=st.integers(1, 2), price=st.integers(0, 4000), sku=st.sampled_from(["NEW", "NEW", "GONE"]), back=st.booleans())  # fmt: skip
    def asks_for_an_exchange(self, *, data: Any, n: int, goods: int, price: int, sku: str, back: bool) -> None:
        order, line = self.shipped(data)
        if order and self.exchanges < 5:
            self.exchanges += 1
            self.do(request_return=RequestReturn(order=order, lines={line: n}, kind="exchange", exchange=[ExchangeForm(sku, goods, price)]))  # fmt: skip
            if back:
                self.inspect(order, line, n)

    @rule(data=st.data(), amount=st.integers(1, 500))
    def claims(self, data: Any, amount: int) -> None:
        order, line = self.shipped(data)
        if order:
            self.do(request_return=RequestReturn(order=order, lines={line: 1}, kind="claim", amount=amount))

    @rule(data=st.data(), amount=st.integers(1, 900))
    def pays_for_an_exchange(self, data: Any, amount: int) -> None:
        mine = [k for k in self.world.fold.states if "~x" in k]
        if mine:
            key, payment = data.draw(st.sampled_from(mine)), f"P{self.shop.number()}"
            self.shop.left[payment] = self.shop.captured[payment] = amount
            self.do(payment=Payment(order=key, kind="sale", amount=amount, id=payment))

    # -- the warehouse and a person -----------------------------------------------------------------------------------------
    @rule(data=st.data())
    def goods_arrive(self, data: Any) -> None:
        coming = [(k, r, u) for k, s in self.states() for r in (s.book.rmas if s.book else []) if r.live and r.kind != "claim" for u in r.lines if u.coming]  # fmt: skip
        if coming:
            key, rma, unit = data.draw(st.sampled_from(coming))
            self.inspect(key, unit.line_id, data.draw(st.integers(1, unit.coming)), int(rma.id.rpartition("r")[2]))

    @rule(data=st.data(), n=st.integers(0, 2))
    def cancels_a_part(self, data: Any, n: int) -> None:
        key = data.draw(st.sampled_from([k for k, _ in self.states()]))
        line = data.draw(st.sampled_from(self.state(key).lines)).line_id
        self.wait_ms(1000)
        self.do(cancel=Cancel(order=key, lines={line: n} if n else {}, confirm=True))

    @rule(data=st.data(), action=st.sampled_from(["retry", "refuse", "refunded", "credit"]))
    def a_person_decides(self, data: Any, action: str) -> None:
        waiting = [(k, r) for k, s in self.states() for r in (s.book.rmas if s.book else []) if r.open_problems or any(x.status == "MANUAL" and not x.short for x in r.credits)]  # fmt: skip
        if not waiting:
            return
        key, rma = data.draw(st.sampled_from(waiting))
        manual = [x for x in rma.credits if x.status == "MANUAL" and not x.short]
        if bool(manual) != (action in ("retry", "refunded")) and action != "refuse":
            return
        if action == "refunded":
            self.by_hand(key, manual[0])
            return
        self.do(resolve=Resolve(order=key, rma=int(rma.id.rpartition("r")[2]), action=action, exception=manual[0].id if manual else ""))  # fmt: skip

    def by_hand(self, key: str, credit: Any) -> None:
        """He refunds it in the shop's admin, and says so here by other words than the refund's number."""
        if all(n <= self.shop.left.get(k, 0) for k, n in credit.payments):
            for k, n in credit.payments:
                self.shop.left[k] -= n
            self.shop.untold.append(
                (str(self.shop.number()), credit.amount, [], credit.payments[0][0] if credit.payments else "")
            )
            self.do(resolve=Resolve(order=key, rma=self.number_of(key, credit), action="refunded", exception=credit.id, reference="by Eve"))  # fmt: skip

    def number_of(self, key: str, credit: Any) -> int:
        rmas = self.state(key).book.rmas  # type: ignore[union-attr]
        return next(i for i, rma in enumerate(rmas, 1) if any(x.id == credit.id for x in rma.credits))

    @rule(pays=st.booleans())
    def the_provider_has_a_day(self, pays: bool) -> None:
        self.shop.pays = pays

    # -- the channel -------------------------------------------------------------------------------------------------------
    @rule(data=st.data(), how=st.sampled_from(["object", "pending", "transaction"]))
    def tells_of_a_refund(self, data: Any, how: str) -> None:
        if self.shop.untold:
            told = data.draw(st.sampled_from(self.shop.untold))
            self.shop.untold.remove(told)
            self.say(told, how)

    def say(self, told: tuple[str, int, list[RefundLine], str], how: str) -> None:
        refund_id, amount, lines, payment = told
        if how == "transaction" and amount:
            self.shop.transaction(refund_id, amount, payment)
            self.wait_ms(1000)
        if how == "pending":
            self.shop.tell(refund_id, amount, lines, payment, "pending")
            self.wait_ms(1000)
        self.shop.tell(refund_id, amount, lines, payment)

    @rule(data=st.data(), amount=st.integers(1, 800), unit=st.booleans(), fails=st.booleans(), how=st.sampled_from(["object", "pending", "transaction"]))  # fmt: skip
    def refunds_by_itself(self, data: Any, amount: int, unit: bool, fails: bool, how: str) -> None:
        """Told before our next decision: what it paid and does not tell nobody can know."""
        payments = [k for k, n in self.shop.left.items() if n and k in self.payments]
        if not payments:
            return
        payment = data.draw(st.sampled_from(payments))
        amount = min(amount, self.shop.left[payment])
        line = data.draw(st.sampled_from(self.state(ROOT).lines)).line_id
        lines = [RefundLine(line, "", 1, amount, 0, "return")] if unit else []
        refund_id = str(self.shop.number())
        if fails:
            self.shop.tell(refund_id, amount, lines, payment, "pending")
            self.wait_ms(1000)
            self.shop.tell(refund_id, amount, lines, payment, "failure")
            return
        self.shop.left[payment] -= amount
        if unit:  # what the merchant kept of a unit that he refunded himself is his own word
            value = ledger(self.state(ROOT)).value[line]
            self.kept += -(-value.gross // max(1, value.qty))
        self.say((refund_id, amount, lines, payment), how)

    @rule(data=st.data(), freight=st.integers(0, 300))
    def cancels_and_refunds_a_unit_by_itself(self, data: Any, freight: int) -> None:
        """Staff take a unit that waits off the order; some of the shipping goes back with it, or none."""
        waits = [line for line in self.state(ROOT).lines if line.backordered]
        if not waits:
            return
        line, book = data.draw(st.sampled_from(waits)), ledger(self.state(ROOT))
        _, share = book.units_of(line.line_id, 1)
        amount = share.gross + min(freight, max(0, book.shipping - book.shipping_back))
        payment = next((k for k in self.payments if self.shop.left[k] >= amount > 0), "")
        if payment and amount <= book.left:
            net = share.gross if self.state(ROOT).header.tax_included else share.gross - share.tax  # type: ignore[union-attr]
            self.shop.left[payment] -= amount
            lines = [RefundLine(line.line_id, "", 1, net, share.tax, "cancel")]
            self.say((str(self.shop.number()), amount, lines, payment), "object")

    @rule(hours=st.sampled_from([1, 5, 30]))
    def time_passes(self, hours: int) -> None:
        self.wait(hours)

    # -- helpers -----------------------------------------------------------------------------------------------------------
    def do(self, **step: Any) -> None:
        self.world.do(0, Step(**step))

    def wait(self, hours: int) -> None:
        self.world.go_to(self.world.now + hours * 3_600_000)

    def wait_ms(self, ms: int) -> None:
        self.world.go_to(self.world.now + ms)

    def state(self, key: str) -> OrderState:
        found = self.world.state(key)
        assert found is not None
        return found

    def states(self) -> list[tuple[str, OrderState]]:
        return [(k, s) for k in self.world.fold.states if (s := self.state(k)).header is not None]

    def shipped(self, data: Any) -> tuple[str, str]:
        mine = [(k, line.line_id) for k, s in self.states() for line in s.lines if line.shipped]
        self.wait_ms(1000)
        return data.draw(st.sampled_from(mine)) if mine else ("", "")

    def inspect(self, key: str, line: str, n: int, rma: int = 0) -> None:
        self.receipt += 1
        rmas = self.state(key).book.rmas  # type: ignore[union-attr]
        number = rma or len(rmas)
        if rmas[number - 1].live:
            self.do(inspect=Inspect(order=key, rma=number, depot="A", receipt=f"{self.receipt}", lines={line: {"RESTOCK": n}}))  # fmt: skip

    # -- laws --------------------------------------------------------------------------------------------------------------
    @invariant()
    def each_payment_is_in_one_place(self) -> None:
        """What is left of a payment at the provider is what the accounts of the family hold of it, or keep for a credit on its way."""
        if not hasattr(self, "world"):
            return
        assert list(broken(self.world.fold)) == []
        assert [str(e) for e in self.world.fold.made.rejected] == []
        if self.shop.untold:
            return
        held: dict[str, int] = dict.fromkeys(self.shop.left, 0)
        for _, s in self.states():
            book = ledger(s)
            for k, _, n in book.captured:
                held[k] += n - book.refunded.get(k, 0)
        waits = [(k, n) for _, s in self.states() for r in (s.book.rmas if s.book else []) for x in r.credits if x.status == "MANUAL" and x.counts for k, n in x.payments]  # fmt: skip
        for k, n in waits:
            held[k] += n
        assert held == self.shop.left, f"{held} in the accounts, {self.shop.left} at the provider"

    @invariant()
    def nothing_is_closed_with_money_kept(self) -> None:
        for _, s in self.states() if hasattr(self, "world") else ():
            for r in s.book.rmas if s.book else []:
                if r.ended == "CLOSED":
                    assert not any(x.due for x in r.lines) or r.kind == "claim"
                    assert all(x.status in ("PAID", "REFUSED") for x in r.credits), rma_status(r)

    def all_goes_back(self) -> None:
        """In the end all units come back that are out, and what was refused is tried again: then nothing is kept but by a rule or a person's word."""
        for _ in range(8):
            self.wait(30)
            for key, s in self.states():
                for line in s.lines:
                    if (n := line.shipped - line.returned) > 0:
                        self.do(request_return=RequestReturn(order=key, lines={line.line_id: n}))
            for key, s in self.states():
                for i, r in enumerate(s.book.rmas if s.book else [], 1):
                    for unit in r.lines if r.live and r.kind != "claim" else []:
                        if unit.coming:
                            self.inspect(key, unit.line_id, unit.coming, i)
                    for x in [x for x in r.credits if x.status == "MANUAL" and not x.short]:
                        self.wait_ms(1000)
                        book = ledger(self.state(key))
                        n = min(x.amount, book.cap - book.back + x.amount)
                        if n > 0:  # of what the merchant refunded meanwhile a part may be left only
                            self.do(resolve=Resolve(order=key, rma=i, action="retry", exception=x.id, amount=n))
            self.each_payment_is_in_one_place()
        states = [s for _, s in self.states()]
        rmas = [r for s in states for r in (s.book.rmas if s.book else [])]
        out = any(line.ordered > line.cancelled + line.received for s in states for line in s.lines)
        waits = any(r.open_problems or any(x.status == "MANUAL" for x in r.credits) for r in rmas)
        if out or waits or any(x.failed for s in states for x in s.paid_back.values()):
            return
        if not any(r.credits for r in rmas):
            return  # the merchant did all of it himself
        refused = sum(x.amount for r in rmas for x in r.credits if x.status == "REFUSED")
        by_hand = sum(
            n for k, n in self.shop.captured.items() if k not in self.payments
        )  # may be more than an exchange costs
        freight = ledger(self.state(ROOT)).shipping if self.world.case.rules.returns.shipping == "never" else 0
        assert sum(self.shop.left.values()) <= refused + by_hand + freight + self.kept, self.shop.left

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.shop.pays = True
        for told in self.shop.untold[:]:
            self.shop.untold.remove(told)
            self.say(told, "object")
        self.each_payment_is_in_one_place()
        self.all_goes_back()
        assert self.world.fold.differs(self.world.fold.again()) == []


TestFamily = Family.TestCase
TestFamily.settings = settings(
    max_examples=int(os.environ.get("WHARF_EXAMPLES", "25")),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
