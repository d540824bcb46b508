"""A simulated Bol over real HTTP, on a clock that runs 600 times as fast."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from connectors.bol.client import BolClient
from connectors.bol.config import BolAccount
from lab.simulators.bol.market import Fates
from lab.simulators.bol.orders import Mix
from lab.simulators.bol.server import BolConfig, BolSimulator
from lab.simulators.timeline import serving

START = 1_774_000_000_000
PLAIN = Mix(belgium=0, regret=0, fbb=0, bad_address=0, pickup=0, discount=0, evening=0)
QUICK = Fates(process_minutes=(0.1, 0.6), failure=0, timeout=0, returned=0)
BASE = BolConfig(orders=0, seed=3, errors=0, mix=PLAIN, fates=QUICK)


@dataclass
class Bol:
    """The simulator, a client for it, and their clock."""

    sim: BolSimulator
    client: BolClient
    url: str
    now: Callable[[], int]

    def place(self, n: int = 1) -> list[str]:
        """Let orders come in at once; gives their ids."""
        first = len(self.sim.market.orders)
        made = [self.sim.market.maker.make(i, self.now()) for i in range(first, first + n)]
        for order in made:
            self.sim.market.place(order)
        return [o.id for o in made]


Start = Callable[..., AbstractAsyncContextManager[Bol]]


@pytest.fixture
def start() -> Start:
    """Start a simulator with some settings changed: ``async with start(errors=0.5) as bol``."""

    @asynccontextmanager
    async def run(**changes: object) -> AsyncIterator[Bol]:
        origin = time.monotonic()

        def now() -> int:
            return START + int((time.monotonic() - origin) * 600_000)

        timeout = changes.pop("timeout_seconds", 3.0)
        sim = BolSimulator(replace(BASE, **changes), now)  # type: ignore[arg-type]
        async with serving(sim.app()) as url:
            account = BolAccount(
                client_id="simulated", client_secret="simulated", api_url=url, login_url=url, timeout_seconds=timeout
            )
            client = BolClient(account)
            yield Bol(sim, client, url, now)
            await client.close()

    return run
