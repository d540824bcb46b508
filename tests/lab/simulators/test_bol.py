"""The simulated Bol behaves as its OpenAPI document says (where that document is at hand), and is as strict as the real one."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from connectors.bol.client import MEDIA_TYPE
from lab.simulators.bol.market import Fates
from lab.simulators.bol.orders import Mix
from lab.simulators.bol.server import BolConfig, BolSimulator
from lab.simulators.timeline import serving

START = 1_774_000_000_000
HOUR = 3_600_000
HARD = Mix(belgium=0.3, regret=0.3, fbb=0.3, bad_address=0.1, pickup=0.3, discount=0.5, evening=0.3)


class Clock:
    def __init__(self) -> None:
        self.ms = START

    def __call__(self) -> int:
        return self.ms


class Api:
    """A bare HTTP client: what any integrator would send."""

    def __init__(self, sim: BolSimulator, url: str, clock: Clock) -> None:
        self.sim, self.clock, self.url = sim, clock, url
        self.http = httpx.AsyncClient(base_url=url)

    async def login(self) -> None:
        basic = base64.b64encode(b"simulated:simulated").decode()
        answer = await self.http.post(
            "/token?grant_type=client_credentials", headers={"Authorization": f"Basic {basic}"}
        )
        assert answer.json()["expires_in"] == 299
        self.http.headers.update({"Authorization": f"Bearer {answer.json()['access_token']}", "Accept": MEDIA_TYPE})

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(path, params=params)

    async def send(self, method: str, path: str, body: Any) -> httpx.Response:
        return await self.http.request(method, path, content=json.dumps(body), headers={"Content-Type": MEDIA_TYPE})

    def pass_time(self, ms: int) -> None:
        self.clock.ms += ms
        self.sim.timeline.step()

    def place(self, n: int) -> None:
        for i in range(n):
            self.sim.market.place(self.sim.market.maker.make(i, self.clock.ms))


@asynccontextmanager
async def running(**changes: Any) -> AsyncIterator[Api]:
    clock = Clock()
    base = BolConfig(orders=0, seed=4, errors=0, fates=Fates(failure=0, timeout=0, returned=1.0, return_hours=(1, 1)))
    sim = BolSimulator(replace(base, **changes), clock)
    async with serving(sim.app()) as url:
        api = Api(sim, url, clock)
        await api.login()
        yield api
        await api.http.aclose()


def _spec(name: str) -> dict[str, Any]:
    root = Path(__file__).resolve().parents[3]
    places = (os.environ.get("BOL_SPECS"), root.parent / "shared" / "specs")
    path = next((Path(p) / name for p in places if p and (Path(p) / name).is_file()), None)
    if path is None:
        pytest.skip(f"Bol's OpenAPI document {name} is not here: set BOL_SPECS to its folder")
    spec: dict[str, Any] = json.loads(path.read_text())
    return spec


def conforms(body: Any, schema: str, spec: str = "bol_retailer_v10_openapi.json") -> None:
    """Check a body against Bol's own schema (formats too)."""
    document = {"$ref": f"#/components/schemas/{schema}", "components": _spec(spec)["components"]}
    jsonschema_rs.Draft4Validator(document, validate_formats=True).validate(body)  # what OpenAPI 3.0 builds on


