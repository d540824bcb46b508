"""In = out, whatever is killed: two worker processes, killed again and again with -9 while records come in."""

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

ROOT = Path(__file__).parents[2]
KILLS = 6
ROUNDS = 60
KEYS = [b"k%d" % i for i in range(97)]


def worker(kafka: str, names: job.Names, slot: int, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(Path(job.__file__)), kafka, names.prefix, str(slot)]
    with log.open("ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})


def test_workers_killed_again_and_again_lose_nothing_and_double_nothing(
    kafka: str, names: job.Names, tmp_path: Path
) -> None:
    rng = random.Random(1)
    log = tmp_path / "workers.log"
    workers = {slot: worker(kafka, names, slot, log) for slot in (0, 1)}
    records: list[tuple[bytes, bytes]] = []
    kills = 0
    next_kill = time.monotonic() + 3
    try:
        for _ in range(ROUNDS):
            some = [(key, b"x") for key in KEYS]
            job.produce(kafka, names.input, some)
            records += some
            time.sleep(0.2)
            if kills < KILLS and time.monotonic() > next_kill:
                slot = rng.choice([0, 1])
                workers[slot].send_signal(signal.SIGKILL)
                workers[slot].wait()
                workers[slot] = worker(kafka, names, slot, log)
                kills += 1
                next_kill = time.monotonic() + rng.uniform(0.5, 2.0)
        deadline = time.monotonic() + 40
        while sum(map(len, job.numbers(kafka, names.output).values())) < len(records):
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            assert all(w.poll() is None for w in workers.values()), log.read_text()[-3000:]
            time.sleep(0.2)
    finally:
        for w in workers.values():
            w.kill()
            w.wait()
    assert kills == KILLS
    assert job.numbers(kafka, names.output) == job.expected(records)
