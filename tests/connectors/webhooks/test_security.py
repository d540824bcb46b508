"""Who may not come in, and that nothing of theirs reaches Kafka."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.signatures import sign
from connectors.webhooks.intake import Limits

SECRET, OLD = "s3cret", "0ld"
ORDER = b'{"id": 1}'
CAP = 2 * 1024 * 1024
DEEP = b'{"a":' * 100 + b"1" + b"}" * 100


@pytest.mark.parametrize(
    ("body", "how", "status"),
    [
        pytest.param(ORDER, {"secret": "wrong"}, 401, id="wrong secret"),
        pytest.param(ORDER, {"secret": None}, 401, id="no signature"),
        pytest.param(ORDER, {"x_shopify_hmac_sha256": "%%%"}, 401, id="a signature that is not base64"),
        pytest.param(
            ORDER, {"x_shopify_hmac_sha256": "A" + sign(SECRET, ORDER)}, 401, id="a signature with a letter before it"
        ),
        pytest.param(ORDER, {"x_shopify_hmac_sha256": sign("", ORDER)}, 401, id="signed with the empty secret"),
        pytest.param(b"{", {"secret": "wrong"}, 401, id="the signature is judged before the body"),
        pytest.param(b"", {}, 400, id="an empty body"),
        pytest.param(b"{", {}, 400, id="half a body"),
        pytest.param(b'{"a":1}x', {}, 400, id="something behind the body"),
        pytest.param(b'{"a":"\xff"}', {}, 400, id="not UTF-8"),
        pytest.param(DEEP, {}, 400, id="100 levels deep"),
        pytest.param(b"[" * 200_000, {}, 400, id="200,000 levels deep"),
        pytest.param(ORDER, {"topic": None}, 400, id="no topic"),
        pytest.param(b"x" * (CAP + 1), {}, 413, id="one byte too many"),
        pytest.param(b"x" * (CAP + 1), {"secret": "wrong"}, 413, id="one byte too many, from a stranger"),
        pytest.param(b"not gzip", {"content_encoding": "gzip"}, 400, id="not gzip"),
        pytest.param(ORDER, {"content_encoding": "br"}, 415, id="an encoding we do not read"),
    ],
)
async def test_a_refused_delivery_gets_its_status_and_leaves_nothing_in_kafka(
    web: SimpleNamespace, recorder: Any, body: bytes, how: dict[str, str], status: int
) -> None:
    async with web.serving(recorder) as server, web.posting(server) as post:
        answer = await post(body, **how)
        assert answer.status_code == status
        assert recorder.records == []
        assert (await post(web.order())).status_code == 200, "and the server goes on"


async def test_unknown_accounts_are_404_and_other_methods_405(web: SimpleNamespace, recorder: Any) -> None:
    async with web.serving(recorder) as server, httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.post("/webhooks/shopify/other", content=web.order())).status_code == 404
        assert (await client.post("/webhooks/nobody/acme", content=web.order())).status_code == 404
        assert (await client.get("/webhooks/shopify/acme")).status_code == 405
    assert recorder.records == []


@pytest.mark.parametrize("secret", [SECRET, OLD])
async def test_every_active_secret_is_accepted_while_one_is_rotated(
    web: SimpleNamespace, recorder: Any, secret: str
) -> None:
    async with web.serving(recorder) as server, web.posting(server) as post:
        assert (await post(web.order(), secret=secret)).status_code == 200


async def test_a_chunked_body_without_a_length_is_cut_at_the_cap(web: SimpleNamespace, recorder: Any) -> None:
    async def chunks() -> object:
        for _ in range(64):
            yield b" " * 65_536

    async with web.serving(recorder) as server, httpx.AsyncClient(base_url=server.url) as client:
        headers = {"x-shopify-hmac-sha256": sign("wrong", b"")}
        answer = await client.post("/webhooks/shopify/acme", content=chunks(), headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 413
    assert recorder.records == []


async def test_gzip_is_unpacked_and_a_bomb_is_not(web: SimpleNamespace, recorder: Any) -> None:
    async with web.serving(recorder) as server, httpx.AsyncClient(base_url=server.url) as client:
        for body, status in ((web.order(), 200), (b" " * 50_000_000, 413)):
            headers = {
                "content-encoding": "gzip",
                "x-shopify-topic": "orders/create",
                "x-shopify-hmac-sha256": sign(SECRET, body),
            }
            answer = await client.post("/webhooks/shopify/acme", content=gzip.compress(body), headers=headers)
            assert answer.status_code == status
    assert recorder.topics() == ["wharf.raw", "wharf.orders.in"]


async def test_a_slow_sender_is_sent_away_and_others_are_served_meanwhile(web: SimpleNamespace, recorder: Any) -> None:
    async with web.serving(recorder, Limits(read_seconds=0.3)) as server, web.posting(server) as post:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        signed = f"x-shopify-hmac-sha256: {sign('wrong', b'')}"
        head = f"POST /webhooks/shopify/acme HTTP/1.1\r\nhost: x\r\n{signed}\r\ncontent-length: 1000\r\n\r\n"
        writer.write(head.encode() + b"{")
        await writer.drain()
        assert (await post(web.order())).status_code == 200
        line = await asyncio.wait_for(reader.readline(), 120)
        assert b" 408 " in line
        writer.close()


async def test_an_account_that_sends_too_much_is_told_when_to_come_back(web: SimpleNamespace, recorder: Any) -> None:
    async with web.serving(recorder, Limits(rate=0.1, burst=2)) as server, web.posting(server) as post:
        for _ in range(5):
            assert (await post(web.order(), secret="wrong")).status_code == 401, "strangers take no tokens"
        assert [(await post(web.order())).status_code for _ in range(2)] == [200, 200]
        answer = await post(web.order())
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 11


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda x: st.lists(x, max_size=4) | st.dictionaries(st.text(max_size=8), x, max_size=4),
        ).map(lambda v: json.dumps(v).encode()),
    ),
    topic=st.sampled_from(["orders/create", "refunds/create", "returns/request", "no/such"]),
)
def test_whatever_a_signed_sender_sends_is_stored_or_refused_and_never_500(
    web: SimpleNamespace, body: bytes, topic: str
) -> None:
    async def run() -> None:
        recorder = web.Recorder()
        async with web.serving(recorder) as server, web.posting(server) as post:
            answer = await post(body, topic=topic)
            assert answer.status_code in (200, 400)
            assert bool(recorder.records) == (answer.status_code == 200)

    asyncio.run(run())


def test_our_logs_and_refusals_name_no_customer() -> None:
    source = Path(__file__).parents[3] / "connectors" / "webhooks"
    calls = [line for f in source.glob("*.py") for line in f.read_text().splitlines() if "_LOG." in line]
    assert calls
    assert not [line for line in calls if "body" in line or "headers" in line]
