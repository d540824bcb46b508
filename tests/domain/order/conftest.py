"""An order at a workbench: a tiny pool that answers, a WMS that says what a test lets it say, and the laws checked after every command."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from domain.errors import Rejected
from domain.order.aggregate import OrderState, handle, summary
from domain.order.state.status import STATUSES, status
from domain.records import commands as c
from domain.records.effects import Effect, PickOrder
from domain.records.events import OrderEvent
from domain.records.values import (
    Address,
    AllocationPlan,
    Client,
    Delivery,
    LineQty,
    Order,
    OrderLine,
    RefundLine,
    ReturnLine,
    WmsLine,
)
from domain.rules.ruleset import Depot, RuleSet

NOW = 1_795_000_000_000
HOUR, DAY = 3_600_000, 86_400_000
KEY = "shopify:acme:1001"
RULES = RuleSet("v1", depots=[Depot("A", "NL", wms="wms-a"), Depot("B", "DE")])
HOME = Address(name="Ada", street1="Kade 1", postcode="1012 AB", city="Amsterdam", country="NL")


def line(line_id: str = "L1", qty: int = 1, sku: str = "", **fields: Any) -> OrderLine:
    """An order line at 10.00."""
    return OrderLine(line_id, sku or f"SKU-{line_id}", qty, **{"unit_price": 1000, **fields})


def snapshot(
    *lines: OrderLine, version: int = 1, address: Address = HOME, service: str = "standard", **f: Any
) -> Order:
    """A paid order of these lines (default: one unit of L1)."""
    lines = lines or (line(),)
    client = Client("cust", "ada@example.org", "+31201234567", "nl", address)
    total = f.pop("total", sum(x.qty * x.unit_price - x.discount for x in lines))
    fields = {"payment_state": "paid", "total": total, **f}
    return Order(
        KEY,
        "shopify",
        "acme",
        "1001",
        "#1001",
        NOW - HOUR,
        version,
        "EUR",
        lines=list(lines),
        client=client,
        delivery=Delivery(service_level=service),
        **fields,
    )


def qty(**units: int) -> list[LineQty]:
    """Units by line id."""
    return [LineQty(k, f"SKU-{k}", n) for k, n in units.items()]


class FakePool:
    """Stock by depot and SKU. Answers a request at once: from A, then B, whole lines or in parts; the rest waits, or can't be had."""

    def __init__(self, stock: dict[tuple[str, str], int]) -> None:
        self.stock = dict(stock)
        self.depots = ["A", "B"]
        self.allocations: dict[str, dict[str, Any]] = {}
        self.waiting: dict[int, dict[str, int]] = {}
        self.n = 0
        self.skus: dict[str, str] = {}

    def fold(self, x: c.PoolCommand, now: int) -> list[c.OrderCommand]:
        if isinstance(x, c.AllocationRequested):
            self.skus.update({d.line_id: d.sku for d in x.lines})
            return [self.answer(x.request_no, {d.line_id: d.qty for d in x.lines}, x.excluded_depots, now)]
        if isinstance(x, c.AllocationReleased):
            a = self.allocations[x.allocation_id]
            for u in x.lines:
                assert 0 < u.qty <= a["live"].get(u.line_id, 0), f"released {u} of {a}"
                a["live"][u.line_id] -= u.qty
                self.stock[a["depot"], u.sku] += u.qty
        if isinstance(x, c.BackorderCancelled):
            waits = self.waiting.get(x.request_no, {})
            for u in x.lines:
                waits[u.line_id] = max(0, waits.get(u.line_id, 0) - u.qty)
        return []

    def answer(self, no: int, units: dict[str, int], excluded: list[str], now: int) -> c.AllocationDecided:
        units, plans = dict(units), []
        depots = [d for d in self.depots if d not in excluded]
        for depot in depots:
            lines = []
            for line_id, n in units.items():
                sku = self.skus[line_id]
                k = min(n, self.stock.get((depot, sku), 0))
                if k:
                    self.stock[depot, sku] -= k
                    units[line_id] -= k
                    lines.append(LineQty(line_id, sku, k))
            if lines:
                self.n += 1
                aid = f"main/{KEY}/{self.n}"
                self.allocations[aid] = {"depot": depot, "live": {u.line_id: u.qty for u in lines}}
                plans.append(
                    AllocationPlan(aid, depot, lines, "standard", "PostNL", now + 8 * HOUR, now + DAY, 495, "EUR")
                )
        rest = [LineQty(k, self.skus[k], n) for k, n in units.items() if n]
        if depots and rest:
            waits = self.waiting.setdefault(no, {})
            for u in rest:
                waits[u.line_id] = waits.get(u.line_id, 0) + u.qty
        head = {
            "event_id": f"d{no}-{self.n}",
            "type": "AllocationDecided",
            "time": now,
            "source": "pools",
            "trace": "t",
        }
        return c.AllocationDecided(
            **head,
            order_key=KEY,
            pool="main",
            request_no=no,
            rule_version="v1",
            allocations=plans,
            backordered=rest if depots else [],
            unfillable=[] if depots else rest,
            reason="" if depots else "no_depot:excluded",
            decision='{"candidates":[]}',
        )

    def receive(self, depot: str, sku: str, n: int, now: int) -> list[c.OrderCommand]:
        """Stock comes in: who waits for it gets it (a later decision on the same request)."""
        self.stock[depot, sku] = self.stock.get((depot, sku), 0) + n
        out: list[c.OrderCommand] = []
        for no, waits in self.waiting.items():
            units = {k: v for k, v in waits.items() if v and self.skus[k] == sku}
            if units and self.stock[depot, sku]:
                waits.update(dict.fromkeys(units, 0))
                again = self.answer(no, units, [], now)
                out.append(msgspec.structs.replace(again, backordered=[]))
        return out


