"""Goods that come back, as the simulated WMS tells it: by webhook and by poll the same facts, under their order's key."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from connectors.protocols import TranslationError
from connectors.threepl.poll import ReturnsPoller
from connectors.threepl.send import ThreePlSender
from connectors.threepl.translate import translate
from domain.records.commands import ReturnInspected, ReturnReceived
from domain.records.effects import ReturnExpected
from domain.records.values import InspectedLine, LineQty, ReturnedLine
from lab.simulators.threepl.pick_order import Rates
from lab.simulators.threepl.returns_dock import DockPace, DockRates
from lab.simulators.threepl.webhooks import Faults

RMA = "shopify:acme:1/r1"
GOOD = DockRates(b_grade=0, broken=0, missing=0, wrong=0, two_parcels=0, never=0, told_twice=0, unknown=0)
PACE = DockPace((1, 5), (1, 3))
AT = "2026-11-23T10:00:00Z"


def expected(rma: str = RMA, qty: int = 2, effect_id: str = "e1") -> ReturnExpected:
    return ReturnExpected(
        event_id=effect_id,
        type="ReturnExpected",
        time=0,
        source="orders",
        trace="0" * 32,
        order_key="shopify:acme:1",
        target="depot-a",
        rma_id=rma,
        channel_rma="",
        order_name="#1",
        depot="depot-a",
        lines=[ReturnedLine("l1", "WH-1", qty, "too small")] if qty else [],
        carrier="Wharf Post",
        tracking_number="WR1",
    )


def facts(wms: Any) -> list[Any]:
    return [f for _, t in wms.deliveries for f in t.orders if isinstance(f, ReturnReceived | ReturnInspected)]


async def polled(wms: Any, cursor: bytes | None = None) -> tuple[list[Any], bytes]:
    found, last = [], b""
    async for p in ReturnsPoller("depot-a", wms.client, 1.0).poll(cursor, wms.now()):
        found += [f for t in p.translations for f in t.orders]
        last = p.cursor or last
    return found, last


async def test_an_announced_return_is_received_inspected_and_put_back(start: Any) -> None:
    async with start(dock=GOOD, dock_pace=PACE) as wms:
        before = wms.warehouse.stock["WH-1"]
        assert (await ThreePlSender("depot-a", wms.client).send(expected(), wms.now())).ok
        await wms.until_idle()
        received, inspected = facts(wms)
        assert (received.order_key, received.rma_id, received.wms) == ("shopify:acme:1", RMA, "depot-a")
        assert received.lines == [LineQty("l1", "WH-1", 2)]
        assert inspected.lines == [InspectedLine("l1", "WH-1", 2, "RESTOCK")]
        assert wms.warehouse.stock["WH-1"] == before + 2
        assert wms.warehouse.conserved() == []


async def test_a_notice_sent_again_brings_no_second_parcel(start: Any) -> None:
    async with start(dock=GOOD, dock_pace=PACE) as wms:
        sender = ThreePlSender("depot-a", wms.client)
        for effect_id in ("e1", "e1", "e2"):
            assert (await sender.send(expected(effect_id=effect_id), wms.now())).ok
        await wms.until_idle()
        assert len(facts(wms)) == 2


async def test_the_poll_tells_the_same_facts_as_the_webhooks(start: Any) -> None:
    everything = DockRates(0.3, 0.2, 0.2, 0.2, two_parcels=1, never=0, told_twice=1, unknown=0)
    async with start(dock=everything, dock_pace=PACE) as wms:
        for n in range(1, 6):
            rma = f"shopify:acme:{n}/r1"
            await ThreePlSender("depot-a", wms.client).send(expected(rma, 3, f"e{n}"), wms.now())
        await wms.until_idle()
        found, cursor = await polled(wms)
        assert {f.idempotency_key for f in found} == {f.idempotency_key for f in facts(wms)}
        assert {f.event_id for f in found} == {f.event_id for f in facts(wms)}
        assert len(found) == 5 * 2 * 3, "two parcels, told twice, inspected once"
        again, _ = await polled(wms, cursor)
        assert again == []


async def test_a_lost_webhook_is_found_by_the_poll(start: Any) -> None:
    async with start(dock=GOOD, dock_pace=PACE, faults=Faults(0, 0, drop=1)) as wms:
        await ThreePlSender("depot-a", wms.client).send(expected(), wms.now())
        await wms.until_idle()
        assert facts(wms) == []
        found, _ = await polled(wms)
        assert [type(f).__name__ for f in found] == ["ReturnReceived", "ReturnInspected"]


async def test_a_withdrawn_notice_is_told_and_an_unknown_one_is_no_error(start: Any) -> None:
    async with start(dock=GOOD, dock_pace=PACE) as wms:
        sender = ThreePlSender("depot-a", wms.client)
        await sender.send(expected(), wms.now())
        assert (await sender.send(expected(qty=0, effect_id="e2"), wms.now())).ok
        assert (await sender.send(expected("shopify:acme:9/r1", 0, "e3"), wms.now())).ok
        assert [e["rma"] for e in wms.sim.ledger.entries("return_cancelled")] == [RMA]


async def test_a_wms_without_a_list_of_returns_is_taken_to_have_none(start: Any) -> None:
    async with start() as wms:
        wms.client._base = wms.client._base.replace("depot-a", "depot-a/elsewhere")
        found, cursor = await polled(wms)
        assert found == []
        assert cursor


async def test_an_undeliverable_parcel_comes_back_to_its_order_and_onto_the_shelf(start: Any, pick: Any) -> None:
    back = Rates(short=0, refuse_now=0, reject_later=0, late=0, undeliverable=1)
    async with start(rates=back, dock=GOOD, dock_pace=PACE) as wms:
        before = wms.warehouse.stock["WH-1"]
        await ThreePlSender("depot-a", wms.client).send(pick(qty=2), wms.now())
        await wms.until_idle()
        received, inspected = facts(wms)
        assert (received.order_key, received.rma_id, received.tracking_number[:2]) == ("shopify:acme:1", "", "3S")
        assert inspected.lines == [InspectedLine("l0", "WH-1", 2, "RESTOCK")]
        assert wms.warehouse.stock["WH-1"] == before
        assert wms.warehouse.conserved() == []


def body(**changes: Any) -> bytes:
    return json.dumps({"receipt_id": "R-1", "rma": RMA, "occurred_at": AT, **changes}).encode()


@pytest.mark.parametrize(
    ("changes", "key", "rma"),
    [
        pytest.param({}, "shopify:acme:1", RMA, id="our-rma"),
        pytest.param(
            {"rma": "", "reference": "main/bol:acme:7/2"}, "bol:acme:7", "", id="the-parcel-we-sent-comes-back"
        ),
        pytest.param(
            {"rma": "60000001"}, "returns:depot-a:R-1", "60000001", id="the-channels-number-that-no-notice-named"
        ),
        pytest.param({"rma": ""}, "returns:depot-a:R-1", "", id="nothing-on-it"),
        pytest.param({"rma": "a:b/r1"}, "returns:depot-a:R-1", "a:b/r1", id="nearly-ours"),
    ],
)
def test_a_parcel_goes_to_its_order_or_waits_under_its_own_key(changes: dict[str, Any], key: str, rma: str) -> None:
    (fact,) = translate("return.received", body(**changes), "depot-a", 1, "0" * 32).orders
    assert isinstance(fact, ReturnReceived)
    assert (fact.order_key, fact.rma_id) == (key, rma)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"receipt_id": ""}, "$.receipt_id", id="no-receipt"),
        pytest.param({"occurred_at": "2026-11-23T10:00:00"}, "occurred_at", id="no-offset"),
        pytest.param(
            {"inspected": [{"sku": "A", "qty": 1, "disposition": "FINE"}]}, "inspected[0].disposition", id="disposition"
        ),
        pytest.param(
            {"inspected": [{"sku": "A", "qty": -1, "disposition": "RESTOCK"}]}, "$.inspected[0].qty", id="qty"
        ),
        pytest.param({"reference": "nonsense", "rma": ""}, "reference", id="reference"),
    ],
)
def test_what_cannot_be_read_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(TranslationError) as e:
        translate("return.inspected", body(**changes), "depot-a", 1, "0" * 32)
    assert e.value.field == field


def test_two_receipts_of_one_return_are_two_facts() -> None:
    one, two = (
        translate("return.received", body(receipt_id=r), "depot-a", 1, "0" * 32).orders[0] for r in ("R-1", "R-2")
    )
    assert one.event_id != two.event_id
    assert msgspec.structs.replace(one, receipt_id="", event_id="", idempotency_key="") == msgspec.structs.replace(
        two, receipt_id="", event_id="", idempotency_key=""
    )
