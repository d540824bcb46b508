"""YAML that was written to hurt: refused within bounds, one line with its place and the way out, wherever we read YAML."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from connectors.messages.catalogue import Catalogue, TemplatesError
from connectors.yaml import MAX_NODES, YamlError, decode, read_text, safe_load
from ops.settings import ConfigError, load_connections, own_texts
from ops.yaml.source import Problem, Source, parse
from wharf.cli import app

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)
HOSTILE = [
    pytest.param(BOMB, "100,000 values", id="an alias bomb of 10^10"),
    pytest.param("<<: &a {x: 1}\n" + "".join(f"k{i}: [*a, *a]\n" for i in range(40_000)), "100,000 values", id="40,000 small aliases"),
    pytest.param("a: &a [*a]\n", "1:8: *a stands inside of itself", id="a list that holds itself"),
    pytest.param("a: &a\n  b: *a\n", "2:6: *a stands inside of itself", id="a group that holds itself"),
    pytest.param("a: &a\n  <<: *a\n", "2:7: *a stands inside of itself", id="a merge of itself"),
    pytest.param("[" * 20_000, "1:65: nested deeper than 64", id="20,000 brackets"),
    pytest.param("".join(" " * i + "a:\n" for i in range(500)), "nested deeper than 64", id="500 levels of indentation"),
    pytest.param("a: &b 1\nc: &b 2\n", "2:4: the anchor &b is there twice", id="an anchor twice"),
    pytest.param("a: " + "9" * 5000, "1:4: this can't be read as int", id="a number of 5,000 digits"),
    pytest.param("a: 0x" + "f" * 5000, "1:4: this number is too large", id="a number of 5,000 hex digits"),
    pytest.param("a: .nan", "1:4: this is no number", id="not a number"),
    pytest.param('a: "\\ud800"', "1:4: half a character", id="a lone surrogate"),
    pytest.param("a: b\0c", "1:5: the character U+0000", id="a NUL"),
    pytest.param("a: !!int x", "1:4: this can't be read as int", id="a tag that does not fit"),
    pytest.param("a: !!bool 7", "1:4: this can't be read as bool", id="a bool that is none"),
    pytest.param("<<: 5\n", "1:5: this is no YAML", id="a merge of a number"),
]  # fmt: skip


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("text", "says"), HOSTILE)
def test_a_hostile_file_is_one_line_with_its_place(text: str, says: str) -> None:
    found = parse(text)
    assert isinstance(found, Problem)
    line = found.text("f").removeprefix("f:")
    assert says in line
    assert "\n" not in line
    with pytest.raises(YamlError) as e:
        safe_load(text)
    assert says in e.value.text("f")


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("text", "says"), HOSTILE)
def test_wharf_yaml_and_texts_are_read_within_the_same_bounds(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "wharf.yaml").write_text(text)
    for read in (load_connections, own_texts):
        with pytest.raises(ConfigError, match=r"wharf\.yaml:\d+:\d+: ") as e:
            read(tmp_path / "wharf.yaml")
        assert says in str(e.value)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "nl.yaml").write_text(text)
    with pytest.raises(TemplatesError, match=r"nl\.yaml:\d+:\d+: "):
        Catalogue(tmp_path / "texts")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param("depots: []\nname: caf\xe9\n".encode("latin-1"), ":2:10: this is no UTF-8 (byte 0xe9)", id="latin-1"),
        pytest.param("depots: []".encode("utf-16"), ":1:1: this is no UTF-8 (byte 0xff)", id="utf-16"),
        pytest.param(b"a: b\x00c\n", ":1:5: the character U+0000", id="a NUL"),
        pytest.param(b"a: b\n" * 500_000, "larger than 2 MB", id="2.5 MB"),
        pytest.param(BOMB.encode(), "100,000 values", id="a bomb"),
        pytest.param(b"\xed\xa0\x80", "this is no UTF-8", id="a surrogate's bytes"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", [("rules", "check"), ("scenario", "run")])
def test_a_command_refuses_it_with_2_and_no_traceback(
    tmp_path: Path, command: tuple[str, str], data: bytes, says: str
) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(data)
    done = CliRunner().invoke(app, [*command, str(file)])
    said = f"{done.output}{done.exception}"
    assert says in said, said
    assert done.exit_code != 0
    assert type(done.exception).__name__ in ("SystemExit", "RulesError", "ScenarioError", "UserError")


def test_a_byte_order_mark_and_ends_of_line_of_any_system_change_nothing() -> None:
    wanted = safe_load("a: |\n  x\n  y\nb: 2\n")
    for data in (b"\xef\xbb\xbfa: |\n  x\n  y\nb: 2\n", b"a: |\r\n  x\r\n  y\r\nb: 2\r\n", b"a: |\r  x\r  y\rb: 2\r"):
        assert safe_load(decode(data)) == wanted


def test_a_pipe_is_read_and_one_that_nobody_writes_to_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("connectors.yaml.PIPE_SECONDS", 1.0)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(YamlError, match="nothing came out of this pipe"):
        read_text(tmp_path / "pipe")
    reading, writing = os.pipe()

    def write() -> None:
        time.sleep(0.2)
        os.write(writing, b"a: 1\n")
        os.close(writing)

    threading.Thread(target=write).start()
    assert read_text(Path(f"/dev/fd/{reading}")) == "a: 1\n"
    os.close(reading)


def test_a_device_without_an_end_is_refused() -> None:
    with pytest.raises(YamlError, match="larger than 2 MB"):
        read_text(Path("/dev/zero"))


def test_what_people_write_still_has_its_aliases_and_merges() -> None:
    text = "base: &base {days: 14, tags: [a, b]}\nbol: {<<: *base, days: 30}\nlist: [*base, *base]\n"
    found = parse(text)
    assert isinstance(found, Source)
    assert safe_load(text)["bol"] == {"days": 30, "tags": ["a", "b"]}
    assert found.data["list"] == [{"days": 14, "tags": ["a", "b"]}] * 2


def test_a_list_as_long_as_fraud_rules_have_them_is_taken() -> None:
    found = parse("a:\n" + "".join(f"  - {'ab' * 32}\n" for _ in range(20_000)))
    assert isinstance(found, Source)
    assert len(found.data["a"]) == 20_000 < MAX_NODES


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["a", ": ", "- ", "&x ", "*x", "[", "]", "{", "}", "\n", "  ", "<<", "!!set ", "!!binary ", "? ", "|", ">", "'", '"', "#", "%", ",", "1", "0x", ".inf", "---", "\t", "\0", "é", "\ud800"]), max_size=25).map("".join))  # fmt: skip
def test_any_text_is_data_or_one_problem(text: str) -> None:
    found = parse(text)
    if isinstance(found, Problem):
        assert "\n" not in found.text("f")
