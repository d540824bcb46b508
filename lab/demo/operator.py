"""The people of a demo: customers who want other goods instead, and the person at the merchant's desk, who pays claims, takes payments,
and books in parcels of which nobody knows whose they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from domain.records.values import InspectedLine, ReturnLine
from ops.operator import orders, returns

from .checks.evidence import Exchange
from .portal import Portal
from .watch import Watch

if TYPE_CHECKING:
    from domain.records.commands import OrderCommand

__all__ = ["CLAIMS", "Operator"]

ACTOR = "demo"
CLAIMS = 3
"""Customers whose goods arrived broken, and who are paid without sending them back."""
CLAIM_HOURS = 30.0
EXCHANGE_PRICES = (0, -300, 500, 0, -300, 500)
"""Customers who send a unit back and want another one of the article: what that costs more (cents) than the one they have."""
EXCHANGE_HOURS = 26.0
HOUR_MS = 3_600_000


class Operator:
    """``work`` is called again and again; each thing is said once. ``kafka``: librdkafka properties."""

    def __init__(
        self, watch: Watch, kafka: dict[str, str], now: Callable[[], int], start: int, *, portal: Portal
    ) -> None:
        self._watch, self._kafka, self._now, self._start, self._portal = watch, kafka, now, start, portal
        self._claimed = self._exchanged = False
        self._paid: set[str] = set()
        self._approved: set[str] = set()
        self._resolved: set[str] = set()

    def work(self) -> None:
        """Do what is due."""
        if not self._claimed and self._now() > self._start + CLAIM_HOURS * HOUR_MS:
            self._claim()
        if not self._exchanged and self._now() > self._start + EXCHANGE_HOURS * HOUR_MS:
            self._exchange()
        for key in self._watch.exchanges_to_pay():
            if key not in self._paid:
                self._paid.add(key)
                said = orders.hold(key, "AWAITING_PAYMENT", "release", "difference paid", actor=ACTOR, now=self._now())
                self._send(said)
        self._look_at_returns()

    def _look_at_returns(self) -> None:
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
        for key, delivered_line in self._watch.delivered_lines("shopify")[:CLAIMS]:
            lines = [ReturnLine(delivered_line["line_id"], "", 1, "damaged", "arrived broken")]
            self._send(returns.request(key, lines, kind="claim", actor=ACTOR, now=self._now()))

    def _exchange(self) -> None:
        """For the next ones, over the shop's own page."""
        self._exchanged = True
        wishes = zip(EXCHANGE_PRICES, self._watch.delivered_lines("shopify"), strict=False)
        for more, (key, wish) in wishes:
            price = max(0, wish["amount"] // wish["qty"] + more)
            self._portal.exchange(Exchange(key, wish["line_id"], 1, wish["sku"], 1, price))

    def _send(self, command: OrderCommand) -> None:
        orders.send(command, self._kafka)
