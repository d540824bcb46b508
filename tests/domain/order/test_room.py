"""However much is asked of an order, its state stays below what Kafka takes, and what must count still lands."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import Rejected
from domain.order.aggregate import handle
from domain.order.room import LAST_ROOM, ROOM, check_room
from domain.order.state.order import OrderState
from domain.records import commands as c
from domain.records.values import ExchangeLine, InspectedLine, LineQty, OrderLine, RefundLine, ReturnLine

KEY = "shopify:acme:1001"
KAFKA = 1_000_000
encode = msgspec.msgpack.encode


class Worker:
    """Folds commands as the orders agent does: decode, decide, look at the room, keep."""

    def __init__(self, desk: Any) -> None:
        self.desk, self.kept, self.n, self.refused = desk, encode(desk.state), 0, 0

    @property
    def state(self) -> OrderState:
        return msgspec.msgpack.decode(self.kept, type=OrderState)

    def fold(self, command: c.OrderCommand) -> None:
        result = handle(self.state, command, self.desk.rules)
        written = encode(result.state)
        check_room(command, len(self.kept), len(written))
        self.kept = written
        assert all(len(encode(e)) < KAFKA for e in (*result.events, *result.effects, *result.pool_commands))

    def tries(self, command: c.OrderCommand) -> None:
        try:
            self.fold(command)
        except Rejected as e:
            self.refused += e.code == "order.full"
        assert len(self.kept) <= LAST_ROOM < KAFKA

    def hostile(self, kind: str, size: int) -> c.OrderCommand:
        self.n += 1
        return HOSTILE[kind](self, self.n, "x" * size)

    def fact(self, kind: str) -> dict[str, Any]:
        return self.desk.fact(kind, f"{kind}/{self.n}", f"h{self.n}", f"d{self.n}")


def _request(w: Worker, n: int, text: str) -> c.OrderCommand:
    lines = [ReturnLine("L1", "SKU-L1", 1, "too big", text)] * 20
    return c.ReturnRequested(
        **w.fact("ReturnRequested"), kind="exchange", via="api", return_id=f"{n}", lines=lines,
        exchange=[ExchangeLine("X", 1, title=text)] * 10, label_payer="", actor=text,
    )  # fmt: skip


def _reported(w: Worker, n: int, text: str) -> c.OrderCommand:
    lines = [ReturnLine("L1", "SKU-L1", 1, "", text)] * 20
    return c.ReturnReported(
        **w.fact("ReturnReported"), return_id=f"{n}", rma_id=f"m{n}", status="requested", lines=lines, carrier=text,
        tracking_number=f"T{n}",
    )  # fmt: skip


def _fulfilled(w: Worker, n: int, text: str) -> c.OrderCommand:
    return c.FulfilmentReported(
        **w.fact("FulfilmentReported"), fulfilment_id=f"{n}", status="pending", lines=[LineQty(text, "", 1)] * 20,
        carrier=text, tracking_number=text, tracking_url=text,
    )  # fmt: skip


def _refund(w: Worker, n: int, text: str) -> c.OrderCommand:
    lines = [RefundLine(f"{text}{i}", "", 0, 0) for i in range(20)]
    return c.RefundReported(**w.fact("RefundReported"), refund_id=f"{n}{text}", amount=0, currency="EUR", lines=lines)


def _paid(w: Worker, n: int, text: str) -> c.OrderCommand:
    return c.PaymentChanged(
        **w.fact("PaymentChanged"), transaction_id=f"{n}{text * 20}", kind="sale", status="failure", amount=0,
        currency="EUR",
    )  # fmt: skip


def _scan(w: Worker, n: int, text: str) -> c.OrderCommand:
    return c.ShipmentTracked(
        **w.desk.head("ShipmentTracked"), order_key=KEY, idempotency_key=f"{n}", allocation_id=f"main/{KEY}/1",
        shipment_id=f"{n}", status="IN_TRANSIT", carrier=text, tracking_number=text, detail=text * 20, occurred_at=1,
    )  # fmt: skip


def _parcel(w: Worker, n: int, text: str) -> c.OrderCommand:
    lines = [InspectedLine("", f"S{i}", 1, "RESTOCK", text) for i in range(20)]
    return c.ReturnInspected(
        **w.desk.head("ReturnInspected"), order_key=KEY, idempotency_key=f"{n}", wms="A", depot="A",
        receipt_id=f"R{n}", rma_id="nobody's", tracking_number=text, lines=lines, occurred_at=1,
    )  # fmt: skip


def _snapshot(w: Worker, n: int, text: str) -> c.OrderCommand:
    lines = [OrderLine("L1", "SKU-L1", 2, unit_price=1000)]
    lines += [OrderLine(f"{n}-{i}", "S", 1, title=text) for i in range(20)]
    order = msgspec.structs.replace(w.desk.log[0].order, version=n + 1, lines=lines, tags=[text] * 20)
    return c.OrderUpserted(**w.fact("OrderUpserted"), order=order)


HOSTILE: dict[str, Any] = {
    "request": _request,
    "return": _reported,
    "fulfilment": _fulfilled,
    "refund": _refund,
    "payment": _paid,
    "scan": _scan,
    "parcel": _parcel,
    "snapshot": _snapshot,
}


@pytest.fixture
def worker(kit: Any) -> Worker:
    """An order of two units at its warehouse."""
    desk = kit.Desk()
    desk.upsert(kit.snapshot(OrderLine("L1", "SKU-L1", 2, unit_price=1000)))
    return Worker(desk)


def cancellation(w: Worker) -> c.OrderCommand:
    return c.OrderCancelled(**w.desk.fact("OrderCancelled", "cancel@9", "c", ""), version=9, reason="no", lines=[])


def progress(w: Worker, state: str) -> c.OrderCommand:
    told = w.desk.log[0]
    head = {**w.desk.head("AllocationProgressed"), "time": told.time}
    a = w.state.allocations[0]
    return c.AllocationProgressed(
        **head, order_key=KEY, pool="main", allocation_id=a.id, depot=a.depot, status=state, lines=[],
        shipment_id="s1", carrier="DHL", tracking_number="T", tracking_url="", cost=1, cost_currency="EUR", reason="",
        occurred_at=told.time,
    )  # fmt: skip


def lands(w: Worker) -> None:
    """A cancellation is taken, and the warehouse's word after it."""
    w.fold(cancellation(w))
    assert "cancel@9" in w.state.cancels
    w.fold(progress(w, "CANCELLED"))
    assert [x.cancelled for x in w.state.lines if x.line_id == "L1"] == [2]