async def test_every_answer_is_as_the_openapi_document_says() -> None:
    async with running(mix=HARD) as api:
        api.place(30)
        api.pass_time(4 * HOUR)
        orders = (await api.get("/retailer/orders", **{"fulfilment-method": "ALL", "status": "ALL"})).json()
        conforms(orders, "ReducedOrders")
        for row in orders["orders"]:
            conforms((await api.get(f"/retailer/orders/{row['orderId']}")).json(), "Order")
        item = next(x for o in api.sim.market.orders.values() for x in o.items if x.open and not x.fbb)
        body = {
            "orderItems": [{"orderItemId": item.id}],
            "transport": {"transporterCode": "TNT", "trackAndTrace": "3S"},
        }
        conforms(body, "ShipmentRequest")
        accepted = await api.send("POST", "/retailer/shipments", body)
        assert accepted.status_code == 202
        conforms(accepted.json(), "ProcessStatus", "bol_shared_v10_openapi.json")
        api.pass_time(2 * HOUR)
        process = await api.get(f"/shared/process-status/{accepted.json()['processStatusId']}")
        conforms(process.json(), "ProcessStatus", "bol_shared_v10_openapi.json")
        assert process.json()["status"] == "SUCCESS"
        shipments = (await api.get("/retailer/shipments")).json()
        conforms(shipments, "ShipmentsResponse")
        conforms((await api.get(f"/retailer/shipments/{shipments['shipments'][0]['shipmentId']}")).json(), "Shipment")
        api.pass_time(2 * HOUR)
        returns = (await api.get("/retailer/returns", handled="false")).json()
        conforms(returns, "ReturnsResponse")
        one = (await api.get(f"/retailer/returns/{returns['returns'][0]['returnId']}")).json()
        conforms(one, "Return")
        conforms((await api.get("/retailer/orders/none")).json(), "Problem")
        conforms((await api.send("POST", "/retailer/shipments", {})).json(), "Problem")


async def test_a_handled_return_moves_to_the_other_list() -> None:
    async with running() as api:
        api.place(1)
        order = next(iter(api.sim.market.orders.values()))
        api.sim.market._announce(order, order.items[0], 1)
        rma = next(iter(api.sim.market.rmas))
        answer = await api.send(
            "PUT", f"/retailer/returns/{rma}", {"handlingResult": "RETURN_RECEIVED", "quantityReturned": 1}
        )
        assert answer.status_code == 202
        api.pass_time(HOUR)
        assert (await api.get("/retailer/returns", handled="false")).json()["returns"] == []
        handled = (await api.get("/retailer/returns", handled="true")).json()["returns"]
        assert handled[0]["returnItems"][0]["processingResults"][0]["handlingResult"] == "RETURN_RECEIVED"


@pytest.mark.parametrize(
    ("method", "path", "body", "violation"),
    [
        pytest.param("POST", "/retailer/shipments", {}, "orderItems", id="no items"),
        pytest.param("POST", "/retailer/shipments", {"orderItems": [{}]}, "orderItems[0].orderItemId", id="no id"),
        pytest.param(
            "POST",
            "/retailer/shipments",
            {"orderItems": [{"orderItemId": "1"}], "shipmentReference": "x" * 91, "shippingLabelId": "l"},
            "shipmentReference",
            id="a long reference",
        ),
        pytest.param("POST", "/retailer/shipments", {"orderItems": [{"orderItemId": "1"}]}, "transport", id="how?"),
        pytest.param(
            "PUT",
            "/retailer/orders/cancellation",
            {"orderItems": [{"orderItemId": "1", "reasonCode": "BORED"}]},
            "orderItems[0].reasonCode",
            id="no reason of Bol's",
        ),
        pytest.param(
            "PUT",
            "/retailer/orders/cancellation",
            {"orderItems": [{"orderItemId": "1"}, {"orderItemId": "2"}]},
            "orderItems",
            id="two items",
        ),
        pytest.param("PUT", "/retailer/returns/1", {"handlingResult": "X"}, "handlingResult", id="no result of Bol's"),
    ],
)
async def test_a_wrong_request_is_refused_with_the_field(method: str, path: str, body: Any, violation: str) -> None:
    async with running() as api:
        answer = await api.send(method, path, body)
        assert answer.status_code == 400
        assert answer.json()["violations"][0]["name"] == violation


