"""The laws of returns, whatever happens in whatever order: no more comes back than was paid, and all of it comes to exactly that."""

from __future__ import annotations

import hashlib

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.order.aggregate import handle
from domain.order.ledger import credits_of, ledger
from domain.order.refund_matching import foreign_refunds
from domain.order.state.order import Header, Line, OrderState, Shipment
from domain.order.state.reported import StoredAddress
from domain.records import commands as c
from domain.records.commands import StockReported
from domain.records.effects import Credit
from domain.records.values import ExchangeLine, InspectedLine, LineQty, RefundLine, ReturnLine
from domain.rules.returns import BGrade, ReturnFees, Returns
from domain.rules.ruleset import Depot, RuleSet

KEY, NOW = "shopify:acme:1001", 1_795_000_000_000
QTY = st.integers(1, 4)
MONEY = st.integers(0, 5000)


def header(*, included: bool, shipping: int, discount: int, total: int, payments: list[tuple[str, str, int]]) -> Header:
    return Header(
        *(1, "h", "#1", NOW, "EUR", "paid", "cust", "", "", "", StoredAddress(country="NL"), "", "standard", "", None),
        total=total,
        shipping_total=shipping,
        shipping_tax=shipping // 6,
        tax_included=included,
        tags=[],
        payments=payments,
        problems=[],
        risk="",
        test=False,
        fulfilled_by="merchant",
        cancelled_at=None,
        cancel_reason="",
        discount=discount,
    )


