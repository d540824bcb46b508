"""httpx over aiohttp: answers and errors are httpx's own."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import httpx
import pytest
from aiohttp import web

from connectors.transport import AioTransport, AnswerTooLarge
from lab.simulators.timeline import serving


async def echo(request: web.Request) -> web.Response:
    body = await request.read()
    seen = {"path": request.raw_path, "body": body.decode(), "type": request.headers.get("Content-Type", "")}
    return web.json_response(seen, status=201, headers={"X-Two": "a"})


async def zipped(_: web.Request) -> web.Response:
    return web.Response(body=gzip.compress(b"plain"), headers={"Content-Encoding": "gzip"})


async def deflated(request: web.Request) -> web.Response:
    bare = "bare" in request.query
    packer = zlib.compressobj(wbits=-15 if bare else 15)
    return web.Response(body=packer.compress(b"plain") + packer.flush(), headers={"Content-Encoding": "deflate"})


async def large(request: web.Request) -> web.StreamResponse:
    """As many bytes as asked for, of a length that is announced or not."""
    size = int(request.query["size"])
    answer = web.StreamResponse()
    if "announced" in request.query:
        answer.content_length = size
    await answer.prepare(request)
    for start in range(0, size, 1000):
        await answer.write(b"x" * min(1000, size - start))
    return answer


async def bomb(request: web.Request) -> web.Response:
    body = gzip.compress(b"x" * int(request.query["size"]))
    times = int(request.query.get("times", 1))
    for _ in range(times - 1):
        body = gzip.compress(body)
    return web.Response(body=body, headers={"Content-Encoding": ", ".join(["gzip"] * times)})


async def coded(request: web.Request) -> web.Response:
    return web.Response(body=b"abc", headers={"Content-Encoding": request.query["coding"]})


async def slow(_: web.Request) -> web.Response:
    await asyncio.sleep(5)
    return web.Response()


async def silent(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def moved(_: web.Request) -> web.Response:
    raise web.HTTPFound("http://elsewhere.example/")


def app() -> web.Application:
    made = web.Application()
    handlers = (zipped, slow, silent, moved, deflated, large, bomb, coded)
    for handler in handlers:
        made.router.add_route("*", f"/{handler.__name__}", handler)
    made.router.add_route("*", "/{rest:.*}", echo)
    return made


@pytest.fixture
async def client() -> Any:
    async with serving(app()) as url, httpx.AsyncClient(base_url=url, transport=AioTransport(0.4)) as c:
        yield c


async def test_method_path_query_body_and_headers_arrive_as_they_were_given(client: httpx.AsyncClient) -> None:
    answer = await client.post("/a%2Fb%3Ac?x=1%202", content=b"{}", headers={"Content-Type": "application/json"})
    assert answer.status_code == 201
    assert answer.headers["x-two"] == "a"
    assert answer.json() == {"path": "/a%2Fb%3Ac?x=1%202", "body": "{}", "type": "application/json"}


async def test_a_compressed_body_is_read(client: httpx.AsyncClient) -> None:
    assert (await client.get("/zipped")).text == "plain"


async def test_a_redirect_is_never_followed(client: httpx.AsyncClient) -> None:
    assert (await client.get("/moved")).status_code == 302


@pytest.mark.parametrize(
    ("url", "error"),
    [
        pytest.param("/slow", httpx.ReadTimeout, id="too slow"),
        pytest.param("/silent", httpx.RemoteProtocolError, id="hung up"),
        pytest.param("http://127.0.0.1:9/", httpx.ConnectError, id="nobody there"),
    ],
)
async def test_what_goes_wrong_is_httpxs_error(client: httpx.AsyncClient, url: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await client.get(url)


CAP = 100_000


@pytest.fixture
async def capped() -> Any:
    transport = AioTransport(20.0, cap=CAP)
    async with serving(app()) as url, httpx.AsyncClient(base_url=url, transport=transport) as c:
        yield c, transport, url


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/large?size={}&announced", id="announced"),
        pytest.param("/large?size={}", id="streamed"),
        pytest.param("/bomb?size={}", id="packed"),
        pytest.param("/bomb?size={}&times=2", id="packed twice"),
    ],
)
async def test_an_answer_beyond_the_cap_is_given_up_as_sent_and_as_unpacked(capped: Any, path: str) -> None:
    client, transport, url = capped
    assert len((await client.get(path.format(CAP))).content) == CAP
    for size in (CAP + 1, 50_000_000):
        for ask in (client.get(path.format(size)), transport.post(url + path.format(size), b"{}", {})):
            with pytest.raises(AnswerTooLarge, match="more than 100000"):
                await ask
    assert (await client.get("/zipped")).text == "plain", "and the next answer is read"


async def test_both_forms_of_deflate_are_read_and_what_nobody_asked_for_is_an_error(capped: Any) -> None:
    client, transport, url = capped
    for path in ("/deflated", "/deflated?bare"):
        assert (await client.get(path)).text == "plain"
        assert (await transport.post(url + path, b"{}", {})).text == "plain"
    for coding in ("br", "zstd", "gzip", "deflate", "gzip,gzip,gzip", "rubbish"):
        with pytest.raises(httpx.DecodingError):
            await client.get(f"/coded?coding={coding}")
    assert (await client.head("/coded?coding=gzip")).status_code == 200


async def test_an_error_of_a_large_answer_is_one_that_every_caller_of_httpx_catches(capped: Any) -> None:
    client, _, _ = capped
    with pytest.raises(httpx.HTTPError) as e:
        await client.get(f"/large?size={CAP * 2}")
    assert isinstance(e.value, httpx.TransportError)
    assert e.value.request.url.path == "/large"
