"""The short form of ``make faults``, and its negative controls: with a guard of the product switched off an oracle must find something."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from harness.report import Report
from harness.runner import Options, run
from harness.schedule import PROFILES, Fault

pytestmark = [pytest.mark.kafka, pytest.mark.faults, pytest.mark.timeout(900)]

KILL_EVERYTHING = [
    Fault(1, 40, "kill worker", "worker-0", "mid-produce"),
    Fault(2, 80, "kill worker", "worker-1", "before-commit"),
    Fault(3, 120, "kill sink", "sink", "after-insert"),
    Fault(4, 160, "kill broker", "broker", "random", seconds=0.5),
    Fault(5, 200, "kill webhooks", "webhooks", "acked"),
    Fault(6, 220, "poison", "log", "garbage"),
    Fault(7, 240, "changelog cut", "tables", "wharf.pools.table"),
]


def faulty(tmp_path: Path, faults: list[Fault], off: Mapping[str, str] | None = None, deliveries: int = 300) -> Report:
    """A run with just these faults."""
    options = Options(
        deliveries, 11, tmp_path / "home", PROFILES["none"], "test", timeout=800, off=off or {}, faults=faults
    )
    return run(options)


def broken(report: Report) -> set[str]:
    """The promises that did not hold."""
    return {f.name for f in report.findings if not f.ok}


def test_every_promise_holds_while_everything_is_killed(tmp_path: Path) -> None:
    report = faulty(tmp_path, KILL_EVERYTHING)
    assert [line for f in report.findings for line in f.offenders] == []
    assert report.ok
    assert report.by_kind() == {
        "changelog cut": 1,
        "kill broker": 1,
        "kill sink": 1,
        "kill webhooks": 1,
        "kill worker": 2,
        "poison": 2,
    }
    assert report.deliveries["confirmed"] >= 250
    assert report.duplicates_neutralised > 20
    assert len(report.recovery) == 6


def test_negative_control_without_dedupe_repeats_are_seen_to_be_worked(tmp_path: Path) -> None:
    report = faulty(tmp_path, [], {"worker": "dedupe"}, deliveries=150)
    assert {"duplicates", "fold"} <= broken(report)


def test_negative_control_without_transactions_events_are_seen_twice(tmp_path: Path) -> None:
    kills = [Fault(i + 1, 25 * (i + 1), "kill worker", f"worker-{i % 2}", "mid-produce") for i in range(4)]
    report = faulty(tmp_path, kills, {"worker": "transaction"}, deliveries=150)
    assert broken(report) & {"order_sequences", "pool_sequences", "fold", "processes"}


def test_negative_control_without_insert_tokens_rows_are_seen_twice(tmp_path: Path) -> None:
    kills = [Fault(i + 1, 15 + 40 * i, "kill sink", "sink", "after-insert") for i in range(3)]
    report = faulty(tmp_path, kills, {"sink": "token"}, deliveries=150)
    assert "events_once" in broken(report)
