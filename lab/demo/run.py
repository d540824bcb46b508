"""The main job: everything started as separate processes, orders let in over real HTTP, quiet awaited, and then checked."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.errors import UserError
from ops.servers.endpoints import embedded_clickhouse, find
from ops.servers.signals import Stop, handled
from ops.supervisor import ProcessFailed, Supervisor

from . import poison
from .checks import run_checks
from .checks.clickhouse import ClickHouse
from .collect import collect
from .display import Display
from .flow import Flow, Stuck
from .plan import make_plan
from .processes import DemoProcesses
from .report import Report, summarize
from .workdir import WorkDir

__all__ = ["DemoFailed", "Options", "run"]


START_SECONDS = 3.0
"""From Kafka's readiness until everything else runs."""


class DemoFailed(Exception):
    """The run did not come to its end; the message says what is stuck or which process failed."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. ``speed`` and ``timeout`` 0: chosen by the number of orders."""

    orders: int
    seed: int
    home: Path
    rules: Path
    workers: int = 2
    speed: float = 0.0
    timeout: float = 0.0
    keep: bool = False

    @property
    def timeout_seconds(self) -> float:
        """How long orders may take to come to an end."""
        return self.timeout or 120 + self.orders * 0.2


def run(options: Options) -> Report:
    """Run the demo. Whatever happens, no process is left, unless ``keep`` says so and all went well.

    SIGINT and SIGTERM end it at the next place where nothing is half done. Raises UserError (a directory in use, a rule file with an error),
    DemoFailed, Stopped.
    """
    with handled(Stop()) as stop:
        home = WorkDir(options.home)
        home.prepare()
        site = _site(options, home)
        site.write_config()
        stop.check()
        return _run(options, home, site, stop)


def _run(options: Options, home: WorkDir, site: DemoProcesses, stop: Stop) -> Report:
    supervisor = Supervisor(home.logs, site.environment(), die_with_us=not options.keep, stop=stop)
    kept = False
    try:
        with Display(options.orders) as display:
            report = _Run(options, home, site, supervisor, display, stop=stop).all()
    except (ProcessFailed, Stuck) as e:
        raise DemoFailed(str(e)) from e
    else:
        kept = options.keep
        return report
    finally:
        if kept:
            supervisor.release()
        else:
            supervisor.stop_all()
            home.forget()
            home.drop_data()


def _site(options: Options, home: WorkDir) -> DemoProcesses:
    from lab.simulators.catalogue import catalogue
    from ops.rules.load import load

    rules = load(options.rules)
    depots = {depot.id: depot.wms or depot.id for depot in rules.depots}
    if not depots:
        raise UserError(f"{options.rules}: no depots: the demo has nowhere to ship from")
    skus = [product.sku for product in catalogue(options.seed)]
    plan = make_plan(options.orders, options.seed, skus, list(depots), options.speed)
    return DemoProcesses(home, plan, options.workers, options.rules, depots)


class _Run:
    def __init__(
        self,
        options: Options,
        home: WorkDir,
        site: DemoProcesses,
        supervisor: Supervisor,
        display: Display,
        *,
        stop: Stop,
    ) -> None:
        self.options, self.home, self.site, self.supervisor, self.display = options, home, site, supervisor, display
        self._stop = stop
        self._began = time.monotonic()
        self._seconds: dict[str, float] = {}

    def all(self) -> Report:
        """Start, flow, freeze, check, report."""
        with self._timed("start"):
            bootstrap, clickhouse = self._start()
        flow = Flow(self.site, self.supervisor, self.display, bootstrap, self.options.timeout_seconds, stop=self._stop)
        try:
            with self._timed("flow"):
                broken = poison.send(self.site, self.options.seed)
                flow.run()
            ended = _simulated_now(self.site)
            with self._timed("freeze"):
                self._freeze(flow)
        finally:
            flow.close()
        with self._timed("check"):
            self.display.step("gathering evidence: the log, the simulators' ledgers, ClickHouse")
            evidence = collect(self.site, bootstrap, clickhouse, broken, flow.portal.asked, stop=self._stop)
            self.display.step("checking")
            findings = run_checks(evidence, self._stop.check)
            parts = summarize(evidence, clickhouse)
            self._stop.check()
        if self.options.keep:
            self._go_on()
        self._seconds["all"] = round(time.monotonic() - self._began, 1)
        return Report(
            ok=all(finding.ok for finding in findings),
            orders=self.options.orders,
            seed=self.options.seed,
            speed=self.site.plan.speed,
            seconds=self._seconds,
            simulated={"from": self.site.plan.start, "to": ended},
            checks=findings,
            restarts=self.supervisor.restarts(),
            clickhouse=clickhouse.url,
            home=str(self.home.path),
            kept=self.options.keep,
            clock=self.site.clock if self.options.keep else "",
            **parts,
        )

    @contextlib.contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._seconds[name] = round(time.monotonic() - began, 1)

    def _start(self) -> tuple[str, ClickHouse]:
        start, site = self.supervisor.start, self.site
        self.display.step("starting Kafka, ClickHouse, workers, webhooks, pollers, simulators")
        start(site.servers())
        bootstrap, clickhouse = _servers(self.home.path)
        # On a busy machine all takes longer: what the servers took is a measure for the rest.
        site.start_clock(max(START_SECONDS, 0.5 * (time.monotonic() - self._began)))
        start(site.report_stock("stock-count", "count", site.plan.initial), wait=False)
        start(site.webhook_server(), wait=False)
        for slot in range(self.options.workers):
            start(site.worker(slot), wait=False)
        start(site.effects(), wait=False)
        start(site.threepl_simulator(), wait=False)
        self.supervisor.wait_exit("stock-count", 120)
        self.supervisor.wait_ready("webhooks")
        self.supervisor.wait_ready("simulate-threepl")
        while time.time() * 1000 < site.origin_ms:  # the day begins with its first orders
            self._stop.sleep(0.02)
        if site.plan.shopify_orders:
            start(site.shopify_simulator(), wait=False)
        if site.plan.bol_orders:
            start(site.bol_simulator(), wait=False)
        start(site.poller(), wait=False)
        self._note()
        return bootstrap, ClickHouse(clickhouse)

    def _note(self) -> None:
        names = self.supervisor.names()
        pids = {name: self.supervisor.pid(name) for name in names if self.supervisor.alive(name)}
        self.home.note({"demo": os.getpid(), **pids})

    def _freeze(self, flow: Flow) -> None:
        """Nothing may move while the books are compared: first what lets facts in, then what works on them."""
        self.display.step("all quiet: stopping what could still move, so that it can be checked")
        for name in ("poll", "webhooks"):
            self._stop.check()
            self.supervisor.stop(name)
        flow.drain()
        workers = [f"worker-{slot}" for slot in range(self.options.workers)]
        for name in (*workers, "effects"):
            self.supervisor.stop(name)
        self._stopped = ["webhooks", *workers, "effects", "poll"]

    def _go_on(self) -> None:
        for name in self._stopped:
            self.supervisor.resume(name)
        names = self.supervisor.names()
        self.home.note({name: self.supervisor.pid(name) for name in names if self.supervisor.alive(name)})


def _servers(home: Path) -> tuple[str, str]:
    kafka, clickhouse = find(home, "kafka"), embedded_clickhouse(home)
    if kafka is None or not clickhouse:
        raise DemoFailed(f"the servers are up but left no note of where they are in {home}/endpoints.json")
    return str(kafka["bootstrap"]), clickhouse


def _simulated_now(site: DemoProcesses) -> str:
    from ops.clock import from_setting

    ms: Any = from_setting(site.clock)()
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="minutes")
