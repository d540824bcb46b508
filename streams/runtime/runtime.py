"""The worker: a Faust app whose agents are fed by one consumer and one transactional producer of ours."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping

import faust
import structlog
from faust.app.base import BootStrategy

from schemas.patience import partition_counts, patiently

from .channel import AgentFunction, AgentSpec, bind
from .config import RuntimeConfig, admin_client
from .errors import TopicsUnfit
from .health import Health
from .service import KafkaService

__all__ = ["Runtime"]

log = structlog.get_logger(__name__)


class _Boot(BootStrategy):  # type: ignore[misc]  # faust ships no types
    """Agents, services and channels without Faust's Kafka clients: with them a restarted worker waits up to a minute for its
    dead predecessor's session in Faust's own group, and ``exactly_once`` does not fence (docs/adr/0001-runtime.md)."""

    enable_kafka = False
    enable_web = False


class _App(faust.App):  # type: ignore[misc]
    BootStrategy = _Boot

    async def on_first_start(self) -> None:
        """Faust would make a data directory here; our tables live in Kafka."""


class Runtime:
    """Agents over transactional batches.

    >>> runtime = Runtime(config)
    >>> @runtime.agent("wharf.orders.in", table="wharf.orders.table")
    ... async def orders(batch: Batch) -> None:
    ...     for message in batch:
    ...         with batch.record(message) as record:
    ...             command = decode(message.value)
    ...             record.decoded()
    ...             record.table.put(message.key, fold(record.table.get(message.key), command))
    """

    def __init__(self, config: RuntimeConfig) -> None:
        self.config = config
        self.health = Health(config.member)
        self._specs: dict[str, AgentSpec] = {}

    @property
    def agents(self) -> Mapping[str, AgentSpec]:
        """The agents, by input topic."""
        return self._specs

    def agent(
        self, topic: str, table: str | None = None, refold: bool = True
    ) -> Callable[[AgentFunction], AgentFunction]:
        """Decorate ``async def name(batch)`` as the one agent of ``topic``, with ``table`` as its table's changelog topic.

        ``refold`` False: folding the input again would have effects outside, so a lost table can only be emptied.
        Raises ValueError for a second agent on the topic or on the table.
        """

        def register(function: AgentFunction) -> AgentFunction:
            if topic in self._specs or (table and any(spec.table == table for spec in self._specs.values())):
                raise ValueError(
                    f"{topic} or {table} already has an agent: an aggregate has one input topic and one table"
                )
            self._specs[topic] = AgentSpec(topic, table, function, refold)
            return function

        return register

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """Work until ``stop`` is set. Raises RuntimeFailed where the process must end (then restart it)."""
        await asyncio.to_thread(self._check_topics)
        gc.set_threshold(50_000, 20, 100)
        app = _App(f"wharf-{self.config.group}", broker="kafka://unused", store="memory://", autodiscover=False)
        bound = {topic: (spec, bind(app, spec)) for topic, spec in self._specs.items()}
        service = KafkaService(self.config, bound, self.health)
        app.service(service)
        if self.config.metrics_port is not None:
            self.health.serve(self.config.metrics_port)
        await app.start()
        app.flow_control.resume()
        watch = asyncio.ensure_future(self._watch(stop, service))
        try:
            await service.finished
        finally:
            watch.cancel()
            await app.stop()

    async def _watch(self, stop: asyncio.Event | None, service: KafkaService) -> None:
        if stop is not None:
            await stop.wait()
            log.info("stopping", member=self.config.member)
            service.stop_running()

    def _check_topics(self) -> None:
        """A table must have a partition for each of its input's. Raises TopicsUnfit."""
        counts = patiently(lambda: partition_counts(admin_client(self.config)))
        needed = {self.config.dlq, *self._specs, *(s.table for s in self._specs.values() if s.table)}
        if missing := sorted(needed - counts.keys()):
            raise TopicsUnfit(f"no topic {', '.join(missing)} on {self.config.bootstrap}: `wharf up` creates them")
        for spec in self._specs.values():
            if spec.table and counts[spec.topic] != counts[spec.table]:
                raise TopicsUnfit(
                    f"{spec.topic} has {counts[spec.topic]} partitions, its table {spec.table} {counts[spec.table]}: keys"
                    " would meet another table; make them equal again (topics can't shrink) and run `wharf replay state`"
                )
