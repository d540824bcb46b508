"""Effects against the simulated Bol: everything asynchronous, nothing twice, whatever gets lost."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from aiohttp import web

from connectors.bol.send import BolSender, reason_code, transporter_code
from domain.records.commands import OrderUpserted
from domain.records.effects import ChannelCancel, ChannelRefetch, ChannelShipment, PickOrderCancel
from domain.records.values import LineQty
from lab.simulators.bol.market import Fates

META: dict[str, Any] = {"type": "x", "time": 0, "source": "orders", "trace": "0" * 32}


def shipment(order_id: str, lines: list[LineQty], n: int = 1) -> ChannelShipment:
    key = f"bol:acme:{order_id}"
    return ChannelShipment(
        event_id=f"effect-{order_id}-{n}",
        **META,
        order_key=key,
        target="bol:acme",
        channel_order_id=order_id,
        allocation_id=f"main/{key}/{n}",
        shipment_id=f"s-{n}",
        lines=lines,
        carrier="PostNL",
        tracking_number="3S1",
        tracking_url="",
        shipped_at=0,
    )


def cancel(order_id: str, lines: list[LineQty], reason: str = "out of stock") -> ChannelCancel:
    key = f"bol:acme:{order_id}"
    return ChannelCancel(
        event_id="c", **META, order_key=key, target="bol:acme", channel_order_id=order_id, lines=lines, reason=reason
    )


def place(bol: Any, qty: int = 3) -> tuple[str, Any]:
    """One order with one item of ``qty`` units."""
    order_id = bol.place()[0]
    order = bol.sim.market.orders[order_id]
    item = order.items[0]
    for other in order.items[1:]:
        other.cancelled = other.qty
    item.qty = qty
    bol.sim.payments.capture(order_id, item.id, qty * item.price)
    return order_id, item


def shipped(bol: Any) -> int:
    return sum(e["qty"] for e in bol.sim.ledger.entries("shipped"))


async def test_a_shipment_is_queued_and_followed_to_its_success(start: Any) -> None:
    async with start() as bol:
        order_id, item = place(bol)
        sent = await BolSender("acme", bol.client).send(shipment(order_id, [LineQty(item.id, item.sku, 2)]), 0)
        assert (sent.ok, sent.error) == (True, "")
        assert (item.shipped, item.open) == (2, 1)
        known = next(iter(bol.sim.market.shipments.values()))
        assert (known.transporter, known.tracking) == ("TNT", "3S1")
        assert known.reference == f"main/bol:acme:{order_id}/1#s-1"


async def test_the_same_effect_again_ships_nothing_more(start: Any) -> None:
    async with start() as bol:
        order_id, item = place(bol)
        effect = shipment(order_id, [LineQty(item.id, item.sku, 1)])
        results = [await BolSender("acme", bol.client).send(effect, 0) for _ in range(3)]
        assert [r.ok for r in results] == [True] * 3
        assert (item.shipped, shipped(bol)) == (1, 1)
        assert bol.sim.ledger.violations() == []


async def test_two_parcels_of_one_item_are_both_told(start: Any) -> None:
    async with start() as bol:
        order_id, item = place(bol)
        sender = BolSender("acme", bol.client)
        effects = [shipment(order_id, [LineQty(item.id, item.sku, n)], n) for n in (1, 2)]
        results = await asyncio.gather(*(sender.send(e, 0) for e in effects))
        assert [r.ok for r in results] == [True, True]
        assert item.shipped == 3


async def test_an_answer_that_got_lost_ships_nothing_twice(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start() as bol:
        order_id, item = place(bol)
        effect = shipment(order_id, [LineQty(item.id, item.sku, 1)])
        monkeypatch.setattr("lab.simulators.bol.server.BolSimulator._accepted", _hang_up)
        first = await BolSender("acme", bol.client).send(effect, 0)
        assert (first.ok, first.permanent) == (False, False)
        monkeypatch.undo()
        second = await BolSender("acme", bol.client).send(effect, 0)
        assert second.ok
        assert shipped(bol) == 1
        assert len(bol.sim.ledger.entries("posted")) == 1


def _hang_up(_: Any, request: Any, __: Any) -> web.Response:
    request.transport.abort()
    return web.Response(status=202)


async def test_without_the_look_before_it_a_repeat_would_ship_twice(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the simulator's ledger sees what the sender prevents."""

    async def blind(*_: object) -> str:
        return ""

    async with start() as bol:
        order_id, item = place(bol)
        effect = shipment(order_id, [LineQty(item.id, item.sku, 1)])
        monkeypatch.setattr(BolSender, "_shipped_as", blind)
        for _ in range(2):
            await BolSender("acme", bol.client).send(effect, 0)
        assert shipped(bol) == 2
        assert [e["reason"] for e in bol.sim.ledger.violations()] == ["posted twice"]


