"""Runs an ASGI app on granian in this process, with a clean stop: requests under way are answered first."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

__all__ = ["AppServer", "free_port"]


def free_port(host: str) -> int:
    """A port nobody listens on just now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.bind((host, 0))
        return int(s.getsockname()[1])


class AppServer:
    """One granian server; ``port`` 0 picks a free one."""

    def __init__(self, app: Any, host: str, port: int, *, header_seconds: float = 5.0) -> None:
        self.host = host
        self.port = port or free_port(host)
        self._task: asyncio.Task[None] | None = None
        self._server = Server(
            app,
            address=host,
            port=self.port,
            interface=Interfaces.ASGI,
            http=HTTPModes.http1,
            websockets=False,
            backlog=1024,
            backpressure=4096,
            log_enabled=False,
            http1_settings=HTTP1Settings(header_read_timeout=int(header_seconds * 1000)),
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def start(self, seconds: float = 15.0) -> None:
        """Return once it accepts connections. Raises RuntimeError where it can't."""
        self._task = asyncio.create_task(self._server.serve())
        for _ in range(int(seconds / 0.02)):
            if self._task.done():
                raise RuntimeError(f"the server at {self.url} did not start: {self._task.exception()!r}")
            try:
                _, writer = await asyncio.open_connection(self.host, self.port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return
        raise RuntimeError(f"the server at {self.url} does not accept connections")

    async def stop(self) -> None:
        """Take no more connections, answer what is under way, end."""
        self._server.stop()
        if self._task:
            await self._task
