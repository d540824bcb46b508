"""What all simulators share: things that happen at a time of a clock, chances that a seed fixes, and a server that stops clean."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from ops.clock import Clock
from ops.servers.signals import stop_event

__all__ = ["Timeline", "roll", "serve_until_stopped", "serving"]

_STEP_SECONDS = 0.01


def roll(*parts: object) -> random.Random:
    """Random numbers that depend only on ``parts``: the same seed and name give the same fate, whatever came before."""
    return random.Random("/".join(str(part) for part in parts))


class Timeline:
    """Calls functions when the given clock (perhaps a faster one) has reached their time; equal times keep their order."""

    def __init__(self, now: Clock) -> None:
        self.now = now
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when: int, do: Callable[[], None]) -> None:
        """Call ``do`` at ``when`` (ms of the clock); a time gone by means at the next step."""
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, do))

    def step(self) -> int:
        """Call all that is due; gives how many."""
        done = 0
        while self._heap and self._heap[0][0] <= self.now():
            heapq.heappop(self._heap)[2]()
            done += 1
        return done

    @property
    def pending(self) -> int:
        """How many things are still to come."""
        return len(self._heap)

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            self.step()
            await asyncio.sleep(_STEP_SECONDS)


@asynccontextmanager
async def serving(app: web.Application, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve ``app``; gives its base URL. Port 0 takes a free one."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0][1]
        yield f"http://{host}:{bound}"
    finally:
        await runner.cleanup()


async def serve_until_stopped(
    app: web.Application, port: int, ready: Callable[[str], None], host: str = "127.0.0.1"
) -> None:
    """Serve until SIGTERM or SIGINT; ``ready`` is called once with the base URL."""
    stop = stop_event()
    async with serving(app, port, host) as url:
        ready(url)
        await stop.wait()
