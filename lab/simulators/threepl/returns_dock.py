"""The returns dock of a simulated depot: parcels that come back, announced or not, received, looked at, put away. No HTTP, no waiting.

Everything is physical: a unit that is found to be as new goes back on the shelf, a B-grade on a shelf of its own, a broken one into the bin.
What a parcel holds is fixed by the seed and the RMA: all that was announced, less, something else, or in two parcels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from typing import Any

from lab.simulators.ledger import EventLog
from lab.simulators.timeline import Timeline, roll

from .pick_order import iso

__all__ = ["Dock", "DockPace", "DockRates", "Receipt"]

MINUTE = 60_000
Report = dict[str, Any]
Notify = Callable[[str, str, Report], None]
"""Told of every report: topic, event id, body."""


@dataclass(frozen=True, slots=True)
class DockPace:
    """Minutes of the simulator's clock, (least, most): from the notice to the parcel, from the parcel to the inspection."""

    travel: tuple[float, float] = (300.0, 900.0)
    inspect: tuple[float, float] = (20.0, 150.0)

    def times(self, factor: float) -> DockPace:
        """The same, slower by ``factor``."""
        return DockPace(*((low * factor, high * factor) for low, high in astuple(self)))


@dataclass(frozen=True, slots=True)
class DockRates:
    """Chances: per unit ``b_grade``, ``broken``, ``missing``, ``wrong``; per notice ``two_parcels``, ``never``; per receipt ``told_twice``;
    per shipped parcel ``unknown`` (it comes back and nothing on it says from whom)."""

    b_grade: float = 0.15
    broken: float = 0.08
    missing: float = 0.04
    wrong: float = 0.03
    two_parcels: float = 0.3
    never: float = 0.02
    told_twice: float = 0.2
    unknown: float = 0.0


@dataclass(slots=True)
class Unit:
    """One article in a parcel; ``line_id`` of the order line it was announced under."""

    line_id: str
    sku: str
    disposition: str


@dataclass(slots=True)
class Receipt:
    """A parcel at the dock, with its reports so far."""

    id: str
    rma: str
    reference: str
    tracking_number: str
    units: list[Unit]
    updated_at: int
    received: list[Report] = field(default_factory=list)
    inspections: list[Report] = field(default_factory=list)

    def row(self) -> Report:
        """As return polling shows it."""
        return {
            "receipt_id": self.id,
            "updated_at": iso(self.updated_at),
            "received": self.received,
            "inspections": self.inspections,
        }


