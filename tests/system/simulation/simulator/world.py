"""One run: the product's workers, effects worker and sink over servers in memory, with a load and faults, until all is at rest."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog

from schemas.topics import (
    DLQ,
    EFFECTS,
    EFFECTS_RETRY,
    EFFECTS_TABLE,
    ORDERS_EVENTS,
    ORDERS_IN,
    ORDERS_TABLE,
    POOLS_EVENTS,
    POOLS_IN,
    POOLS_TABLE,
)
from sinks.clickhouse.sink import Limits, Port, Sink
from streams.app import GROUPS, core
from streams.effects import Policy
from streams.effects.agent import effects_runtime
from streams.runtime import Runtime, RuntimeConfig, RuntimeFailed, StateLost
from streams.runtime.channel import AgentSpec
from streams.runtime.health import Health
from streams.runtime.service import turn_cycles

from .breakages import Breakages
from .broker import Broker
from .clickhouse import ClickHouse, Client
from .clients import SimConsumer, SimEvent, SimPort
from .faults import Chaos, Supervisor
from .kernel import Crashed, Kernel, Process, Stuck
from .load import deliver_all
from .oracles import judge
from .outside import Channel, Deliveries, Ledger, SimSender, Warehouse
from .refold import compare

__all__ = ["Outcome", "World", "quiet"]

PARTITIONS = {
    ORDERS_IN.name: 3, ORDERS_TABLE.name: 3, POOLS_IN.name: 2, POOLS_TABLE.name: 2, EFFECTS.name: 2, EFFECTS_RETRY.name: 1,
    EFFECTS_TABLE.name: 1, ORDERS_EVENTS.name: 2, POOLS_EVENTS.name: 1, DLQ.name: 1,
}  # fmt: skip
MAX_STEPS = 60_000


@dataclass
class Outcome:
    """What came of a run."""

    seed: int
    trace: str = ""
    steps: int = 0
    seconds: float = 0.0
    crashes: Counter[str] = field(default_factory=Counter)
    pauses: Counter[str] = field(default_factory=Counter)
    zombies: int = 0
    rebalances: int = 0
    fenced: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    inputs: int = 0
    sink_zombies: int = 0
    """Sinks that stood still while a second one had their place."""
    violations: list[str] = field(default_factory=list)


class Direct:
    """In the place of Faust's channel: the cycle's batch goes straight to the agent's function."""

    def __init__(self, spec: AgentSpec) -> None:
        self._spec = spec

    async def work(self, batch: Any, seconds: float) -> None:
        """The agent's work."""
        async with asyncio.timeout(seconds):
            await self._spec.function(batch)


class ObservedHealth(Health):
    """Called when the overlay was applied: one more step boundary."""

    def __init__(self, process: Process) -> None:
        super().__init__(process.name)
        self._process = process

    def committed(self, records: dict[str, int], outputs: int, seconds: float) -> None:
        super().committed(records, outputs, seconds)
        self._process.kernel.point(self._process, "overlay applied")


