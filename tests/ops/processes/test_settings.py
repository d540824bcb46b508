"""Settings and wharf.yaml: whatever is wrong is named with its way out, and no error ever shows what may be a secret."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ops.errors import UserError
from ops.settings import ConfigError, Settings, load_connections

SECRET = "hunter2-%-s3cret"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("KAFKA_CONFIG", f'{{"sasl.password": "{SECRET}"', "WHARF_KAFKA_CONFIG: a JSON object of texts"),
        ("KAFKA_CONFIG", f'["{SECRET}"]', "WHARF_KAFKA_CONFIG: a JSON object of texts"),
        ("KAFKA_CONFIG", f'{{"sasl.password": ["{SECRET}"]}}', "WHARF_KAFKA_CONFIG: a JSON object of texts"),
        ("CLICKHOUSE", f"wharf:{SECRET}@ch:8443/wharf", "WHARF_CLICKHOUSE: clickhouse://USER"),
        ("CLICKHOUSE", f"clickhouse://wharf:{SECRET}@ch:port/wharf", "WHARF_CLICKHOUSE: clickhouse://USER"),
        ("CLICKHOUSE", f"clickhouse://wharf:{SECRET}/x@ch:8443/wharf", "WHARF_CLICKHOUSE: clickhouse://USER"),
        ("CLICKHOUSE", f"clickhouse://[{SECRET}", "WHARF_CLICKHOUSE: clickhouse://USER"),
        ("KAFKA", f"user:{SECRET}@broker:9092", "WHARF_KAFKA: HOST:PORT"),
        ("KAFKA", "broker", "WHARF_KAFKA: HOST:PORT"),
        ("REGISTRY", f"user:{SECRET}@registry", "WHARF_REGISTRY: https://HOST"),
        ("PARTITIONS", SECRET, "WHARF_PARTITIONS: "),
        ("PARTITIONS", "0", "WHARF_PARTITIONS: "),
        ("CLOCK", SECRET, "WHARF_CLOCK: START@ORIGIN"),
        ("LOG_LEVEL", SECRET, "WHARF_LOG_LEVEL: one of"),
        ("HOME", "", "WHARF_HOME: a directory of its own"),
    ],
)  # fmt: skip
def test_a_variable_of_the_wrong_shape_is_one_line_without_its_value(
    monkeypatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(f"WHARF_{name}", value)
    with pytest.raises(UserError) as e:
        Settings()
    assert says in str(e.value)
    assert SECRET not in str(e.value)
    assert "\n" not in str(e.value)
    assert e.value.__suppress_context__  # a traceback would show what was given


@pytest.mark.parametrize("command", [["status"], ["up"], ["worker"], ["dlq", "list"], ["demo", "--stop"]])  # fmt: skip
def test_no_command_has_a_traceback_for_it(command: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "WHARF_KAFKA_CONFIG": f'{{"a": "{SECRET}', "WHARF_HOME": str(tmp_path)}
    call = [sys.executable, "-c", "from wharf.cli import main; main()", *command]
    done = subprocess.run(call, capture_output=True, text=True, env=environment, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("wharf: WHARF_KAFKA_CONFIG: ")
    assert done.stderr.count("\n") == 1
    assert SECRET not in done.stderr


GOOD = (
    ("kafka", "a:9092, b:9092"),
    ("kafka", "[::1]:9092"),
    ("clickhouse", "clickhouse://u:p%40x@host:8443/wharf?secure=true"),
    ("clickhouse", "https://u:p@host"),
    ("clickhouse", "http://127.0.0.1:8123"),
    ("registry", "http://registry:8081"),
    ("log_level", "debug"),
    ("clock", "2026-11-23T07:00:00+00:00@1760000000000*600"),
)


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_what_is_right_is_taken(monkeypatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"WHARF_{name.upper()}", value)
    assert getattr(Settings(), name) == value


def wrong(tmp_path: Path, text: str) -> str:
    (tmp_path / "wharf.yaml").write_text(text)
    with pytest.raises(ConfigError) as e:
        load_connections(tmp_path / "wharf.yaml")
    return str(e.value).replace(str(tmp_path) + "/", "")


@pytest.mark.parametrize("name", ["a:b/../c", "''", "ACME shop", "acme_nl", "a" * 41, "é", '"a\\n"', "..", "a.b"])
@pytest.mark.parametrize("sort", ["channels: {shopify", "channels: {bol", "channels: {portal", "threepl"])
def test_a_name_that_breaks_addresses_is_refused_at_its_place(tmp_path: Path, name: str, sort: str) -> None:
    fields = {"channels: {bol": "client_id: x, client_secret: y", "threepl": "api_url: 'https://x', token: y"}
    close = "}" if "{" in sort else ""
    said = wrong(tmp_path, f"{sort}: {{{name}: {{{fields.get(sort, 'secrets: [x]')}}}}}{close}")
    assert said.startswith("wharf.yaml:1:")
    assert "this name is no 1 to 40 small letters, digits and '-'; as acme-nl" in said


def test_a_typo_in_wharf_yaml_has_its_line_and_what_was_meant(tmp_path: Path) -> None:
    said = wrong(tmp_path, "channels:\n  shopify:\n    acme:\n      tokn: x\n      secrets: [a]\n")
    assert said == "wharf.yaml:4:13: channels.shopify.acme.tokn: there is no such field; did you mean token?"


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    said = wrong(tmp_path, "channels:\n  bol:\n    main: {}\nthreepl: []\nmessages: 5\n")
    assert [line.split(": ", 2)[1] for line in said.splitlines()] == [
        "channels.bol.main.client_id",
        "channels.bol.main.client_secret",
        "threepl",
        "messages",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "channels: {shopify: {acme: {token: [$S], secrets: x}}}",
        "channels: {bol: {main: {client_id: 1, client_secret: {a: $S}}}}",
        "messages: {mail: {host: h, password: [$S]}}",
        "messages: {brand: {sender: $S}}",
        "messages: {mail: {host: $S, security: none}}",
        "carriers: {post: {kind: local, costs: {$S: 1}}}",
        "messages: {sms: {kind: $S}}",
        "$S",
        "channels: {shopify: {acme: {token: a, token: $S}}}",
    ],
)
def test_no_secret_is_in_an_error_of_wharf_yaml(tmp_path: Path, monkeypatch, text: str) -> None:
    monkeypatch.setenv("S", "hunter2@s3cret")
    assert "hunter2" not in wrong(tmp_path, text.replace("$S", "'${S}'"))


def test_a_secret_that_is_not_there_is_named_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "large").write_bytes(b"a" * 70_000)
    account = "channels:\n  shopify:\n    acme: {{secrets: ['{}']}}\n"
    for secret, says in {
        "${NOT_THERE}": "the environment variable NOT_THERE is not set",
        "${file:/dev/zero}": "the secret file /dev/zero is not there",
        f"${{file:{tmp_path}/binary}}": "can't be read: it is no UTF-8",
        f"${{file:{tmp_path}/large}}": "larger than 65536 bytes",
    }.items():
        said = wrong(tmp_path, account.format(secret))
        assert said.startswith("wharf.yaml:3:22: channels.shopify.acme.secrets[0]: ")
        assert says in said


def test_a_directory_in_its_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "wharf.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"wharf\.yaml: Is a directory$"):
        load_connections(tmp_path / "wharf.yaml")
