"""``wharf simulate`` as a process: it says where it listens, answers, and stops clean."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest


def wharf(*args: str) -> list[str]:
    return [sys.executable, "-c", "from wharf.cli import main; main()", "simulate", *args]


@pytest.mark.parametrize("name", ["bol", "threepl"])
def test_a_simulator_starts_answers_and_stops_clean(name: str, tmp_path: Path) -> None:
    stock = tmp_path / "stock.json"
    stock.write_text('{"depot-a": {"WH-1000": 5}}')
    ledger = tmp_path / "ledger.jsonl"
    more = ["--stock", str(stock)] if name == "threepl" else ["--orders", "5", "--over", "0.01"]
    with subprocess.Popen(
        wharf(name, "--json", "--ledger", str(ledger), *more), stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        told = json.loads(child.stdout.readline())
        assert told["simulator"] == name
        assert httpx.get(f"{told['url']}/_progress").json()["violations"] == 0
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0
    assert ledger.exists()


def test_a_missing_stock_file_is_one_line_that_names_it(tmp_path: Path) -> None:
    done = subprocess.run(
        wharf("threepl", "--stock", str(tmp_path / "none.json")), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("wharf: --stock:")
    assert len(done.stderr.splitlines()) == 1