class World:
    """All of it, from one seed."""

    def __init__(
        self,
        seed: int,
        *,
        faults: int = 8,
        orders: int = 4,
        breakages: Breakages | None = None,
        focus: Sequence[str] = (),
    ) -> None:
        self.breakages = breakages or Breakages()
        self.kernel = kernel = Kernel(seed)
        self.broker = Broker(kernel, self.breakages)
        for topic, count in PARTITIONS.items():
            self.broker.log.create(topic, count)
        self.clickhouse = ClickHouse(kernel, tokens=not self.breakages.no_insert_token)
        self.deliveries = Deliveries(kernel, self.broker)
        self.ledger = Ledger()
        self.warehouse = Warehouse(kernel, self.deliveries, self.ledger, not self.breakages.forgetful_warehouse)
        self.channel = Channel(self.ledger)
        self.chaos = Chaos(kernel, faults, focus)
        kernel.chaos = self.chaos.at
        self.outcome = Outcome(seed)
        self._stops: dict[Process, asyncio.Event] = {}
        starts: dict[str, Callable[[], Process]] = {f"core-{n}": self._starter(n) for n in range(3)}
        starts |= {"effects-0": self._start_effects, "sink-0": self._start_sink}
        self.supervisor = Supervisor(kernel, starts)
        kernel.actors += [self.deliveries, self.supervisor, self.clickhouse]
        r = kernel.random
        if faults:
            self.broker.transactions.slow = r.choice((0.02, 0.02, 0.3))
            self.clickhouse.trouble = r.choice((0.0, 0.0, 0.05, 0.2))
            self.warehouse.trouble = self.channel.trouble = r.choice((0.0, 0.05, 0.2))
        for slot, chance in (("core-0", 1), ("core-1", 0.8), ("core-2", 0.25), ("effects-0", 1), ("sink-0", 1)):
            if r.random() < chance:
                self.supervisor.hire(slot, 0.0 if r.random() < 0.7 else r.random() * 8)
        deliver_all(kernel, self.deliveries, self.broker.log, orders)
        self._leaves = 4 + r.random() * 12 if faults and r.random() < 0.3 else None

    def run(self) -> Outcome:
        """Run to rest; a run that never comes to rest is a violation of its own."""
        out, kernel = self.outcome, self.kernel
        with ExitStack() as stack:
            stack.enter_context(quiet())
            stack.enter_context(self.breakages.applied())
            try:
                kernel.run(self._at_rest, MAX_STEPS)
            except Stuck as e:
                out.violations.append(f"liveness: {e}; {self._lag()}")
        for p in list(kernel.processes):
            p.die()
        while kernel.graves:
            kernel.graves.pop().bury()
        out.trace, out.steps, out.seconds = kernel.trace, kernel.steps, kernel.now
        out.crashes, out.pauses, out.zombies = self.chaos.crashes, self.chaos.pauses, self.chaos.zombies
        out.rebalances = sum(g.rebalances for g in self.broker.groups.values())
        out.inputs = len(self.deliveries.ledger)
        if not out.violations:
            out.violations += judge(self.broker.log, self.clickhouse, self.ledger, self.deliveries.ledger)
            with quiet():
                out.violations += compare(self.broker.log, self.deliveries.ledger)
        return out

    def _at_rest(self) -> bool:
        kernel = self.kernel
        if self.outcome.violations:
            return True
        if kernel.steps % 16:
            return False
        self._let_one_leave()
        if kernel.now > 45:
            self.chaos.calm()
            self.clickhouse.trouble = self.warehouse.trouble = self.channel.trouble = 0.0
        if not self.deliveries.done or self.warehouse.timers or not self.supervisor.whole:
            return False
        if kernel.now < 20 or self.broker.transactions.due() is not None:
            return False
        if any(g.due() is not None for g in self.broker.groups.values()):
            return False
        return not self._lag()

    def _lag(self) -> list[str]:
        """Partitions with committed records that their group or the sink has not got to."""
        found = []
        for group, topics in (("wharf-core", (ORDERS_IN, POOLS_IN)), ("wharf-effects", (EFFECTS, EFFECTS_RETRY))):
            offsets = self.broker.group(group).offsets
            for topic in topics:
                for n, p in enumerate(self.broker.log.topics[topic.name]):
                    if p.committed(offsets.get((topic.name, n), 0), 1)[0]:
                        found.append(f"{topic.name}/{n}")
        progress = self.clickhouse.final_progress()
        for topic in (ORDERS_EVENTS, POOLS_EVENTS):
            for n, p in enumerate(self.broker.log.topics[topic.name]):
                row = progress.get((topic.name, n))
                if row is not None and row["state"] != "AFTER":
                    found.append(f"sink {topic.name}/{n} BEFORE")
                elif p.committed(0 if row is None else row["last_offset"] + 1, 1)[0]:
                    found.append(f"sink {topic.name}/{n}")
        return found

    def _let_one_leave(self) -> None:
        if self._leaves is None or self.kernel.now < self._leaves or len(self.supervisor.slots) < 4:
            return
        self._leaves = None
        slot = next((s for s in ("core-1", "core-2") if self.supervisor.slots.get(s)), None)
        if slot is None:
            return
        process = self.supervisor.slots[slot]
        self.supervisor.dismiss(slot)
        if process is not None and process in self._stops and not process.dead:
            self.kernel.note(process.name, "asked to stop")
            process.loop.call_soon(self._stops[process].set)

    def _starter(self, slot: int) -> Callable[[], Process]:
        return lambda: self._start_worker("core", slot, lambda config, p: core(config))

    def _start_effects(self) -> Process:
        def runtime(config: RuntimeConfig, p: Process) -> Runtime:
            senders = {
                "wms": SimSender(self.kernel, p, self.warehouse),
                "shopify:acme": SimSender(self.kernel, p, self.channel),
            }
            policy = Policy(base_ms=200, cap_ms=2_000, breaker_ms=500, breaker_cap_ms=2_000, patience_ms=1_000)
            return effects_runtime(config, senders, policy, wall=lambda: self.kernel.ms)

        return self._start_worker("effects", 0, runtime)

    def _start_worker(self, role: str, slot: int, make: Callable[[RuntimeConfig, Process], Runtime]) -> Process:
        p = self.kernel.process(f"{role}-{slot}#{self.supervisor.starts}")
        config = RuntimeConfig(
            bootstrap="sim",
            group=GROUPS[role],
            now=lambda: self.kernel.ms,
            slot=slot,
            port=SimPort(self.broker, p),
            batch_size=40,
            poll_seconds=0.5,
            standing_seconds=0.0,
            stall_seconds=0.0,  # what it guards against is librdkafka's own, which is not here
        )
        runtime = make(config, p)
        agents: Any = {topic: (spec, Direct(spec)) for topic, spec in runtime.agents.items()}
        stop = self._stops[p] = asyncio.Event()
        task = p.loop.create_task(turn_cycles(runtime.config, agents, ObservedHealth(p), stop))
        task.add_done_callback(lambda t: self._ended(p, t.exception()))
        return p

    def _start_sink(self) -> Process:
        self.outcome.sink_zombies += any(p.name.startswith("sink") for p in self.kernel.processes)
        p = self.kernel.process(f"sink-0#{self.supervisor.starts}")

        def run() -> None:
            port = Port(
                consumer=lambda properties, **_: SimConsumer(self.broker, p, properties),
                clock=lambda: self.kernel.now,
                event=lambda: SimEvent(p),
                random=self.kernel.random.getrandbits,
            )
            limits = Limits(records=30, linger=0.3, back_off=0.1, back_off_max=1.0)
            client = Client(self.clickhouse, p)
            try:
                Sink({"bootstrap.servers": "sim"}, client, instance="0", limits=limits, port=port).run()
            except Crashed:
                raise
            except Exception as e:
                self._ended(p, e)

        p.start_job("sink", run)
        return p

    def _ended(self, p: Process, error: BaseException | None) -> None:
        """A process ended by itself. What the runtime ends with on purpose is fine, but for lost state; anything else is a bug."""
        name = type(error).__name__ if error is not None else "stopped"
        self.outcome.ends[name] += 1
        self.kernel.note(p.name, "ENDED", name)
        self.outcome.fenced += name == "Fenced"
        expected = isinstance(error, RuntimeFailed) and not isinstance(error, StateLost)
        fenced_sink = p.name.startswith("sink") and "fenced" in str(error)
        if error is not None and not expected and not fenced_sink and not isinstance(error, Crashed):
            self.outcome.violations.append(f"{p.name} ended with {error!r}")
        p.die()


@contextmanager
def quiet() -> Iterator[None]:
    """The product's log goes nowhere: a run crashes dozens of times."""
    config = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=False
    )
    kafka = logging.getLogger("wharf.kafka")
    before, kafka.disabled = kafka.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
            yield
    finally:
        structlog.configure(**config)
        kafka.disabled = before
