"""The server's port is its own, and whether it is ready is answered by itself."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.webhooks.server import AppServer, listener


@pytest.fixture
def foreign() -> Iterator[int]:
    """Another program that answers everything with 200, and would share its port."""

    class Shared(HTTPServer):
        def server_bind(self) -> None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            super().server_bind()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = Shared(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


async def app(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "lifespan"
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


def test_a_port_on_which_another_program_listens_is_refused_also_where_that_one_would_share(foreign: int) -> None:
    with pytest.raises(OSError, match="in use"):
        AppServer(app, "127.0.0.1", foreign)


async def test_two_servers_never_share_a_port_and_it_is_free_again_after_the_stop(
    web: SimpleNamespace, recorder: Any
) -> None:
    async with web.serving(recorder) as server:
        for host in ("127.0.0.1", "0.0.0.0"):  # noqa: S104
            with pytest.raises(OSError, match="in use"):
                AppServer(app, host, server.port)
        with socket.socket() as sharing:
            sharing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with pytest.raises(OSError, match="in use"):
                sharing.bind(("127.0.0.1", server.port))
    again = AppServer(app, "127.0.0.1", server.port)
    await again.start()
    await again.stop()


async def test_ready_means_that_this_very_server_answered(foreign: int) -> None:
    server = AppServer(app, "127.0.0.1", 0)
    own, server.port = server.port, foreign
    assert not await server._answers(), "that one says 200 to everything"
    server.port = own
    await server.start()
    await server.stop()


def test_a_listener_leaves_nothing_behind_where_it_fails() -> None:
    with listener("127.0.0.1", 0) as held:
        port = held.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listener("127.0.0.1", port)
    listener("127.0.0.1", port).close()


async def test_a_server_that_was_never_started_gives_its_port_back_at_its_stop() -> None:
    server = AppServer(app, "127.0.0.1", 0)
    await server.stop()
    listener("127.0.0.1", server.port).close()
