"""A depot as its WMS sees it: physical stock, pick orders and what becomes of them. No HTTP here, no waiting.

Every unit is physical: it is on the shelf, picked, shipped, or found broken; a short pick means that units are really gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from lab.simulators.ledger import EventLog
from lab.simulators.timeline import Timeline, roll

from .packing import PackingTable
from .pick_order import Line, Pace, PickOrder, Rates, iso

__all__ = ["Notify", "Refused", "Warehouse"]

MINUTE = 60_000
CARRIERS = ("PostNL", "DHL", "DPD")


class Refused(Exception):
    """The WMS will not take the pick order; ``code`` as in docs/threepl.md."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


Notify = Callable[[str, PickOrder, dict[str, Any]], None]
"""Told of every report: topic, pick order, body."""


class Warehouse:
    """One depot. Its fate is fixed by the seed and each pick order's reference, not by the order in which they come."""

    def __init__(
        self,
        depot: str,
        stock: dict[str, int],
        ledger: EventLog,
        timeline: Timeline,
        notify: Notify,
        *,
        seed: int = 1,
        rates: Rates | None = None,
        pace: Pace | None = None,
        chatty: bool = False,
    ) -> None:
        self.depot, self.stock, self.ledger, self.timeline = depot, dict(stock), ledger, timeline
        self.initial = dict(stock)
        self.seed, self.rates, self.pace, self.chatty = seed, rates or Rates(), pace or Pace(), chatty
        self.orders: dict[str, PickOrder] = {}
        self._notify = notify
        self._table = PackingTable(timeline, self._leave)
        self.restocked: Counter[str] = Counter()
        """Units that came back and went on the shelf again (``dock``)."""
        self.on_undeliverable: Callable[[PickOrder], None] = lambda _order: None
        self.on_shipped: Callable[[str, str], None] = lambda _reference, _sku: None
        self._shipped: dict[str, int] = {}
        for sku, qty in sorted(stock.items()):
            ledger.append("stock", depot=depot, sku=sku, qty=qty)

    def accept(self, request: dict[str, Any]) -> PickOrder:
        """Take a pick order in. Raises Refused (nothing is kept) for an unknown SKU or, by chance, any reason of the depot's own."""
        reference, group_id = str(request["reference"]), str(request.get("group_id", ""))
        self._table.expect(reference, group_id, int(request.get("group_size", 0)))
        try:
            return self._accept(request, reference)
        except Refused:
            self._table.gone(reference, group_id)
            raise

    def _accept(self, request: dict[str, Any], reference: str) -> PickOrder:
        for line in request["lines"]:
            if line["sku"] not in self.stock:
                raise Refused("unknown_sku", f"{self.depot} does not hold {line['sku']}")
        if roll(self.seed, self.depot, reference, "refuse").random() < self.rates.refuse_now:
            raise Refused("rejected", "capacity")
        lines = [Line(str(x["line_id"]), str(x["sku"]), int(x["qty"])) for x in request["lines"]]
        order = PickOrder(f"{self.depot}-{len(self.orders) + 1}", reference, request, lines)
        order.updated_at = self.timeline.now()
        self.orders[reference] = order
        door = [
            request.get("email", ""),
            *(request["ship_to"].get(value, "") for value in ("street1", "postcode", "city", "country")),
        ]
        self.ledger.append(
            "accepted",
            depot=self.depot,
            reference=reference,
            lines=request["lines"],
            group_id=order.group_id,
            door=" ".join(map(str, door)).casefold(),
        )
        self._next(order, "accept", self.pace.accept, lambda: self._accepted(order))
        return order

    def cancel(self, reference: str, lines: list[dict[str, Any]]) -> str:
        """Take a cancellation in; the answer is reported later: CANCELLED before the pick, CANCEL_REJECTED after. KeyError: unknown."""
        order = self.orders[reference]
        self.ledger.append("cancel_asked", depot=self.depot, reference=reference, lines=lines)
        if order.state not in {"NEW", "ACCEPTED"}:
            self._report(order, "CANCEL_REJECTED", reason="too_late" if not order.final else "closed")
            return "CANCEL_REJECTED"
        wanted = {str(fields["line_id"]): int(fields["qty"]) for fields in lines} or {
            fields.line_id: fields.wanted for fields in order.lines
        }
        stopped = {x.line_id: min(wanted.get(x.line_id, 0), x.wanted) for x in order.lines}
        if not any(stopped.values()):
            self._report(order, "CANCEL_REJECTED", reason="nothing_to_cancel")
            return "CANCEL_REJECTED"
        for line in order.lines:
            line.cancelled += stopped[line.line_id]
        if all(x.wanted == 0 for x in order.lines):
            order.state = "CANCELLED"
            self._table.gone(reference, order.group_id)
        self.ledger.append("cancelled", depot=self.depot, reference=reference, lines=[x.body() for x in order.lines])
        self._report(order, "CANCELLED", reason="requested")
        return "CANCELLED"

    def _next(self, order: PickOrder, step: str, minutes: tuple[float, float], do: Callable[[], None]) -> None:
        wait = roll(self.seed, self.depot, order.reference, step).uniform(*minutes)
        self.timeline.at(self.timeline.now() + int(wait * MINUTE), do)

    def _report(self, order: PickOrder, status: str, reason: str = "") -> None:
        now = max(self.timeline.now(), order.updated_at + 1)  # reports of one pick order have distinct times
        order.updated_at = now
        body = {
            "reference": order.reference,
            "status": status,
            "lines": [line.body() for line in order.lines],
            "shipment": order.shipment,
            "reason": reason,
            "occurred_at": iso(now),
        }
        order.reports.append(body)
        self._notify("pick_order.updated", order, body)

    def _accepted(self, order: PickOrder) -> None:
        if order.state != "NEW":
            return
        if roll(self.seed, self.depot, order.reference, "reject").random() < self.rates.reject_later:
            order.state = "REJECTED"
            self.ledger.append("rejected", depot=self.depot, reference=order.reference, reason="capacity")
            self._report(order, "REJECTED", reason="capacity")
            self._table.gone(order.reference, order.group_id)
            return
        order.state = "ACCEPTED"
        self._report(order, "ACCEPTED")
        self._next(order, "pick", self.pace.pick, lambda: self._picking(order))

    def _picking(self, order: PickOrder) -> None:
        if order.state != "ACCEPTED":
            return
        order.state = "PICKING"
        if self.chatty:
            self._report(order, "PICKING")
        self._next(order, "picked", self.pace.pack, lambda: self._picked(order))

    def _picked(self, order: PickOrder) -> None:
        for line in order.lines:
            self._pick_line(order, line)
        short = any(x.short for x in order.lines)
        nothing = not any(x.picked for x in order.lines)
        order.state = "NOTHING_PICKED" if nothing else "PICKED"
        reasons = sorted({x.reason for x in order.lines if x.reason})
        self._report(order, "SHORT_PICKED" if short else "PICKED", reason=",".join(reasons))
        if nothing:
            self._table.gone(order.reference, order.group_id)
        else:
            self._next(order, "pack", self.pace.pack, lambda: self._packed(order))

    def _pick_line(self, order: PickOrder, line: Line) -> None:
        on_shelf = self.stock[line.sku]
        chance = roll(self.seed, self.depot, order.reference, line.line_id, "short")
        line.picked = min(line.wanted, on_shelf)
        if line.wanted > on_shelf:
            line.reason = "missing"
            self.ledger.violation(
                "oversold",
                depot=self.depot,
                reference=order.reference,
                sku=line.sku,
                wanted=line.wanted,
                on_shelf=on_shelf,
            )
        elif line.wanted and chance.random() < self.rates.short:
            line.picked = line.wanted - chance.randint(1, line.wanted)
            line.reason = chance.choice(("damaged", "missing"))
        line.short = line.wanted - line.picked
        gone = min(line.wanted, on_shelf)  # what is short of the shelf's own units is broken or lost: off the shelf too
        self.stock[line.sku] -= gone
        self.ledger.append(
            "picked",
            depot=self.depot,
            reference=order.reference,
            line_id=line.line_id,
            sku=line.sku,
            qty=line.picked,
            written_off=gone - line.picked,
            on_shelf=self.stock[line.sku],
        )

    def _packed(self, order: PickOrder) -> None:
        order.state = "PACKED"
        if self.chatty:
            self._report(order, "PACKED")
        self._table.packed(order)

    def _leave(self, parcel: list[PickOrder]) -> None:
        """What is packed together leaves together."""
        first = parcel[0]
        chance = roll(self.seed, self.depot, first.group_id or first.reference, "late")
        wait = self.pace.late if chance.random() < self.rates.late else self.pace.ship
        self._next(first, "ship", wait, lambda: self._ship(parcel))

    def _ship(self, parcel: list[PickOrder]) -> None:
        """One label, one cost, one tracking number; each of its pick orders is told its own SHIPPED."""
        shipment = self._label(parcel)
        for order in parcel:
            order.shipment = shipment
            self._shipped_one(order)

    def _label(self, parcel: list[PickOrder]) -> dict[str, Any]:
        first = parcel[0]
        chance = roll(self.seed, self.depot, first.reference, "shipment")
        number = f"3S{chance.randrange(10**12):012d}"
        units = [(order, line) for order in parcel for line in order.lines if line.picked]
        label = {
            "id": f"{first.id}-s1",
            "carrier": first.request.get("carrier") or chance.choice(CARRIERS),
            "tracking_number": number,
            "tracking_url": f"https://tracking.example/{number}",
            "cost": 395 + 40 * sum(line.picked for _, line in units) + chance.randrange(0, 60),
            "currency": "EUR",
        }
        if len(parcel) > 1:
            names = ("reference", "line_id", "sku", "qty")
            label["lines"] = [
                dict(zip(names, (order.reference, line.line_id, line.sku, line.picked), strict=True))
                for order, line in units
            ]
            members = [order.reference for order in parcel]
            what = {"shipment_id": label["id"], "references": members, "cost": label["cost"]}
            self.ledger.append("bundled", depot=self.depot, **what)
        return label

    def _shipped_one(self, order: PickOrder) -> None:
        for line in order.lines:
            self._ship_line(order, line)
        self.on_shipped(order.reference, order.lines[0].sku)
        order.state = "SHIPPED"
        self._report(order, "SHIPPED")
        self._next(order, "transit", self.pace.transit, lambda: self._scan(order, "IN_TRANSIT"))
        back = roll(self.seed, self.depot, order.reference, "undeliverable").random() < self.rates.undeliverable
        end = "RETURN_TO_SENDER" if back else "DELIVERED"
        self._next(order, "deliver", self.pace.deliver, lambda: self._scan(order, end))

    def _ship_line(self, order: PickOrder, line: Line) -> None:
        if not line.picked:
            return
        mark = f"{order.reference}#{line.line_id}"
        if self._shipped.get(mark, 0) + line.picked > line.qty:
            self.ledger.violation("shipped twice", depot=self.depot, reference=order.reference, line_id=line.line_id)
        self._shipped[mark] = self._shipped.get(mark, 0) + line.picked
        line.shipped = line.picked
        assert order.shipment is not None  # noqa: S101 — set by the only caller
        self.ledger.append(
            "shipped",
            depot=self.depot,
            reference=order.reference,
            line_id=line.line_id,
            sku=line.sku,
            qty=line.picked,
            shipment_id=order.shipment["id"],
            tracking_number=order.shipment["tracking_number"],
            cost=order.shipment["cost"],
        )

    def _scan(self, order: PickOrder, status: str) -> None:
        if order.shipment is None:
            return
        now = max(self.timeline.now(), order.updated_at + 1)
        order.updated_at = now
        if status == "DELIVERED":
            order.state = "DELIVERED"
            self.ledger.append("delivered", depot=self.depot, reference=order.reference)
        if status == "RETURN_TO_SENDER":
            order.state = "RETURNED"
            self.on_undeliverable(order)
        body = {
            "reference": order.reference,
            "shipment_id": order.shipment["id"],
            "status": status,
            "carrier": order.shipment["carrier"],
            "tracking_number": order.shipment["tracking_number"],
            "detail": {"IN_TRANSIT": "Sorted", "DELIVERED": "Handed over", "RETURN_TO_SENDER": "Nobody there"}[status],
            "occurred_at": iso(now),
        }
        order.scans.append(body)
        self._notify("shipment.tracked", order, body)

    def conserved(self) -> list[str]:
        """SKUs whose units do not add up: on shelf + picked + written off = at the start + restocked. None in a sound run."""
        gone: dict[str, int] = {}
        for e in self.ledger.entries("picked"):
            if e["depot"] == self.depot:
                gone[e["sku"]] = gone.get(e["sku"], 0) + e["qty"] + e["written_off"]
        return [
            item
            for item, n in self.initial.items()
            if self.stock[item] < 0 or self.stock[item] + gone.get(item, 0) != n + self.restocked[item]
        ]