class Desk:
    """One order, its rules, and what came of it. ``pool=None`` answers nothing by itself."""

    def __init__(self, rules: RuleSet = RULES, stock: dict[tuple[str, str], int] | None = None) -> None:
        self.rules, self.now = rules, NOW
        self.pool = FakePool({("A", "SKU-L1"): 10, ("A", "SKU-L2"): 10} if stock is None else stock)
        self.auto = True
        self.state: OrderState | None = None
        self.events: list[OrderEvent] = []
        self.effects: list[Effect] = []
        self.asked: list[c.PoolCommand] = []
        self.todo: list[c.PoolCommand] = []
        self.log: list[c.OrderCommand] = []
        self.n = 0

    # -- sending -------------------------------------------------------------------------------------------------------
    def send(self, command: c.OrderCommand) -> list[OrderEvent]:
        """Fold a command and, if ``auto``, let the pool answer all that it leads to. The events of all of it."""
        n = len(self.events)
        self._fold(command)
        while self.auto and self.todo:
            self.pump()
        return self.events[n:]

    def pump(self) -> None:
        """Let the pool answer one command."""
        for answer in self.pool.fold(self.todo.pop(0), self.now):
            self._fold(answer)

    def _fold(self, command: c.OrderCommand) -> None:
        before = msgspec.msgpack.encode(self.state)
        result = handle(self.state, command, self.rules)
        assert msgspec.msgpack.encode(self.state) == before, "handle changed the state it was given"
        held = bool(result.state.holds)
        assert not (held and any(isinstance(e, PickOrder) for e in result.effects)), "a pick order while held"
        self.state = msgspec.msgpack.decode(msgspec.msgpack.encode(result.state), type=OrderState)
        assert self.state == result.state
        self.log.append(command)
        self.events += result.events
        now = status(self.state)
        assert {e.status for e in result.events} <= {now}, "an event that carries another status than the order has"
        assert not self.events or self.events[-1].status == now, f"{command.type} changed the status without an event"
        self.effects += result.effects
        self.asked += result.pool_commands
        self.todo += result.pool_commands
        check(self.state, self.events)

    def head(self, kind: str) -> dict[str, Any]:
        self.n += 1
        return {
            "event_id": f"e{self.n}",
            "type": kind,
            "time": self.now,
            "source": "shopify:acme/webhook",
            "trace": "t",
        }

    def fact(self, kind: str, key: str, digest: str, delivery: str) -> dict[str, Any]:
        return {
            **self.head(kind),
            "order_key": KEY,
            "idempotency_key": key,
            "delivery_id": delivery,
            "content_hash": digest,
        }

    # -- what channels say ---------------------------------------------------------------------------------------------
    def upsert(self, order: Order | None = None, digest: str = "", delivery: str = "") -> list[OrderEvent]:
        order = order or snapshot()
        digest = digest or f"{hash_of(order):016x}"
        return self.send(
            c.OrderUpserted(**self.fact("OrderUpserted", f"order@{order.version}", digest, delivery), order=order)
        )

    def cancel(self, *lines: LineQty, key: str = "cancel@5", confirm: bool = False, why: str = "customer"):
        f = self.fact("OrderCancelled", key, "c1", "")
        return self.send(c.OrderCancelled(**f, version=5, reason=why, lines=list(lines), confirm=confirm))

    def edit(self, version: int, additions: list[LineQty], removals: list[LineQty]):
        f = self.fact("OrderEdited", f"edit@{version}", "ed", "")
        return self.send(c.OrderEdited(**f, version=version, additions=additions, removals=removals))

    def pay(self, kind: str = "sale", status: str = "success", amount: int = 1000, tid: str = "t1"):
        f = self.fact("PaymentChanged", f"transaction/{tid}@{status}", f"p{amount}", "")
        return self.send(
            c.PaymentChanged(**f, transaction_id=tid, kind=kind, status=status, amount=amount, currency="EUR")
        )

    def refund(self, lines: list[RefundLine], rid: str = "r1", amount: int = 0):
        f = self.fact("RefundReported", f"refund/{rid}", "rf", "")
        return self.send(c.RefundReported(**f, refund_id=rid, amount=amount, currency="EUR", lines=lines))

    def fulfilled(
        self, lines: list[LineQty], fid: str = "f1", status: str = "success", tracking: str = "", at: int = 1
    ):
        f = self.fact("FulfilmentReported", f"fulfilment/{fid}@{at}", f"{status}{tracking}", "")
        return self.send(
            c.FulfilmentReported(
                **f,
                fulfilment_id=fid,
                status=status,
                lines=lines,
                carrier="PostNL",
                tracking_number=tracking,
                tracking_url="",
            )
        )

    def returned(self, lines: list[ReturnLine], status: str = "requested"):
        f = self.fact("ReturnReported", f"return/1@{status}", status, "")
        return self.send(
            c.ReturnReported(
                **f, return_id="1", rma_id="rma", status=status, lines=lines, carrier="", tracking_number=""
            )
        )

    def hold(self, name: str, action: str = "place", why: str = "looks odd"):
        f = self.fact("HoldChanged", f"hold/{name}/{action}@{self.n}", action, "")
        return self.send(c.HoldChanged(**f, hold=name, action=action, reason=why, actor="eve"))

    def release(self, name: str):
        return self.hold(name, "release", "checked")

    # -- what the world says -------------------------------------------------------------------------------------------
    def wms(
        self, status: str, allocation: int = 1, *lines: WmsLine, shipment: str = "", tracking: str = "", why: str = ""
    ):
        aid = f"main/{KEY}/{allocation}"
        depot = self.pool.allocations[aid]["depot"] if aid in self.pool.allocations else "A"
        return self.send(
            c.AllocationProgressed(
                **self.head("AllocationProgressed"),
                order_key=KEY,
                pool="main",
                allocation_id=aid,
                depot=depot,
                status=status,
                lines=list(lines),
                shipment_id=shipment,
                carrier="PostNL",
                tracking_number=tracking,
                tracking_url="",
                cost=520 if status == "SHIPPED" else 0,
                cost_currency="EUR",
                reason=why,
                occurred_at=self.now + 1000,
            )
        )

    def scan(self, status: str, allocation: int = 1, shipment: str = "s1", key: str = "", at: int = 0):
        return self.send(
            c.ShipmentTracked(
                **self.head("ShipmentTracked"),
                order_key=KEY,
                idempotency_key=key or f"{shipment}/{status}",
                allocation_id=f"main/{KEY}/{allocation}",
                shipment_id=shipment,
                status=status,
                carrier="PostNL",
                tracking_number="",
                detail="",
                occurred_at=at or self.now + 2000,
            )
        )

    def outcome(self, effect: Effect, ok: bool = True, reference: str = "ref-1", attempts: int = 1):
        return self.send(
            c.EffectOutcome(
                **self.head("EffectOutcome"),
                order_key=KEY,
                effect_id=effect.event_id,
                kind=type(effect).__name__,
                target=effect.target,
                ok=ok,
                attempts=attempts,
                reference=reference if ok else "",
                error="" if ok else "503",
                allocation_id=getattr(effect, "allocation_id", ""),
            )
        )

    def tick(self, at: int):
        self.now = at
        return self.send(c.Tick(**self.head("Tick")))

    def ship(self, allocation: int = 1, shipment: str = "s1", tracking: str = "3S1"):
        """The whole allocation leaves."""
        return self.wms("SHIPPED", allocation, shipment=shipment, tracking=tracking)

    # -- looking -------------------------------------------------------------------------------------------------------
    @property
    def status(self) -> str:
        assert self.state is not None
        return status(self.state)

    def units(self, line_id: str = "L1") -> dict[str, int]:
        """Where a line's units are, zeros left out."""
        assert self.state is not None
        names = ("open", "requested", "backordered", "allocated", "picked", "shipped", "cancelled")
        x = next(x for x in self.state.lines if x.line_id == line_id)
        return {n: v for n in names if (v := getattr(x, n))}

    def of(self, kind: type) -> list[Any]:
        """Effects or pool commands of a type."""
        return [x for x in (*self.effects, *self.asked) if isinstance(x, kind)]

    def types(self) -> list[str]:
        return [e.type for e in self.events]


