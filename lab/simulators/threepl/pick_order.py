"""A pick order and what a depot is like: the data of a simulated warehouse."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from typing import Any

__all__ = ["Line", "Pace", "PickOrder", "Rates", "iso"]


def iso(ms: int) -> str:
    """UTC ms as ISO 8601 with milliseconds and ``Z``."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take, in minutes of the simulator's clock: (least, most). ``late``: instead of ``ship``, for a late parcel."""

    accept: tuple[float, float] = (0.5, 3.0)
    pick: tuple[float, float] = (10.0, 45.0)
    pack: tuple[float, float] = (3.0, 10.0)
    ship: tuple[float, float] = (10.0, 60.0)
    transit: tuple[float, float] = (60.0, 180.0)
    deliver: tuple[float, float] = (240.0, 1_080.0)
    late: tuple[float, float] = (1_440.0, 1_800.0)

    def times(self, factor: float) -> Pace:
        """The same, slower by ``factor``."""
        return Pace(*((low * factor, high * factor) for low, high in astuple(self)))


@dataclass(frozen=True, slots=True)
class Rates:
    """Chances that the seed decides: per pick order (``short`` per line). ``undeliverable``: the carrier brings it back."""

    short: float = 0.03
    refuse_now: float = 0.004
    reject_later: float = 0.006
    late: float = 0.03
    undeliverable: float = 0.0


@dataclass(slots=True)
class Line:
    """A line of a pick order; the figures are cumulative."""

    line_id: str
    sku: str
    qty: int
    picked: int = 0
    shipped: int = 0
    short: int = 0
    cancelled: int = 0
    reason: str = ""

    @property
    def wanted(self) -> int:
        return self.qty - self.cancelled

    def body(self) -> dict[str, Any]:
        return {
            "line_id": self.line_id,
            "sku": self.sku,
            "picked": self.picked,
            "shipped": self.shipped,
            "short": self.short,
            "cancelled": self.cancelled,
            "reason": self.reason,
        }


@dataclass(slots=True)
class PickOrder:
    """A pick order; ``reports`` and ``scans`` are the bodies of its webhooks so far, oldest first."""

    id: str
    reference: str
    request: dict[str, Any]
    lines: list[Line]
    state: str = "NEW"
    updated_at: int = 0
    shipment: dict[str, Any] | None = None
    reports: list[dict[str, Any]] = field(default_factory=list)
    scans: list[dict[str, Any]] = field(default_factory=list)

    @property
    def group_id(self) -> str:
        """What it leaves with as one parcel; ``""``: it leaves alone."""
        return str(self.request.get("group_id", ""))

    @property
    def final(self) -> bool:
        return self.state in {"REJECTED", "CANCELLED", "DELIVERED", "RETURNED", "NOTHING_PICKED"}

    def row(self) -> dict[str, Any]:
        """As status polling shows it: the last report, the ones before it, the carrier's scans."""
        last = self.reports[-1] if self.reports else {"reference": self.reference, "status": "RECEIVED", "lines": []}
        return {
            **last,
            "id": self.id,
            "updated_at": iso(self.updated_at),
            "history": self.reports[:-1],
            "scans": self.scans,
        }
