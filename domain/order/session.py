"""One command's turn with an order: the state it may change, and what comes of it, numbered so that a replay makes the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from domain.money import running_share
from domain.records.commands import OrderCommand, PoolCommand
from domain.records.effects import Effect
from domain.records.events import OrderEvent
from domain.records.record import uuid5
from domain.records.values import EventLine, LineQty, ReturnedLine
from domain.rules.conditions import UNCOMPILED, Conditions
from domain.rules.ruleset import RuleSet

from .state.order import Allocation, Line, OrderState, Shipment
from .state.rma_status import rma_status
from .state.status import status

__all__ = ["SOURCE", "OrderResult", "OrderSession", "event_line"]

SOURCE = "orders"


class OrderResult(msgspec.Struct, frozen=True):
    """What a command came to: the new state, and what is to be written with it in one transaction.

    ``order_commands`` are for other orders (an exchange's new order, the receipt of a parcel that was found to be another's).
    """

    state: OrderState
    events: list[OrderEvent]
    pool_commands: list[PoolCommand]
    effects: list[Effect]
    order_commands: list[OrderCommand] = []


def event_line(line: Line, n: int, before: int = 0) -> EventLine:
    """``n`` units of a line at their price less their share of the discount; ``before`` units were spoken of already.

    Cumulative rounding: the parts of a line add up to the line. Tax is left out where the price is without it.
    """
    of = line.wanted or line.ordered
    before = min(before, of)
    after = min(before + n, of)
    off = (
        running_share(line.discount, after, of) - running_share(line.discount, before, of)
        if of and line.discount
        else 0
    )
    return EventLine(line.line_id, line.sku, n, n * line.unit_price - off)


class OrderSession:
    """A command, a state it may change, the rules for it, and the outputs so far. ``decision``: why a rule holds the order (JSON)."""

    __slots__ = (
        "account",
        "channel",
        "command",
        "conditions",
        "decision",
        "effects",
        "events",
        "order_id",
        "orders",
        "pool",
        "release",
        "rules",
        "state",
        "uncover",
        "withdraw",
    )

    def __init__(
        self, state: OrderState, command: OrderCommand, rules: RuleSet, conditions: Conditions = UNCOMPILED
    ) -> None:
        self.state, self.command, self.rules, self.conditions = state, command, rules, conditions
        self.decision = ""
        self.channel, self.account, self.order_id = state.key.split(":", 2)
        self.events: list[OrderEvent] = []
        self.pool: list[PoolCommand] = []
        self.effects: list[Effect] = []
        self.orders: list[OrderCommand] = []
        # What order_pullback gathers, by request number or allocation id: units, and why.
        self.uncover: dict[int, list[LineQty]] = {}
        self.release: dict[str, tuple[str, list[LineQty]]] = {}
        self.withdraw: dict[str, tuple[str, list[LineQty]]] = {}

    @property
    def target(self) -> str:
        """The connection of the order's channel account, for effects."""
        return f"{self.channel}:{self.account}"

    def result(self) -> OrderResult:
        """All of it. The events get the status that the command settled on: what lay between was never so for anybody outside."""
        settled = status(self.state) if self.events else ""
        for event in self.events:
            msgspec.structs.force_setattr(event, "status", settled)  # frozen, but nobody else has seen it yet
            if event.rma_id and self.state.book is not None:
                mine = next((rma for rma in self.state.book.rmas if rma.id == event.rma_id), None)
                msgspec.structs.force_setattr(event, "rma_status", rma_status(mine) if mine else "")
        return OrderResult(self.state, self.events, self.pool, self.effects, self.orders)

    def new_id(self, kind: str) -> str:
        """The id of the next effect or pool command."""
        self.state.made += 1
        return uuid5(self.state.key, self.state.made, kind)

    def head(self, kind: str) -> dict[str, Any]:
        """The metadata of the next effect or pool command of this type, as keyword arguments."""
        command = self.command
        return {
            "event_id": self.new_id(kind),
            "type": kind,
            "time": command.time,
            "source": SOURCE,
            "trace": command.trace,
        }

    @property
    def by_hand(self) -> str:
        """Who gave the command, where a person did (``wharf orders``); else ``""``."""
        who, _, name = self.command.source.partition(":")
        return name if who == "operator" else ""

    def record(
        self,
        kind: str,
        lines: Iterable[EventLine] = (),
        *,
        at: int | None = None,
        complete: bool = False,
        allocation: Allocation | None = None,
        shipment: Shipment | None = None,
        reason: str = "",
        actor: str = "",
        intervention: bool = False,
        decision: str = "",
        amount: int | None = None,
        rma: tuple[str, str] = ("", ""),
        returned: list[ReturnedLine] | None = None,
        tax: int = 0,
        fees: int = 0,
        tracking_number: str = "",
        carrier: str = "",
        currency: str = "",
    ) -> None:
        """Record what happened; ``at``: when it did outside, UTC ms (else the command's time). ``rma``: a return's id and kind.

        All that a command given by hand leads to is an intervention, and says by whom.
        """
        order, command, header, a = self.state, self.command, self.state.header, allocation
        units = list(lines)
        actor = actor or self.by_hand
        intervention = intervention or bool(self.by_hand)
        order.seq += 1
        order.intervened = order.intervened or intervention
        self.events.append(
            OrderEvent(
                event_id=uuid5(order.key, order.seq, kind),
                type=kind,
                time=command.time,
                source=SOURCE,
                trace=command.trace,
                order_key=order.key,
                seq=order.seq,
                channel=self.channel,
                account=self.account,
                order_id=self.order_id,
                status="",  # all events of a command carry the one it settles on: see ``result``
                occurred_at=command.time if at is None else at,
                placed_at=header.created_at if header else 0,
                country=header.ship_to.country if header else "",
                lines=units,
                complete=complete,
                allocation_id=a.id if a else "",
                shipment_id=shipment.id if shipment else "",
                depot=a.depot if a else "",
                service=a.service if a else (header.service_level if header else ""),
                carrier=carrier or (shipment.carrier if shipment else "") or (a.carrier if a else ""),
                tracking_number=shipment.tracking_number if shipment else tracking_number,
                ship_by=a.ship_by if a else None,
                eta=a.eta if a else None,
                amount=sum(line.amount for line in units) if amount is None else amount,
                cost=shipment.cost if shipment else (a.cost if a else 0),
                currency=currency or (header.currency if header else ""),
                group_id=a.group_id if a else "",
                reason=reason,
                actor=actor,
                intervention=intervention,
                rule_version=a.rule_version if a else self.rules.version,
                decision=decision,
                cost_currency=(shipment.cost_currency if shipment else "") or (a.cost_currency if a else ""),
                name=header.name if header else "",
                rma_id=rma[0],
                rma_kind=rma[1],
                returned=returned or [],
                tax=tax,
                fees=fees,
            )
        )

    def to_pool(self, command: PoolCommand) -> None:
        """Send a command to a pool."""
        self.pool.append(command)

    def to_order(self, command: OrderCommand) -> None:
        """Send a command to another order."""
        self.orders.append(command)

    def effect(self, effect: Effect) -> None:
        """Have something done outside."""
        self.effects.append(effect)

    def line(self, line_id: str) -> Line | None:
        """The order's line of this id."""
        return next((x for x in self.state.lines if x.line_id == line_id), None)

    def allocation(self, allocation_id: str) -> Allocation | None:
        """The order's allocation of this id."""
        return next((x for x in self.state.allocations if x.id == allocation_id), None)