@pytest.mark.parametrize("took_effect", [0.0, 1.0], ids=["nothing was done", "it was done"])
async def test_a_timeout_of_bols_is_looked_at_before_it_is_tried_again(start: Any, took_effect: float) -> None:
    fates = Fates(process_minutes=(0.1, 0.3), failure=0, timeout=1.0, timeout_took_effect=took_effect, returned=0)
    async with start(fates=fates) as bol:
        order_id, item = place(bol)
        effect = shipment(order_id, [LineQty(item.id, item.sku, 2)])
        sender = BolSender("acme", bol.client)
        first = await sender.send(effect, 0)
        assert (first.ok, first.permanent) == (False, False)
        assert "TIMEOUT" in first.error
        bol.sim.market.fates = Fates(process_minutes=(0.1, 0.3), failure=0, timeout=0, returned=0)
        assert (await sender.send(effect, 0)).ok
        assert shipped(bol) == 2
        assert bol.sim.ledger.violations() == []


async def test_a_failure_that_did_nothing_is_tried_again(start: Any) -> None:
    fates = Fates(process_minutes=(0.1, 0.3), failure=1.0, timeout=0, returned=0)
    async with start(fates=fates) as bol:
        order_id, item = place(bol)
        sent = await BolSender("acme", bol.client).send(shipment(order_id, [LineQty(item.id, item.sku, 1)]), 0)
        assert (sent.ok, sent.permanent) == (False, False)
        assert "FAILURE" in sent.error


async def test_units_that_bol_no_longer_has_open_are_a_failure_for_ever(start: Any) -> None:
    async with start() as bol:
        order_id, item = place(bol)
        item.cancelled = 3
        sent = await BolSender("acme", bol.client).send(shipment(order_id, [LineQty(item.id, item.sku, 1)]), 0)
        assert (sent.ok, sent.permanent) == (False, True)
        assert f"item {item.id}: 0 open, 1 wanted" in sent.error


async def test_a_request_that_stays_pending_is_waited_for_and_not_posted_again(start: Any) -> None:
    fates = Fates(process_minutes=(1e6, 1e6), failure=0, timeout=0, returned=0)
    async with start(fates=fates) as bol:
        order_id, item = place(bol)
        effect = shipment(order_id, [LineQty(item.id, item.sku, 1)])
        sender = BolSender("acme", bol.client, patience=0.3)
        for _ in range(2):
            sent = await sender.send(effect, 0)
            assert (sent.ok, sent.permanent) == (False, False)
            assert "PENDING" in sent.error
            assert sent.retry_after is not None
        assert len(bol.sim.ledger.entries("posted")) == 1


async def test_a_cancellation_is_done_once_and_with_bols_reason(start: Any) -> None:
    async with start() as bol:
        order_id, item = place(bol)
        sender = BolSender("acme", bol.client)
        effect = cancel(order_id, [LineQty(item.id, item.sku, 3)])
        assert [(await sender.send(effect, 0)).ok for _ in range(2)] == [True, True]
        entries = bol.sim.ledger.entries("cancelled")
        assert [(e["item"], e["qty"], e["reason"]) for e in entries] == [(item.id, 3, "OUT_OF_STOCK")]


