"""SMS and WhatsApp against a real local HTTP server: what it is sent, what fails for good, what is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.messages.sample import sample
from connectors.messages.senders import message_senders

SHIPPED = sample("SHIPPED", "sms", "nl")
TEXT = "Acme: je bestelling #1001 is onderweg, verwacht op donderdag 26 november. https://track.example/3SABCD012345678"


class Gateway:
    """A gateway that drops repeats by their key, as good ones do. ``says``: (status, headers) of the answers to come; "drop": silence."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, Any]] = []
        self.sent: dict[str, Any] = {}
        self.says: list[tuple[int, dict[str, str]] | str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        form = request.content_type == "application/x-www-form-urlencoded"
        body = dict(await request.post()) if form else await request.json()
        self.seen.append((request.headers.copy(), body))
        answer = self.says.pop(0) if self.says else (202, {})
        if answer == "drop":
            request.transport.abort()  # type: ignore[union-attr]
            return web.Response()
        if answer == "slow":
            await asyncio.sleep(1)
            answer = (202, {})
        status, headers = answer
        if status < 300:
            self.sent.setdefault(
                request.headers.get("Idempotency-Key", str(len(self.seen))), (str(request.rel_url), body)
            )
        return web.json_response({"messages": [{"id": "sms-1"}], "error": "no"}, status=status, headers=headers)


@asynccontextmanager
async def gateway() -> AsyncIterator[tuple[Gateway, TestServer]]:
    app, made = web.Application(), Gateway()
    app.router.add_post("/{tail:.*}", made.handle)
    async with TestServer(app) as server:
        yield made, server


@asynccontextmanager
async def sending(configured: Any, server: TestServer, medium: str = "sms", **fields: Any) -> AsyncIterator[Any]:
    settings = {"kind": "http", "url": str(server.make_url("/v1/messages")), "reference": "messages.0.id", **fields}
    sender = message_senders(configured(**{medium: settings}))[f"message:{medium}"]
    try:
        yield sender
    finally:
        await sender.close()


async def test_an_sms_goes_out_with_its_own_key_and_gets_the_gateways_id(configured: Any) -> None:
    async with (
        gateway() as (far, server),
        sending(configured, server, headers={"Authorization": "Bearer t0ken"}) as sms,
    ):
        sent = await sms.send(SHIPPED, 0)
    assert (sent.ok, sent.reference) == (True, "sms-1")
    headers, body = far.seen[0]
    assert body == {"to": "+31612345678", "text": TEXT}
    assert (headers["Idempotency-Key"], headers["Authorization"]) == (SHIPPED.event_id, "Bearer t0ken")


async def test_a_repeat_has_the_same_key_so_the_gateway_sends_it_once(configured: Any) -> None:
    async with gateway() as (far, server), sending(configured, server) as sms:
        await sms.send(SHIPPED, 0)
        await sms.send(SHIPPED, 1)
    assert (len(far.seen), len(far.sent)) == (2, 1)


async def test_the_body_has_whatever_shape_the_gateway_wants(configured: Any) -> None:
    body = {
        "messaging_product": "whatsapp",
        "to": "{digits}",
        "template": {
            "name": "{template}",
            "language": {"code": "{language}"},
            "parameters": [{"text": "{text}"}, 1, "{other}"],
        },
    }
    async with gateway() as (far, server), sending(configured, server, "whatsapp", body=body) as whatsapp:
        sent = await whatsapp.send(msgspec.structs.replace(SHIPPED, medium="whatsapp", target="message:whatsapp"), 0)
    assert sent.ok
    assert far.seen[0][1] == {
        "messaging_product": "whatsapp",
        "to": "31612345678",
        "template": {
            "name": "order_shipped",
            "language": {"code": "nl"},
            "parameters": [{"text": TEXT}, 1, "{other}"],
        },
    }


async def test_a_form_and_values_in_the_address(configured: Any) -> None:
    async with gateway() as (far, server):
        url = str(server.make_url("/send/")) + "{to}"
        async with sending(configured, server, url=url, form=True, body={"To": "{to}", "Body": "{text}"}) as sms:
            assert (await sms.send(SHIPPED, 0)).ok
    (where, body) = next(iter(far.sent.values()))
    assert where == "/send/%2B31612345678"
    assert body == {"To": "+31612345678", "Body": TEXT}


async def test_what_a_customer_writes_fills_no_place_of_its_own(configured: Any) -> None:
    hostile = msgspec.structs.replace(SHIPPED, order_name="{id}{to}", template="order_picked")
    async with gateway() as (far, server), sending(configured, server) as sms:
        assert (await sms.send(hostile, 0)).ok
    assert far.seen[0][1]["text"] == "Acme: je bestelling {id}{to} wordt ingepakt."


@pytest.mark.parametrize(
    ("answer", "permanent", "after"),
    [
        pytest.param((400, {}), True, None, id="400: this message"),
        pytest.param((422, {}), True, None, id="422: this message"),
        pytest.param((401, {}), False, None, id="401: our credentials"),
        pytest.param((429, {"Retry-After": "7"}), False, 7.0, id="429 with Retry-After"),
        pytest.param((500, {}), False, None, id="500"),
        pytest.param((503, {"Retry-After": "2"}), False, 2.0, id="503 with Retry-After"),
        pytest.param((302, {"Location": "https://evil.example/"}), False, None, id="a redirect is not followed"),
        pytest.param("drop", False, None, id="the connection breaks"),
        pytest.param("slow", False, None, id="slower than the time-out"),
    ],
)
async def test_what_fails(configured: Any, *, answer: Any, permanent: bool, after: float | None) -> None:
    async with gateway() as (far, server), sending(configured, server, timeout_seconds=0.3) as sms:
        far.says = [answer]
        failed = await sms.send(SHIPPED, 0)
        assert (failed.ok, failed.permanent, failed.retry_after) == (False, permanent, after)
        assert (await sms.send(SHIPPED, 0)).ok
    assert len(far.sent) == 1


@pytest.mark.parametrize(
    "to", ["", "0612345678", "+0612345678", "+31 6 12345678", "+31612345678\n", "anna@example.org"]
)
async def test_a_number_that_is_none_is_refused_before_anything_is_sent(configured: Any, to: str) -> None:
    async with gateway() as (far, server), sending(configured, server) as sms:
        failed = await sms.send(msgspec.structs.replace(SHIPPED, to=to), 0)
    assert (failed.ok, failed.permanent, far.seen) == (False, True, [])


async def test_apprise_reaches_a_service_of_its_own_and_says_when_it_did_not(configured: Any) -> None:
    async with gateway() as (far, server):
        url = f"json://127.0.0.1:{server.port}/{{digits}}"
        sender = message_senders(configured(sms={"kind": "apprise", "url": url}))["message:sms"]
        assert (await sender.send(SHIPPED, 0)).ok
        far.says = [(500, {})]
        failed = await sender.send(SHIPPED, 0)
    assert (failed.ok, failed.permanent) == (False, False)
    assert far.seen[0][1]["message"] == TEXT
    assert next(iter(far.sent.values()))[0] == "/31612345678"


@pytest.mark.parametrize(
    ("sms", "wrong"),
    [
        pytest.param({"kind": "apprise", "url": "twilio://a:b@+3197000000"}, "{to}", id="nobody to send to"),
        pytest.param({"kind": "http", "url": "http://gateway.example/"}, "unencrypted", id="in the open"),
        pytest.param({"kind": "pigeon", "url": "https://x.example"}, "pigeon", id="no such kind"),
    ],
)
def test_a_gateway_that_cannot_be_is_refused_with_its_field(configured: Any, sms: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match="sms") as e:
        configured(sms=sms)
    assert wrong in str(e.value)
