"""`wharf poll` as a process of its own, against a real broker and a real HTTP server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ops.servers.topics import create_topics
from schemas.topics import CURSORS

BINARY = Path(sys.executable).with_name("wharf")


class Wms(ThreadingHTTPServer):
    """A 3PL with no pick orders and no returns; ``status`` is what it answers."""

    daemon_threads = True
    status = 200
    asked = 0


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked += 1  # type: ignore[attr-defined]
        rows = "returns" if self.path.startswith("/returns") else "pick_orders"
        body = json.dumps({rows: [], "next_page": None}).encode()
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def wms() -> Iterator[Wms]:
    server = Wms(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def environment(tmp_path: Path, wms: Wms) -> dict[str, str]:
    config = tmp_path / "wharf.yaml"
    url = f"http://127.0.0.1:{wms.server_port}"
    config.write_text(f"threepl:\n  depot-a: {{api_url: '{url}', poll_seconds: 0.2}}\n")
    return {**os.environ, "WHARF_CONFIG": str(config), "WHARF_HOME": str(tmp_path / "home")}


def poll(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BINARY, "poll", *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def with_kafka(environment: dict[str, str], kafka: str) -> dict[str, str]:
    create_topics(kafka, 1, topics=[CURSORS])
    return {**environment, "WHARF_KAFKA": kafka}


@pytest.mark.kafka
def test_once_polls_every_feed_and_says_what_it_found(with_kafka: dict[str, str]) -> None:
    done = poll(with_kafka, "--once", "--json")
    assert done.returncode == 0, done.stderr
    told = sorted((json.loads(line) for line in done.stdout.splitlines()), key=lambda t: str(t["feed"]))
    assert [(t["feed"], t["ok"], t["pages"], t["error"]) for t in told] == [
        ("threepl:depot-a:returns", True, 1, ""),
        ("threepl:depot-a:statuses", True, 1, ""),
    ]


@pytest.mark.kafka
def test_once_ends_with_1_where_a_feed_failed(with_kafka: dict[str, str], wms: Wms) -> None:
    wms.status = 503
    done = poll(with_kafka, "--once")
    assert done.returncode == 1
    assert "threepl:depot-a:statuses: failed after 0 pages" in done.stdout
    assert "503" in done.stdout


@pytest.mark.kafka
def test_it_polls_on_and_on_until_it_is_told_to_stop(with_kafka: dict[str, str], wms: Wms) -> None:
    process = subprocess.Popen([BINARY, "poll", "--json"], env=with_kafka, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [json.loads(process.stdout.readline()) for _ in range(3)]
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert all(t["ok"] for t in told)
    assert wms.asked >= 3


def test_a_poller_whose_kafka_is_gone_ends_soon_after_it_is_told_to(environment: dict[str, str]) -> None:
    """Its broker died with the process that ran both: it must not wait out the 30 s of a call that nobody will answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        servers = f"127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen([BINARY, "poll"], env={**environment, "WHARF_KAFKA": servers})
        there, _ = silent.accept()  # the feed is being opened
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        there.close()


def test_a_feed_that_is_not_there_names_those_that_are(environment: dict[str, str]) -> None:
    done = poll(environment, "--only", "bol:acme")
    assert done.returncode == 2
    assert "--only bol:acme: no such feed; there are threepl:depot-a:returns, threepl:depot-a:statuses" in done.stderr


def test_nothing_to_poll_says_what_to_add(environment: dict[str, str], tmp_path: Path) -> None:
    done = poll({**environment, "WHARF_CONFIG": str(tmp_path / "none.yaml")})
    assert done.returncode == 2
    assert "none.yaml: no connection to poll: add channels.shopify.NAME" in done.stderr


def test_without_a_broker_it_says_how_to_get_one(environment: dict[str, str]) -> None:
    done = poll(environment, "--once")
    assert done.returncode == 2
    assert "start `wharf up`, or set WHARF_KAFKA" in done.stderr
