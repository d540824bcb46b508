"""The whole product as processes on this machine, for a benchmark: broker, sink, webhook server, workers, effects, and the outside world."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.results import ROOT
from bench.web.processes import WHARF, Meter, answers, wait_for
from lab.simulators.catalogue import catalogue
from ops.rules.load import load
from ops.rules.publish import publish
from ops.servers.endpoints import embedded_clickhouse, find
from ops.servers.kafka import EmbeddedKafka
from ops.servers.ports import free_port
from ops.servers.topics import create_topics
from ops.settings import Settings
from ops.supervisor import Spec, Supervisor

__all__ = ["LINES", "Layout", "Site", "open_site"]

SECRET = TOKEN = "bench-secret"  # noqa: S105 — of servers that live for minutes
RULES = ROOT / "ops" / "defaults" / "rules.yaml"
LINES = {1: 40, 2: 28, 3: 18, 4: 10, 6: 4}
"""Lines of an order: chance in percent, as the simulated shop's (2.2 on average)."""
PLENTY = 50_000_000
"""Units of each SKU in each depot: a benchmark of throughput, not of backorders."""
HEAP = "-Xmx1g"


@dataclass(frozen=True, slots=True)
class Layout:
    """What runs. ``after``: also what follows ALLOCATED (effects, the outside world) and the sink; ``step``: seconds between a WMS's reports."""

    workers: int = 2
    effects: int = 1
    after: bool = True
    products: int = 500
    step: float = 0.5
    seed: int = 1
    clock: str = ""


class Site:
    """Running. ``pids`` by process name, for a ``Meter``."""

    def __init__(self, home: Path, kafka: EmbeddedKafka, supervisor: Supervisor, layout: Layout) -> None:
        self.home, self.kafka, self.supervisor, self.layout = home, kafka, supervisor, layout
        self.webhooks, self.outside = free_port(), free_port()

    @property
    def url(self) -> str:
        """Where the shop's webhooks go."""
        return f"http://127.0.0.1:{self.webhooks}/webhooks/shopify/bench"

    @property
    def clickhouse(self) -> str:
        """URL of ClickHouse's HTTP interface."""
        return embedded_clickhouse(self.home)

    def meter(self) -> Meter:
        """CPU time of each process from now on."""
        names = [n for n in self.supervisor.names() if self.supervisor.alive(n)]
        pids = {name: int(self.supervisor.pid(name) or 0) for name in names}
        return Meter({"kafka": int(self.kafka.pid or 0), **pids})

    def hammer(self, rate: float, seconds: float, begin: int, sent: Path | None = None) -> subprocess.Popen[bytes]:
        """Orders at a rate, from a process of their own; its JSON comes on stdout."""
        layout = self.layout
        command = [sys.executable, "-m", "bench.web.hammer", "--url", self.url, "--rate", f"{rate:g}"]
        command += ["--seconds", f"{seconds:g}", "--begin", str(begin), "--seed", str(layout.seed), "--size", "8000"]
        command += ["--lines", json.dumps(LINES), "--products", str(layout.products), "--sent", str(sent or "")]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "WHARF_BENCH_SECRET": SECRET, "WHARF_CLOCK": layout.clock}
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE)

    def start(self) -> None:
        """Start all processes and load the stock."""
        start, layout = self.supervisor.start, self.layout
        if layout.after:
            start(self._wharf("sink", ready=lambda: find(self.home, "clickhouse") is not None), wait=False)
        self._wharf_once("stock", "report", str(self._stock()), "--execute")
        health = f"http://127.0.0.1:{self.webhooks}/healthz"
        start(self._wharf("webhooks", "--port", str(self.webhooks), ready=lambda: answers(health)))
        if layout.after:
            hooks = f"http://127.0.0.1:{self.webhooks}/webhooks/threepl"
            command = (sys.executable, "-m", "bench.web.outside", "--port", str(self.outside), "--webhooks", hooks)
            ready = f"http://127.0.0.1:{self.outside}/_progress"
            start(
                Spec("outside", (*command, "--step", f"{layout.step:g}"), ready=lambda: answers(ready), restart=False)
            )
            for slot in range(layout.effects):
                start(
                    self._wharf("worker", "--role", "effects", "--slot", str(slot), name=f"effects-{slot}"), wait=False
                )
        for slot in range(layout.workers):
            start(self._wharf("worker", "--slot", str(slot), name=f"worker-{slot}"), wait=False)
        if layout.after:
            self.supervisor.wait_ready("sink")

    def _wharf(self, *arguments: str, name: str = "", ready: Any = None) -> Spec:
        return Spec(name or arguments[0], (*WHARF, *arguments), ready=ready)

    def _wharf_once(self, *arguments: str) -> None:
        self.supervisor.start(Spec("once", (*WHARF, *arguments), restart=False), wait=False)
        self.supervisor.wait_exit("once", 120)

    def _stock(self) -> Path:
        file = self.home / "stock.csv"
        with file.open("w", newline="") as f:
            writer = csv.writer(f)
            writer.writerow(["depot", "sku", "qty"])
            depots = [depot.id for depot in load(RULES).depots]
            skus = [product.sku for product in catalogue(self.layout.seed, self.layout.products)]
            writer.writerows([depot, sku, PLENTY] for depot in depots for sku in skus)
        return file

    def write_config(self) -> None:
        """``wharf.yaml`` (JSON is YAML): one shop, a WMS for each depot."""
        outside = f"http://127.0.0.1:{self.outside}"
        shop = {"secrets": [SECRET], "api_url": outside, "token": TOKEN}
        depots = [depot.id for depot in load(RULES).depots]
        wms = {d: {"api_url": f"{outside}/{d}", "token": TOKEN, "secrets": [SECRET]} for d in depots}
        text = json.dumps({"channels": {"shopify": {"bench": shop}}, "threepl": wms})
        (self.home / "wharf.yaml").write_text(text)


@contextmanager
def open_site(home: Path, layout: Layout) -> Iterator[Site]:
    """Everything running on a fresh broker with the default rules in force; stopped at the end."""
    partitions = max(2, layout.workers)
    with EmbeddedKafka(home) as kafka:
        env = {
            "PYTHONPATH": str(ROOT),
            "WHARF_HOME": str(home),
            "WHARF_KAFKA": kafka.bootstrap,
            "WHARF_CLICKHOUSE": "",
            "WHARF_CONFIG": str(home / "wharf.yaml"),
            "WHARF_PARTITIONS": str(partitions),
            "WHARF_CLOCK": layout.clock,
            "WHARF_LOG_LEVEL": "WARNING",
            "WHARF_BENCH_SECRET": SECRET,
        }
        create_topics(kafka.bootstrap, partitions, {})
        supervisor = Supervisor(home / "logs", env)
        site = Site(home, kafka, supervisor, layout)
        try:
            from ops.clock import from_setting

            publish(kafka.bootstrap, {}, load(RULES), from_setting(layout.clock)(), "bench")
            site.write_config()
            site.start()
            yield site
        finally:
            supervisor.stop_all()


def settings_of(site: Site) -> Settings:
    """What a `wharf` command on the site would read."""
    return Settings(home=site.home, kafka=site.kafka.bootstrap)


def wait_quiet(site: Site, done: Any, seconds: float) -> None:
    """Until ``done()``. Raises TimeoutError; ProcessFailed where a process died."""

    def ready() -> bool:
        site.supervisor.check()
        return bool(done())

    wait_for("the product", ready, seconds)
