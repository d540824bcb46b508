"""What a check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Finding", "found"]

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """``ok`` only where there is no violation; ``offenders`` names the first of them, ``figures`` what was compared."""

    name: str
    promise: str
    ok: bool
    figures: dict[str, Any]
    offenders: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return its fields as JSON values."""
        return asdict(self)


def found(name: str, promise: str, figures: dict[str, Any], violations: list[str]) -> Finding:
    """A finding of these violations: none means the promise holds."""
    return Finding(name, promise, not violations, {**figures, "violations": len(violations)}, violations[:SHOWN])
