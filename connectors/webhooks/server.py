"""Runs an ASGI app on granian in this process, on a port that is ours alone, with a clean stop: requests under way are answered first."""

from __future__ import annotations

import asyncio
import secrets
import socket
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.net import SocketHolder
from granian.server.embed import Server

__all__ = ["AppServer", "listener"]

_BACKLOG = 1024
_BUFFER_BYTES = 32 * 1024
"""What one connection may hold before the app sees it: a longer head is 431. (granian's default is 417 kB, for each of 4,096 connections.)"""


def listener(host: str, port: int) -> socket.socket:
    """A listening socket that nobody shares; ``port`` 0 takes a free one. Raises OSError, also where anybody else listens.

    granian would set SO_REUSEPORT: two installations on one port would then each get a part of the other's deliveries, in silence.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # connections of an earlier run may linger in TIME_WAIT
        made.bind(address)
        made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


class _Server(Server):  # type: ignore[misc]  # granian has no types here
    """granian around a socket that it is given."""

    def __init__(self, app: Any, given: socket.socket, settings: HTTP1Settings) -> None:
        host, port = given.getsockname()[:2]
        self._given = given
        super().__init__(
            app,
            address=host,
            port=port,
            interface=Interfaces.ASGI,
            http=HTTPModes.http1,
            websockets=False,
            backlog=_BACKLOG,
            backpressure=4096,
            log_enabled=False,
            http1_settings=settings,
        )

    def _init_shared_socket(self) -> None:
        self._sfd = self._given.detach()  # granian closes it
        self._shd = SocketHolder(self._sfd, False, _BACKLOG)


class AppServer:
    """One granian server; ``port`` 0 picks a free one. The port is taken when the object is made: raises OSError where it can't be."""

    def __init__(self, app: Any, host: str, port: int, *, header_seconds: float = 5.0) -> None:
        self._app = app
        self._socket = listener(host, port)
        self.host = host
        self.port = int(self._socket.getsockname()[1])
        self._probe = f"/ready/{secrets.token_urlsafe(16)}"
        self._proof = secrets.token_urlsafe(16).encode()
        self._task: asyncio.Task[None] | None = None
        timeout = int(header_seconds * 1000)
        self._server = _Server(self._front, self._socket, HTTP1Settings(timeout, max_buffer_size=_BUFFER_BYTES))

    @property
    def url(self) -> str:
        """URL under which the server listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def _front(self, scope: Any, receive: Any, send: Any) -> Any:
        if self._probe and scope["type"] == "http" and scope["path"] == self._probe:
            return _prove(self._proof, send)
        return self._app(scope, receive, send)

    async def start(self, seconds: float = 15.0) -> None:
        """Return once this very server has answered, with a word that only it knows. Raises RuntimeError where it does not."""
        self._task = asyncio.create_task(self._server.serve())
        for _ in range(int(seconds / 0.02)):
            if self._task.done():
                raise RuntimeError(f"the server at {self.url} did not start: {self._task.exception()!r}")
            if await self._answers():
                self._probe = ""
                return
            await asyncio.sleep(0.02)
        raise RuntimeError(f"the server at {self.url} does not answer")

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(2.0):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                try:
                    writer.write(f"GET {self._probe} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
                    return (await reader.read()).endswith(b"\r\n\r\n" + self._proof)
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False

    async def stop(self) -> None:
        """Take no more connections, answer what is under way, end."""
        self._server.stop()
        if self._task:
            await self._task
        self._socket.close()  # nothing, once it has been handed over


async def _prove(proof: bytes, send: Any) -> None:
    length = (b"content-length", b"%d" % len(proof))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": proof})
