"""One fault run: everything started, load let in, faults struck as it progresses, rest awaited, and then judged."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from confluent_kafka import KafkaException
from oracles.judge import judge

from lab.demo.checks.clickhouse import ClickHouse
from lab.demo.checks.finding import Finding, found
from lab.demo.lag import Lag
from lab.demo.ledgers import progress
from lab.demo.watch import Watch
from lab.demo.workdir import WorkDir
from ops.servers.endpoints import embedded_clickhouse
from ops.servers.kafka import EmbeddedKafka
from ops.servers.ports import free_port
from ops.servers.topics import create_topics
from ops.supervisor import ProcessFailed, Supervisor

from .inject import Injector
from .recovery import Recovery, hanging
from .report import Report
from .schedule import Fault, Profile, plan
from .site import PARTITIONS, FaultSite, make_site
from .standing import all_own, standing_still

__all__ = ["Options", "run"]

COPIES = 1.2
DELIVERIES_PER_ORDER = 3.2
"""Created, fulfilled (two topics), and what else happens to orders; touches come on top, and a fifth of all is told twice."""
FAR_BEHIND = 4_000
NEAR = 1_500
LIVENESS_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. ``off``: guards switched off, by process name. ``faults``: in place of the profile's plan. ``late``: seconds
    after which the latest deliveries come. ``minutes``: of load at the most; the faults are then spread over the time where the deliveries are slower. ``liveness``: seconds after the last fault in which nobody may be behind any more.
    """

    deliveries: int
    seed: int
    home: Path
    profile: Profile
    name: str = ""
    rate: float = 400.0
    timeout: float = 1800.0
    off: Mapping[str, str] = field(default_factory=dict)
    faults: list[Fault] | None = None
    quiet: bool = False
    late: float = 15.0
    minutes: float = 0.0
    liveness: float = LIVENESS_SECONDS


def run(options: Options) -> Report:
    """Run it. No process is left, whatever happens. Raises ProcessFailed or TimeoutError where the run itself broke."""
    home = WorkDir(options.home)
    home.prepare()
    return _Run(options, home).all()