class Dock:
    """One depot's. ``shelf``: the warehouse's own stock by SKU; ``b_grade``: second choice, by SKU; ``binned``: written off."""

    def __init__(
        self,
        depot: str,
        shelf: dict[str, int],
        ledger: EventLog,
        timeline: Timeline,
        notify: Notify,
        *,
        seed: int = 1,
        rates: DockRates | None = None,
        pace: DockPace | None = None,
    ) -> None:
        self.depot, self.shelf, self.ledger, self.timeline = depot, shelf, ledger, timeline
        self.seed, self.rates, self.pace = seed, rates or DockRates(), pace or DockPace()
        self.notices: dict[str, Report] = {}
        self.receipts: dict[str, Receipt] = {}
        self.restocked: Counter[str] = Counter()
        self.b_grade: Counter[str] = Counter()
        self.binned: Counter[str] = Counter()
        self.on_the_way = 0
        self._parcels = 0
        self._notify = notify

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way or waits to be looked at."""
        return not self.on_the_way

    def expect(self, notice: Report) -> None:
        """A return was announced; its parcels come, or by chance do not."""
        rma = str(notice["rma"])
        if rma in self.notices:
            return
        self.notices[rma] = notice
        self.ledger.append("return_expected", depot=self.depot, rma=rma, lines=notice["lines"])
        chance = roll(self.seed, self.depot, rma)
        if chance.random() < self.rates.never:
            return
        units = [self._unit(rma, x, n) for x in notice["lines"] for n in range(int(x["qty"]))]
        parcels = [units]
        if len(units) > 1 and chance.random() < self.rates.two_parcels:
            parcels = [units[:1], units[1:]]
        for parcel in parcels:
            self._send(self._number("R"), rma, "", parcel)

    def cancel(self, rma: str) -> None:
        """The notice is withdrawn; what is on its way comes all the same."""
        self.ledger.append("return_cancelled", depot=self.depot, rma=rma)

    def maybe_unknown(self, reference: str, sku: str) -> None:
        """Someone sends back a unit of what was shipped, with nothing in the parcel that says who."""
        if roll(self.seed, self.depot, reference, "unknown").random() < self.rates.unknown:
            self._send(self._number("U"), "", "", [Unit("", sku, "RESTOCK")])

    def give_back(self, reference: str, units: list[tuple[str, str]], tracking_number: str) -> None:
        """A parcel of our own that the carrier could not deliver: return to sender. ``units``: (line, SKU)."""
        parcel = [Unit(line, sku, "RESTOCK") for line, sku in units]
        self._send(self._number("S"), "", reference, parcel, tracking_number)

    def _number(self, kind: str) -> str:
        self._parcels += 1
        return f"{self.depot}-{kind}{self._parcels}"

    def _unit(self, rma: str, line: Report, n: int) -> Unit:
        number, dock_rates = roll(self.seed, rma, line.get("line_id", ""), line["sku"], n).random(), self.rates
        disposition = "RESTOCK"
        for name, chance in (
            ("B_GRADE", dock_rates.b_grade),
            ("WRITE_OFF", dock_rates.broken),
            ("MISSING", dock_rates.missing),
            ("WRONG_ITEM", dock_rates.wrong),
        ):
            if number < chance:
                disposition = name
                break
            number -= chance
        return Unit(str(line.get("line_id", "")), str(line["sku"]), disposition)

    def _send(self, receipt_id: str, rma: str, reference: str, units: list[Unit], tracking_number: str = "") -> None:
        wait = roll(self.seed, receipt_id, "travel").uniform(*self.pace.travel)
        self.on_the_way += 1
        number = tracking_number or str(self.notices.get(rma, {}).get("tracking_number", ""))
        receipt = Receipt(receipt_id, rma, reference, number, units, 0)
        self.timeline.at(self.timeline.now() + int(wait * MINUTE), lambda: self._receive(receipt))

    def _report(self, receipt: Receipt, kind: str, **fields: Any) -> None:
        now = max(self.timeline.now(), receipt.updated_at + 1)
        receipt.updated_at = now
        body = {
            "receipt_id": receipt.id,
            "rma": receipt.rma,
            "reference": receipt.reference,
            "tracking_number": receipt.tracking_number,
            "occurred_at": iso(now),
            **fields,
        }
        told = receipt.received if kind == "received" else receipt.inspections
        told.append(body)
        self._notify(f"return.{kind}", f"{receipt.id}/{kind}/{len(told)}", body)

    def _receive(self, receipt: Receipt) -> None:
        self.receipts[receipt.id] = receipt
        # At the door only parcels are counted: what is missing or another article shows when they are opened.
        seen: Counter[tuple[str, str]] = Counter(
            (unit.line_id, unit.sku) for unit in receipt.units if unit.disposition != "MISSING"
        )
        lines = [{"line_id": line, "sku": sku, "qty": n} for (line, sku), n in seen.items()]
        self.ledger.append("return_received", depot=self.depot, receipt=receipt.id, rma=receipt.rma, lines=lines)
        self._report(receipt, "received", lines=lines)
        chance = roll(self.seed, receipt.id, "dock")
        if chance.random() < self.rates.told_twice:
            self._report(receipt, "received", lines=lines, detail="scanned again")
        wait = chance.uniform(*self.pace.inspect)
        self.timeline.at(self.timeline.now() + int(wait * MINUTE), lambda: self._inspect(receipt))

    def _inspect(self, receipt: Receipt) -> None:
        found: Counter[tuple[str, str, str]] = Counter((u.line_id, u.sku, u.disposition) for u in receipt.units)
        for unit in receipt.units:
            self._put_away(unit)
        for (line, sku, disposition), n in found.items():
            self.ledger.append(
                "inspected",
                depot=self.depot,
                receipt=receipt.id,
                rma=receipt.rma,
                line_id=line,
                sku=sku,
                qty=n,
                disposition=disposition,
            )
        lines = [{"line_id": line, "sku": sku, "qty": n, "disposition": item} for (line, sku, item), n in found.items()]
        self.on_the_way -= 1
        self._report(receipt, "inspected", inspected=lines, actor="dock")

    def _put_away(self, unit: Unit) -> None:
        if unit.disposition == "RESTOCK":
            self.shelf[unit.sku] = self.shelf.get(unit.sku, 0) + 1
            self.restocked[unit.sku] += 1
        elif unit.disposition == "B_GRADE":
            self.b_grade[unit.sku] += 1
        elif unit.disposition == "WRITE_OFF":
            self.binned[unit.sku] += 1
