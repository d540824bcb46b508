"""Floods of strangers over real sockets: what they send costs a bounded room, and genuine deliveries get through meanwhile."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.signatures import sign
from connectors.webhooks.intake import Limits
from connectors.webhooks.metrics import Metrics

pytestmark = pytest.mark.timeout(300)  # thousands of connections, on a machine that may be busy

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
WRONG = f"x-shopify-hmac-sha256: {sign('wrong', b'')}\r\n"
PATIENT = 120.0


def head(*lines: str, length: int | str = 100) -> bytes:
    return (
        "POST /webhooks/shopify/acme HTTP/1.1\r\nhost: x\r\n" + "".join(lines) + f"content-length: {length}\r\n\r\n"
    ).encode()


async def reached(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENT):
        while not what():  # noqa: ASYNC110  # what the server counts rings no bell
            await asyncio.sleep(0.02)


def counted(metrics: Metrics, outcome: str) -> int:
    samples = (s for family in metrics.deliveries.collect() for s in family.samples)
    return int(sum(s.value for s in samples if s.name.endswith("_total") and s.labels["outcome"] == outcome))


def under_way(metrics: Metrics) -> float:
    return next(iter(metrics.open.collect())).samples[0].value


@asynccontextmanager
async def strangers(server: Any, count: int, sent: bytes, *, addresses: int = 1) -> AsyncIterator[list[Stream]]:
    """``count`` connections that send ``sent`` and then nothing, from so many addresses of this machine."""
    found: list[Stream] = []
    try:
        for i in range(count):
            n = i % addresses
            here = (f"127.{10 + n // 65536}.{n // 256 % 256}.{n % 256}", 0) if addresses > 1 else None
            stream = await asyncio.open_connection(server.host, server.port, local_addr=here)
            stream[1].write(sent)
            found.append(stream)
        yield found
    finally:
        for _, writer in found:
            writer.transport.abort()


@pytest.mark.parametrize("addresses", [pytest.param(1, id="one address"), pytest.param(2000, id="2,000 addresses")])
async def test_a_genuine_delivery_gets_through_while_2000_strangers_trickle(
    web: SimpleNamespace, recorder: Any, addresses: int
) -> None:
    metrics = Metrics()
    async with (
        web.serving(recorder, Limits(read_seconds=PATIENT), metrics) as server,
        web.posting(server) as post,
        strangers(server, 2000, head(WRONG) + b"{", addresses=addresses),
    ):
        await reached(lambda: under_way(metrics) == 2000)
        answers = [await post(web.order(), x_shopify_event_id=f"ev-{i}") for i in range(20)]
        assert [a.status_code for a in answers] == [200] * 20
        assert counted(metrics, "busy") == 1, "one stranger made room for them, one after another"
        async with strangers(server, 200, head(WRONG) + b"{", addresses=addresses):
            await reached(lambda: counted(metrics, "busy") == 200)
            assert (await post(web.order())).status_code == 200


async def test_a_sender_that_has_proved_itself_keeps_its_half_while_others_flood(
    web: SimpleNamespace, recorder: Any
) -> None:
    metrics = Metrics()
    slow = web.order()
    genuine = head(
        f"x-shopify-topic: orders/create\r\nx-shopify-hmac-sha256: {sign(web.SECRET, slow)}\r\n", length=len(slow)
    )
    async with (
        web.serving(recorder, Limits(read_seconds=PATIENT, open=40), metrics) as server,
        web.posting(server) as post,
    ):
        assert (await post(slow)).status_code == 200
        async with strangers(server, 20, genuine + slow[:10]) as own:
            await reached(lambda: under_way(metrics) == 20)
            async with strangers(server, 200, head(WRONG) + b"{", addresses=200):
                await reached(lambda: counted(metrics, "busy") == 180)
                for _, writer in own:
                    writer.write(slow[10:])
                for reader, _ in own:
                    assert b" 200 " in await asyncio.wait_for(reader.readline(), PATIENT)


async def test_bodies_of_strangers_have_one_bound_of_memory(web: SimpleNamespace, recorder: Any) -> None:
    metrics, size = Metrics(), 1_000_000
    sent = head(WRONG, length=size) + b"x" * (size - 1)
    async with (
        web.serving(recorder, Limits(read_seconds=PATIENT, waiting_bytes=8 * size), metrics) as server,
        web.posting(server) as post,
        strangers(server, 60, sent, addresses=60) as there,
    ):
        for _, writer in there:
            writer.transport.resume_reading()
        await reached(lambda: counted(metrics, "busy") >= 52)
        assert under_way(metrics) <= 8
        assert (await post(web.order(note="x" * 1_500_000))).status_code == 200


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        pytest.param("", 401, id="no signature"),
        pytest.param("x-shopify-hmac-sha256: \r\n", 401, id="an empty signature"),
        pytest.param("x-shopify-hmac-sha256: abc=\r\n", 401, id="a short signature"),
        pytest.param(f"x-shopify-hmac-sha256: {'A' * 6000}=\r\n", 401, id="a long signature"),
        pytest.param(WRONG + WRONG, 400, id="the signature twice"),
        pytest.param(WRONG + "X-Shopify-Topic: a\r\nx-shopify-topic: b\r\n", 400, id="the topic twice"),
        pytest.param(WRONG + "x-shopify-event-id: a\r\n" * 2, 400, id="the event id twice"),
        pytest.param(WRONG + "content-encoding: gzip\r\n" * 2, 400, id="the encoding twice"),
        pytest.param(WRONG + f"x-shopify-event-id: {'e' * 256}\r\n", 400, id="a long event id"),
        pytest.param(WRONG + f"x-shopify-topic: {'t' * 256}\r\n", 400, id="a long topic"),
        pytest.param(WRONG + f"x-shopify-shop-domain: {'d' * 20_000}\r\n", 431, id="20 kB of headers"),
        pytest.param(WRONG + f"x-other: {'d' * 70_000}\r\n", 431, id="70 kB of headers"),
        pytest.param(WRONG + "".join(f"x-{i}: 1\r\n" for i in range(200)), 431, id="200 headers"),
        pytest.param(WRONG + "expect: 100-continue\r\nx-shopify-event-id: " + "e" * 300 + "\r\n", 400, id="expect"),
    ],
)
async def test_a_head_that_cannot_be_genuine_is_refused_before_its_body(
    web: SimpleNamespace, recorder: Any, lines: str, status: int
) -> None:
    async with web.serving(recorder) as server, strangers(server, 1, head(lines, length=1000)) as ((reader, _),):
        line = await asyncio.wait_for(reader.readline(), PATIENT)
        assert line.startswith(f"HTTP/1.1 {status} ".encode())
    assert recorder.records == []


async def test_a_gzip_of_strangers_unpacks_to_a_hundred_times_its_size_at_most(
    web: SimpleNamespace, recorder: Any
) -> None:
    small = gzip.compress(b" " * 1_900_000)
    async with web.serving(recorder) as server, web.posting(server) as post:
        answer = await post(small, content_encoding="gzip")
        assert answer.status_code == 413
        noise = os.urandom(300_000).hex().encode()
        body = web.order(note=noise.decode())
        packed = gzip.compress(body)
        assert (
            await post(packed, content_encoding="gzip", x_shopify_hmac_sha256=sign(web.SECRET, body))
        ).status_code == 200


async def test_two_megabytes_of_brackets_are_refused(web: SimpleNamespace, recorder: Any) -> None:
    body = (b"[" + b",".join([b"[" * 59 + b"]" * 59] * 17_000) + b"]")[: 2 * 1024 * 1024]
    async with web.serving(recorder) as server, web.posting(server) as post:
        answer = await post(body)
        assert answer.status_code == 400
        assert "brackets" in answer.json()["detail"]


HOSTILE = [
    pytest.param(
        head(WRONG).replace(b"content-length: 100", b"content-length: 5\r\ncontent-length: 6") + b"{}   ",
        id="two lengths",
    ),
    pytest.param(head(WRONG, "transfer-encoding: chunked\r\n", length=4) + b"0\r\n\r\n", id="length and chunks"),
    pytest.param(head(WRONG, length="-1"), id="a negative length"),
    pytest.param(head(WRONG, length="9" * 400), id="a length of 400 digits"),
    pytest.param(head(WRONG, length="0x10"), id="a hexadecimal length"),
    pytest.param(head(WRONG, length="+5") + b"12345", id="a length with a sign"),
    pytest.param(
        head(WRONG).replace(b"content-length: 100", b"transfer-encoding: chunked") + b"zz\r\n", id="a chunk of zz"
    ),
    pytest.param(
        head(WRONG).replace(b"content-length: 100", b"transfer-encoding: chunked") + b"ffffffffffffffff\r\n{",
        id="a chunk of 2^64",
    ),
    pytest.param(
        head(WRONG).replace(b"content-length: 100", b"transfer-encoding: chunked") + b"1;" + b"e" * 40_000,
        id="a chunk with 40 kB of extension",
    ),
    pytest.param(
        head(WRONG).replace(b"content-length: 100", b"transfer-encoding: chunked") + b"0\r\n" + b"t: x\r\n" * 9000,
        id="50 kB of trailers",
    ),
    pytest.param(
        head(WRONG).replace(b"content-length: 100", b"transfer-encoding: gzip, chunked") + b"0\r\n\r\n",
        id="a transfer encoding of gzip",
    ),
    pytest.param(head(WRONG).replace(b" HTTP/1.1", b" HTTP/9.9"), id="a version that is none"),
    pytest.param(head(WRONG).replace(b"host: x\r\n", b"host: x\r\n folded: y\r\n"), id="a folded header"),
    pytest.param(head(WRONG).replace(b"host: x", b"ho\x00st: x"), id="NUL in a name"),
    pytest.param(head(WRONG).replace(b"host: x", b"host: x\rx: y"), id="a bare carriage return"),
    pytest.param(head(WRONG).replace(b"host: x", b"host : x"), id="a blank before the colon"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", id="TLS"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
    pytest.param(b"GET " + b"/" * 40_000 + b" HTTP/1.1\r\n\r\n", id="a path of 40 kB"),
    pytest.param(head(WRONG).replace(b"/acme", b"/acme/../acme"), id="dots in the path"),
    pytest.param(head(WRONG).replace(b"/acme", b"/%61cme%00"), id="NUL in the path"),
    pytest.param(head(WRONG).replace(b"POST", b"post"), id="a method in lower case"),
    pytest.param(head(WRONG).replace(b"POST", b"CONNECT"), id="CONNECT"),
    pytest.param(head(WRONG, "upgrade: websocket\r\nconnection: upgrade\r\n"), id="an upgrade"),
    pytest.param(head(WRONG, "expect: 100-continue\r\n"), id="expect and nothing more"),
    pytest.param(head(WRONG, "content-encoding: gzip\r\n", length=20) + b"\x1f\x8b" + b"\x00" * 18, id="half a gzip"),
    pytest.param(head(WRONG, "content-encoding: gzip, gzip\r\n", length=2) + b"{}", id="gzip of gzip"),
    pytest.param(
        head(WRONG, length=2) + b"{}" + head(WRONG, length=2) + b"{}" + head(length=2) + b"{}", id="three in a pipeline"
    ),
    pytest.param(head(WRONG, "traceparent: " + "0" * 9000 + "\r\n", length=2) + b"{}", id="a trace of 9 kB"),
    pytest.param(head(WRONG, "x-forwarded-for: " + "1.1.1.1," * 1500 + "\r\n", length=2) + b"{}", id="1,500 hops"),
    pytest.param(
        b"POST /webhooks/shopify/acme HTTP/1.0\r\n" + WRONG.encode() + b"\r\n{}", id="HTTP/1.0 without a length"
    ),
    pytest.param(b"POST /webhooks/shopify/acme HT", id="half a line"),
]


@pytest.mark.parametrize("sent", HOSTILE)
async def test_hostile_forms_are_refused_or_left_and_the_next_genuine_one_is_stored(
    web: SimpleNamespace, recorder: Any, sent: bytes
) -> None:
    async with (
        web.serving(recorder, Limits(read_seconds=2.0)) as server,
        web.posting(server) as post,
        strangers(server, 1, sent) as ((reader, writer),),
    ):
        writer.write_eof()
        answered = await asyncio.wait_for(reader.read(), PATIENT)
        assert not answered or answered.split()[1] in {
            b"400",
            b"401",
            b"404",
            b"405",
            b"408",
            b"413",
            b"414",
            b"415",
            b"417",
            b"431",
            b"501",
            b"505",
            b"100",
        }, answered
        assert b" 500 " not in answered
        assert recorder.records == []
        assert (await post(web.order())).status_code == 200


async def test_genuine_deliveries_in_a_pipeline_are_all_stored_in_their_order(
    web: SimpleNamespace, recorder: Any
) -> None:
    body = web.order()
    signed = f"x-shopify-topic: orders/create\r\nx-shopify-hmac-sha256: {sign(web.SECRET, body)}\r\n"
    sent = b"".join(head(signed, f"x-shopify-event-id: e{i}\r\n", length=len(body)) + body for i in range(3))
    async with web.serving(recorder) as server, strangers(server, 1, sent) as ((reader, _),):
        async with asyncio.timeout(PATIENT):
            answered = b""
            while answered.count(b"HTTP/1.1 200 ") < 3:
                answered += await reader.read(1000)
    assert [r.key for r in recorder.records if r.topic == "wharf.raw"] == [b"shopify:acme:e%d" % i for i in range(3)]
