"""httpx over aiohttp: answers and errors are httpx's own."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import httpx
import pytest
from aiohttp import web

from connectors.transport import AioTransport
from ops.simulators.timeline import serving


async def echo(request: web.Request) -> web.Response:
    body = await request.read()
    seen = {"path": request.raw_path, "body": body.decode(), "type": request.headers.get("Content-Type", "")}
    return web.json_response(seen, status=201, headers={"X-Two": "a"})


async def zipped(_: web.Request) -> web.Response:
    return web.Response(body=gzip.compress(b"plain"), headers={"Content-Encoding": "gzip"})


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
    for path, handler in (("/zip", zipped), ("/slow", slow), ("/silent", silent), ("/moved", moved)):
        made.router.add_get(path, handler)
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
    assert (await client.get("/zip")).text == "plain"


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
