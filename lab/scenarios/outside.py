"""The world outside, as far as a scenario does not tell it itself: warehouses and channels that answer effects."""

from __future__ import annotations

from collections.abc import Callable

from domain.keys import split_allocation_id
from domain.records.commands import EffectOutcome, ReturnTracked, ShipmentTracked, WmsReported
from domain.records.effects import Credit, CustomerMessage, Effect, PickOrder, PickOrderCancel, ReturnLabel
from domain.records.values import LineQty, WmsLine

from .aggregates import Entry
from .form import Warehouse
from .times import duration

__all__ = ["Later", "Outside"]

Later = tuple[int, Callable[[int], list[Entry]]]
"""In so many ms, what then comes in (given the time it then is)."""

TRIES = 5
"""After so many attempts the effects agent gives up."""


class Outside:
    """Answers effects. ``warehouses``: how each depot's behaves (by its connection's name); the others take what they get."""

    def __init__(
        self, warehouses: dict[str, Warehouse], pays: bool, head: Callable[[str, int], dict[str, object]]
    ) -> None:
        self._warehouses = warehouses
        self._pays = pays
        self._head = head
        self._n = 0
        self._references = 0
        self._recalled: dict[str, dict[str, LineQty]] = {}
        self._parcels: dict[str, str] = {}
        self._groups: dict[str, str] = {}

    def answer(self, effect: Effect, now: int) -> tuple[list[Entry], list[Later]]:
        """What comes back at once, and what comes later."""
        self._n += 1
        self._references += not isinstance(
            effect, CustomerMessage
        )  # whether customers are written to changes no number of a channel's
        warehouse = self._warehouses.get(effect.target, Warehouse())
        reachable = not (isinstance(effect, PickOrder | PickOrderCancel) and warehouse.takes == "unreachable")
        refused = isinstance(effect, Credit) and not self._pays
        at_once: list[Entry] = [("orders", self._outcome(effect, now, ok=reachable and not refused))]
        if isinstance(effect, ReturnLabel):
            at_once.insert(0, ("orders", self._label(effect, now)))
        later: list[Later] = []
        if isinstance(effect, PickOrder) and effect.group_id:
            self._parcels[effect.allocation_id] = self._groups.setdefault(effect.group_id, effect.allocation_id)
        if reachable and isinstance(effect, PickOrder):
            if warehouse.takes == "reject":
                at_once.append(
                    ("pools", self._wms(effect.allocation_id, "REJECTED", now, reason=warehouse.rejects_because))
                )
            elif warehouse.ships_after:
                later.append((duration(warehouse.ships_after), lambda ship: self._ships(effect.allocation_id, ship)))
                if warehouse.delivers_after:
                    days = duration(warehouse.ships_after) + duration(warehouse.delivers_after)
                    later.append((days, lambda deliver: self._delivers(effect.allocation_id, deliver)))
        if reachable and isinstance(effect, PickOrderCancel) and warehouse.cancels != "wait":
            at_once.append(("pools", self._recall(effect, warehouse, now)))
        return at_once, later

    def _outcome(self, effect: Effect, now: int, *, ok: bool) -> EffectOutcome:
        kind = type(effect).__name__
        return EffectOutcome(
            **self._head("EffectOutcome", now),  # type: ignore[arg-type]
            order_key=effect.order_key,
            effect_id=effect.event_id,
            kind=kind,
            target=effect.target,
            ok=ok,
            attempts=1 if ok else TRIES,
            reference=f"{effect.target}-{self._references}" if ok else "",
            error="" if ok else "can't be reached",
            allocation_id=getattr(effect, "allocation_id", ""),
        )

    def _label(self, effect: ReturnLabel, now: int) -> ReturnTracked:
        return ReturnTracked(
            **self._head("ReturnTracked", now),  # type: ignore[arg-type]
            order_key=effect.order_key,
            idempotency_key=f"label/{effect.event_id}",
            rma_id=effect.rma_id,
            status="LABELLED",
            carrier=effect.carrier,
            tracking_number=f"return-{effect.rma_id.rpartition(':')[2]}",
            tracking_url="",
            detail="",
            occurred_at=now,
            label_ref=f"https://labels.example/{effect.rma_id.rpartition('/')[2]}.pdf",
        )

    def _recall(self, effect: PickOrderCancel, warehouse: Warehouse, now: int) -> WmsReported:
        if warehouse.cancels == "refuse":
            return self._wms(effect.allocation_id, "CANCEL_REJECTED", now, reason="too late")
        units = self._recalled.setdefault(effect.allocation_id, {})
        for line_qty in effect.lines:
            before = units[line_qty.line_id].qty if line_qty.line_id in units else 0
            units[line_qty.line_id] = LineQty(line_qty.line_id, line_qty.sku, before + line_qty.qty)
        lines = [WmsLine(value.line_id, value.sku, cancelled=value.qty) for value in units.values()]
        return self._wms(effect.allocation_id, "CANCELLED", now, lines=lines)

    def _ships(self, allocation_id: str, now: int) -> list[Entry]:
        return [
            ("pools", self._wms(allocation_id, text, now, shipped=text == "SHIPPED")) for text in ("PICKED", "SHIPPED")
        ]

    def _delivers(self, allocation_id: str, now: int) -> list[Entry]:
        _, key, _ = split_allocation_id(allocation_id)
        return [
            (
                "orders",
                ShipmentTracked(
                    **self._head("ShipmentTracked", now),  # type: ignore[arg-type]
                    order_key=key,
                    idempotency_key=f"{allocation_id}/delivered",
                    allocation_id=allocation_id,
                    shipment_id="",
                    status="DELIVERED",
                    carrier="",
                    tracking_number="",
                    detail="",
                    occurred_at=now,
                ),
            )
        ]

    def _wms(
        self,
        allocation_id: str,
        status: str,
        now: int,
        *,
        lines: list[WmsLine] | None = None,
        reason: str = "",
        shipped: bool = False,
    ) -> WmsReported:
        pool, key, _ = split_allocation_id(allocation_id)
        _, first, n = split_allocation_id(self._parcels.get(allocation_id, allocation_id))  # a bundle is one parcel
        parcel = f"{first.rpartition(':')[2]}-{n}"
        return WmsReported(
            **self._head("WmsReported", now),  # type: ignore[arg-type]
            pool=pool,
            order_key=key,
            idempotency_key=f"{allocation_id}/{status}/{self._n}",
            allocation_id=allocation_id,
            status=status,
            lines=lines or [],
            shipment_id=f"parcel-{parcel}" if shipped else "",
            carrier="",
            tracking_number=f"track-{parcel}" if shipped else "",
            tracking_url="",
            cost=0,
            cost_currency="EUR",
            reason=reason,
            occurred_at=now,
        )
