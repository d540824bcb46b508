"""ClickHouse's HTTP interface, for reading, on localhost: what clickhouse-connect, Grafana and curl expect.

It runs in a thread of its own with its own event loop; queries run in a small pool next to it. Whoever has the token of WHARF_HOME may
read (`access`). Host, Origin and Sec-Fetch-Site are checked, or a web page could reach it, by DNS rebinding too. A client that hangs up
ends its query.
"""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import structlog
from aiohttp import BodyPartReader, web

from .access import authenticate, from_page
from .bounds import ANSWERS, READERS
from .coding import choose, encode, unpack
from .engine import Answer, Engine, Ticket
from .errors import (
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    QUERY_TOO_LARGE,
    TOO_MANY_QUERIES,
    ClickHouseError,
)
from .request import parse

__all__ = ["ReadOnlyServer"]

log = structlog.get_logger(__name__)

MAX_QUERY = 1 << 20
MAX_WAITING = 64
SEND_SECONDS = 30.0
"""How long a reader may take for the next part of its answer."""
_PART = 1 << 20
_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_TYPES = {
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONStrings": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "JSONCompactEachRow": "application/x-ndjson; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "TabSeparatedWithNames": "text/tab-separated-values; charset=UTF-8",
    "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream",
    "RowBinaryWithNamesAndTypes": "application/octet-stream",
    "Parquet": "application/octet-stream",
    "Arrow": "application/octet-stream",
    "ArrowStream": "application/octet-stream",
    "XML": "application/xml; charset=UTF-8",
}


