"""A pool at a workbench: short ways to say what comes in, and readable views of what it led to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from domain.pool.aggregate import MemoryPool, handle
from domain.pool.state import PoolOrder, SkuStock
from domain.records.commands import (
    AllocationDecided,
    AllocationProgressed,
    AllocationReleased,
    AllocationRequested,
    BackorderCancelled,
    PoolCommand,
    StockReported,
    Tick,
    WmsReported,
)
from domain.records.events import PoolEvent
from domain.records.values import DemandLine, LineQty, WmsLine
from domain.rules.ruleset import Depot, Routing, RuleSet, SplitPolicy


def utc(text: str) -> int:
    """UTC milliseconds of an ISO time without zone."""
    return int(datetime.fromisoformat(text + "+00:00").timestamp() * 1000)


NOW = utc("2026-11-23T09:00:00")
A, B = Depot("A", "NL", sequence=1), Depot("B", "DE", sequence=2)


class Bench:
    """A pool of two depots, A (NL) and B (DE), unless told otherwise; ``now`` moves only when told."""

    def __init__(self, rules: RuleSet | None = None, *, split: SplitPolicy | None = None, **routing: Any) -> None:
        self.rules = rules or RuleSet("v1", depots=[A, B], routing=Routing(split=split or SplitPolicy(), **routing))
        self.view = MemoryPool()
        self.now = NOW
        self.log: list[tuple[PoolCommand, RuleSet]] = []
        self.events: list[PoolEvent] = []
        self.sent: list[Any] = []
        self._n = 0

    def do(self, command: PoolCommand) -> list[PoolEvent]:
        """Hand a command over; its events come back."""
        result = handle(self.view, command, self.rules)
        self.log.append((command, self.rules))
        self.events += result.events
        self.sent += result.order_commands
        return result.events

    def _head(self, type: str) -> dict[str, Any]:
        self._n += 1
        return {"event_id": f"e{self._n}", "type": type, "time": self.now, "source": "test", "trace": "t" * 32}

    def stock(
        self, depot: str, sku: str, qty: int, kind: str = "RECEIPT", *, key: str | None = None, quality: str = "new"
    ):
        """Report stock."""
        return self.do(
            StockReported(
                **self._head("StockReported"),
                pool="main",
                idempotency_key=f"s{self._n}" if key is None else key,
                kind=kind,
                depot=depot,
                sku=sku,
                quality=quality,
                qty=qty,
                reference="",
            )
        )

    def order(
        self, name: str, want: dict[str, int] | list[DemandLine], no: int = 1, **fields: Any
    ) -> AllocationDecided:
        """Ask for units (``{sku: qty}``, a line each); the first answer comes back."""
        lines = want if isinstance(want, list) else [DemandLine(f"l-{k}", k, n) for k, n in want.items()]
        values: dict[str, Any] = {
            "pool": "main",
            "order_key": f"shopify:acme:{name}",
            "request_no": no,
            "placed_at": self.now,
            "channel": "shopify",
            "lines": lines,
            "country": "NL",
            "postcode": "1011AA",
            "service_level": "standard",
            "customer_key": "c",
            "address_hash": "a",
            "tags": [],
            "value": 5000,
            "currency": "EUR",
            "latest_delivery": None,
            "excluded_depots": [],
            "replaces_id": "",
        }
        before = len(self.sent)
        self.do(AllocationRequested(**self._head("AllocationRequested"), **(values | fields)))
        return self.sent[before] if len(self.sent) > before else None

    def wms(
        self,
        allocation_id: str,
        status: str,
        lines: dict[str, dict[str, Any]] | list[WmsLine] | None = None,
        **fields: Any,
    ):
        """A WMS's report; lines by SKU with cumulative figures."""
        told = lines if isinstance(lines, list) else [WmsLine(f"l-{k}", k, **v) for k, v in (lines or {}).items()]
        values: dict[str, Any] = {
            "pool": "main",
            "order_key": allocation_id.split("/")[1],
            "idempotency_key": f"w{self._n}",
            "allocation_id": allocation_id,
            "status": status,
            "lines": told,
            "shipment_id": "",
            "carrier": "",
            "tracking_number": "",
            "tracking_url": "",
            "cost": 0,
            "cost_currency": "EUR",
            "reason": "",
            "occurred_at": self.now,
        }
        return self.do(WmsReported(**self._head("WmsReported"), **(values | fields)))

    def release(self, allocation_id: str, lines: dict[str, int] | None = None) -> list[PoolEvent]:
        """The order gives units back."""
        return self.do(
            AllocationReleased(
                **self._head("AllocationReleased"),
                pool="main",
                order_key=allocation_id.split("/")[1],
                allocation_id=allocation_id,
                lines=[LineQty(f"l-{k}", k, n) for k, n in (lines or {}).items()],
                reason="cancelled",
            )
        )

    def drop(self, name: str, lines: dict[str, int] | None = None, no: int = 1) -> list[PoolEvent]:
        """The order drops backordered units."""
        return self.do(
            BackorderCancelled(
                **self._head("BackorderCancelled"),
                pool="main",
                order_key=f"shopify:acme:{name}",
                request_no=no,
                lines=[LineQty(f"l-{k}", k, n) for k, n in (lines or {}).items()],
            )
        )

    def tick(self, ms: int = 1000) -> list[PoolEvent]:
        """Time goes on."""
        self.now += ms
        return self.do(Tick(**self._head("Tick")))

    def level(self, depot: str, sku: str, quality: str = "new") -> tuple[int, int]:
        """On hand and reserved."""
        stock = self.view.load(SkuStock, sku)
        rows = [r for r in stock.rows if r.depot == depot and r.quality == quality] if stock else []
        return (rows[0].on_hand, rows[0].reserved) if rows else (0, 0)

    def served(self, name: str) -> dict[str, int]:
        """Live units of an order by depot."""
        order = self.view.load(PoolOrder, f"shopify:acme:{name}")
        units: dict[str, int] = {}
        for a in order.allocations if order else ():
            units[a.depot] = units.get(a.depot, 0) + sum(x.live for x in a.lines)
        return {d: n for d, n in units.items() if n}

    def waiting(self, name: str) -> int:
        """Backordered units of an order."""
        order = self.view.load(PoolOrder, f"shopify:acme:{name}")
        return sum(x.qty for r in order.requests for x in r.lines) if order else 0

    def types(self) -> list[str]:
        """The types of all events so far."""
        return [e.type for e in self.events]

    def progress(self) -> list[AllocationProgressed]:
        """What orders were told of WMS work."""
        return [c for c in self.sent if isinstance(c, AllocationProgressed)]


@pytest.fixture
def bench() -> type[Bench]:
    """The workbench class."""
    return Bench


@pytest.fixture
def pool() -> Bench:
    """A pool of depots A and B with the default routing."""
    return Bench()
