"""Changelogs cut and deleted under load, and the negative controls: with a guard of the product switched off the harness must report it.

Minutes each: ``make faults-controls``. The short form of the harness is ``test_short.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from harness.report import Report
from harness.runner import Options, run
from harness.schedule import PROFILES, Fault

pytestmark = [pytest.mark.kafka, pytest.mark.faults, pytest.mark.timeout(900)]

DAMAGE = [
    Fault(1, 60, "kill worker", "worker-0", "restore"),
    Fault(2, 120, "changelog cut", "tables", "wharf.pools.table"),
    Fault(3, 180, "zombie", "worker-1", "random"),
    Fault(4, 220, "changelog deleted", "tables", "wharf.orders.table"),
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


def test_a_worker_refuses_a_damaged_changelog_and_all_goes_on_once_it_is_rebuilt(tmp_path: Path) -> None:
    report = faulty(tmp_path, DAMAGE)
    assert [line for f in report.findings for line in f.offenders] == []
    assert report.ok
    assert report.by_kind() == {"changelog cut": 1, "changelog deleted": 1, "kill worker": 1, "zombie": 1}


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