async def test_without_token_media_type_or_budget_nothing_is_answered() -> None:
    async with running(limits={"GET /retailer/orders": 2}) as api:
        good = await api.get("/retailer/orders")
        assert good.headers["X-RateLimit-Limit"] == "2"
        assert (await api.http.get("/retailer/orders", headers={"Authorization": "Bearer x"})).status_code == 401
        assert (await api.http.get("/retailer/returns", headers={"Accept": "application/json"})).status_code == 406
        answer = await api.http.put("/retailer/returns/1", json={})
        assert answer.status_code == 415
        answers = [await api.get("/retailer/orders") for _ in range(6)]
        refused = [a for a in answers if a.status_code == 429]
        assert refused
        assert refused[0].headers["Retry-After"] == "1"


async def test_a_token_ends_after_299_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as api:
        assert (await api.get("/retailer/orders")).status_code == 200
        late = time.monotonic() + 300
        monkeypatch.setattr("lab.simulators.bol.gate.time.monotonic", lambda: late)
        assert (await api.get("/retailer/orders")).status_code == 401


async def test_handled_orders_leave_the_list_after_48_hours_and_stay_by_id() -> None:
    async with running(mix=Mix(fbb=0, regret=0)) as api:
        api.place(1)
        order = next(iter(api.sim.market.orders.values()))
        for item in order.items:
            item.shipped = item.qty
            item.touch(api.clock.ms)
        query = {"status": "ALL"}
        api.clock.ms += 47 * HOUR
        assert len((await api.get("/retailer/orders", **query)).json()["orders"]) == 1
        api.clock.ms += 2 * HOUR
        assert (await api.get("/retailer/orders", **query)).json()["orders"] == []
        assert (await api.get(f"/retailer/orders/{order.id}")).status_code == 200
        day = {"status": "ALL", "latest-change-date": "2026-03-20"}
        assert len((await api.get("/retailer/orders", **day)).json()["orders"]) == 1


async def test_the_list_shows_what_changed_lately_and_refuses_more_than_an_hour() -> None:
    async with running(mix=Mix(fbb=0, regret=0)) as api:
        api.place(2)
        api.clock.ms += 30 * 60_000
        first = next(iter(api.sim.market.orders.values()))
        first.items[0].touch(api.clock.ms)
        rows = (await api.get("/retailer/orders", **{"change-interval-minute": 10})).json()["orders"]
        assert [r["orderId"] for r in rows] == [first.id]
        assert (await api.get("/retailer/orders", **{"change-interval-minute": 61})).status_code == 400


async def test_a_unit_shipped_twice_is_a_violation_and_a_failure() -> None:
    async with running(mix=Mix(fbb=0, regret=0)) as api:
        api.place(1)
        item = next(iter(api.sim.market.orders.values())).items[0]
        body = {
            "orderItems": [{"orderItemId": item.id, "quantity": item.qty}],
            "transport": {"transporterCode": "TNT"},
        }
        for _ in range(2):
            await api.send("POST", "/retailer/shipments", body)
            api.pass_time(HOUR)
        found = (
            await api.get("/shared/process-status", **{"entity-id": item.id, "event-type": "CREATE_SHIPMENT"})
        ).json()
        assert [p["status"] for p in found["processStatuses"]] == ["SUCCESS", "FAILURE"]
        assert [v["reason"] for v in (await api.get("/_ledger")).json()["violations"]] == ["shipped twice"]


def test_the_same_seed_makes_the_same_orders() -> None:
    def orders(seed: int) -> list[Any]:
        market = BolSimulator(BolConfig(orders=0, seed=seed), lambda: START).market
        return [market.maker.make(i, START) for i in range(50)]

    assert orders(1) == orders(1)
    assert orders(1) != orders(2)
    assert len({o.id for o in orders(1)}) == 50


async def test_orders_come_in_over_the_time_planned() -> None:
    clock = Clock()
    sim = BolSimulator(BolConfig(orders=0, seed=1), clock)
    sim.market.plan(100, 60.0)
    for minutes, least, most in ((0, 0, 1), (30, 45, 55), (61, 100, 100)):
        clock.ms = START + minutes * 60_000
        sim.timeline.step()
        assert least <= len(sim.market.orders) <= most
    assert sim.progress()["idle"]
