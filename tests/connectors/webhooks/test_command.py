"""``wharf webhooks`` as a process: starts, tells its URL, stops clean; and what it refuses to start with."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from typer.testing import CliRunner, Result

from connectors.signatures import sign
from ops.errors import UserError
from ops.servers.endpoints import notes
from ops.servers.topics import create_topics
from wharf.cli import app

WHARF = [sys.executable, "-c", "from wharf.cli import main; main()"]
CONFIG = """\
channels:
  shopify:
    acme:
      secrets: ["${WHARF_TEST_SECRET}", "old"]
threepl:
  depot-a:
    api_url: http://127.0.0.1:1
    secrets: [wms]
  silent:
    api_url: http://127.0.0.1:1
"""


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    (tmp_path / "wharf.yaml").write_text(CONFIG)
    own = {"WHARF_HOME": str(tmp_path), "WHARF_CONFIG": str(tmp_path / "wharf.yaml"), "WHARF_TEST_SECRET": "s3cret"}
    return {**os.environ, **own, **more}


@pytest.mark.kafka
def test_the_server_says_where_it_is_takes_deliveries_and_stops_clean(
    tmp_path: Path, own_kafka: str, web: SimpleNamespace
) -> None:
    create_topics(own_kafka, 2)
    ready = tmp_path / "ready"
    command = [*WHARF, "webhooks", "--port", "0", "--ready-file", str(ready)]
    process = subprocess.Popen(
        command,
        env=environment(tmp_path, WHARF_KAFKA=own_kafka),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.monotonic() + 120
        while not ready.exists() or not ready.read_text().endswith("\n"):
            assert time.monotonic() < end
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        url = ready.read_text().strip()
        body = web.order()
        headers = {"x-shopify-topic": "orders/create", "x-shopify-hmac-sha256": sign("s3cret", body)}
        assert httpx.post(f"{url}/webhooks/shopify/acme", content=body, headers=headers).status_code == 200
        assert httpx.post(f"{url}/webhooks/threepl/depot-a", content=body).status_code == 401
        assert httpx.post(f"{url}/webhooks/threepl/silent", content=body).status_code == 404
        assert httpx.get(f"{url}/metrics").status_code == 404
        (note,) = (n for name, n in notes(tmp_path).items() if name == "process/webhooks")
        assert "wharf_webhook_deliveries_total" in httpx.get(note["metrics"]).text
        process.send_signal(signal.SIGTERM)
        out, log = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, log
    assert out.strip() == url
    assert "s3cret" not in log
    assert "jan@example.com" not in log


def test_a_port_that_is_taken_is_one_line_that_names_who_has_it_and_exit_2(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [*WHARF, "webhooks", "--port", str(port)]
        env = environment(tmp_path, WHARF_KAFKA="127.0.0.1:1")
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    last = done.stderr.splitlines()[-1]
    assert (done.returncode, done.stdout) == (2, "")
    assert f"--port: cannot listen on 127.0.0.1, port {port}: process {os.getpid()} (" in last
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        pytest.param(("--host", "192.0.2.1"), "--host/--port: cannot listen on 192.0.2.1, port 8080", id="host"),
        pytest.param(("--trusted-proxy", "nginx"), "--trusted-proxy: 'nginx' does not appear to be", id="proxy"),
    ],
)
def test_what_cannot_be_listened_on_or_trusted_is_one_line_and_exit_2(
    tmp_path: Path, args: tuple[str, ...], message: str
) -> None:
    env = environment(tmp_path, WHARF_KAFKA="127.0.0.1:1")
    done = subprocess.run([*WHARF, "webhooks", *args], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param("", "no account with `secrets`", id="nothing configured"),
        pytest.param("channels: {shopify: {acme: {secret: x}}}", "channels.shopify.acme.secrets", id="a wrong field"),
        pytest.param("channels: {shopify: {acme: {secrets: ['${NOT_THERE}']}}}", "NOT_THERE", id="a missing variable"),
        pytest.param(
            "channels: {portal: {p: {secrets: [x], accounts: ['shopify:amce']}}, shopify: {acme: {secrets: [x]}}}",
            "channels.portal.p.accounts: 'shopify:amce' is none of shopify:acme",
            id="a portal of no account",
        ),
        pytest.param("channels: {shopify: {acme: {secrets: [x]}}}", "no Kafka runs", id="no Kafka"),
    ],
)
def test_what_it_cannot_start_with_is_one_line_and_exit_2(tmp_path: Path, config: str, message: str) -> None:
    env = environment(tmp_path)
    env.pop("WHARF_KAFKA", None)
    (tmp_path / "wharf.yaml").write_text(config)
    done = subprocess.run([*WHARF, "webhooks"], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def translate(*args: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, ["translate", *args], input=stdin)


def test_translate_prints_events(tmp_path: Path, web: SimpleNamespace) -> None:
    file = tmp_path / "order.json"
    file.write_bytes(web.order())
    table = translate("shopify", "orders/create", str(file))
    assert table.exit_code == 0
    assert "OrderUpserted" in table.stdout
    assert "WH-1000" in table.stdout
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + web.order()
    for stdin in (web.order(), answer):
        found = json.loads(translate("shopify", "orders/create", "-", "--json", stdin=stdin).stdout)
        assert [f["order_key"] for f in found] == ["shopify:example:5001"]


@pytest.mark.parametrize(
    ("args", "stdin", "message"),
    [
        pytest.param(("shopify", "orders/create"), b'{"id": 1}', "currency", id="a missing field"),
        pytest.param(("shopify", "orders/nope"), b"{}", "orders/nope", id="a topic that is none"),
        pytest.param(("etsy", "orders/create"), b"{}", "'etsy' is none of shopify, bol, threepl", id="no such channel"),
        pytest.param(("shopify", "orders/create"), b"HTTP/1.1 429 Too Many\r\n\r\nx", "429", id="an error answer"),
        pytest.param(("shopify", "orders/create"), b"\xff\x00", "not JSON", id="no JSON"),
    ],
)
def test_translate_refuses_with_the_field(args: tuple[str, ...], stdin: bytes, message: str) -> None:
    done = translate(*args, "-", stdin=stdin)
    assert isinstance(done.exception, UserError)
    assert message in str(done.exception)
    assert done.stdout == ""


def test_a_user_error_is_one_line_and_exit_2(tmp_path: Path) -> None:
    command = [*WHARF, "translate", "shopify", "orders/create", str(tmp_path / "no.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().endswith("no such file")
    assert len(done.stderr.splitlines()) == 1