def hash_of(order: Order) -> int:
    import hashlib

    return int.from_bytes(hashlib.sha256(msgspec.msgpack.encode(order)).digest()[:8], "big")


def check(s: OrderState, events: list[OrderEvent]) -> None:
    """The laws, whatever happened."""
    for x in s.lines:
        parts = (x.open, x.requested, x.backordered, x.allocated, x.picked, x.shipped, x.cancelled)
        assert min(parts) >= 0, x
        assert x.ordered == sum(parts), x
        assert 0 <= x.unfillable <= x.open, x
        assert 0 <= x.outside <= x.shipped, x
        assert x.delivered + x.outside <= x.shipped, x
        assert x.returned <= x.shipped, x
        assert x.credited <= max(x.received, 0), x
        mine = [y for a in s.allocations for y in a.lines if y.line_id == x.line_id]
        assert all(min(y.live, y.unshipped, y.asked, y.unshipped - y.asked) >= 0 for y in mine), mine
        assert x.allocated + x.picked == sum(y.unshipped for y in mine), (x, mine)
        if x.requires_shipping:
            assert x.shipped == x.outside + sum(y.shipped for y in mine), (x, mine)
        asked = [r for q in s.requests for r in q.lines if r.line_id == x.line_id]
        assert x.requested == sum(r.wanted for r in asked), (x, asked)
        assert x.backordered == sum(r.backordered for r in asked), (x, asked)
        assert all(0 <= r.wanted <= r.pending for r in asked), asked
    assert [e.seq for e in events] == list(range(1, len(events) + 1)), "seq has a gap"
    assert len({e.event_id for e in events}) == len(events), "two events with one id"
    assert status(s) in STATUSES
    msgspec.json.encode(summary(s))


class _Kit:
    """What tests take from here."""

    Desk, FakePool, RULES, KEY, HOME, NOW, HOUR, DAY = Desk, FakePool, RULES, KEY, HOME, NOW, HOUR, DAY
    line, snapshot, qty, check = staticmethod(line), staticmethod(snapshot), staticmethod(qty), staticmethod(check)


@pytest.fixture
def desk() -> Desk:
    """An order not seen yet; 10 units of L1's and L2's article at A."""
    return Desk()


@pytest.fixture
def kit() -> type[_Kit]:
    """The builders."""
    return _Kit


@pytest.fixture(scope="session")
def bench_kit() -> type[_Kit]:
    """The builders, for tests that run many examples."""
    return _Kit


@pytest.fixture
def refused():
    """``refused(code)``: the command inside must be Rejected with this code."""

    def expect(code: str):
        return pytest.raises(Rejected, check=lambda e: e.code == code)

    return expect
