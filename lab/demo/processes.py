"""The processes of a demo: what runs, on which ports, with which settings."""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from ops.servers.endpoints import find
from ops.servers.ports import free_port
from ops.supervisor import Spec

from .plan import PACE, Plan, Stock
from .workdir import WorkDir

__all__ = ["ACCOUNT", "PORTAL", "SECRETS", "DemoProcesses"]

WHARF = (sys.executable, "-c", "from wharf.cli import main; main()")
ACCOUNT = "acme"
POOL = "main"
CARRIER = "post"
"""The carrier of return labels that the demo's rules name."""
SHOP_RETURNS, BOL_RETURNS, UNKNOWN_PARCELS = 0.09, 0.06, 0.001
"""The share of the first orders (60 %) of which something is sent back, of their items at Bol, and of parcels of which an article comes
back and nobody knows whose it is."""
BOL_RETURN_HOURS = (9.5, 13.0)
"""After shipping: what left has been delivered by then."""
PORTAL = "shop"
"""The shop's own return page."""
SECRETS = {
    "WMS": "demo-wms-secret",
    "SHOPIFY": "demo-shopify-secret",
    "TOKEN": "demo-token",
    "BOL": "demo-bol",
    "PORTAL": "demo-portal-secret",
}
"""They guard simulators on localhost for a few minutes; that they are written here is no harm."""