@pytest.mark.parametrize("kind", HOSTILE)
def test_one_kind_told_without_end_is_refused_in_the_end_and_a_cancellation_lands(worker: Worker, kind: str) -> None:
    for _ in range(400):
        worker.tries(worker.hostile(kind, 900))
        if worker.refused > 3:
            break
    assert worker.refused, f"{len(worker.kept)} bytes"
    lands(worker)


def test_after_all_kinds_have_been_told_without_end_a_shipment_lands(worker: Worker) -> None:
    for kind in HOSTILE:
        while worker.refused < 3:
            worker.tries(worker.hostile(kind, 900))
        worker.refused = 0
    worker.fold(progress(worker, "SHIPPED"))
    assert worker.state.shipments[0].id == "s1"
    assert next(x.shipped for x in worker.state.lines if x.line_id == "L1") == 2


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(sorted(HOSTILE)), st.integers(500, 1000), st.integers(1, 8)), max_size=8))
def test_no_sequence_makes_a_state_too_large_or_keeps_a_cancellation_out(kit: Any, told: Any) -> None:
    desk = kit.Desk()
    desk.upsert(kit.snapshot(OrderLine("L1", "SKU-L1", 2, unit_price=1000)))
    worker = Worker(desk)
    for kind, size, times in told:
        for _ in range(times):
            worker.tries(worker.hostile(kind, size))
    lands(worker)


def test_a_refusal_says_what_filled_up_what_to_do_and_what_there_is_room_for(worker: Worker) -> None:
    with pytest.raises(
        Rejected, match=r"order.full: order_key: ReturnRequested .* room for 400000.*`wharf orders show`"
    ):
        check_room(worker.hostile("request", 1), 399_000, 400_001)


def test_what_makes_a_full_order_no_larger_is_never_refused(worker: Worker) -> None:
    check_room(worker.hostile("request", 1), 990_000, 990_000)


def test_what_must_count_has_more_room_than_what_may_be_repeated() -> None:
    assert ROOM[c.ReturnRequested] < ROOM[c.ShipmentTracked] < ROOM[c.AllocationProgressed] < LAST_ROOM
    assert not {c.OrderCancelled, c.HoldChanged, c.EffectOutcome, c.ReturnResolved, c.ReturnDecided, c.Tick} & {*ROOM}
