"""A label as an effect: the customer gets a link, the order a tracking number, once; and the link opens over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import msgspec

from connectors.carriers.config import CarrierAccount
from connectors.carriers.local import LocalCarrier
from connectors.carriers.send import LabelSender
from connectors.carriers.store import LabelStore
from connectors.carriers.tracking import tracking_number
from connectors.webhooks.app import create_app
from connectors.webhooks.server import AppServer
from domain.records.commands import ReturnTracked
from domain.records.effects import ChannelRefetch, ReturnLabel
from domain.records.values import Address, LineQty
from ops.processes.connections import build_senders
from ops.settings import Connections

KEY = "1f0a9c52-5b7e-5c31-9d10-6a2f4b8c9e01"
DEPOT = Address("Wharf Returns", "", "Havenkade 12", "", "3011 AA", "Rotterdam", country="NL")
EFFECT = ReturnLabel(
    event_id=KEY,
    type="ReturnLabel",
    time=1,
    source="orders",
    trace="0" * 32,
    order_key="shopify:acme:1",
    target="label:post",
    rma_id="shopify:acme:1/r1",
    order_name="#1",
    carrier="post",
    payer="merchant",
    ship_from=Address("Anna", "", "Kade 1", "", "1", "Gent", country="BE"),
    ship_to=DEPOT,
    depot="nl-1",
    lines=[LineQty("l1", "A", 1)],
    email="",
    language="nl",
    barcode="shopify:acme:1/r1",
    valid_until=0,
)


def sender(tmp_path: Path) -> LabelSender:
    store = LabelStore(tmp_path)
    carrier = LocalCarrier(CarrierAccount(costs={"NL": 495, "*": 795}), store)
    return LabelSender("post", carrier, store, "https://hooks.example/")


async def test_a_label_is_made_and_told_once(tmp_path: Path) -> None:
    one, again = [await sender(tmp_path).send(EFFECT, now) for now in (5, 9)]
    (fact,) = one.orders
    assert isinstance(fact, ReturnTracked)
    assert (one.ok, one.reference) == (True, tracking_number(KEY))
    assert (fact.status, fact.cost, fact.cost_currency, fact.rma_id) == ("LABELLED", 795, "EUR", EFFECT.rma_id)
    assert fact.label_ref.startswith(f"https://hooks.example/labels/{KEY}.")
    (repeat,) = again.orders
    assert (repeat.event_id, repeat.idempotency_key) == (fact.event_id, fact.idempotency_key)


async def test_what_the_carrier_refuses_is_refused_for_good(tmp_path: Path) -> None:
    nowhere = msgspec.structs.replace(EFFECT, ship_to=Address())
    sent = await sender(tmp_path).send(nowhere, 5)
    assert (sent.ok, sent.permanent) == (False, True)
    assert "receiver: street1, city, country missing" in sent.error


async def test_a_full_disk_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("a file where a folder should be")
    store = LabelStore(tmp_path / "labels")
    sent = await LabelSender("post", LocalCarrier(CarrierAccount(), store), store).send(EFFECT, 5)
    assert (sent.ok, sent.permanent) == (False, False)


async def test_another_effect_is_no_business_of_a_carrier(tmp_path: Path) -> None:
    other = ChannelRefetch("e", "ChannelRefetch", 1, "x", "0" * 32, "k", "label:post", "order", "1")
    sent = await sender(tmp_path).send(other, 5)
    assert (sent.ok, sent.permanent) == (False, True)


def test_each_carrier_of_the_configuration_is_a_target(tmp_path: Path) -> None:
    senders = build_senders(Connections(carriers={"post": CarrierAccount()}), tmp_path)
    assert list(senders) == ["label:post"]


class _Nobody:
    healthy = True

    async def publish(self, records: Any) -> None:
        raise AssertionError("nothing is to be published here")


async def test_the_link_opens_over_http_and_nothing_else_does(tmp_path: Path) -> None:
    store = LabelStore(tmp_path)
    await sender(tmp_path).send(EFFECT, 5)
    app = create_app({}, _Nobody(), lambda: 5, labels=store.open)
    server = AppServer(app, "127.0.0.1", 0)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=server.url) as client:
            good = await client.get(store.link(KEY, "pdf"))
            assert (good.status_code, good.headers["content-type"]) == (200, "application/pdf")
            assert good.content.startswith(b"%PDF")
            assert good.headers["cache-control"] == "private, no-store"
            for path in (f"/labels/{KEY}.pdf", "/labels/link.key", "/labels/..%2Flink.key", f"/labels/{KEY}.json"):
                assert (await client.get(path)).status_code == 404
    finally:
        await server.stop()
