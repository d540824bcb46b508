"""Steps about returns as the commands they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from connectors.checks.customer import content_hash
from domain.keys import parcel_key, rma_id
from domain.order.state.order import OrderState
from domain.records import commands as c
from domain.records.values import ExchangeLine, InspectedLine, LineQty, ReturnLine

from .commands import Facts
from .form_returns import ChannelReturnForm, Decide, Dock, Inspect, RequestReturn, Resolve, ReturnScan

__all__ = ["RETURN_VERBS", "ReturnFacts"]

RETURN_VERBS = ("request_return", "channel_return", "decide", "return_scan", "dock", "inspect", "resolve")
"""The steps that are about returns."""

WMS = "wms"


class ReturnFacts:
    """Makes the commands. ``state``: gives an order's state, for the newest RMA and the lines' ids."""

    def __init__(self, facts: Facts, state: Callable[[str], OrderState | None]) -> None:
        self._facts, self._state = facts, state
        self._make: dict[type, Callable[[Any, int], c.OrderCommand]] = {
            RequestReturn: self._request,
            ChannelReturnForm: self._reported,
            Decide: self._decide,
            ReturnScan: self._scan,
            Dock: self._dock,
            Inspect: self._inspect,
            Resolve: self._resolve,
        }

    def command(self, told: Any, now: int) -> c.OrderCommand:
        """The command of a step."""
        return self._make[type(told)](told, now)

    def _skus(self, key: str) -> dict[str, str]:
        order = self._state(key)
        return {line.line_id: line.sku for line in order.lines} if order else {}

    def _rma(self, key: str, n: int) -> str:
        order = self._state(key)
        rmas = order.book.rmas if order and order.book else []
        return rma_id(key, n or len(rmas) or 1)

    def _fact(self, kind: type[Any], key: str, subject: str, now: int, said: dict[str, Any]) -> Any:
        head = self._facts.head(kind.__name__, now, "returns")
        marks = {"order_key": key, "idempotency_key": subject, "delivery_id": "", "content_hash": content_hash(said)}
        return kind(**head, **marks, **said)

    def _lines(self, key: str, lines: dict[str, int], reason: str) -> list[ReturnLine]:
        skus = self._skus(key)
        return [ReturnLine(k if k in skus else "", skus.get(k, k), n, reason) for k, n in lines.items()]

    def _request(self, told: RequestReturn, now: int) -> c.OrderCommand:
        key = self._facts.key(told.order)
        said = {
            "kind": told.kind,
            "via": told.via,
            "return_id": "",
            "lines": self._lines(key, told.lines, told.reason),
            "exchange": [ExchangeLine(form.sku, form.qty, form.price, form.tax) for form in told.exchange],
            "label_payer": told.label_payer,
            "actor": told.via,
            "amount": told.amount,
        }
        request: c.OrderCommand = self._fact(c.ReturnRequested, key, f"return-request@{now}", now, said)
        return request

    def _reported(self, told: ChannelReturnForm, now: int) -> c.OrderCommand:
        key = self._facts.key(told.order)
        said = {
            "return_id": told.id,
            "rma_id": told.rma,
            "status": told.status,
            "lines": self._lines(key, told.lines, told.reason),
            "carrier": "",
            "tracking_number": "",
        }
        report: c.OrderCommand = self._fact(c.ReturnReported, key, f"return/{told.id}@{told.status}", now, said)
        return report

    def _decide(self, told: Decide, now: int) -> c.OrderCommand:
        key = self._facts.key(told.order)
        said = {
            "rma_id": self._rma(key, told.rma),
            "decision": told.decision,
            "reason": told.reason,
            "actor": told.by,
            "lines": [LineQty(k, self._skus(key).get(k, k), n) for k, n in told.lines.items()],
            "amount": told.amount,
        }
        decision: c.OrderCommand = self._fact(c.ReturnDecided, key, f"return-decision@{now}", now, said)
        return decision

    def _scan(self, told: ReturnScan, now: int) -> c.OrderCommand:
        key, head = self._facts.key(told.order), self._facts.head("ReturnTracked", now, "carrier")
        return c.ReturnTracked(
            **head,
            order_key=key,
            idempotency_key=head["event_id"],
            rma_id=self._rma(key, told.rma),
            status=told.status,
            carrier="",
            tracking_number=told.tracking,
            tracking_url="",
            detail=told.detail,
            occurred_at=now,
        )

    def _place(self, told: Dock | Inspect, kind: str, now: int) -> dict[str, Any]:
        key = self._facts.key(told.order) if told.order else parcel_key(WMS, told.receipt)
        head = self._facts.head(kind, now, WMS)
        label = self._rma(key, told.rma) if told.label is None and told.order else told.label or ""
        return {
            **head,
            "order_key": key,
            "idempotency_key": head["event_id"],
            "wms": WMS,
            "depot": told.depot,
            "receipt_id": told.receipt,
            "rma_id": label,
            "tracking_number": told.tracking,
            "occurred_at": now,
        }

    def _dock(self, told: Dock, now: int) -> c.OrderCommand:
        place = self._place(told, "ReturnReceived", now)
        skus = self._skus(place["order_key"])
        lines = [LineQty(k if k in skus else "", skus.get(k, k), n) for k, n in told.lines.items()]
        return c.ReturnReceived(**place, lines=lines)

    def _inspect(self, told: Inspect, now: int) -> c.OrderCommand:
        place = self._place(told, "ReturnInspected", now)
        return c.ReturnInspected(**place, lines=self._found(place["order_key"], told.lines, told.note))

    def _found(self, key: str, lines: dict[str, dict[str, int]], note: str) -> list[InspectedLine]:
        skus = self._skus(key)
        return [
            InspectedLine(k if k in skus else "", skus.get(k, k), n, item, note)
            for k, found in lines.items()
            for item, n in found.items()
        ]

    def _resolve(self, told: Resolve, now: int) -> c.OrderCommand:
        key, s = self._facts.key(told.order), None
        s = self._state(key)
        said = {
            "rma_id": self._rma(key, told.rma) if s and s.book and s.book.rmas and not told.to else "",
            "exception_id": told.exception,
            "action": told.action,
            "to_order": self._facts.key(told.to) if told.to else "",
            "lines": self._found(key, told.lines, ""),
            "reference": told.reference,
            "reason": told.reason,
            "actor": told.by,
            "amount": told.amount,
        }
        if told.to:
            said["rma_id"] = self._rma(self._facts.key(told.to), told.rma) if told.rma else ""
        resolved: c.OrderCommand = self._fact(
            c.ReturnResolved, key, f"resolved/{msgspec.json.encode(said).decode()}@{now}", now, said
        )
        return resolved
