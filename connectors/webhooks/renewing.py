"""A publisher whose Kafka may come back elsewhere: the producer behind it is replaced, the server in front of it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from connectors.outgoing import Outgoing

from .publisher import KafkaPublisher

__all__ = ["RenewingPublisher"]


class RenewingPublisher:
    """One ``KafkaPublisher`` at a time. What an old one still holds has 10 s to be acknowledged; its deliveries are answered by that."""

    def __init__(
        self, config: Mapping[str, str], make: Callable[[Mapping[str, str]], KafkaPublisher] = KafkaPublisher
    ) -> None:
        self._config = dict(config)
        self._make = make
        self._current = make(config)
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def healthy(self) -> bool:
        """False after a fatal producer error."""
        return self._current.healthy

    @property
    def reason(self) -> str:
        """Why it is not healthy."""
        return self._current.reason

    @property
    def failing_seconds(self) -> float:
        """How long every record has failed; 0 while they are acknowledged, or none is sent."""
        return self._current.failing_seconds

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._current.start()

    async def stop(self) -> None:
        """Wait for what is under way (10 s at most), then end."""
        await asyncio.gather(self._current.stop(), *self._ending)

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Return once all records are acknowledged. Raises NotPublished."""
        await self._current.publish(records)

    def follow(self, config: Mapping[str, str]) -> bool:
        """Take a new producer where ``config`` is another one than before; says whether it did."""
        if dict(config) == self._config:
            return False
        self._config = dict(config)
        self.renew()
        return True

    def renew(self) -> None:
        """Take a new producer, whatever became of the old one."""
        old, self._current = self._current, self._make(self._config)
        self._current.start()
        task = asyncio.get_running_loop().create_task(old.stop())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
