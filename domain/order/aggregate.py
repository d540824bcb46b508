"""The order aggregate: one command in, a new state and what follows from it out. Pure: the same log gives the same bytes.

is it new? (order_identity) → fold it (the table below) → bring the units in line with the facts (order_settle)
→ tell the customer (notices)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.errors import Rejected
from domain.records import commands as c
from domain.rules.conditions import UNCOMPILED, Conditions
from domain.rules.layers import of_order, of_pool
from domain.rules.ruleset import RuleSet

from .channel_reports import cancelled, fulfilment_reported, refund_reported
from .dedupe import admit
from .family import exchange_credited
from .fulfilment.allocations import allocation_decided, tick, wave_released
from .fulfilment.progress import allocation_progressed
from .fulfilment.reroute import rerouted, unallocated
from .fulfilment.shipments import shipment_tracked
from .holds import hold_changed, payment_changed
from .notifications.notify import notify
from .outcomes import effect_outcome
from .reconcile import settle
from .returns.receiving import return_inspected, return_received
from .returns.reconcile import expire
from .returns.requests import return_decided, return_reported, return_requested, return_tracked
from .returns.resolve import return_resolved
from .rule_checks import due as judge_due
from .session import OrderResult, OrderSession
from .snapshot import edited, upserted
from .state.order import OrderState, clone
from .state.status import status
from .summary import summary

__all__ = ["FOLD", "OrderResult", "OrderState", "handle", "summary"]

FOLD: dict[type, Callable[[OrderSession, Any], None]] = {
    c.OrderUpserted: upserted,
    c.OrderCancelled: cancelled,
    c.OrderEdited: edited,
    c.PaymentChanged: payment_changed,
    c.RefundReported: refund_reported,
    c.FulfilmentReported: fulfilment_reported,
    c.ReturnReported: return_reported,
    c.ReturnRequested: return_requested,
    c.ReturnDecided: return_decided,
    c.ReturnTracked: return_tracked,
    c.ReturnReceived: return_received,
    c.ReturnInspected: return_inspected,
    c.ReturnResolved: return_resolved,
    c.HoldChanged: hold_changed,
    c.RerouteRequested: rerouted,
    c.ExchangeCredited: exchange_credited,
    c.EffectOutcome: effect_outcome,
    c.AllocationDecided: allocation_decided,
    c.AllocationProgressed: allocation_progressed,
    c.UnallocationAsked: unallocated,
    c.ShipmentTracked: shipment_tracked,
    c.WaveReleased: wave_released,
}
"""Every command that names its order, and what folds it in."""


_MAY_BE_FIRST = (c.ChannelFact, c.ReturnReceived, c.ReturnInspected)
"""Goods at the dock are kept, whatever order they are said to be of."""


def handle(
    state: OrderState | None, command: c.OrderCommand, rules: RuleSet, conditions: Conditions = UNCOMPILED
) -> OrderResult:
    """Fold a command into an order. ``state`` is left as it was; ``rules`` are those in force, ``RuleSet()`` before any, with
    those for its channel still to be laid over them; ``conditions`` judges what they ask in CEL.

    A channel may speak of an order before it shows it: that is kept. Raises Rejected for what must go to the DLQ: a
    delivery with two contents, an order or allocation that isn't known, a value that makes no sense.
    """
    if isinstance(command, (c.Tick, c.RulesPublished)):  # a union would be built anew with every call
        return _timed(state, command, rules, conditions)
    if state is None:
        if not isinstance(command, _MAY_BE_FIRST):
            raise Rejected("order.unknown", "order_key", f"{command.order_key} is not known here")
        state = OrderState(_checked(command.order_key))
    elif state.key != command.order_key:
        raise Rejected("order.key", "order_key", f"a record of {command.order_key} for the state of {state.key}")
    session = OrderSession(clone(state), command, _rules_for(state.key, rules), conditions)
    if not isinstance(command, c.ChannelFact) or admit(session, command):
        FOLD[type(command)](session, command)
        settle(session)
        if not session.events:
            _say(session, state)
    _tell(session)
    return session.result()


def _tell(session: OrderSession) -> None:
    """Customers are told by rules: without any, this costs nothing."""
    if session.rules.notifications.messages or session.state.notices is not None:
        notify(session)


def _say(session: OrderSession, before: OrderState) -> None:
    """A status never changes in silence: a cancellation of units that were asked back already (for a hold) moves nothing else."""
    was, now = status(before), status(session.state)
    if was != now:
        session.record("CANCEL_REQUESTED" if now == "CANCEL_REQUESTED" else "UPDATED", reason=f"{was} → {now}")


def _checked(key: str) -> str:
    if key.count(":") < 2 or not all(key.split(":", 2)):
        raise Rejected("order.key", "order_key", f"{key!r} is not channel:account:order_id")
    return key


def _rules_for(key: str, rules: RuleSet) -> RuleSet:
    if not (rules.channels or rules.pools):
        return rules
    channel, account, _ = key.split(":", 2)
    own = of_order(rules, channel, account)
    return of_order(of_pool(rules, own.default_pool), channel, account)


def _timed(
    state: OrderState | None, command: c.Tick | c.RulesPublished, rules: RuleSet, conditions: Conditions
) -> OrderResult:
    """Rules change nothing by themselves: an order is judged by them at its next command. A tick may have units given up, a
    hold come to its end, or a message go out."""
    if state is None:
        raise Rejected("order.unknown", "order_key", f"{command.type} without an order")
    if isinstance(command, c.RulesPublished) or not 0 < state.wake <= command.time:
        return OrderResult(state, [], [], [])
    session = OrderSession(clone(state), command, _rules_for(state.key, rules), conditions)
    judge_due(session)
    tick(session, command.time)
    expire(session, command.time)
    settle(session)
    _tell(session)
    return session.result()
