"""The client against the simulated Bol over real HTTP: token, rate limits, outages."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from connectors.bol.client import BolClient, TooManyRequests
from connectors.bol.config import BolAccount
from connectors.bol.limits import Gate

ORDERS = ("/retailer/orders", "/retailer/orders")


async def test_many_callers_share_one_token(start: Any) -> None:
    async with start(limits={"GET /retailer/orders": 100}) as bol:
        answers = await asyncio.gather(*(bol.client.get(*ORDERS) for _ in range(20)))
        assert {a.status_code for a in answers} == {200}
        assert len(bol.sim.edge.tokens) == 1


async def test_a_token_is_renewed_before_it_ends(start: Any) -> None:
    clock = [1000.0]
    async with start() as bol:
        client = BolClient(bol.client.account, clock=lambda: clock[0])
        await client.get(*ORDERS)
        clock[0] += 260
        await client.get(*ORDERS)
        assert len(bol.sim.edge.tokens) == 1
        clock[0] += 20
        await client.get(*ORDERS)
        assert len(bol.sim.edge.tokens) == 2
        await client.close()


async def test_a_token_that_bol_no_longer_takes_is_replaced_once(start: Any) -> None:
    async with start() as bol:
        await bol.client.get(*ORDERS)
        for token in bol.sim.edge.tokens:
            bol.sim.edge.tokens[token] = 0.0
        assert (await bol.client.get(*ORDERS)).status_code == 200
        assert len(bol.sim.edge.tokens) == 2


async def test_wrong_credentials_are_an_error_and_not_a_loop(start: Any) -> None:
    async with start() as bol:
        account = BolAccount(client_id="simulated", client_secret="wrong", api_url=bol.url, login_url=bol.url)
        client = BolClient(account)
        with pytest.raises(httpx.HTTPStatusError) as e:
            await client.get(*ORDERS)
        assert e.value.response.status_code == 401
        await client.close()


async def test_the_budget_told_in_the_headers_is_kept(start: Any) -> None:
    async with start(limits={"GET /retailer/orders": 5}) as bol:
        await bol.client.get(*ORDERS)
        began = time.monotonic()
        answers = await asyncio.gather(*(bol.client.get(*ORDERS) for _ in range(12)))
        assert {a.status_code for a in answers} == {200}
        assert time.monotonic() - began > 1.0
        assert bol.sim.edge.refused <= 6  # a window that turned meanwhile costs some; not one per request


async def test_a_429_is_waited_out_as_long_as_it_asks(start: Any) -> None:
    async with start(limits={"GET /retailer/orders": 1}) as bol:
        await bol.client.get(*ORDERS)
        impatient = BolClient(bol.client.account)  # knows nothing of the budget that the first one used up
        assert (await impatient.get(*ORDERS)).status_code == 200
        await impatient.close()


async def test_a_429_that_asks_for_minutes_is_given_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": "t", "expires_in": 299})
        return httpx.Response(429, headers={"Retry-After": "300"})

    client = BolClient(BolAccount(client_id="a", client_secret="b"))
    monkeypatch.setattr(client, "_http", httpx.AsyncClient(transport=httpx.MockTransport(answer)))
    client._token._http = client._http
    with pytest.raises(TooManyRequests) as e:
        await client.get(*ORDERS)
    assert e.value.retry_after == 300


async def test_an_outage_is_tried_again(start: Any) -> None:
    async with start(errors=0.3, seed=6) as bol:
        answers = [await bol.client.get(*ORDERS) for _ in range(10)]
        assert {a.status_code for a in answers} == {200}
        assert bol.sim.edge.requests > 10


async def test_a_missing_order_is_an_answer_and_not_an_error(start: Any) -> None:
    async with start() as bol:
        answer = await bol.client.get("/retailer/orders/{id}", "/retailer/orders/none")
        assert answer.status_code == 404


async def test_a_gate_that_knows_nothing_lets_pass_and_an_empty_one_waits() -> None:
    gate = Gate()
    await gate.enter()
    gate.learn({"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "600"})
    await gate.enter()  # the one that remains: at once, or the test would never end
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gate.enter(), 0.2)
    gate.learn({"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "0.1"})
    await gate.enter()
