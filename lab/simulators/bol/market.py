"""Bol's side of the market place: orders, items, shipments, returns, and requests that are worked off later. No HTTP here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from lab.simulators.ledger import EventLog
from lab.simulators.payments import Payments
from lab.simulators.timeline import Timeline, roll

from .orders import Item, MarketOrder, OrderMaker

__all__ = ["Fates", "Market", "Process", "Rma", "Shipment", "dutch"]

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MINUTE = 60_000


def dutch(ms: int) -> str:
    """UTC ms as Bol writes times: whole seconds with the Dutch offset."""
    return datetime.fromtimestamp(ms // 1000, AMSTERDAM).isoformat()


@dataclass(frozen=True, slots=True)
class Fates:
    """What becomes of requests and goods. Minutes by the simulator's clock; rates are chances. ``returns_from``: only this first
    share of the orders is returned."""

    process_minutes: tuple[float, float] = (0.05, 0.5)
    failure: float = 0.01
    timeout: float = 0.01
    timeout_took_effect: float = 0.5
    returned: float = 0.05
    return_hours: tuple[float, float] = (24.0, 96.0)
    returns_from: float = 1.0
    return_joined: float = 0.2


@dataclass(slots=True)
class Process:
    """An asynchronous request and how it stands."""

    id: str
    entity_id: str
    event_type: str
    description: str
    created_at: int
    status: str = "PENDING"
    error: str = ""

    def body(self, base: str) -> dict[str, Any]:
        link = {"rel": "self", "href": f"{base}/shared/process-status/{self.id}", "method": "GET"}
        body: dict[str, Any] = {
            "processStatusId": self.id,
            "entityId": self.entity_id,
            "eventType": self.event_type,
            "description": self.description,
            "status": self.status,
            "createTimestamp": dutch(self.created_at),
            "links": [link] if self.status == "PENDING" else [],
        }
        return {**body, "errorMessage": self.error} if self.error else body


@dataclass(slots=True)
class Shipment:
    id: str
    order: MarketOrder
    reference: str
    lines: list[tuple[Item, int]]
    at: int
    transporter: str
    tracking: str


@dataclass(slots=True)
class Rma:
    """One item of a return."""

    id: str
    return_id: str
    order: MarketOrder
    item: Item
    qty: int
    registered_at: int
    reason: str
    results: list[tuple[str, int, int]] = field(default_factory=list)
    """(handling result, units, when)"""

    @property
    def open(self) -> int:
        """Units that are not handled yet."""
        return self.qty - sum(n for _, n, _ in self.results)

    @property
    def handled_at(self) -> int:
        """When the last unit was handled; 0 before that."""
        return max((at for _, _, at in self.results), default=0) if self.open <= 0 else 0


@dataclass(slots=True)
class Market:
    """Everything Bol knows. Orders come in at their planned time; the seed fixes them and every fate."""

    ledger: EventLog
    timeline: Timeline
    maker: OrderMaker
    seed: int = 1
    fates: Fates = field(default_factory=Fates)
    orders: dict[str, MarketOrder] = field(default_factory=dict)
    items: dict[str, tuple[MarketOrder, Item]] = field(default_factory=dict)
    shipments: dict[str, Shipment] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    rmas: dict[str, Rma] = field(default_factory=dict)
    by_entity: dict[str, list[Process]] = field(default_factory=dict)
    planned: int = 0
    payments: Payments | None = None
    announcements: int = 0
    """Returns that are still to be announced."""
    _references: set[str] = field(default_factory=set)

    def plan(self, count: int, minutes: float) -> None:
        """Let ``count`` orders come in over ``minutes``, in even steps with some jitter."""
        start = self.timeline.now()
        self.planned += count
        for i in range(count):
            jitter = roll(self.seed, "arrival", i).random()
            at = start + int((i + jitter) / count * minutes * MINUTE)
            self.timeline.at(at, lambda i=i: self.place(self.maker.make(i, self.timeline.now())))  # type: ignore[misc]

    def place(self, order: MarketOrder) -> None:
        """An order comes in; some are regretted, and Bol ships its own."""
        self.orders[order.id] = order
        for item in order.items:
            self.items[item.id] = (order, item)
            if self.payments is not None:
                self.payments.capture(order.id, item.id, item.qty * item.price - item.discount)
        lines = [
            {"item": x.id, "sku": x.sku, "qty": x.qty, "price": x.price, "discount": x.discount, "fbb": x.fbb}
            for x in order.items
        ]
        self.ledger.append("order", order=order.id, lines=lines, country=order.details["countryCode"], fate=order.fate)
        for item in order.items:
            if item.regret_after:
                self.timeline.at(order.placed_at + item.regret_after, lambda x=item: self._regret(order, x))  # type: ignore[misc]
            if item.fbb:
                self.timeline.at(order.placed_at + 6 * 60 * MINUTE, lambda x=item: self._bol_ships(x))  # type: ignore[misc]

    def _regret(self, order: MarketOrder, item: Item) -> None:
        if item.open and not item.fbb:
            item.cancel_requested = True
            item.changed_at = self.timeline.now()
            self.ledger.append("cancel_requested", order=order.id, item=item.id, qty=item.open)

    def _bol_ships(self, item: Item) -> None:
        item.shipped = item.qty - item.cancelled
        item.touch(self.timeline.now())

    def submit(self, event_type: str, entity_id: str, description: str, work: Callable[[], str]) -> Process:
        """Queue a request. ``work()`` does it when its time comes and gives an error text or an empty one."""
        process = Process(str(len(self.processes) + 1), entity_id, event_type, description, self.timeline.now())
        self.processes[process.id] = process
        same = self.by_entity.setdefault(entity_id, [])
        same.append(process)
        n = len(same)
        chance = roll(self.seed, "process", event_type, entity_id, n)
        wait = int(chance.uniform(*self.fates.process_minutes) * MINUTE)
        number, took_effect = chance.random(), chance.random() < self.fates.timeout_took_effect

        def settle() -> None:
            if number < self.fates.failure:
                process.status, process.error = "FAILURE", "Internal error while processing; nothing was changed."
            elif number < self.fates.failure + self.fates.timeout:
                if took_effect:
                    work()
                process.status, process.error = "TIMEOUT", "The request was not processed within the time allowed."
            else:
                process.error = work()
                process.status = "FAILURE" if process.error else "SUCCESS"
            self.ledger.append("process", id=process.id, event=event_type, entity=entity_id, status=process.status)

        self.timeline.at(self.timeline.now() + wait, settle)
        return process

    def ship(self, body: dict[str, Any]) -> Process:
        """``POST /retailer/shipments``, checked for form already."""
        first = body["orderItems"][0]["orderItemId"]
        self.ledger.append("posted", item=first, reference=body.get("shipmentReference") or "")
        return self.submit(
            "CREATE_SHIPMENT", first, f"Confirm shipment for order item {first}.", lambda: self._ship(body)
        )

    def _ship(self, body: dict[str, Any]) -> str:
        wanted: list[tuple[MarketOrder, Item, int]] = []
        for row in body["orderItems"]:
            found = self.items.get(row["orderItemId"])
            if found is None:
                return f"Order item {row['orderItemId']} not found."
            order, item = found
            wanted.append((order, item, row.get("quantity") or item.open))
        if error := self._not_shippable(wanted):
            return error
        reference = body.get("shipmentReference") or ""
        if reference and reference in self._references:
            self.ledger.violation("posted twice", reference=reference)
        self._references.add(reference)
        now, transport = self.timeline.now(), body.get("transport") or {}
        shipment = Shipment(
            str(900_000_000 + len(self.shipments)),
            wanted[0][0],
            reference,
            [(item, qty) for _, item, qty in wanted],
            now,
            transport.get("transporterCode", ""),
            transport.get("trackAndTrace", ""),
        )
        for order, item, qty in wanted:
            self.ledger.append("shipped", order=order.id, item=item.id, sku=item.sku, qty=qty, reference=reference)
            item.shipped += qty
            item.touch(now)
            self._maybe_return(order, item, qty)
        self.shipments[shipment.id] = shipment
        return ""

    def _not_shippable(self, wanted: list[tuple[MarketOrder, Item, int]]) -> str:
        if len({order.id for order, _, _ in wanted}) > 1:
            return "Order items must belong to the same order."
        for order, item, qty in wanted:
            if qty > item.qty - item.shipped:
                self.ledger.violation("shipped twice", order=order.id, item=item.id, qty=qty, shipped=item.shipped)
                return f"Order item {item.id} is already shipped."
            if qty > item.open or qty < 1:
                self.ledger.append("refused", order=order.id, item=item.id, qty=qty, cancelled=item.cancelled)
                return f"Order item {item.id} has {item.open} open units, {qty} can not be shipped."
        return ""

    def cancel(self, body: dict[str, Any]) -> Process:
        """``PUT /retailer/orders/cancellation``, checked for form already."""
        row = body["orderItems"][0]
        item_id = row["orderItemId"]

        def work() -> str:
            found = self.items.get(item_id)
            if found is None:
                return f"Order item {item_id} not found."
            order, item = found
            if not item.open:
                self.ledger.append("refused", order=order.id, item=item_id, qty=0, cancelled=item.cancelled)
                return f"Order item {item_id} is already handled."
            self.ledger.append("cancelled", order=order.id, item=item_id, qty=item.open, reason=row["reasonCode"])
            self._pay_back(f"cancel-{item_id}-{item.cancelled}", order, item, item.open, by="bol")
            item.cancelled += item.open
            item.touch(self.timeline.now())
            return ""

        return self.submit("CANCEL_ORDER", item_id, f"Cancel order item {item_id}.", work)

    def _pay_back(self, key: str, order: MarketOrder, item: Item, qty: int, by: str) -> None:
        """Bol pays its customer: the units' share of what was paid, as the difference of two rounded running totals."""
        before, item.paid_back = item.paid_back, item.paid_back + qty
        whole = item.qty * item.price - item.discount
        upto = [(2 * whole * n + item.qty) // (2 * item.qty) for n in (before, item.paid_back)]
        if self.payments is not None and upto[1] > upto[0]:
            self.payments.refund(key, order.id, item.id, upto[1] - upto[0], by=by)

    def _maybe_return(self, order: MarketOrder, item: Item, qty: int) -> None:
        chance = roll(self.seed, "return", item.id)
        if chance.random() < self.fates.returned and self._early(order):
            hours = chance.uniform(*self.fates.return_hours)
            due = self.timeline.now() + int(hours * 60 * MINUTE)
            self.announcements += 1
            self.timeline.at(due, lambda: self._announce(order, item, chance.randint(1, qty)))

    def _early(self, order: MarketOrder) -> bool:
        """Who orders late in the run sends nothing back within it: it would only make it longer."""
        return order.number < max(self.planned, 1) * self.fates.returns_from

    def _announce(self, order: MarketOrder, item: Item, qty: int) -> None:
        self.announcements -= 1
        chance = roll(self.seed, "rma", item.id)
        last = next(reversed(self.rmas.values()), None)
        join = last is not None and not last.handled_at and chance.random() < self.fates.return_joined
        return_id = last.return_id if join and last is not None else str(15_000_000 + len(self.rmas))
        reason = chance.choice(("Verkeerde maat of formaat", "Artikel is defect/werkt niet", "Geen reden"))
        rma = Rma(str(60_000_000 + len(self.rmas)), return_id, order, item, qty, self.timeline.now(), reason)
        self.rmas[rma.id] = rma
        self.ledger.append("return", order=order.id, item=item.id, rma=rma.id, return_id=return_id, qty=qty)

    def handle_return(self, rma_id: str, body: dict[str, Any]) -> Process:
        """``PUT /retailer/returns/{rma-id}``, checked for form already."""

        def work() -> str:
            rma = self.rmas.get(rma_id)
            if rma is None:
                return f"Return item {rma_id} not found."
            return self._handle(rma, body["handlingResult"], body["quantityReturned"])

        return self.submit("HANDLE_RETURN_ITEM", rma_id, f"Handle the return item with return number {rma_id}.", work)

    def create_return(self, body: dict[str, Any]) -> Process:
        """``POST /retailer/returns``, checked for form already: a return that is made and handled in one."""
        item_id, qty = body["orderItemId"], body["quantityReturned"]

        def work() -> str:
            found = self.items.get(item_id)
            if found is None:
                return f"Order item {item_id} not found."
            order, item = found
            back = sum(value.qty for value in self.rmas.values() if value.item is item)
            if qty > item.shipped - back:
                return f"Order item {item_id} has {item.shipped - back} units that can be returned."
            number = len(self.rmas)
            rma = Rma(
                str(60_000_000 + number), str(15_000_000 + number), order, item, qty, self.timeline.now(), "Overig"
            )
            self.rmas[rma.id] = rma
            self.ledger.append("return", order=order.id, item=item_id, rma=rma.id, return_id=rma.return_id, qty=qty)
            return self._handle(rma, body["handlingResult"], qty)

        return self.submit("CREATE_RETURN_ITEM", item_id, f"Create a return for order item {item_id}.", work)

    def _handle(self, rma: Rma, result: str, qty: int) -> str:
        if qty > rma.open:
            if result == "RETURN_RECEIVED":
                self.ledger.append("refused", rma=rma.id, qty=qty, open=rma.open)
            return f"Return item {rma.id} has {rma.open} units to handle."
        handled = sum(n for _, n, _ in rma.results)
        rma.results.append((result, qty, self.timeline.now()))
        self.ledger.append("return_handled", rma=rma.id, order=rma.order.id, item=rma.item.id, result=result, qty=qty)
        if result == "RETURN_RECEIVED":
            self._pay_back(f"return-{rma.id}-{handled}", rma.order, rma.item, qty, by="wharfinger")
        return ""