class _Run:
    def __init__(self, options: Options, home: WorkDir) -> None:
        self.options = options
        self.touches = options.profile.touches
        self.orders = max(10, round(options.deliveries / (COPIES * (DELIVERIES_PER_ORDER + self.touches))))
        self.kafka = EmbeddedKafka(home.path, port=free_port())
        self.site: FaultSite = make_site(home, self.orders, options.seed, options.off)
        self.began = time.monotonic()
        self.deadline = self.began + options.timeout
        faults = plan(options.seed, options.deliveries, options.profile, self.site.workers)
        self.faults = faults if options.faults is None else options.faults
        self.planned = list(self.faults)
        self.last_fault = self.began
        self.refusals: list[str] = []
        self.stuck: list[str] = []
        self.loaded = 0.0
        self.owned = -1.0
        self.still = ["the run broke off before it was looked at"]
        self._told = 0.0
        self._ended = False
        self._seen: dict[str, int] = {}

    def all(self) -> Report:
        home = self.site.home
        # The broker lives for minutes and starts again and again: the optimizing compiler would never pay its time back.
        os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
        try:
            self.kafka.start()
            self.site.bootstrap = self.kafka.bootstrap
            create_topics(self.kafka.bootstrap, PARTITIONS, {})
            self.site.start_clock(15.0)
            self.site.write_config()
            # Being killed over and over is the point here, and no crash loop.
            with Supervisor(home.logs, self.site.environment(), young_seconds=0.0) as self.supervisor:
                self.recovery = Recovery(self.kafka.bootstrap)
                self.injector = Injector(self.site, self.supervisor, self.kafka, self.recovery)
                try:
                    return self._run()
                finally:
                    self.recovery.close()
        finally:
            self.kafka.stop()
            home.drop_data()

    def _run(self) -> Report:
        self._start()
        watch = Watch(self.kafka.bootstrap)
        watch.start()
        began = time.monotonic()
        lag_seconds = float(self.options.timeout)
        try:
            self._load()
            self._everybody_owns()
            with Lag(self.kafka.bootstrap) as lag:
                lag_seconds = self._settle(lag)
                self._rest(lag, watch)
        except (TimeoutError, ProcessFailed) as e:  # that is a finding, and the rest is to be judged too
            self.stuck = [str(e).splitlines()[0], *hanging(self.kafka.bootstrap)]
        finally:
            watch.stop()
        loaded = self.loaded or time.monotonic()
        self._freeze()
        url = embedded_clickhouse(self.site.home.path)
        if not url:
            raise TimeoutError(f"ClickHouse left no note in {self.site.home.path}")
        clickhouse = ClickHouse(url)
        judged = judge(
            self.kafka.bootstrap,
            clickhouse,
            self.site.shop_ledger,
            self.site.shopify,
            self.site.threepl,
            self.injector.poisoned,
            step=self._say,
        )
        findings = [*judged.findings, self._liveness(lag_seconds), self._standing(), self._processes()]
        shop = self._shop()
        counts = shop["counts"]
        return Report.of(
            findings,
            options=self.options,
            orders=shop["placed"],
            deliveries=counts.get("confirmed", 0),
            sent=sum(n for name, n in counts.items() if name.startswith("answer_")),
            load={k: counts.get(k, 0) for k in ("doubled", "reordered", "late", "retried")},
            threepl=progress(self.site.threepl)["webhooks"],
            events=judged.events,
            repeats=judged.repeats,
            faults=dict(self.injector.done),
            recovery=self.recovery.seconds,
            lag_zero=lag_seconds,
            restarts=self.supervisor.restarts(),
            load_seconds=loaded - began,
            seconds=time.monotonic() - self.began,
        )

    def _start(self) -> None:
        start, site = self.supervisor.start, self.site
        self._say("starting ClickHouse, workers, webhooks, simulators")
        start(site.sink(), wait=False)
        start(site.report_stock("stock-count", "count", site.plan.initial), wait=False)
        start(site.webhook_server(), wait=False)
        for slot in range(site.workers):
            start(site.worker(slot), wait=False)
        start(site.effects(), wait=False)
        self._rules()
        self.supervisor.wait_exit("stock-count", 120)
        self.supervisor.wait_ready("webhooks")
        self.supervisor.wait_ready("sink")
        start(site.threepl_simulator())
        start(site.poller(), wait=False)
        start(site.shop(self.orders, self.touches, self.options.rate, self.options.late))

    def _rules(self) -> None:
        """Put the rules in force. A topic that was made a moment ago may not have its leader yet: then again."""
        for left in (4, 3, 2, 1, 0):
            code, text = self.injector.command("rules", "publish", str(self.site.rules), "--execute", seconds=60)
            if code == 0:
                return
            if not left:
                raise ProcessFailed("rules", text, self.site.home.logs / "commands.log")
            time.sleep(1)

    def _load(self) -> None:
        """Until every order has gone its way outside, every delivery is confirmed, and every fault has struck."""
        paused = False
        began = time.monotonic()
        while True:
            self._alive()
            shop = self._shop()
            confirmed = shop["counts"].get("confirmed", 0)
            self._tell(shop)
            reached = self._reached(confirmed, time.monotonic() - began)
            while self.planned and self.planned[0].at <= reached:
                self._strike(self.planned.pop(0))
            self.recovery.look()
            if (self.recovery.behind > (NEAR if paused else FAR_BEHIND)) != paused:
                paused = not paused
                self._pause(paused)
            if shop["done"] and self._idle():  # nothing more will come: what is left strikes now, one after the other
                if not self.planned:
                    break
                self._strike(self.planned.pop(0))
            time.sleep(0.25)
        self.injector.wait()
        self.loaded = time.monotonic()
        self._say(f"all deliveries confirmed after {time.monotonic() - began:.0f} s")

    def _reached(self, confirmed: int, seconds: float) -> float:
        """How far the run is, in deliveries. With a limit of time, the time counts where it is ahead, and its end ends the load."""
        if not self.options.minutes:
            return confirmed
        share = seconds / (60 * self.options.minutes)
        if share >= 1 and not self._ended:
            self._ended = True
            self._say(f"time is up after {confirmed} deliveries: no more orders")
            self._post("/_enough")
        return max(confirmed, share * self.options.deliveries)

    def _strike(self, fault: Fault) -> None:
        self._say(f"  fault {fault.number}/{len(self.faults)}: {fault.kind} {fault.target} {fault.point}")
        self.injector.strike(fault)
        self.last_fault = time.monotonic()

    def _settle(self, lag: Lag) -> float:
        """Seconds after the last fault (or the last delivery, where that came later) at which nobody was behind."""
        since = max(self.last_fault, time.monotonic())
        while self._behind(lag):
            self._alive()
            self.recovery.look()
            time.sleep(0.1)
        self.recovery.all_worked()
        return round(time.monotonic() - since, 1)

    def _rest(self, lag: Lag, watch: Watch) -> None:
        """Until the 3PL has delivered everything, every order is at its end or explained, and nobody is behind."""
        self._say("waiting for the last parcels")
        quiet = 0
        hopeless = 0.0
        while quiet < 4:
            self._alive()
            still = self._shop()["done"] and self._idle() and not self._behind(lag)
            if still and watch.unexplained():
                hopeless = hopeless or time.monotonic()
                still = time.monotonic() - hopeless > 20  # the checks say what is wrong
            quiet = quiet + 1 if still else 0
            time.sleep(0.3)

    def _idle(self) -> bool:
        try:
            return bool(progress(self.site.threepl)["idle"])
        except (URLError, OSError):
            return False

    def _behind(self, lag: Lag) -> bool:
        try:
            return bool(lag.now())
        except KafkaException:
            return True

    def _freeze(self) -> None:
        for name in ("poll", "webhooks"):
            self.supervisor.stop(name)
        for name in [n for n in self.supervisor.names() if n.startswith("worker-")] + ["effects"]:
            if self.supervisor.alive(name):
                self.supervisor.stop(name)

    def _liveness(self, seconds: float) -> Finding:
        bad = [f"lag was zero {seconds} s after the last fault"] if seconds > self.options.liveness else []
        return found(
            "liveness",
            f"lag zero within {self.options.liveness:.0f} s of the last fault",
            {"seconds": seconds},
            [*bad, *self.stuck],
        )

    def _everybody_owns(self) -> None:
        """Each process that reads with a group has partitions, and each partition an owner, within the time of liveness."""
        names = [n for n in self.supervisor.names() if self.supervisor.wanted(n)]
        self.owned, self.still = all_own(
            lambda: standing_still(self.kafka.bootstrap, names), self.last_fault, self.options.liveness
        )

    def _standing(self) -> Finding:
        return found(
            "standing",
            f"nobody stands still, and every partition is owned, within {self.options.liveness:.0f} s of the last fault",
            {"seconds": self.owned},
            self.still,
        )

    def _processes(self) -> Finding:
        return found(
            "processes",
            "no process ended with a need for a person, except where a changelog was damaged",
            {"restarts": sum(self.supervisor.restarts().values())},
            self.refusals + self.injector.violations,
        )

    def _alive(self) -> None:
        """Look for crash loops, refusals and the end of patience."""
        self.supervisor.check()
        for name in self.supervisor.names():
            codes = self.supervisor.exit_codes(name)
            if codes[self._seen.get(name, 0) :].count(2):
                self.refusals.append(f"{name} refused to run (exit 2): {self.supervisor.log(name)}")
                if len(self.refusals) > 5:
                    raise ProcessFailed(name, "keeps refusing to run", self.supervisor.log(name))
            self._seen[name] = len(codes)
        if time.monotonic() > self.deadline:
            raise TimeoutError(f"not at an end after {self.options.timeout:.0f} s: {self._shop()}")

    def _shop(self) -> dict[str, Any]:
        return progress(self.site.shopify)

    def _pause(self, on: bool) -> None:
        self._post(f"/_pause?on={int(on)}")

    def _post(self, path: str) -> None:
        request = Request(f"{self.site.shopify}{path}", method="POST")  # noqa: S310  # our own process
        with contextlib.suppress(URLError), urlopen(request, timeout=5):  # noqa: S310
            return

    def _tell(self, shop: dict[str, Any]) -> None:
        if time.monotonic() - self._told > 5:
            self._told = time.monotonic()
            counts = shop["counts"]
            self._say(
                f"{counts.get('confirmed', 0)} deliveries confirmed, {shop['placed']}/{self.orders} orders, "
                f"{self.recovery.behind} behind"
            )

    def _say(self, text: str) -> None:
        if not self.options.quiet:
            sys.stderr.write(f"[{time.monotonic() - self.began:6.1f}] {text}\n")


def dump(report: Report, path: Path) -> None:
    """Write the JSON."""
    path.write_text(json.dumps(report.as_dict(), indent=1) + "\n")
