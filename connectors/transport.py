"""httpx over aiohttp's connections: the same API, errors and mocks, at a fraction of the CPU; and no answer is larger than it may be.

Measured on a busy 2-core machine, both ends in one process: httpx with its own httpcore 4.9 ms of CPU a request, aiohttp 0.35 ms.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import aiohttp
import httpx
from yarl import URL

__all__ = ["MAX_ANSWER_BYTES", "AioTransport", "AnswerTooLarge"]

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""As sent and as unpacked. The largest that is documented, 250 Shopify orders of 25 kB, has 6 MB."""
_UNDERSTOOD = "gzip, deflate"
_MAX_CODINGS = 2
_ERRORS: tuple[tuple[type[BaseException], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (TimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientError, httpx.ReadError),
    (OSError, httpx.ReadError),
)


class AnswerTooLarge(httpx.ReadError):
    """An answer beyond the cap, given up in the middle: whether the request had an effect is not known, as with every broken answer."""


class AioTransport(httpx.AsyncBaseTransport):
    """One session, opened in the event loop that first uses it. Redirects are never followed here; bodies are read whole, up to ``cap`` bytes."""

    def __init__(self, timeout_seconds: float, connections: int = 64, cap: int = MAX_ANSWER_BYTES) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=timeout_seconds)
        self._connections = connections
        self._cap = cap
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
        """One request. Raises httpx's transport errors, AnswerTooLarge among them."""
        ours = {"host", "content-length", "connection", "accept-encoding"}
        headers = [(k, v) for k, v in request.headers.multi_items() if k not in ours]
        try:
            async with self._open().request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=[*headers, ("Accept-Encoding", _UNDERSTOOD)],
                data=await request.aread() or None,
                allow_redirects=False,
            ) as answer:
                return await self._read(answer, request)
        except (aiohttp.ClientError, OSError, TimeoutError) as e:
            kind = next(to for of, to in _ERRORS if isinstance(e, of))
            raise kind(str(e) or type(e).__name__, request=request) from e

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """One POST past httpx's client (its cookies, hooks, authentication, request object): a third of the CPU, the same errors.

        The answer has its ``request``, and with it ``raise_for_status``, only where it is no success.
        """
        try:
            async with self._open().post(
                URL(url, encoded=True),
                data=content,
                headers={**headers, "Accept-Encoding": _UNDERSTOOD},
                allow_redirects=False,
            ) as answer:
                made = await self._read(answer, None)
        except (aiohttp.ClientError, OSError, TimeoutError) as e:
            kind = next(to for of, to in _ERRORS if isinstance(e, of))
            raise kind(str(e) or type(e).__name__, request=httpx.Request("POST", url)) from e
        if not made.is_success:
            made.request = httpx.Request("POST", url)
        return made

    async def _read(self, answer: aiohttp.ClientResponse, request: httpx.Request | None) -> httpx.Response:
        """The whole answer, unpacked here: httpx would unpack whatever a few bytes claim to hold."""
        try:
            body = await _whole(answer, self._cap)
            for coding in reversed(_codings(answer)):
                body = _unpacked(body, coding, self._cap)
        except httpx.RequestError as e:
            e.request = request or httpx.Request(answer.method, str(answer.url))
            answer.close()  # the rest is not read, so the connection is of no more use
            raise
        headers = [(k, v) for k, v in answer.raw_headers if k.lower() not in {b"content-encoding", b"content-length"}]
        return httpx.Response(answer.status, headers=headers, content=body, request=request)

    async def aclose(self) -> None:
        """Close every connection of the transport."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _whole(answer: aiohttp.ClientResponse, cap: int) -> bytes:
    if (answer.content_length or 0) > cap:
        raise AnswerTooLarge(f"the answer announces {answer.content_length} bytes: more than {cap}")
    parts: list[bytes] = []
    size = 0
    async for part in answer.content.iter_any():
        size += len(part)
        if size > cap:
            raise AnswerTooLarge(f"the answer is more than {cap} bytes")
        parts.append(part)
    return b"".join(parts)


def _codings(answer: aiohttp.ClientResponse) -> list[str]:
    """What the body was packed with, first to last. Raises DecodingError for what we did not ask for."""
    listed = ",".join(answer.headers.getall("Content-Encoding", [])).lower().split(",")
    found = [text.strip() for text in listed if text.strip() not in {"", "identity"}]
    if len(found) > _MAX_CODINGS or set(found) - {"gzip", "x-gzip", "deflate"}:
        raise httpx.DecodingError(f"content encoding {', '.join(found)[:80]!r}: only {_UNDERSTOOD} are understood")
    return found


def _unpacked(body: bytes, coding: str, cap: int) -> bytes:
    """Raises AnswerTooLarge after ``cap`` bytes, DecodingError for what is damaged or cut off."""
    if not body:  # an answer to HEAD, or one without content, may name a coding all the same
        return body
    # deflate is zlib's format by the book, and the bare one in many servers
    forms = (31,) if coding != "deflate" else (zlib.MAX_WBITS, -zlib.MAX_WBITS)
    failed = ""
    for form in forms:
        unpacker = zlib.decompressobj(wbits=form)
        try:
            out = unpacker.decompress(body, cap + 1)
        except zlib.error as e:
            failed = str(e)
            continue
        if len(out) > cap:
            raise AnswerTooLarge(f"the answer unpacks to more than {cap} bytes")
        if unpacker.eof:
            return out
        failed = "it is cut off"
    raise httpx.DecodingError(f"the answer is not {coding}: {failed}")
