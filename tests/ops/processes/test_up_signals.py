"""Signals at the commands themselves: `wharf up` is never deaf, and a demo that is interrupted at any moment leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.kafka

WHARF = (sys.executable, "-c", "from wharf.cli import main; main()")


def of_home(home: Path) -> list[str]:
    """Processes that were told this home, or have it in their command line, and live."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            told = process.environ().get("WHARF_HOME") == str(home)
            if (told or str(home) in " ".join(process.info["cmdline"] or [])) and process.status() != "zombie":
                found.append(" ".join(process.info["cmdline"] or []))
        except psutil.Error:
            continue
    return found


def nothing_left(home: Path) -> list[str]:
    """What is still there after the seconds that a child takes to notice that its parent is gone."""
    end = time.monotonic() + 20
    while (left := of_home(home)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


@pytest.mark.timeout(120)
def test_a_storm_of_signals_ends_up_clean_at_any_moment(tmp_path: Path) -> None:
    environment = {**os.environ, "WHARF_HOME": str(tmp_path / "home"), "WHARF_RULES": str(tmp_path / "none.yaml")}
    up = subprocess.Popen([*WHARF, "up"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert up.stdout
    assert up.stdout.readline().startswith("Kafka")
    end = time.monotonic() + 0.8  # within a second they are echoes of the first
    while up.poll() is None and time.monotonic() < end:
        up.send_signal(signal.SIGINT)
        up.send_signal(signal.SIGTERM)
    _, err = up.communicate(timeout=60)
    assert (up.returncode, "stopping" in err) == (0, True), err
    assert nothing_left(tmp_path / "home") == []


@pytest.mark.timeout(240)
def test_sigint_at_any_moment_of_the_demos_start_leaves_nothing(tmp_path: Path) -> None:
    """Also where its shell ignores SIGINT, as one without job control does for what runs in the background."""
    for moment in (0, 3, 6, 9, 12, 15):  # all 16 take two minutes
        home = tmp_path / f"demo-{moment}"
        call = [*WHARF, "demo", "--orders", "20", "--home", str(home)]
        trap = "trap '' INT; " if moment % 2 else ""
        demo = subprocess.Popen(
            ["/bin/sh", "-c", f'{trap}exec "$@"', "sh", *call],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not (home / ".wharf-demo").exists():  # from here on the signal is the demo's own
            assert demo.poll() is None
            time.sleep(0.005)
        time.sleep(moment * 0.45)
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=60)
        assert (demo.returncode, out) == (130, ""), (moment, err)
        assert "stopped before the end" in err
        assert nothing_left(home) == [], moment
        assert not (home / "running.json").exists()
