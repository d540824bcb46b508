"""Carrying out faults: signals, armed points, a broker that dies, poison in the log, changelogs cut and deleted."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from lab.demo.checks.log import read_topic
from ops.errors import UserError
from ops.processes.poll_ledger import read_cursors
from ops.rules.publish import in_force
from ops.servers.kafka import EmbeddedKafka
from ops.servers.topics import create_topics
from ops.supervisor import Supervisor

from .recovery import Recovery
from .schedule import Fault
from .site import PARTITIONS, FaultSite

__all__ = ["Injector"]

HIT_SECONDS = 30.0
"""A point that is not met for so long (a worker without work) is given up for a plain kill -9."""
ZOMBIE_SECONDS = 9.0
"""Past the workers' session time-out of 6 s, and long enough for another to take over."""
AWAY_SECONDS = 20.0
OF_BOTH = ("Tick", "RulesPublished")
"""Types that either input topic takes: no poison in the other."""
BY_TYPE = {"wharf.orders.in": "wharf.pools.in", "wharf.pools.in": "wharf.orders.in"}


class Injector:
    """``done`` counts what happened, by kind and point; ``violations`` what a fault showed by itself (a worker that did not refuse)."""

    def __init__(self, site: FaultSite, supervisor: Supervisor, kafka: EmbeddedKafka, recovery: Recovery) -> None:
        self.site, self.supervisor, self.kafka, self.recovery = site, supervisor, kafka, recovery
        self.done: Counter[str] = Counter()
        self.violations: list[str] = []
        self.poisoned: list[tuple[str, int, int]] = []
        self._lock = threading.Lock()
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._threads: list[threading.Thread] = []
        self._paused: set[str] = set()
        self._random = random.Random(f"inject/{site.plan.seed}")

    def strike(self, fault: Fault) -> None:
        """Carry it out; what takes long goes on in a thread, except what stops everything anyway."""
        handler = {
            "kill broker": self._broker,
            "broker again": self._broker_again,
            "broker away": self._broker_away,
            "start on existing data": self._start_again,
            "poison": self._poison,
            "changelog cut": self._changelog,
            "changelog deleted": self._changelog,
        }.get(fault.kind)
        if handler or fault.point == "join":
            # A child gets SIGTERM when the thread that started it ends: what starts processes stays in this one.
            self._guarded(handler or self._rebalance, fault)
            return
        work = {"zombie": self._zombie, "rebalance": self._rebalance, "clickhouse": self._clickhouse}
        thread = threading.Thread(target=self._guarded, args=(work.get(fault.kind, self._kill), fault), daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self, seconds: float = 120.0) -> None:
        """Until no fault is under way."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _guarded(self, work: object, fault: Fault) -> None:
        try:
            with (
                self._turns[fault.target],
                contextlib.suppress(ProcessLookupError),
            ):  # one after the other to each process
                work(fault)  # type: ignore[operator]
        except Exception as e:  # a fault that could not be carried out must not end the run, nor be forgotten
            self.violations.append(f"fault {fault.number} {fault.kind} {fault.point} could not be carried out: {e!r}")

    def _label(self, fault: Fault, point: str = "") -> str:
        return f"{fault.kind} {point or fault.point}".strip()

    def _count(self, fault: Fault, point: str, began: float) -> None:
        label = self._label(fault, point)
        with self._lock:
            self.done[label] += 1
        self.recovery.struck(f"#{fault.number} {label} ({fault.target})", began)

    def _kill(self, fault: Fault) -> None:
        name, point = fault.target, fault.point
        if name in self._paused or not self.supervisor.alive(name):
            point = "random"
            self._wait_alive(name)
        if point == "random":
            self._plain_kill(fault, name)
        elif self._arm_and_wait(fault, name, point):
            self._count(fault, point, time.monotonic())
        else:
            self._plain_kill(fault, name)

    def _plain_kill(self, fault: Fault, name: str) -> None:
        began = time.monotonic()
        self.supervisor.kill(name)
        self._count(fault, "random", began)

    def _wait_alive(self, name: str) -> None:
        for _ in range(200):
            if self.supervisor.alive(name) and name not in self._paused:
                return
            time.sleep(0.1)

    def _arm_and_wait(self, fault: Fault, name: str, point: str) -> bool:
        """Arm the point and see it met; a point of the restore needs a process that starts."""
        arm = self.site.arm_file(name)
        hit = arm.with_suffix(".hit")
        hit.unlink(missing_ok=True)
        fresh = arm.with_suffix(".new")
        fresh.write_text(f"{point} {1 if point == 'restore' else fault.count}")
        fresh.rename(arm)
        if point == "restore":
            self.supervisor.kill(name)
        end = time.monotonic() + HIT_SECONDS
        while time.monotonic() < end:
            if hit.exists():
                hit.unlink(missing_ok=True)
                return True
            time.sleep(0.02)
        arm.unlink(missing_ok=True)
        return hit.exists()

    def _clickhouse(self, fault: Fault) -> None:
        if self._arm_and_wait(fault, "sink", fault.point):
            self._count(fault, fault.point, time.monotonic())

    def _broker(self, fault: Fault) -> None:
        began = time.monotonic()
        self.kafka.kill()
        time.sleep(fault.seconds)
        self.kafka.start()
        self._count(fault, "kill -9", began)

    def _broker_again(self, fault: Fault) -> None:
        """Killed, and twice more within seconds: at the second time the clients are about to join their groups again."""
        began = time.monotonic()
        for pause in (0.5 + fault.seconds, 2.5 - fault.seconds, 0.0):
            self.kafka.kill()
            self.kafka.start()
            time.sleep(pause)
        self._count(fault, "", began)

    def _broker_away(self, fault: Fault) -> None:
        """Away for longer than sessions (6 and 10 s) and transactions (10 s) live."""
        began = time.monotonic()
        self.kafka.kill()
        time.sleep(AWAY_SECONDS)
        self.kafka.start()
        self._count(fault, "", began)

    def _start_again(self, fault: Fault) -> None:
        """What `wharf up` and `wharf poll` ask as they start, of a broker that has answered its first request this moment."""
        began = time.monotonic()
        self.kafka.kill()
        self.kafka.start()
        try:
            made = create_topics(self.site.bootstrap, PARTITIONS, {})
            rules, cursors = in_force(self.site.bootstrap, {}), read_cursors({"bootstrap.servers": self.site.bootstrap})
        except (UserError, KafkaException) as e:
            self.violations.append(f"a start on existing data was refused: {e}")
        else:
            if made or rules is None or not cursors:
                self.violations.append(
                    f"a start found other data: made {made}, rules {rules}, cursors {sorted(cursors)}"
                )
        self._count(fault, "", began)

    def _zombie(self, fault: Fault) -> None:
        """Stopped past the session time-out, then awake again with all it held in memory."""
        name = fault.target
        self._wait_alive(name)
        pid, began = self.supervisor.pid(name), time.monotonic()
        self._paused.add(name)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(ZOMBIE_SECONDS)
        self._paused.discard(name)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        self._count(fault, "SIGSTOP past the session", began)

    def _rebalance(self, fault: Fault) -> None:
        began = time.monotonic()
        slot = int(fault.target.rpartition("-")[2])
        if fault.point == "leave":
            self.supervisor.stop(fault.target)
        elif fault.target in self.supervisor.names():
            self.supervisor.resume(fault.target)
        else:
            self.supervisor.start(self.site.worker(slot), wait=False)
        self._count(fault, fault.point, began)

    def _poison(self, fault: Fault) -> None:
        """One record that can't be worked, into each of the two input topics."""
        producer = Producer({"bootstrap.servers": self.site.bootstrap, "enable.idempotence": True, "log_level": 0})

        def written(error: object, message: object) -> None:
            if error is None:
                self.poisoned.append((message.topic(), message.partition(), message.offset()))  # type: ignore[attr-defined]

        for topic in BY_TYPE:
            key = b"main" if topic == "wharf.pools.in" else f"poison/{fault.number}".encode()
            producer.produce(topic, self._bad(fault, topic), key, on_delivery=written)
        producer.flush(30)
        with self._lock:
            self.done[self._label(fault)] += 2

    def _bad(self, fault: Fault, topic: str) -> bytes | None:
        if fault.point == "garbage":
            return self._random.randbytes(40)
        if fault.point == "unknown schema":
            return b"\x00" + (9999).to_bytes(4, "big") + b"some"
        if fault.point == "empty":
            return None
        wrong = fault.point == "wrong type"
        read = read_topic(self.site.bootstrap, BY_TYPE[topic] if wrong else topic)
        other = next(e for e in read if e.name not in OF_BOTH)
        return other.value if wrong else other.value[: len(other.value) // 2]

    def _changelog(self, fault: Fault) -> None:
        """Workers stopped, a table's changelog cut or gone: a worker must refuse, and ``wharf replay state`` must bring it back."""
        began = time.monotonic()
        self.wait()
        # One that just died as well: started again in the middle of this, it would rightly refuse.
        names = [n for n in self.supervisor.names() if n.startswith("worker-") and self.supervisor.wanted(n)]
        for name in names:
            self.supervisor.stop(name)
        self._damage(fault)
        said = self.command("worker", "--slot", "0", seconds=60)
        if said[0] != 2 or "replay state" not in said[1]:
            self.violations.append(f"{fault.kind} {fault.point}: the worker did not refuse: {said[0]} {said[1][-400:]}")
        self._rebuild(fault)
        for name in names:
            self.supervisor.resume(name)
        self._count(fault, fault.point, began)

    def _rebuild(self, fault: Fault) -> None:
        end = time.monotonic() + 60
        while True:
            code, text = self.command("replay", "state", "--execute", seconds=1800)
            if code == 0:
                return
            if "has members" not in text or time.monotonic() > end:
                self.violations.append(f"{fault.kind} {fault.point}: replay state failed: {code} {text[-400:]}")
                return
            time.sleep(1)

    def _damage(self, fault: Fault) -> None:
        admin = AdminClient({"bootstrap.servers": self.site.bootstrap, "log_level": 0})
        topic = fault.point
        partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions
        if fault.kind == "changelog deleted":
            admin.delete_topics([topic])[topic].result(30)
            for _ in range(50):
                with contextlib.suppress(KafkaException):
                    if topic not in admin.list_topics(timeout=5).topics:
                        break
                time.sleep(0.1)
            create_topics(self.site.bootstrap, len(partitions), {})
            return
        # Half of what the table holds is gone; the most recent records stay, and with them the head: it can't agree with what is left.
        last: dict[int, dict[str, int]] = {number: {} for number in partitions}
        for e in read_topic(self.site.bootstrap, topic, decoded=False):
            if e.value:
                last[e.partition][e.key] = e.offset
            else:
                last[e.partition].pop(e.key, None)
        live = {number: sorted(offsets.values()) for number, offsets in last.items() if len(offsets) > 1}
        cut = [TopicPartition(topic, number, ends[(len(ends) - 1) // 2] + 1) for number, ends in live.items()]
        self._policy(
            admin, topic, "compact,delete"
        )  # as an operator's mistake would have it: Kafka cuts no compacted topic
        for future in admin.delete_records(cut).values():
            future.result(30)
        self._policy(admin, topic, "compact")

    @staticmethod
    def _policy(admin: AdminClient, topic: str, policy: str) -> None:
        entry = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        for future in admin.incremental_alter_configs([resource]).values():
            future.result(30)

    def command(self, *arguments: str, seconds: float) -> tuple[int, str]:
        """Run ``wharf ARGUMENTS``; its exit code and all it said."""
        env = {**os.environ, **self.site.environment(), "WHARF_CLOCK": self.site.clock}
        log = Path(self.site.home.logs / "commands.log")
        try:
            done = subprocess.run(
                self.site.command(*arguments), env=env, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as e:
            said = (e.stderr or b"").decode(errors="replace")
            with log.open("a") as f:
                f.write(f"--- {arguments} still ran after {seconds:.0f} s\n{said}\n")
            return -1, f"still ran after {seconds:.0f} s: {said}"
        text = done.stdout + done.stderr
        with log.open("a") as f:
            f.write(f"--- {arguments} → {done.returncode}\n{text}\n")
        return done.returncode, text
