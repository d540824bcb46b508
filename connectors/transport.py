"""httpx over aiohttp's connections: the same API, errors and mocks, at a fraction of the CPU.

Measured on a busy 2-core machine, both ends in one process: httpx with its own httpcore 4.9 ms of CPU a request, aiohttp 0.35 ms.
"""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
import httpx
from yarl import URL

__all__ = ["AioTransport"]

_ERRORS: tuple[tuple[type[BaseException], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (TimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientError, httpx.ReadError),
    (OSError, httpx.ReadError),
)


class AioTransport(httpx.AsyncBaseTransport):
    """One session, opened in the event loop that first uses it. Redirects are never followed here; bodies are read whole."""

    def __init__(self, timeout_seconds: float, connections: int = 64) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=timeout_seconds)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request. Raises httpx's transport errors."""
        headers = [
            (k, v) for k, v in request.headers.multi_items() if k not in {"host", "content-length", "connection"}
        ]
        try:
            async with self._open().request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=headers,
                data=await request.aread() or None,
                allow_redirects=False,
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as e:
            kind = next(to for of, to in _ERRORS if isinstance(e, of))
            raise kind(str(e) or type(e).__name__, request=request) from e
        return httpx.Response(answer.status, headers=list(answer.raw_headers), content=content, request=request)

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """One POST past httpx's client (its cookies, hooks, authentication, request object): a third of the CPU, the same errors.

        The answer has its ``request``, and with it ``raise_for_status``, only where it is no success.
        """
        try:
            async with self._open().post(
                URL(url, encoded=True), data=content, headers=headers, allow_redirects=False
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as e:
            kind = next(to for of, to in _ERRORS if isinstance(e, of))
            raise kind(str(e) or type(e).__name__, request=httpx.Request("POST", url)) from e
        made = httpx.Response(answer.status, headers=list(answer.raw_headers), content=body)
        if not made.is_success:
            made.request = httpx.Request("POST", url)
        return made

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