@dataclass(slots=True)
class DemoProcesses:
    """One run's processes. Ports are taken when the object is made."""

    home: WorkDir
    plan: Plan
    workers: int
    rules: Path
    depots: dict[str, str]
    """Depot → WMS connection."""
    webhooks_port: int = field(default_factory=free_port)
    shopify_port: int = field(default_factory=free_port)
    bol_port: int = field(default_factory=free_port)
    threepl_port: int = field(default_factory=free_port)
    origin_ms: int = 0
    """When the demo's clock stands at its start, by the machine's clock."""

    def environment(self) -> dict[str, str]:
        """What every process is told. Servers named in the caller's environment are not the demo's."""
        return {
            "WHARF_DEMO": str(self.home.path),  # by this mark `wharf demo --stop` knows its processes
            "WHARF_HOME": str(self.home.path),
            "WHARF_CONFIG": str(self.home.config),
            "WHARF_RULES": str(self.rules.absolute()),
            "WHARF_KAFKA": "",
            "WHARF_CLICKHOUSE": "",
            # A transaction marks each partition it wrote to: more of them than workers would only cost time here.
            "WHARF_PARTITIONS": str(max(2, self.workers)),
            "WHARF_LOG_LEVEL": os.environ.get("WHARF_LOG_LEVEL", "INFO"),
            "PYTHONUNBUFFERED": "1",
        }

    def start_clock(self, in_seconds: float) -> None:
        """Let the demo's day begin so many seconds from now; processes that start before live in the night before."""
        self.origin_ms = int((time.time() + in_seconds) * 1000)

    @property
    def clock(self) -> str:
        """``WHARF_CLOCK`` of every process that knows the time."""
        return self.plan.clock(self.origin_ms)

    @property
    def shopify(self) -> str:
        """Base URL of the simulated shop."""
        return f"http://127.0.0.1:{self.shopify_port}"

    @property
    def bol(self) -> str:
        """Base URL of the simulated Bol."""
        return f"http://127.0.0.1:{self.bol_port}"

    @property
    def threepl(self) -> str:
        """Base URL of the simulated 3PLs."""
        return f"http://127.0.0.1:{self.threepl_port}"

    @property
    def webhooks(self) -> str:
        """Base URL of our webhook server."""
        return f"http://127.0.0.1:{self.webhooks_port}"

    def write_config(self) -> None:
        """``wharf.yaml`` with both channels and a 3PL a depot; JSON is YAML."""
        shop = {
            "api_url": self.shopify,
            "secrets": [SECRETS["SHOPIFY"]],
            "token": SECRETS["TOKEN"],
            "poll_seconds": 3.0,
        }
        bol = {
            "client_id": SECRETS["BOL"],
            "client_secret": SECRETS["BOL"],
            "api_url": self.bol,
            "login_url": self.bol,
            "poll_seconds": 1.0,
        }
        threepl = {
            wms: {
                "api_url": f"{self.threepl}/{wms}",
                "token": SECRETS["TOKEN"],
                "secrets": [SECRETS["WMS"]],
                "poll_seconds": 3.0,
            }
            for wms in self.depots.values()
        }
        portal = {"secrets": [SECRETS["PORTAL"]], "accounts": [f"shopify:{ACCOUNT}", f"bol:{ACCOUNT}"]}
        channels = {"shopify": {ACCOUNT: shop}, "bol": {ACCOUNT: bol}, "portal": {PORTAL: portal}}
        carriers = {
            CARRIER: {
                "name": "Wharf Post",
                "costs": {"NL": 495, "BE": 795, "*": 1250},
                "tracking_url": "https://tracking.example/{number}",
                "public_url": self.webhooks,
            }
        }
        text = json.dumps({"channels": channels, "threepl": threepl, "carriers": carriers}, indent=2)
        self.home.config.write_text(text + "\n")

    def servers(self) -> Spec:
        """Kafka with its topics, the rules put in force, the sink with ClickHouse."""
        # The broker lives for minutes: the optimizing compiler would take a third of its time and never pay it back.
        jvm = {"JDK_JAVA_OPTIONS": f"{os.environ.get('JDK_JAVA_OPTIONS', '')} -XX:TieredStopAtLevel=1".strip()}
        return Spec(
            "up",
            (*WHARF, "up"),
            env=jvm,
            ready=_found(self.home.path),
            ready_seconds=180.0,
            stop_seconds=40.0,
            base=True,
        )

    def report_stock(self, name: str, kind: str, units: Stock) -> Spec:
        """Stock as a merchant would load it: a CSV file through the command line. ``kind``: count, receipt."""
        file = self.home.path / f"{name}.csv"
        with file.open("w", newline="") as f:
            writer = csv.writer(f)
            writer.writerow(["depot", "sku", "qty"])
            writer.writerows([depot, sku, qty] for depot, skus in units.items() for sku, qty in skus.items())
        return self._spec(name, "stock", "report", str(file), "--kind", kind, "--execute", restart=False)

    def webhook_server(self) -> Spec:
        """Takes the channels' and 3PLs' webhooks."""
        url = f"{self.webhooks}/healthz"
        return self._spec("webhooks", "webhooks", "--port", str(self.webhooks_port), ready=_answers(url))

    def poller(self) -> Spec:
        """Asks the channels and 3PLs."""
        return self._spec("poll", "poll")

    def worker(self, slot: int) -> Spec:
        """Folds orders and pools."""
        return self._spec(f"worker-{slot}", "worker", "--slot", str(slot))

    def effects(self) -> Spec:
        """Carries out what goes outside."""
        return self._spec("effects", "worker", "--role", "effects")

    def threepl_simulator(self) -> Spec:
        """A WMS for each depot, with the goods really there."""
        file = self.home.path / "stock.json"
        physical = {self.depots[depot]: units for depot, units in self.plan.physical.items()}
        file.write_text(json.dumps(physical))
        env = {"WHARF_SIMULATE_WMS_TOKEN": SECRETS["TOKEN"], "WHARF_SIMULATE_WMS_SECRET": SECRETS["WMS"]}
        hooks = f"{self.webhooks}/webhooks/threepl"
        arguments = (
            "--stock",
            str(file),
            "--webhooks",
            hooks,
            "--pace",
            f"{PACE:g}",
            "--unknown",
            f"{UNKNOWN_PARCELS:g}",
            *self._simulated(self.threepl_port),
        )
        return self._simulator("threepl", arguments, self.threepl, env)

    def bol_simulator(self) -> Spec:
        """A Bol account to poll."""
        env = {"WHARF_SIMULATE_BOL_ID": SECRETS["BOL"], "WHARF_SIMULATE_BOL_SECRET": SECRETS["BOL"]}
        orders = ("--orders", str(self.plan.bol_orders), "--over", f"{self.plan.over_minutes:g}")
        returns = ("--returns", *(f"{number:g}" for number in (BOL_RETURNS, *BOL_RETURN_HOURS)))
        return self._simulator("bol", (*orders, *returns, *self._simulated(self.bol_port)), self.bol, env)

    def shopify_simulator(self) -> Spec:
        """A shop that signs, doubles, reorders and delays its webhooks."""
        env = {"WHARF_SIMULATE_SHOPIFY_SECRET": SECRETS["SHOPIFY"], "WHARF_SIMULATE_SHOPIFY_TOKEN": SECRETS["TOKEN"]}
        orders = ("--orders", str(self.plan.shopify_orders), "--over", f"{self.plan.over_minutes:g}")
        hooks = ("--webhooks", f"{self.webhooks}/webhooks/shopify/{ACCOUNT}", "--returns", f"{SHOP_RETURNS:g}")
        return self._simulator("shopify", (*orders, *hooks, *self._simulated(self.shopify_port)), self.shopify, env)

    def _simulated(self, port: int) -> tuple[str, ...]:
        return ("--port", str(port), "--seed", str(self.plan.seed))

    def _simulator(self, name: str, arguments: tuple[str, ...], url: str, env: dict[str, str]) -> Spec:
        # A simulator holds the truth of the run in memory: starting it again would only hide that it was lost.
        ready = _answers(f"{url}/_progress")
        return self._spec(f"simulate-{name}", "simulate", name, *arguments, ready=ready, env=env, restart=False)

    def _spec(
        self,
        name: str,
        *arguments: str,
        ready: Callable[[], bool] | None = None,
        env: dict[str, str] | None = None,
        restart: bool = True,
    ) -> Spec:
        told = {"WHARF_CLOCK": self.clock, **(env or {})}
        return Spec(name, (*WHARF, *arguments), env=told, ready=ready, restart=restart)


def _found(home: Path) -> Callable[[], bool]:
    return lambda: find(home, "kafka") is not None and find(home, "clickhouse") is not None


def _answers(url: str) -> Callable[[], bool]:
    def ready() -> bool:
        try:
            with urlopen(url, timeout=2) as answer:  # noqa: S310  # our own processes
                return bool(answer.status < 300)
        except (URLError, OSError):
            return False

    return ready
