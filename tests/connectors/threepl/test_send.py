"""Pick orders and cancellations against the simulated WMS over real HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from connectors.threepl.client import ThreePlClient
from connectors.threepl.config import ThreePl
from connectors.threepl.send import ThreePlSender
from domain.records.commands import WmsReported
from domain.records.effects import ChannelRefetch, PickOrderCancel
from domain.records.values import LineQty
from lab.simulators.threepl.pick_order import Pace, Rates
from lab.simulators.threepl.server import HttpFaults

NEVER = Pace((1e6, 1e6))


def cancel(n: int = 1, qty: int = 2, effect_id: str = "cancel-1") -> PickOrderCancel:
    key = f"shopify:acme:{n}"
    return PickOrderCancel(
        event_id=effect_id,
        type="PickOrderCancel",
        time=0,
        source="orders",
        trace="0" * 32,
        order_key=key,
        target="depot-a",
        allocation_id=f"main/{key}/1",
        lines=[LineQty("l0", "WH-1", qty)],
        reason="customer",
    )


async def test_a_pick_order_is_taken_in_once_however_often_it_is_sent(start: Any, pick: Any) -> None:
    async with start() as wms:
        sender = ThreePlSender("depot-a", wms.client)
        first = await sender.send(pick(), 0)
        again = await sender.send(pick(), 0)
        assert (first.ok, again.ok, again.reference) == (True, True, first.reference)
        assert len(wms.sim.ledger.entries("accepted")) == 1


@pytest.mark.parametrize(
    "http",
    [
        pytest.param(HttpFaults(error_before=1, error_after=0, hang_up_after=0), id="500 before"),
        pytest.param(HttpFaults(error_before=0, error_after=1, hang_up_after=0), id="500 after it was taken in"),
        pytest.param(HttpFaults(error_before=0, error_after=0, hang_up_after=1), id="silence after it was taken in"),
    ],
)
async def test_an_attempt_without_an_answer_is_tried_again_and_ships_once(
    start: Any, pick: Any, http: HttpFaults
) -> None:
    async with start(http=http) as wms:
        sender = ThreePlSender("depot-a", wms.client)
        results = [await sender.send(pick(), 0) for _ in range(4)]
        assert (results[0].ok, results[-1].ok) == (False, True)
        assert not any(r.permanent for r in results)
        await wms.until_idle()
        assert [e["qty"] for e in wms.sim.ledger.entries("shipped")] == [2]
        assert wms.sim.ledger.violations() == []


async def test_a_slow_wms_is_left_after_the_time_limit(start: Any, pick: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(*_: object, **__: object) -> httpx.Response:
        raise httpx.ReadTimeout("too slow")

    async with start() as wms:
        monkeypatch.setattr(wms.client, "post", slow)
        sent = await ThreePlSender("depot-a", wms.client).send(pick(), 0)
        assert (sent.ok, sent.permanent, sent.error) == (False, False, "ReadTimeout: too slow")


async def test_a_key_with_another_body_and_a_reference_with_another_key_are_refused_for_ever(
    start: Any, pick: Any
) -> None:
    async with start() as wms:
        sender = ThreePlSender("depot-a", wms.client)
        await sender.send(pick(), 0)
        other_body = await sender.send(pick(qty=3), 0)
        other_key = await sender.send(pick(effect_id="effect-9"), 0)
        assert (other_body.ok, other_body.permanent, other_body.pools) == (False, True, [])
        assert "idempotency_key_reused" in other_body.error
        assert (other_key.ok, other_key.permanent, other_key.pools) == (False, True, [])
        assert "reference_exists" in other_key.error


@pytest.mark.parametrize(
    ("rates", "skus", "reason"),
    [
        pytest.param(Rates(short=0, refuse_now=1), ("WH-1",), "capacity", id="the depot has no room"),
        pytest.param(Rates(short=0, refuse_now=0), ("WH-9",), "unknown_sku", id="the depot has not the article"),
    ],
)
async def test_a_refusal_at_the_door_is_a_rejected_report_for_the_pool(
    start: Any, pick: Any, rates: Rates, skus: tuple[str, ...], reason: str
) -> None:
    async with start(rates=rates) as wms:
        results = [await ThreePlSender("depot-a", wms.client).send(pick(skus=skus), 7) for _ in range(2)]
        assert [r.ok for r in results] == [True, True]
        reports = [r.pools[0] for r in results]
        assert all(isinstance(x, WmsReported) and x.status == "REJECTED" for x in reports)
        assert reason in reports[0].reason
        assert reports[0] == reports[1]
        assert wms.sim.ledger.entries("accepted") == []


async def test_a_cancellation_before_the_pick_is_granted_by_report(start: Any, pick: Any) -> None:
    async with start(pace=NEVER) as wms:
        sender = ThreePlSender("depot-a", wms.client)
        await sender.send(pick(), 0)
        results = [await sender.send(cancel(), 0) for _ in range(2)]
        assert [r.ok for r in results] == [True, True]
        await wms.until_idle()
        reports = [x for _, t in wms.deliveries for x in t.pools]
        assert [(x.status, x.lines[0].cancelled) for x in reports] == [("CANCELLED", 2)]


async def test_a_cancellation_after_the_pick_is_refused_and_the_parcel_leaves(start: Any, pick: Any) -> None:
    async with start() as wms:
        sender = ThreePlSender("depot-a", wms.client)
        await sender.send(pick(), 0)
        await wms.until_idle()
        assert (await sender.send(cancel(), 0)).ok
        await wms.until_idle()
        assert [x.status for _, t in wms.deliveries for x in t.pools][-1] == "CANCEL_REJECTED"
        assert [e["qty"] for e in wms.sim.ledger.entries("shipped")] == [2]


async def test_a_cancellation_that_overtakes_its_pick_order_comes_again(start: Any, pick: Any) -> None:
    async with start(pace=NEVER) as wms:
        sender = ThreePlSender("depot-a", wms.client)
        early = await sender.send(cancel(), 0)
        assert (early.ok, early.permanent) == (False, False)
        await sender.send(pick(), 0)
        assert (await sender.send(cancel(), 0)).ok


async def test_a_wrong_token_may_be_mended_so_it_is_tried_again(start: Any, pick: Any) -> None:
    async with start() as wms:
        client = ThreePlClient(ThreePl(api_url=f"{wms.url}/depot-a", token="wrong"))
        sent = await ThreePlSender("depot-a", client).send(pick(), 0)
        assert (sent.ok, sent.permanent) == (False, False)
        assert sent.error.startswith("401 unauthorized")
        await client.close()


async def test_a_busy_wms_says_when_to_come_again(pick: Any) -> None:
    answer = httpx.MockTransport(lambda _: httpx.Response(429, headers={"Retry-After": "7"}))
    client = ThreePlClient(ThreePl(api_url="http://wms.example"), transport=answer)
    sent = await ThreePlSender("depot-a", client).send(pick(), 0)
    assert (sent.ok, sent.permanent, sent.retry_after) == (False, False, 7.0)


async def test_an_effect_for_another_is_refused_for_ever(start: Any) -> None:
    async with start() as wms:
        effect = ChannelRefetch("e", "ChannelRefetch", 0, "s", "t", "k", "depot-a", "order", "1")
        sent = await ThreePlSender("depot-a", wms.client).send(effect, 0)
        assert (sent.ok, sent.permanent) == (False, True)
