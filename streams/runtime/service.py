"""Kafka as a service of the Faust app: it starts with the app, turns cycles, and tells how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import mode
import structlog

from .channel import AgentSpec, BatchChannel
from .config import RuntimeConfig
from .cycle import Cycle
from .health import Health
from .outlet import Outlet

__all__ = ["KafkaService", "turn_cycles"]

log = structlog.get_logger(__name__)


class KafkaService(mode.Service):  # type: ignore[misc]  # mode's types are not followed
    """Runs until ``stop_running`` or a failure; ``finished`` tells which."""

    def __init__(
        self, config: RuntimeConfig, agents: Mapping[str, tuple[AgentSpec, BatchChannel]], health: Health, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._config = config
        self._agents = agents
        self._health = health
        self._stopping = asyncio.Event()
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def stop_running(self) -> None:
        """Finish the cycle (or drop it after the grace time) and end."""
        self._stopping.set()

    @mode.Service.task  # type: ignore[untyped-decorator]
    async def _run(self) -> None:
        """Every failure ends here, and with it the process: nothing is retried on a doubtful transaction."""
        try:
            await turn_cycles(self._config, self._agents, self._health, self._stopping)
        except Exception as e:
            self.finished.set_exception(e)
        except BaseException:
            self.finished.cancel()
            raise
        else:
            self.finished.set_result(None)


async def turn_cycles(
    config: RuntimeConfig, agents: Mapping[str, tuple[AgentSpec, BatchChannel]], health: Health, stopping: asyncio.Event
) -> None:
    """Cycle after cycle until ``stopping`` is set, then leave. Raises RuntimeFailed where the process must end."""
    outlet = Outlet(config)
    await asyncio.to_thread(outlet.open)
    cycle = Cycle(config, agents, health, outlet=outlet, stopping=stopping)
    log.info("worker ready", member=config.member, topics=list(agents))
    try:
        while not stopping.is_set():
            await cycle.turn()
        await cycle.close()
    finally:
        cycle.shut_down()
