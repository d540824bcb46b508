"""In = out, whatever happens to the workers: two processes, killed with -9 or frozen past their session while records come in."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import job
import pytest

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[3]
FAULTS = ["kill", "kill", "freeze", "kill", "kill", "kill"]
FROZEN_SECONDS = 4.0
KEYS = [b"k%d" % i for i in range(97)]


class Workers:
    """Two worker processes and what a supervisor does: start again what ended."""

    def __init__(self, kafka: str, names: job.Names, log: Path) -> None:
        self.command = [sys.executable, str(Path(job.__file__)), kafka, names.prefix]
        self.log = log
        self.frozen: dict[int, float] = {}
        self.ended: list[str] = []
        self.processes = {slot: self.start(slot) for slot in (0, 1)}

    def start(self, slot: int) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as out:
            return subprocess.Popen(
                [*self.command, str(slot)], stdout=out, stderr=out, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
            )

    def harm(self, slot: int, fault: str) -> None:
        if fault == "kill":
            self.processes[slot].kill()
            self.processes[slot].wait()
            self.processes[slot] = self.start(slot)
        else:
            self.processes[slot].send_signal(signal.SIGSTOP)
            self.frozen[slot] = time.monotonic() + FROZEN_SECONDS

    def supervise(self) -> None:
        for slot in [s for s, until in self.frozen.items() if until < time.monotonic()]:
            self.processes[slot].send_signal(signal.SIGCONT)
            del self.frozen[slot]
        for slot, process in self.processes.items():
            if process.poll() is not None:
                self.ended.append(self.log.read_text().splitlines()[-1])
                self.processes[slot] = self.start(slot)

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


def test_workers_killed_and_frozen_again_and_again_lose_nothing_and_double_nothing(
    kafka: str, names: job.Names, tmp_path: Path
) -> None:
    rng = random.Random(1)
    workers = Workers(kafka, names, tmp_path / "workers.log")
    records: list[tuple[bytes, bytes]] = []
    faults = list(FAULTS)
    due = time.monotonic() + 3
    try:
        while faults or workers.frozen:
            some = [(key, b"x") for key in KEYS]
            job.produce(kafka, names.input, some)
            records += some
            time.sleep(0.1)
            workers.supervise()
            if faults and not workers.frozen and time.monotonic() > due:
                workers.harm(rng.choice([0, 1]), faults.pop(0))
                due = time.monotonic() + rng.uniform(0.5, 2.0)
        deadline = time.monotonic() + 60
        while sum(map(len, job.numbers(kafka, names.output).values())) < len(records):
            assert time.monotonic() < deadline, workers.log.read_text()[-3000:]
            workers.supervise()
            time.sleep(0.2)
    finally:
        workers.stop()
    assert job.numbers(kafka, names.output) == job.expected(records)
    assert not any("StateLost" in line for line in workers.ended), workers.ended
