"""The person at the merchant's desk in a demo: pays claims, and books in parcels of which nobody knows whose they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from domain.values import InspectedLine, ReturnLine
from ops import orders, returns

from .watch import Watch

if TYPE_CHECKING:
    from domain.commands import OrderCommand

__all__ = ["CLAIMS", "Operator"]

ACTOR = "demo"
CLAIMS = 0
"""Customers whose goods arrived broken, and who are paid without sending them back."""
CLAIM_HOURS = 30.0
HOUR_MS = 3_600_000


class Operator:
    """``work`` is called again and again; each thing is said once. ``kafka``: librdkafka properties."""

    def __init__(self, watch: Watch, kafka: dict[str, str], now: Callable[[], int], start: int) -> None:
        self._watch, self._kafka, self._now, self._start = watch, kafka, now, start
        self._claimed = False
        self._approved: set[str] = set()
        self._resolved: set[str] = set()

    def work(self) -> None:
        """Do what is due."""
        if not self._claimed and self._now() > self._start + CLAIM_HOURS * HOUR_MS:
            self._claim()
        for key, rma in self._watch.claims_to_decide():
            if rma not in self._approved:
                self._approved.add(rma)
                said = returns.decide(
                    key, rma, "approve", "photo shows it", [], amount=None, actor=ACTOR, now=self._now()
                )
                self._send(said)
        for key, units in self._watch.unknown_parcels():
            if key not in self._resolved:
                self._resolved.add(key)
                lines = [InspectedLine("", sku, qty, disposition) for sku, qty, disposition in units]
                self._send(
                    returns.resolve(
                        key, "", "inspect", "ours, sender unknown", lines=lines, actor=ACTOR, now=self._now()
                    )
                )

    def _claim(self) -> None:
        """For the first delivered orders by key that nothing came back of: so the same ones in a run that goes alike."""
        self._claimed = True
        for key, line_id in self._watch.delivered_lines("shopify")[:CLAIMS]:
            lines = [ReturnLine(line_id, "", 1, "damaged", "arrived broken")]
            self._send(returns.request(key, lines, kind="claim", actor=ACTOR, now=self._now()))

    def _send(self, command: OrderCommand) -> None:
        orders.send(command, self._kafka)
