"""While orders flow: receipts booked in when they are due, progress shown, processes watched, until nothing is left to happen."""

from __future__ import annotations

import time
from collections import Counter
from urllib.error import URLError

from ops.clock import from_setting
from ops.servers.signals import Stop
from ops.supervisor import Supervisor

from .display import Display
from .lag import RETRY, Lag
from .ledgers import progress
from .operator import Operator
from .portal import Portal
from .processes import DemoProcesses
from .watch import Watch

__all__ = ["Flow", "Stuck"]

LOOK_SECONDS = 0.25
QUIET_SECONDS = 1.5
"""How long everyone must have been idle."""
SILENT_SECONDS = 20.0
"""Idle for so long with orders that nothing explains: no later moment will be better, the checks say what is wrong."""
HOUR_MS = 3_600_000


class Stuck(Exception):
    """The orders did not come to an end in time; the message lists what is open."""


class Flow:
    """Runs the flow of one demo; ``run`` returns when all is quiet. ``portal``: what customers asked for on the shop's own page."""

    def __init__(
        self,
        site: DemoProcesses,
        supervisor: Supervisor,
        display: Display,
        bootstrap: str,
        timeout_seconds: float,
        *,
        stop: Stop,
    ) -> None:
        self._stop = stop
        self.site, self.supervisor, self.display, self.bootstrap = site, supervisor, display, bootstrap
        self.timeout_seconds = timeout_seconds
        self._now = from_setting(site.clock)
        self._start = site.plan.start_ms
        self._receipts = list(enumerate(site.plan.receipts, 1))
        self._booked: list[str] = []
        self._watch = Watch(bootstrap)
        self._watch.start()
        self._idle_since = time.monotonic()
        self._moves = -1
        self._lag = Lag(bootstrap)
        self.portal = Portal(site)
        kafka = {"bootstrap.servers": bootstrap}
        self._operator = Operator(self._watch, kafka, self._now, self._start, portal=self.portal)

    def close(self) -> None:
        """Stop watching what goes on."""
        self._watch.stop()
        self._lag.close()

    def run(self) -> None:
        """Until quiet. Raises Stuck, ProcessFailed, Stopped."""
        end = time.monotonic() + self.timeout_seconds
        while waiting := self._waits_for():
            self.supervisor.check()
            self._book_receipts()
            self._operator.work()
            self.display.orders(self._watch.progress(), f"{self._local_time()}, waiting for {waiting}")
            if time.monotonic() > end:
                raise Stuck(self._what_is_open())
            self._stop.sleep(LOOK_SECONDS)
        self.display.orders(self._watch.progress(), self._local_time(), last=True)

    def drain(self, seconds: float = 20.0) -> None:
        """Wait until nobody is behind any more, or for so long; what then is left shows in the checks."""
        end = time.monotonic() + seconds
        while self._lag.now() and time.monotonic() < end:
            self._stop.sleep(0.1)

    def _local_time(self) -> str:
        from datetime import datetime
        from zoneinfo import ZoneInfo

        return datetime.fromtimestamp(self._now() / 1000, ZoneInfo("Europe/Amsterdam")).strftime("%a %H:%M")

    def _book_receipts(self) -> None:
        while self._receipts and self._now() >= self._start + self._receipts[0][1].hours * HOUR_MS:
            number, receipt = self._receipts.pop(0)
            name = f"stock-receipt-{number}"
            self.supervisor.start(self.site.report_stock(name, "receipt", receipt.units), wait=False)
            self._booked.append(name)

    def _waits_for(self) -> str:
        """What keeps the run from its end; ``""``: nothing has happened for a while, and nothing is left to happen."""
        moves = self._watch.progress().moves
        if moves != self._moves:
            self._moves, self._idle_since = moves, time.monotonic()
        idle = time.monotonic() - self._idle_since
        if self._receipts or any(self.supervisor.alive(n) for n in self._booked):
            return "goods to come in"
        if idle < QUIET_SECONDS:
            return "orders"
        if busy := self._busy():
            return ", ".join(busy)
        behind = self._lag.now()
        # What only waits to be tried again may wait for hours: a cancel of a pick order that its 3PL had refused is
        # answered 404 each time, for it might have overtaken the pick order. No reason to stay.
        if behind and not (idle > SILENT_SECONDS and all(name.endswith(RETRY) for name in behind)):
            return ", ".join(behind)
        left = self._watch.unexplained()
        return f"{len(left)} orders that nothing explains" if left and idle < SILENT_SECONDS else ""

    def _busy(self) -> list[str]:
        """Simulators that still have something to do (or can't be asked)."""
        busy = []
        for name, url in self._simulators().items():
            try:
                seen = progress(url)
                if not seen.get("idle", seen.get("done")):
                    busy.append(name)
            except (URLError, OSError):
                busy.append(name)
        return busy

    def _simulators(self) -> dict[str, str]:
        plan, site = self.site.plan, self.site
        found = {"3PL": site.threepl}
        if plan.shopify_orders:
            found["Shopify"] = site.shopify
        if plan.bol_orders:
            found["Bol"] = site.bol
        return found

    def _what_is_open(self) -> str:
        statuses = self._watch.progress().statuses
        lines = [
            f"not at an end after {self.timeout_seconds:.0f} s (--timeout)",
            "  orders: " + ", ".join(f"{n} {status}" for status, n in statuses.most_common()),
        ]
        for key, why in list(self._watch.unexplained().items())[:10]:
            lines.append(f"  {key}: {why}")
        behind: Counter[str] = self._lag.now()
        lines += [f"  {group}: {n} records behind" for group, n in behind.most_common()]
        lines += [f"  {name} still has something to do" for name in self._busy()]
        lines += [f"  {name} was started again {n} times" for name, n in self.supervisor.restarts().items()]
        return "\n".join(lines)
