"""What really happened to each allocation, from the log: where it was, and what its warehouse shipped or gave up."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from domain.records.commands import WmsReported
from domain.records.events import PoolEvent

__all__ = ["Happened", "Real"]


_ALL_OF_IT = ("SHIPPED", "CANCELLED", "REJECTED")
"""What a report without figures says of all that is left."""


class Happened(msgspec.Struct, frozen=True):
    """What a report adds, by line: units that failed at the depot (with the reason), and units it gave up as it was asked to."""

    depot: str
    failed: list[tuple[str, str, int, str]]
    given_up: list[tuple[str, str, int]]


class Real:
    """``shipped``: units that left, by (SKU, depot): counts are of what is left, while a simulated world ships nothing."""

    def __init__(self) -> None:
        self._depot: dict[str, str] = {}
        self._left: dict[str, dict[str, int]] = {}
        self._told: dict[tuple[str, str], tuple[int, int, int]] = {}
        self.shipped: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.first: dict[str, set[str]] = {}
        self._request: dict[str, int] = {}
        self._back: dict[str, list[int]] = {}

    def said(self, event: PoolEvent) -> None:
        """The pool reserved for an allocation, or handed a request (or a part of it) back to its order."""
        if event.type in ("HELD", "UNFILLABLE"):
            self._back.setdefault(event.order_key, []).append(event.time)
            return
        self._depot[event.allocation_id] = event.depot
        self._left[event.allocation_id] = {move.sku: move.reserved_delta for move in event.moves}
        if self._request.setdefault(event.order_key, event.time) == event.time:
            self.first.setdefault(event.order_key, set()).add(event.depot)

    def asks_again(self, order_key: str, since: int, now: int) -> bool:
        """Had the pool handed units back to the order since it last asked? Then it asks for the same units again, not for more."""
        return any(since <= number <= now for number in self._back.get(order_key, ()))

    def released(self, allocation_id: str, sku: str, n: int) -> None:
        """Units of it were given back."""
        left = self._left.get(allocation_id, {})
        left[sku] = max(left.get(sku, 0) - n, 0)

    def reported(self, report: WmsReported, skus: dict[str, str]) -> Happened | None:
        """What a report adds; None for nothing new. ``skus``: the order's lines. Figures are cumulative, none: all that is left."""
        blank = _blank(report)
        if blank and report.status not in _ALL_OF_IT:
            return None  # most reports: taken, being picked, picked
        depot, left = self._depot.get(report.allocation_id), self._left.get(report.allocation_id)
        if depot is None or left is None:
            return None
        if blank:
            rows = [(k, item, left[item]) for k, item in skus.items() if left.get(item)]
            shown = {
                k: (n, 0, 0) if report.status == "SHIPPED" else (0, n, 0) if report.status == "REJECTED" else (0, 0, n)
                for k, _, n in rows
            }
            reasons = dict.fromkeys(shown, report.reason)
        else:
            shown = {line.line_id: (line.shipped, line.short, line.cancelled) for line in report.lines}
            reasons = {line.line_id: line.reason or report.reason for line in report.lines}
        failed, given_up = [], []
        for line_id, figures in shown.items():
            shipped, short, cancelled = self._news(report.allocation_id, line_id, figures)
            sku = skus.get(line_id, "")
            left[sku] = max(left.get(sku, 0) - shipped - short - cancelled, 0)
            self.shipped[sku, depot] += shipped
            if short:
                failed.append((line_id, sku, short, reasons[line_id]))
            if cancelled:
                given_up.append((line_id, sku, cancelled))
        return Happened(depot, failed, given_up) if failed or given_up else None

    def _news(self, allocation_id: str, line_id: str, now: tuple[int, int, int]) -> tuple[int, int, int]:
        before = self._told.get((allocation_id, line_id), (0, 0, 0))
        self._told[allocation_id, line_id] = (max(before[0], now[0]), max(before[1], now[1]), max(before[2], now[2]))
        return max(now[0] - before[0], 0), max(now[1] - before[1], 0), max(now[2] - before[2], 0)


def _blank(report: WmsReported) -> bool:
    return not any(line.cancelled or line.short or line.shipped for line in report.lines)
