"""The whole of it, small: everything starts, a worker is killed in the middle, every check holds, nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

WHARF = (sys.executable, "-c", "from wharf.cli import main; main()", "demo")

pytestmark = pytest.mark.kafka


def start(home: Path, *arguments: str, shell: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """The demo as from a terminal, whatever started the tests; ``shell``: what starts it instead."""
    command = (*shell, *WHARF, "--home", str(home), *arguments)
    as_usual = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=as_usual)  # noqa: PLW1509


def until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def pids(home: Path) -> dict[str, int]:
    """The demo's processes, once all of them run."""
    note = home / "running.json"
    try:
        return dict(json.loads(note.read_text())["pids"])
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def left_behind(home: Path) -> list[str]:
    """Processes that were told this home and still live."""
    mark, found = f"WHARF_HOME={home}\0".encode(), []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (directory / "environ").read_bytes() + b"\0" and int(directory.name) != os.getpid():
                found.append((directory / "cmdline").read_text().replace("\0", " "))
        except (OSError, ValueError):
            continue
    return found


@pytest.mark.timeout(600)
def test_a_killed_worker_changes_no_check(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    demo = start(home, "--orders", "150", "--seed", "3", "--speed", "6000", "--json")
    until(lambda: "worker-0" in pids(home), 180)
    time.sleep(8)  # orders come in for 16 s
    os.kill(pids(home)["worker-0"], signal.SIGKILL)
    out, err = demo.communicate(timeout=360)
    report: dict[str, Any] = json.loads(out)
    assert [c for c in report["checks"] if not c["ok"]] == [], err
    assert (demo.returncode, report["ok"]) == (0, True)
    assert report["restarts"] == {"worker-0": 1}
    assert sum(report["orders_by_state"].values()) >= 145  # some are Bol's own to ship, and never shown to us
    assert report["orders_by_state"]["COMPLETED"] > 120
    assert report["dead_letters"]["translate"] == 3
    assert {"kpi_turnaround", "kpi_on_time", "kpi_accuracy"} <= {view for view, rows in report["kpis"].items() if rows}
    assert left_behind(home) == []


# A shell without job control starts what goes to the background (`make demo &`) with SIGINT ignored.
IGNORED = ("/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("shell", [pytest.param((), id="terminal"), pytest.param(IGNORED, id="shell-that-ignores-it")])
def test_ctrl_c_leaves_no_process(tmp_path: Path, shell: tuple[str, ...]) -> None:
    home = tmp_path / "demo"
    demo = start(home, "--orders", "50", "--seed", "4", shell=shell)
    until(lambda: "worker-0" in pids(home), 180)
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=150)
    assert (demo.returncode, out) == (130, "")
    assert "stopped before the end" in err
    assert left_behind(home) == []


def test_a_directory_of_someone_else_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    demo = start(tmp_path, "--orders", "1")
    out, err = demo.communicate(timeout=60)
    assert (demo.returncode, out) == (2, "")
    assert "not the directory of an earlier demo" in err
    assert (tmp_path / "precious.txt").read_text() == "mine"
