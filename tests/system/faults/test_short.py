"""The short form of ``make faults``, in every ``make test``: real processes killed at named points, returns credited, every oracle."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.runner import Options, run
from harness.schedule import PROFILES, Fault

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

BUSY_SECONDS = 240.0
"""The tests may run on a machine that does much else; the 60 s of the promise are for ``make faults`` to show."""
FAULTS = [
    Fault(1, 30, "kill worker", "worker-0", "mid-produce"),
    Fault(2, 60, "kill worker", "worker-1", "before-commit"),
    Fault(3, 90, "kill sink", "sink", "mid-insert"),
    Fault(4, 120, "kill webhooks", "webhooks", "acked"),
    Fault(5, 150, "poison", "log", "garbage"),
    Fault(6, 160, "kill broker", "broker", "random", seconds=0.3),
    Fault(7, 190, "broker again", "broker", "twice more", seconds=1.0),
]


def test_every_promise_holds_while_workers_sink_webhooks_and_broker_are_killed(tmp_path: Path) -> None:
    options = Options(
        240,
        11,
        tmp_path / "home",
        PROFILES["none"],
        "test",
        timeout=500,
        faults=FAULTS,
        late=6.0,
        liveness=BUSY_SECONDS,
    )
    report = run(options)
    assert [line for f in report.findings for line in f.offenders] == []
    assert report.ok
    assert report.by_kind() == {
        "broker again": 1,
        "kill broker": 1,
        "kill sink": 1,
        "kill webhooks": 1,
        "kill worker": 2,
        "poison": 2,
    }
    assert {"kill worker mid-produce", "kill worker before-commit", "kill webhooks acked"} <= report.faults.keys()
    assert report.deliveries["confirmed"] >= 200
    assert report.deliveries["doubled"] > 20
    assert report.duplicates_neutralised > 20
    assert len(report.recovery) == 6  # poison is no fault to recover from
