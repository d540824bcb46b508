"""Independent checks of a run: one module an oracle (trust.md), and no code shared with domain, streams, sinks or the codec."""

from __future__ import annotations

from collections.abc import Callable

from . import bundles, credits, dead_letters, events_once, exchanges, final_states, kpis, quantities, shipments, stock
from .evidence import Evidence
from .finding import Finding

__all__ = ["CHECKS", "run_checks"]

CHECKS: tuple[Callable[[Evidence], Finding], ...] = (
    final_states.check,
    quantities.check,
    stock.check,
    shipments.check,
    bundles.check,
    credits.check,
    exchanges.check,
    events_once.check,
    kpis.check,
    dead_letters.check,
)


def run_checks(evidence: Evidence, between: Callable[[], None] = lambda: None) -> list[Finding]:
    """All findings, in the order of ``CHECKS``; ``between`` is called before each, and what it raises ends it."""
    found = []
    for check in CHECKS:
        between()
        found.append(check(evidence))
    return found
