"""What a fault run came to: as one JSON object, or as a table for people."""

from __future__ import annotations

import os
import platform
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from lab.demo.checks.finding import Finding

__all__ = ["Report"]


@dataclass(slots=True)
class Report:
    """``ok``: no violation. ``recovery``: per fault, seconds until all that was in the log when it struck was worked."""

    ok: bool
    seed: int
    profile: str
    orders: int
    deliveries: dict[str, int]
    warehouse_webhooks: dict[str, int]
    events: int
    duplicates_neutralised: int
    faults: dict[str, int]
    violations: int
    worst_recovery_seconds: float
    lag_zero_seconds: float
    seconds: dict[str, float]
    restarts: dict[str, int]
    findings: list[Finding]
    recovery: list[tuple[str, float]]
    machine: str

    @classmethod
    def of(cls, findings: list[Finding], *, options: Any, recovery: list[tuple[str, float]], **facts: Any) -> Report:
        """Make it of what a run knows."""
        return cls(
            ok=all(f.ok for f in findings),
            seed=options.seed,
            profile=options.name,
            orders=facts["orders"],
            deliveries={"confirmed": facts["deliveries"], "sent": facts["sent"], **facts["load"]},
            warehouse_webhooks=facts["threepl"],
            events=facts["events"],
            duplicates_neutralised=facts["repeats"],
            faults=dict(sorted(facts["faults"].items())),
            violations=sum(f.figures["violations"] for f in findings),
            worst_recovery_seconds=max((s for _, s in recovery), default=0.0),
            lag_zero_seconds=facts["lag_zero"],
            seconds={"load": round(facts["load_seconds"], 1), "all": round(facts["seconds"], 1)},
            restarts=facts["restarts"],
            findings=findings,
            recovery=recovery,
            machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"faults_by_kind": self.by_kind()}

    def by_kind(self) -> dict[str, int]:
        """Faults without their points."""
        kinds: Counter[str] = Counter()
        for label, n in self.faults.items():
            kinds[next((k for k in _KINDS if label.startswith(k)), label)] += n
        return dict(sorted(kinds.items()))

    def lines(self) -> list[str]:
        """As text."""
        return [
            *self._figures(),
            "",
            "faults",
            *(f"  {label:<42}{n:>6}" for label, n in self.faults.items()),
            "",
            "oracles",
            *(line for f in self.findings for line in _of(f)),
        ]

    def _figures(self) -> list[str]:
        late = ", ".join(f"{n} {name}" for name, n in self.deliveries.items() if name not in ("confirmed", "sent"))
        rows = {
            "seed, profile": f"{self.seed}, {self.profile}",
            "deliveries confirmed": f"{self.deliveries['confirmed']} of {self.orders} orders ({late})",
            "events": str(self.events),
            "duplicates neutralised": str(self.duplicates_neutralised),
            "faults": ", ".join(f"{n} {kind}" for kind, n in self.by_kind().items()) or "none",
            "violations": str(self.violations),
            "worst recovery": f"{self.worst_recovery_seconds:.1f} s",
            "lag zero": f"{self.lag_zero_seconds:.1f} s after the last",
            "time": f"{self.seconds['load']:.0f} s of load, {self.seconds['all']:.0f} s in all, on {self.machine}",
        }
        return [f"{name:<24}{value}" for name, value in rows.items()]


_KINDS = (
    "kill worker",
    "kill effects",
    "kill sink",
    "kill webhooks",
    "kill poller",
    "kill broker",
    "broker again",
    "broker away",
    "start on existing data",
    "zombie",
    "rebalance",
    "clickhouse",
    "poison",
    "changelog cut",
    "changelog deleted",
)


def _of(f: Finding) -> list[str]:
    figures = ", ".join(f"{k} {v}" for k, v in f.figures.items() if k != "violations")
    return [
        f"  {'holds' if f.ok else 'FAILS'}  {f.name}: {f.promise} ({figures})",
        *(f"         {o}" for o in f.offenders),
    ]