class ReadOnlyServer:
    """Serves ``engine`` on 127.0.0.1:``port`` between `start` and `stop`."""

    def __init__(self, engine: Engine, port: int, workers: int = READERS) -> None:
        self._engine = engine
        self.port = port
        self._pool = ThreadPoolExecutor(workers, "clickhouse-read")
        self._waiting = 0
        self._held = 0  # bytes of answers not yet sent
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="clickhouse-http", daemon=True)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        """What every caller must know."""
        return self._engine.token

    def start(self) -> None:
        """Listen. Raises OSError where the port is taken."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        """Stop listening and wait for the queries in hand."""
        if self._runner:
            asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(30)
        self._pool.shutdown(cancel_futures=True)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _listen(self) -> None:
        app = web.Application(client_max_size=MAX_QUERY)
        app.router.add_get("/ping", self._ping)
        app.router.add_route("*", "/", self._query)
        # auto_decompress off: we know lz4 too, and bound what comes out
        self._runner = web.AppRunner(
            app, access_log=None, auto_decompress=False, shutdown_timeout=5, handler_cancellation=True
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def _query(self, request: web.Request) -> web.StreamResponse:
        query_id = request.query.get("query_id") or str(uuid.uuid4())
        headers = {
            "X-ClickHouse-Query-Id": query_id.encode("ascii", "replace").decode().replace("\n", " ").replace("\r", " "),
            "X-ClickHouse-Server-Display-Name": "wharf",
            "X-ClickHouse-Timezone": self._engine.timezone,
        }
        try:
            return await self._answer(request, headers)
        except ClickHouseError as e:
            headers["X-ClickHouse-Exception-Code"] = str(e.code)
            if e.code == AUTHENTICATION_FAILED:
                headers["WWW-Authenticate"] = 'Basic realm="ClickHouse"'
            return web.Response(status=e.status, text=e.body(self._engine.version), headers=headers)

    async def _answer(self, request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
        if request.url.host not in _HOSTS:
            return web.Response(status=403, text=f"Host {request.host}: this server answers on localhost only\n")
        if reason := from_page(request.headers):
            return web.Response(status=403, text=reason + "\n")
        if request.method not in ("GET", "POST", "HEAD"):
            return web.Response(status=405, text="GET or POST\n", headers={"Allow": "GET, POST, HEAD"})
        authenticate(request.headers, request.query, self.token)
        arguments, body = await self._read(request)
        if not body and "query" not in arguments:
            return web.Response(text="Ok.\n")
        query = parse(arguments, request.headers, body, self._engine.bounds)
        ticket = Ticket()
        answer = await self._run(
            lambda: self._engine.read(
                query.sql,
                format=query.format,
                parameters=query.parameters,
                settings=query.settings,
                database=query.database,
                ticket=ticket,
            ),
            ticket,
        )
        coding = choose(request.headers.get("Accept-Encoding", "")) if query.compress else ""
        return await self._send(request, headers | _described(answer), answer.body, coding)

    async def _send(
        self, request: web.Request, headers: dict[str, str], body: bytes, coding: str
    ) -> web.StreamResponse:
        """The answer, in parts; all that are under way share one bound."""
        if self._held and self._held + len(body) > ANSWERS:
            raise ClickHouseError(TOO_MANY_QUERIES, "Too many large answers at once: ask again, or for less")
        self._held += (size := len(body))
        try:
            if coding and body:
                body = await asyncio.to_thread(encode, body, coding)
                headers["Content-Encoding"] = coding
            if len(body) <= _PART:
                return web.Response(body=body, headers=headers)
            response = web.StreamResponse(headers=headers)
            response.content_length = len(body)
            await response.prepare(request)
            for start in range(0, len(body) if request.method != "HEAD" else 0, _PART):
                await asyncio.wait_for(response.write(body[start : start + _PART]), SEND_SECONDS)
            return response
        finally:
            self._held -= size

    async def _run(self, work: Callable[[], Answer], ticket: Ticket) -> Answer:
        if self._waiting >= MAX_WAITING:
            raise ClickHouseError(TOO_MANY_QUERIES, f"Too many simultaneous queries. Maximum: {MAX_WAITING}")
        self._waiting += 1
        done = self._pool.submit(work)
        done.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._ended))
        try:
            return await asyncio.wrap_future(done)
        except asyncio.CancelledError:
            ticket.cancelled = True
            self._loop.run_in_executor(None, self._stop_query, ticket, done)
            raise

    def _ended(self) -> None:
        self._waiting -= 1

    def _stop_query(self, ticket: Ticket, done: Future[Answer]) -> None:
        """Kill it until it is gone: it may only be about to begin."""
        while not done.done():
            self._engine.cancel(ticket)
            wait([done], timeout=0.1)

    async def _read(self, request: web.Request) -> tuple[dict[str, str], str]:
        """URL arguments with form fields, and the body's text."""
        arguments = dict(request.query.items())
        if request.content_type == "multipart/form-data":
            return arguments | await self._read_form(request), ""
        raw = await request.read()
        data = unpack(raw, request.headers.get("Content-Encoding", "").lower(), MAX_QUERY)
        return arguments, data.decode(errors="replace")

    async def _read_form(self, request: web.Request) -> dict[str, str]:
        """The fields of a form. Raises ClickHouseError (36) for one that can't be read, whatever its parser trips over."""
        try:
            return await self._form(request)
        except (ValueError, LookupError, RuntimeError) as e:
            raise ClickHouseError(BAD_ARGUMENTS, f"The form can't be read: {str(e)[:200]}") from e

    async def _form(self, request: web.Request) -> dict[str, str]:
        fields: dict[str, str] = {}
        size = 0
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.filename or not part.name:
                raise ClickHouseError(
                    NOT_IMPLEMENTED, "External tables are not offered here: use a WITH clause or parameters"
                )
            fields[part.name] = text = await part.text()
            # aiohttp bounds each field, not all of them
            if (size := size + len(part.name) + len(text)) > MAX_QUERY:
                raise ClickHouseError(QUERY_TOO_LARGE, f"The form is longer than {MAX_QUERY} characters")
        return fields


def _described(answer: Answer) -> dict[str, str]:
    summary = {
        "read_rows": str(answer.rows_read),
        "read_bytes": str(answer.bytes_read),
        "written_rows": "0",
        "written_bytes": "0",
        "elapsed_ns": str(int(answer.seconds * 1e9)),
    }
    return {
        "Content-Type": _TYPES.get(answer.format, "text/plain; charset=UTF-8"),
        "X-ClickHouse-Format": answer.format,
        "X-ClickHouse-Summary": json.dumps(summary),
    }
