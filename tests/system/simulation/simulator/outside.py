"""The world outside: channels that deliver (twice, late, out of order), a 3PL and a channel that receive effects, each with its ledger."""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass, field
from typing import Any

from domain.records.commands import ShipmentTracked, WmsReported
from domain.records.effects import ChannelCancel, ChannelShipment, Effect, PickOrder, PickOrderCancel, Sent
from domain.records.record import Record, uuid5
from domain.records.values import WmsLine
from schemas.codec import encode
from schemas.topics import ORDERS_IN, POOLS_IN

from .broker import Broker
from .kernel import Actor, Kernel, Process

__all__ = ["Channel", "Deliveries", "Ledger", "SimSender", "Warehouse"]


class Deliveries(Actor):
    """What is on its way to the input topics. The webhook server answers 2xx only when the record is in the log."""

    name = "deliveries"

    def __init__(self, kernel: Kernel, broker: Broker) -> None:
        self._kernel = kernel
        self._broker = broker
        self._count = 0
        self._queue: list[tuple[float, int, str, bytes, bytes, int]] = []
        self.ledger: list[tuple[str, bytes, bytes]] = []
        """Every delivery that was answered with 2xx."""

    @property
    def done(self) -> bool:
        return not self._queue

    def send(self, when: float, topic: str, key: str, record: Record | bytes, partition: int = -1) -> None:
        """Deliver at a virtual time."""
        self._count += 1
        value = record if isinstance(record, bytes) else encode(record)
        heapq.heappush(self._queue, (when, self._count, topic, key.encode(), value, partition))

    def due(self) -> float | None:
        return self._queue[0][0] if self._queue else None

    def step(self) -> None:
        _, _, topic, key, value, partition = heapq.heappop(self._queue)
        tp = (topic, self._broker.log.place(topic, key, partition))
        self._broker.log.append(tp, key, value, [], self._kernel.ms)
        self.ledger.append((topic, key, value))