@st.composite
def shipped_orders(draw):
    """An order of one to three lines, all shipped and delivered, paid by one to three payments."""
    lines = []
    for i in range(draw(st.integers(1, 3))):
        n, price = draw(QTY), draw(MONEY)
        off = draw(st.integers(0, n * price))
        tax = draw(st.integers(0, (n * price - off) // 5))
        x = Line(f"L{i}", f"S{i}", unit_price=price, discount=off, tax=tax, wanted=n, ordered=n, shipped=n, delivered=n)
        lines.append(x)
    included, shipping = draw(st.booleans()), draw(st.integers(0, 900))
    goods = sum(x.wanted * x.unit_price - x.discount + (0 if included else x.tax) for x in lines)
    discount = draw(st.integers(0, goods))
    total = goods - discount + shipping + (0 if included else shipping // 6)
    cuts = sorted(draw(st.lists(st.integers(0, total), max_size=2)))
    parts = [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]
    payments = [(f"P{i}", "card", n) for i, n in enumerate(parts)]
    h = header(included=included, shipping=shipping, discount=discount, total=total, payments=payments)
    parcel = Shipment(
        "s1", "main/a/1", [LineQty(x.line_id, x.sku, x.shipped) for x in lines], "", "T", "", NOW, delivered_at=NOW
    )
    return OrderState(KEY, header=h, lines=lines, shipments=[parcel])


class Desk:
    """An order and what came of it; every command is folded, its log kept."""

    def __init__(self, state, rules):
        self.first, self.state, self.rules, self.n = state, state, rules, 0
        self.log, self.effects, self.stock, self.events = [], [], [], []

    def send(self, command):
        result = handle(self.state, command, self.rules)
        self.state = result.state
        self.log.append(command)
        self.effects += result.effects
        self.events += result.events
        self.stock += [x for x in result.pool_commands if isinstance(x, StockReported)]
        return result

    def head(self, kind):
        self.n += 1
        return {"event_id": f"e{self.n}", "type": kind, "time": NOW + self.n, "source": "t", "trace": "t"}

    def fact(self, kind, /, **said):
        digest = hashlib.sha256(msgspec.msgpack.encode([kind, self.n])).hexdigest()[:16]
        return {
            **self.head(kind),
            "order_key": KEY,
            "idempotency_key": f"{kind}/{self.n}",
            "delivery_id": "",
            "content_hash": digest,
            **said,
        }

    def request(self, units, reason="", kind="return", exchange=(), amount=None):
        lines = [ReturnLine(k, "", n, reason) for k, n in units.items()]
        said = {
            "kind": kind,
            "via": "api",
            "return_id": "",
            "lines": lines,
            "exchange": list(exchange),
            "label_payer": "",
            "actor": "",
            "amount": amount,
        }
        self.send(c.ReturnRequested(**self.fact("ReturnRequested", **said)))
        return self.state.book.rmas[-1].id

    def inspect(self, rma, found, receipt="1"):
        lines = [InspectedLine(k, "", n, d) for (k, d), n in found.items()]
        f = {**self.head("ReturnInspected"), "order_key": KEY, "idempotency_key": "", "wms": "w", "depot": "A"}
        said = {"receipt_id": receipt, "rma_id": rma, "tracking_number": "", "occurred_at": NOW}
        return self.send(c.ReturnInspected(**f, **said, lines=lines))

    def resolve(self, rma, action, exception="", lines=(), amount=0):
        said = {
            "rma_id": rma,
            "exception_id": exception,
            "action": action,
            "to_order": "",
            "lines": list(lines),
            "reference": "",
            "reason": "",
            "actor": "eve",
            "amount": amount,
        }
        self.send(c.ReturnResolved(**self.fact("ReturnResolved", **said)))

    def answer(self, effect, ok):
        said = {
            "kind": "Credit",
            "target": "x",
            "ok": ok,
            "attempts": 1,
            "reference": f"ref-{effect.event_id}" if ok else "",
        }
        f = {**self.head("EffectOutcome"), "order_key": KEY, "effect_id": effect.event_id}
        self.send(c.EffectOutcome(**f, **said, error="" if ok else "503", allocation_id=""))

    @property
    def credits(self):
        return {e.event_id: e for e in self.effects if isinstance(e, Credit)}.values()


def paid(s):
    book = ledger(msgspec.structs.replace(s, book=None, refunds={}))
    return book.value, book.shipping, book.cap


def check(desk, foreign_sum=0, foreign_lines=None):
    """Nothing above what was paid: in all, by line and its tax, by payment; no unit that was not found; and each credit adds up."""
    value, shipping, cap = paid(desk.state)
    by_line, by_tax, by_payment, units = dict(foreign_lines or {}), {}, {}, {}
    for e in desk.credits:
        assert e.amount == sum(x.amount for x in e.lines) + e.shipping - sum(f.amount for f in e.fees)
        assert e.amount == sum(p.amount for p in e.payments) or not e.payments
        assert 0 <= e.tax <= e.amount
        for x in e.lines:
            if not x.line_id:
                continue  # the value that an exchange's goods stand for
            by_line[x.line_id] = by_line.get(x.line_id, 0) + x.amount
            units[x.line_id] = units.get(x.line_id, 0) + x.qty
            by_tax[x.line_id] = by_tax.get(x.line_id, 0) + x.tax
        for p in e.payments:
            by_payment[p.payment_id] = by_payment.get(p.payment_id, 0) + p.amount
    assert all(n <= max(value[k].gross, (foreign_lines or {}).get(k, 0)) for k, n in by_line.items())
    found = {}
    for r in desk.state.book.rmas if desk.state.book else []:
        for y in r.lines:
            came = y.qty - y.dropped if r.kind == "claim" else y.good + y.allowed
            found[y.line_id] = found.get(y.line_id, 0) + came
    assert all(n <= found[k] for k, n in units.items())
    assert all(n <= value[k].tax for k, n in by_tax.items())
    assert all(n <= {k: n for k, _, n in desk.state.header.payments}[k] for k, n in by_payment.items())
    assert sum(e.shipping for e in desk.credits) <= shipping
    # Credits all of whose value is in goods make no effect: the state has them.
    facts = credits_of(desk.state)
    goods = sum(x.goods for x in facts)
    assert goods >= 0
    for line_id, v in value.items():
        mine = sum(a for x in facts for k, _, a, _ in x.lines if k == line_id)
        assert mine + (foreign_lines or {}).get(line_id, 0) <= max(v.gross, (foreign_lines or {}).get(line_id, 0))
    assert sum(e.amount for e in desk.credits) + goods + foreign_sum <= max(cap, foreign_sum)


def foreign(state):
    """What the channel gave back by itself, in all and by line: what is no echo, and settles no credit that it had refused."""
    refunds = foreign_refunds(state).values()
    by_line = {}
    for x in (x for refund in refunds for x in refund.lines):
        by_line[x.line_id] = by_line.get(x.line_id, 0) + x.amount
    return sum(refund.gone for refund in refunds), by_line


RULES = RuleSet(
    depots=[Depot("A", "NL")],
    returns=Returns(undelivered="allow", fees=ReturnFees(10, 3, 0), b_grade=BGrade(credit_percent=70)),
)
FREE = RuleSet(depots=[Depot("A", "NL")], returns=Returns(undelivered="allow"))


@given(state=shipped_orders(), order=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
def test_all_units_returned_one_by_one_in_any_order_give_back_exactly_what_was_paid(state, order):
    one_by_one(state, order)


def one_by_one(state, order):
    desk = Desk(state, FREE)
    units = [x.line_id for x in state.lines for _ in range(x.wanted)]
    order.shuffle(units)
    for line_id in units:
        desk.inspect(desk.request({line_id: 1}), {(line_id, "RESTOCK"): 1}, receipt=str(desk.n))
        check(desk)
    assert sum(e.amount for e in desk.credits) == state.header.total
    tax = sum(x.tax for e in desk.credits for x in e.lines)
    assert tax <= sum(x.tax for x in state.lines)
    assert sum(x.qty for x in desk.stock) == len(units)


@given(state=shipped_orders(), order=st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
def test_with_fees_all_units_give_back_what_was_paid_less_the_fees(state, order):
    with_fees(state, order)


def with_fees(state, order):
    desk = Desk(state, RULES)
    units = [x.line_id for x in state.lines for _ in range(x.wanted)]
    order.shuffle(units)
    for line_id in units:
        d = order.choice(["RESTOCK", "B_GRADE", "WRITE_OFF"])
        desk.inspect(desk.request({line_id: 1}), {(line_id, d): 1}, receipt=str(desk.n))
        check(desk)
    fees = sum(f.amount for e in desk.credits for f in e.fees)
    # A unit whose fees eat all of its price makes no effect at all: what it gave and what was kept are the same.
    kept = sum(a for r in desk.state.book.rmas for x in r.credits if not x.sent for _, a, _ in x.fees)
    assert sum(e.amount for e in desk.credits) + fees + kept == state.header.total


class Returning(RuleBasedStateMachine):
    """Requests of all three kinds, decisions, inspections, failures, goods that don't go out, the channel's own refunds, and everything told again."""

    @initialize(state=shipped_orders(), fees=st.booleans())
    def begin(self, state, fees):
        self.desk = Desk(state, RULES if fees else FREE)

    def _line(self, data):
        return data.draw(st.sampled_from([x.line_id for x in self.desk.state.lines]))

    @rule(data=st.data(), n=QTY, reason=st.sampled_from(["", "defective", "too small"]))
    def ask(self, data, n, reason):
        self.desk.request({self._line(data): n}, reason)

    @rule(data=st.data(), n=QTY, amount=st.none() | MONEY.filter(bool))
    def claim(self, data, n, amount):
        rma = self.desk.request({self._line(data): n}, "damaged", "claim", amount=amount)
        said = {"rma_id": rma, "decision": "approve", "reason": "", "actor": "eve", "lines": []}
        self.desk.send(c.ReturnDecided(**self.desk.fact("ReturnDecided", **said)))

    @rule(data=st.data(), n=QTY, goods=QTY, price=MONEY, back=st.booleans())
    def exchange(self, data, n, goods, price, back):
        line = self._line(data)
        rma = self.desk.request({line: n}, "", "exchange", [ExchangeLine("NEW", goods, price, 0, "")])
        if back:
            self.desk.inspect(rma, {(line, "RESTOCK"): n}, receipt=f"{rma}-all")

    @precondition(lambda self: self.desk.state.book and any(r.covered for r in self.desk.state.book.rmas))
    @rule(data=st.data())
    def goods_will_not_go_out(self, data):
        """The exchange's own order says so of some of its units, each once."""
        r = data.draw(st.sampled_from([r for r in self.desk.state.book.rmas if r.covered]))
        (x,) = r.exchange
        if x.qty:
            n = data.draw(st.integers(1, x.qty))
            self.desk.resolve(r.id, "exchange_cancelled", "", [InspectedLine("x1", "NEW", n, "")], n * x.unit_price)

    @precondition(lambda self: self.desk.state.book)
    @rule(data=st.data(), decision=st.sampled_from(["approve", "cancel", "decline"]))
    def decide(self, data, decision):
        r = data.draw(st.sampled_from(self.desk.state.book.rmas))
        said = {"rma_id": r.id, "decision": decision, "reason": "", "actor": "eve", "lines": []}
        self.desk.send(c.ReturnDecided(**self.desk.fact("ReturnDecided", **said)))

    @precondition(lambda self: self.desk.state.book and self.desk.state.book.rmas)
    @rule(
        data=st.data(),
        n=QTY,
        receipt=st.sampled_from(["1", "2"]),
        d=st.sampled_from(["RESTOCK", "B_GRADE", "WRITE_OFF", "MISSING", "WRONG_ITEM"]),
    )
    def inspect(self, data, n, receipt, d):
        r = data.draw(st.sampled_from(self.desk.state.book.rmas))
        self.desk.inspect(r.id, {(self._line(data), d): n}, receipt=f"{r.id}-{receipt}")
        n_effects, n_stock = len(self.desk.effects), len(self.desk.stock)
        self.desk.send(self.desk.log[-1])
        assert (len(self.desk.effects), len(self.desk.stock)) == (n_effects, n_stock), "told again, it moved something"

    @precondition(lambda self: self.desk.state.book and any(r.open_problems for r in self.desk.state.book.rmas))
    @rule(data=st.data(), action=st.sampled_from(["refuse", "credit", "accept"]))
    def resolve(self, data, action):
        r = data.draw(st.sampled_from([r for r in self.desk.state.book.rmas if r.open_problems]))
        p = data.draw(st.sampled_from(r.open_problems))
        fits = {"UNEXPECTED": ["refuse", "accept"], "CORRECTION": ["refuse"]}.get(p.kind, ["refuse", "credit"])
        line = next((x for x in self.desk.state.lines if x.line_id == p.line_id), None)
        if action not in fits or (action == "accept" and (line is None or line.shipped - line.returned < p.qty)):
            return
        self.desk.resolve(r.id, action, p.id)

    @precondition(lambda self: self.desk.credits)
    @rule(data=st.data(), ok=st.booleans())
    def channel_answers(self, data, ok):
        self.desk.answer(data.draw(st.sampled_from(list(self.desk.credits))), ok)

    @rule(data=st.data(), n=st.integers(0, 4), amount=MONEY)
    def channel_refunds(self, data, n, amount):
        """A person gives money back in the channel's own admin: never above what is left, of the line and in all."""
        line_id = self._line(data)
        ours = sum(a for x in credits_of(self.desk.state) for k, _, a, _ in x.lines if k == line_id)
        of_line = paid(self.desk.state)[0][line_id].gross - ours - foreign(self.desk.state)[1].get(line_id, 0)
        amount = min(amount, ledger(self.desk.state).left, of_line)
        if amount <= 0:
            return
        rid = f"f{self.desk.n}"
        lines = [RefundLine(line_id, "", n, amount, 0, "return")]
        said = {"refund_id": rid, "amount": amount, "currency": "EUR", "lines": lines}
        self.desk.send(c.RefundReported(**self.desk.fact("RefundReported", **said)))

    @precondition(lambda self: self.desk.log)
    @rule(data=st.data())
    def a_report_comes_again(self, data):
        again = data.draw(st.sampled_from([x for x in self.desk.log if not isinstance(x, c.EffectOutcome)]))
        if isinstance(again, c.ReturnInspected):
            return  # a rule of its own: what was told of the receipt since then may be more
        n = len(self.desk.effects), len(self.desk.stock)
        self.desk.send(again)
        assert (len(self.desk.effects), len(self.desk.stock)) == n

    @invariant()
    def never_above_what_was_paid(self):
        if hasattr(self, "desk"):
            check(self.desk, *foreign(self.desk.state))
            s = self.desk.state
            for x in s.lines:
                good = sum(y.good for r in (s.book.rmas if s.book else []) for y in r.lines if y.line_id == x.line_id)
                assert x.credited >= 0
                assert sum(y.qty for y in self.desk.stock if y.sku == x.sku) == good

    def teardown(self):
        if not hasattr(self, "desk"):
            return
        state, effects = self.desk.first, []
        for command in self.desk.log:
            result = handle(state, command, self.desk.rules)
            state, effects = result.state, [*effects, *result.effects]
        assert msgspec.msgpack.encode(state) == msgspec.msgpack.encode(self.desk.state)
        assert effects == self.desk.effects
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=OrderState) == state


TestReturning = Returning.TestCase
TestReturning.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_an_order_without_returns_stores_one_byte_for_them():
    with_none = msgspec.msgpack.encode(OrderState(KEY))
    index = OrderState.__struct_fields__.index("book")
    assert msgspec.msgpack.decode(with_none)[index] is None
