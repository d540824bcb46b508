"""The processes of a fault run: the demo's, each started by ``entry.py`` so that it can be made to fail at a named point."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.demo.plan import Plan, Stock
from lab.demo.processes import ACCOUNT, SECRETS, DemoProcesses, _answers
from lab.demo.workdir import WorkDir
from lab.simulators.catalogue import catalogue
from ops.rules.load import load
from ops.servers.endpoints import find
from ops.supervisor import Spec

__all__ = ["ACCOUNT", "PARTITIONS", "FaultSite", "make_site"]

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
RULES = ROOT / "ops" / "defaults" / "rules.yaml"
SCARCE = 6
UNITS_PER_ORDER = 3.2
SPEED = 6000.0
PRODUCTS = 60
PARTITIONS = 3
RETURNS = 0.15
"""The share of the first orders (60 %) of which something is sent back, inspected and credited."""


@dataclass(slots=True)
class FaultSite(DemoProcesses):
    """``off``: guards of the product that are switched off, by process name (for the negative controls)."""

    bootstrap: str = ""
    off: Mapping[str, str] = field(default_factory=dict)

    def arm_file(self, name: str) -> Path:
        """Where a process looks for the point at which it is to fail."""
        return self.home.path / "arm" / name

    def environment(self) -> dict[str, str]:
        """What every process is told."""
        told = DemoProcesses.environment(self)
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        more = {"WHARF_KAFKA": self.bootstrap, "PYTHONPATH": path, "WHARF_FAULTS_OFF": "", "PYTHONSAFEPATH": "1"}
        # Processes start dozens of times: not compiled anew each time, whatever the caller's environment says.
        cached = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(self.home.path / "pycache")}
        return {**told, **more, **cached, "WHARF_PARTITIONS": str(PARTITIONS)}

    def write_config(self) -> None:
        """The whole ``wharf.yaml``, and one for the poller without the shop: polling it would make good for a lost webhook."""
        DemoProcesses.write_config(self)
        told = json.loads(self.home.config.read_text())
        del told["channels"]["bol"]
        for portal in told["channels"].get("portal", {}).values():  # a portal's accounts have to be there
            portal["accounts"] = [a for a in portal["accounts"] if not a.startswith("bol:")]
        self.home.config.write_text(json.dumps(told, indent=2))
        (self.home.path / "poll.yaml").write_text(json.dumps({**told, "channels": {}}, indent=2))

    def sink(self) -> Spec:
        """ClickHouse and what fills it."""
        path = self.home.path
        return self._spec("sink", "sink", ready=lambda: find(path, "clickhouse") is not None)

    def poller(self) -> Spec:
        """Asks the 3PLs."""
        return self._spec("poll", "poll", env={"WHARF_CONFIG": str(self.home.path / "poll.yaml")})

    def shop(self, orders: int, touches: int, rate: float, late: float) -> Spec:
        """The load. ``late``: seconds after which the latest deliveries come, at the least."""
        hooks = f"{self.webhooks}/webhooks/shopify/{ACCOUNT}"
        told = {
            "orders": orders,
            "seed": self.plan.seed,
            "port": self.shopify_port,
            "products": PRODUCTS,
            "touches": touches,
            "open": 200,
            "rate": rate,
            "late": late,
            "returns": RETURNS,
            "ledger": self.shop_ledger,
            "webhooks": hooks,
            "secret": SECRETS["SHOPIFY"],
            "token": SECRETS["TOKEN"],
        }
        argv = [sys.executable, str(HERE / "shop.py")]
        for name, value in told.items():
            argv += [f"--{name}", str(value)]
        env = {"WHARF_CLOCK": self.clock}
        return Spec("shop", tuple(argv), env=env, ready=_answers(f"{self.shopify}/_progress"), restart=False)

    @property
    def shop_ledger(self) -> Path:
        """The load's own ledger, one JSON a line."""
        return self.home.path / "shop-ledger.jsonl"

    def command(self, *arguments: str) -> tuple[str, ...]:
        """``wharf ARGUMENTS`` with its points."""
        return (sys.executable, str(HERE / "entry.py"), *arguments)

    def _spec(
        self,
        name: str,
        *arguments: str,
        ready: Callable[[], bool] | None = None,
        env: dict[str, str] | None = None,
        restart: bool = True,
    ) -> Spec:
        told = {"WHARF_CLOCK": self.clock, "WHARF_FAULTS_ARM": str(self.arm_file(name)), **(env or {})}
        for prefix, guard in self.off.items():
            if name.startswith(prefix):
                told["WHARF_FAULTS_OFF"] = guard
        return Spec(name, self.command(*arguments), env=told, ready=ready, ready_seconds=120, restart=restart)


def make_site(home: WorkDir, orders: int, seed: int, off: Mapping[str, str]) -> FaultSite:
    """One run's processes; ports are taken now. Some SKUs are short, so that an oversold unit would show at the 3PL."""
    depots = {depot.id: depot.wms or depot.id for depot in load(RULES).depots}
    skus = [p.sku for p in catalogue(seed, PRODUCTS)]
    demand = max(6.0, orders * UNITS_PER_ORDER / len(skus) / len(depots))
    initial: Stock = {
        depot: {sku: round(demand * (0.45 if i % SCARCE == seed % SCARCE else 1.6)) for i, sku in enumerate(skus)}
        for depot in depots
    }
    plan = Plan(orders, seed, SPEED, 0, orders, initial)
    (home.path / "arm").mkdir(exist_ok=True)
    return FaultSite(home, plan, 2, RULES, depots, off=off)