@dataclass
class Ledger:
    """Append-only. ``shipped``: order key, line, units of each parcel that left; ``told``: effect ids the channel acted upon."""

    shipped: list[tuple[str, str, int]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


@dataclass
class _Pick:
    """A pick order at the 3PL: units by line, and how far it is."""

    order: PickOrder
    units: dict[str, int]
    cancelled: dict[str, int]
    stage: int = 0


class Warehouse:
    """The 3PL. ``idempotent`` False: it takes every call for a new one."""

    def __init__(self, kernel: Kernel, deliveries: Deliveries, ledger: Ledger, idempotent: bool = True) -> None:
        self._kernel = kernel
        self._deliveries = deliveries
        self._ledger = ledger
        self._idempotent = idempotent
        self._answers: dict[str, str] = {}
        self._picks: dict[str, _Pick] = {}
        self._events = 0
        self.timers: list[tuple[float, int, str]] = []
        self.trouble = 0.0
        kernel.actors.append(_WarehouseWork(self, kernel))

    def call(self, effect: Effect) -> Sent:
        """One request, carried out."""
        if self._idempotent and effect.event_id in self._answers:
            return Sent(ok=True, reference=self._answers[effect.event_id])
        if isinstance(effect, PickOrder):
            self._take(effect)
        elif isinstance(effect, PickOrderCancel):
            if effect.allocation_id not in self._picks:
                return Sent(ok=False, error="no such pick order yet")
            self._cancel(effect)
        self._answers[effect.event_id] = reference = f"ref-{len(self._answers)}"
        return Sent(ok=True, reference=reference)

    def _take(self, effect: PickOrder) -> None:
        pick = _Pick(effect, {x.line_id: x.qty for x in effect.lines}, {})
        name = effect.allocation_id
        if name in self._picks:  # only where it is not idempotent
            name = f"{name}#{len(self._picks)}"
        self._picks[name] = pick
        for _ in range(3):
            self._after(name, 1 + self._kernel.random.random() * 3)

    def _cancel(self, effect: PickOrderCancel) -> None:
        pick = self._picks[effect.allocation_id]
        if pick.stage >= 2:
            self._report(pick, "CANCEL_REJECTED")
            return
        for x in effect.lines:
            n = min(x.qty, pick.units.get(x.line_id, 0))
            pick.units[x.line_id] = pick.units.get(x.line_id, 0) - n
            pick.cancelled[x.line_id] = pick.cancelled.get(x.line_id, 0) + n
        self._report(pick, "CANCELLED")

    def _after(self, name: str, seconds: float) -> None:
        self._events += 1
        heapq.heappush(self.timers, (self._kernel.now + seconds, self._events, name))

    def work(self, name: str) -> None:
        """The next stage of a pick order: accepted, picked, shipped."""
        pick = self._picks[name]
        if not any(pick.units.values()):
            return
        pick.stage += 1
        self._report(pick, ("", "ACCEPTED", "PICKED", "SHIPPED")[pick.stage])
        if pick.stage == 3:
            for line, n in pick.units.items():
                if n:
                    self._ledger.shipped.append((pick.order.order_key, line, n))

    def _report(self, pick: _Pick, status: str) -> None:
        o, r = pick.order, self._kernel.random
        picked, shipped = pick.stage >= 2, pick.stage >= 3
        lines = [
            WmsLine(
                x.line_id,
                x.sku,
                picked=pick.units[x.line_id] if picked else 0,
                shipped=pick.units[x.line_id] if shipped else 0,
                cancelled=pick.cancelled.get(x.line_id, 0),
            )
            for x in o.lines
        ]
        self._events += 1
        key = f"{o.allocation_id}@{self._events}"
        shipment = f"S-{o.allocation_id}" if shipped else ""
        told = WmsReported(
            event_id=uuid5("3pl", self._events, status),
            type="WmsReported",
            time=self._kernel.ms,
            source="3pl",
            trace=o.trace,
            pool=o.allocation_id.split("/")[0],
            order_key=o.order_key,
            idempotency_key=key,
            allocation_id=o.allocation_id,
            status=status,
            lines=lines,
            shipment_id=shipment,
            carrier="PostNL" if shipped else "",
            tracking_number="3S" if shipped else "",
            tracking_url="",
            cost=495 if shipped else 0,
            cost_currency="EUR" if shipped else "",
            reason="",
            occurred_at=self._kernel.ms,
        )
        for _ in range(1 + (r.random() < 0.25)):
            self._deliveries.send(self._kernel.now + r.random() * 2, POOLS_IN.name, told.pool, told)
        if shipped:
            self._scan(o, shipment)

    def _scan(self, o: PickOrder, shipment: str) -> None:
        self._events += 1
        scan = ShipmentTracked(
            event_id=uuid5("carrier", self._events, "DELIVERED"),
            type="ShipmentTracked",
            time=self._kernel.ms,
            source="3pl",
            trace=o.trace,
            order_key=o.order_key,
            idempotency_key=f"{shipment}@delivered",
            allocation_id=o.allocation_id,
            shipment_id=shipment,
            status="DELIVERED",
            carrier="PostNL",
            tracking_number="3S",
            detail="",
            occurred_at=self._kernel.ms,
        )
        r = self._kernel.random
        for _ in range(1 + (r.random() < 0.25)):
            self._deliveries.send(self._kernel.now + r.random() * 4, ORDERS_IN.name, o.order_key, scan)


class _WarehouseWork(Actor):
    """People in the warehouse."""

    name = "warehouse"

    def __init__(self, warehouse: Warehouse, kernel: Kernel) -> None:
        self._warehouse = warehouse
        self._kernel = kernel

    def due(self) -> float | None:
        timers = self._warehouse.timers
        return timers[0][0] if timers else None

    def step(self) -> None:
        self._warehouse.work(heapq.heappop(self._warehouse.timers)[2])


class Channel:
    """A shop that is told of shipments and cancellations; it keeps to the idempotency key."""

    trouble = 0.0

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: set[str] = set()

    def call(self, effect: Effect) -> Sent:
        """One request, carried out."""
        assert isinstance(effect, ChannelShipment | ChannelCancel), effect
        if effect.event_id not in self._known:
            self._known.add(effect.event_id)
            self._ledger.told.append(effect.event_id)
        return Sent(ok=True, reference=effect.event_id)


class SimSender:
    """The sender of one worker process: the way there and the way back may fail or take time, and the process may die on both."""

    def __init__(self, kernel: Kernel, process: Process, receiver: Any) -> None:
        self._kernel = kernel
        self._process = process
        self._receiver = receiver

    async def send(self, effect: Effect, now: int) -> Sent:
        r = self._kernel.random
        self._kernel.point(self._process, "before outside call")
        await asyncio.sleep(r.random() * 0.2)
        if r.random() < self._receiver.trouble:
            return Sent(ok=False, error="503")
        sent: Sent = self._receiver.call(effect)
        self._kernel.note(self._process.name, "called", effect.type, effect.event_id, sent.ok)
        self._kernel.point(self._process, "after outside call")
        await asyncio.sleep(r.random() * 0.2 if r.random() > 0.03 else 6.0)
        if r.random() < self._receiver.trouble:
            return Sent(ok=False, error="the answer was lost")
        return sent
