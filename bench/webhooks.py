"""The webhook server alone: ``python -m bench.webhooks [--short] [--save]``.

Signed Shopify orders of 25 KB, each another, over keep-alive connections to ``wharf webhooks``, which verifies, stores the raw delivery,
translates, and answers once the embedded Kafka has acknowledged (acks=all). The generator is a process on the same cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.results import ROOT, write
from bench.web.processes import WHARF, Meter, answers, wait_for
from ops.servers.kafka import EmbeddedKafka
from ops.servers.ports import free_port
from ops.servers.topics import create_topics

__all__ = ["main"]

SECRET = "bench-secret"  # noqa: S105 — of a server that lives for seconds
REACH = 2_500
CONNECTIONS = 64


def measure(folder: Path, kafka: EmbeddedKafka, seconds: float, seed: int, profile: str = "") -> dict[str, Any]:
    """One run: a warm-up of a quarter, then the timed part."""
    create_topics(kafka.bootstrap, 4, {})
    config = folder / "wharf.yaml"
    config.write_text(json.dumps({"channels": {"shopify": {"bench": {"secrets": [SECRET]}}}}))
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "WHARF_HOME": str(folder),
        "WHARF_KAFKA": kafka.bootstrap,
        "WHARF_CONFIG": str(config),
        "WHARF_BENCH_SECRET": SECRET,
        "WHARF_LOG_LEVEL": "WARNING",
    }
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen([*WHARF, "webhooks", "--port", str(port)], env=env, stdout=subprocess.DEVNULL)
    try:
        wait_for("wharf webhooks", lambda: answers(f"{url}/healthz"), process=server)
        _hammer(env, url, seconds / 4, seed, 0)
        recorder = _record(profile, server.pid, seconds) if profile else None
        meter = Meter({"server": server.pid, "kafka": int(kafka.pid or 0)})
        row = _hammer(env, url, seconds, seed, 1_000_000)
        cpu = meter.per(row["sent"])
        if recorder:
            recorder.wait(60)
    finally:
        server.terminate()
        server.wait(20)
    return {
        "deliveries_s": row["rate"],
        "p50_ms": row["p50_ms"],
        "p99_ms": row["p99_ms"],
        "not_200": sum(count for status, count in row["statuses"].items() if status != "200"),
        "server_cpu_us": cpu["server"],
        "kafka_cpu_us": cpu["kafka"],
        "generator_cpu_us": row["generator_cpu_us"],
    }


def _hammer(env: dict[str, str], url: str, seconds: float, seed: int, begin: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.web.hammer", "--url", f"{url}/webhooks/shopify/bench"]
    command += ["--seconds", f"{seconds:g}", "--connections", str(CONNECTIONS), "--seed", str(seed)]
    command += ["--begin", str(begin)]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def _record(file: str, pid: int, seconds: float) -> subprocess.Popen[bytes]:
    """py-spy, where it is installed (``pip install py-spy``)."""
    command = ["py-spy", "record", "--pid", str(pid), "--duration", str(int(seconds)), "--rate", "200"]
    command += ["--format", "raw", "--output", file]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def main() -> None:
    """Measure, print, and with ``--save`` keep it for the page."""
    parser = argparse.ArgumentParser(prog="bench.webhooks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="10 s instead of 30")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--profile", default="", help="py-spy's raw stacks of the server go to this file")
    args = parser.parse_args()
    seconds = 10.0 if args.short else 30.0
    with tempfile.TemporaryDirectory(prefix="wharf-bench-") as name, EmbeddedKafka(Path(name)) as kafka:
        row = measure(Path(name), kafka, seconds, args.seed, args.profile)
    print(json.dumps(row, indent=2))
    if args.save:
        figure = (
            f"webhook server alone: signed Shopify orders of 25 KB, translated, acks=all, {CONNECTIONS} connections"
        )
        write("webhooks", figure, "deliveries/s", [row], seed=args.seed, reach=REACH, seconds=seconds)


if __name__ == "__main__":
    main()