async def test_a_part_of_an_item_is_cancelled_only_when_the_rest_has_shipped(start: Any) -> None:
    async with start() as bol:
        order_id, item = place(bol)
        sender = BolSender("acme", bol.client)
        effect = cancel(order_id, [LineQty(item.id, item.sku, 1)])
        early = await sender.send(effect, 0)
        assert (early.ok, early.permanent, item.cancelled) == (False, False, 0)
        await sender.send(shipment(order_id, [LineQty(item.id, item.sku, 2)]), 0)
        assert (await sender.send(effect, 0)).ok
        assert (item.shipped, item.cancelled) == (2, 1)


async def test_an_order_is_fetched_anew_as_facts(start: Any) -> None:
    async with start() as bol:
        order_id, _ = place(bol)
        effect = ChannelRefetch(
            event_id="r", **META, order_key="k", target="bol:acme", resource="order", resource_id=order_id
        )
        sent = await BolSender("acme", bol.client).send(effect, 7)
        assert sent.ok
        assert [type(x) for x in sent.orders] == [OrderUpserted]
        gone = ChannelRefetch(event_id="r", **META, order_key="k", target="t", resource="order", resource_id="none")
        assert (await BolSender("acme", bol.client).send(gone, 7)).permanent


async def test_an_effect_for_another_is_refused_for_ever(start: Any) -> None:
    async with start() as bol:
        effect = PickOrderCancel(
            event_id="p", **META, order_key="k", target="bol:acme", allocation_id="a", lines=[], reason=""
        )
        sent = await BolSender("acme", bol.client).send(effect, 0)
        assert (sent.ok, sent.permanent) == (False, True)


async def test_bol_out_of_reach_is_another_attempt(start: Any) -> None:
    async with start() as bol:
        order_id, item = place(bol)
        bol.client.account = bol.client.account.model_copy(update={"api_url": "http://127.0.0.1:9"})
        sent = await BolSender("acme", bol.client).send(shipment(order_id, [LineQty(item.id, item.sku, 1)]), 0)
        assert (sent.ok, sent.permanent) == (False, False)
        assert "Connect" in sent.error


@pytest.mark.parametrize(
    ("carrier", "code"),
    [
        ("PostNL", "TNT"),
        ("DPD", "DPD-NL"),
        ("DHL", "DHL"),
        ("bpost", "BPOST_BE"),
        ("TNT-EXTRA", "TNT-EXTRA"),
        ("X", "OTHER"),
    ],
)
def test_a_carrier_has_bols_code(carrier: str, code: str) -> None:
    assert transporter_code(carrier) == code


@pytest.mark.parametrize(
    ("reason", "code"),
    [("unfillable", "OUT_OF_STOCK"), ("REQUESTED_BY_CUSTOMER", "REQUESTED_BY_CUSTOMER"), ("", "OTHER")],
)
def test_a_reason_has_bols_code(reason: str, code: str) -> None:
    assert reason_code(reason) == code


async def test_what_we_send_is_as_the_openapi_document_says(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _spec()
    if path is None:
        pytest.skip("Bol's OpenAPI document is not here: set BOL_SPECS to its folder")
    components = json.loads(path.read_text())["components"]
    sent: dict[str, Any] = {}
    async with start() as bol:
        real = bol.client.call

        async def call(method: str, endpoint: str, path: str, **more: Any) -> Any:
            sent[f"{method} {endpoint}"] = more.get("body")
            return await real(method, endpoint, path, **more)

        monkeypatch.setattr(bol.client, "call", call)
        order_id, item = place(bol)
        sender = BolSender("acme", bol.client)
        await sender.send(shipment(order_id, [LineQty(item.id, item.sku, 2)]), 0)
        await sender.send(cancel(order_id, [LineQty(item.id, item.sku, 1)]), 0)
    for request, schema in (
        ("POST /retailer/shipments", "ShipmentRequest"),
        ("PUT /retailer/orders/cancellation", "CancellationRequest"),
    ):
        document = {"$ref": f"#/components/schemas/{schema}", "components": components}
        jsonschema_rs.Draft4Validator(document).validate(sent[request])


def _spec() -> Path | None:
    root = Path(__file__).resolve().parents[3]
    places = (os.environ.get("BOL_SPECS"), root.parent / "shared" / "specs")
    found = (Path(p) / "bol_retailer_v10_openapi.json" for p in places if p)
    return next((p for p in found if p.is_file()), None)
