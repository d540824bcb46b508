"""Holds: a set, and all must clear before anything is asked of a pool or a warehouse.

Three sources: the checks (``found``, judged anew with every snapshot and payment, so they clear themselves), commands (``placed``),
and ourselves where a pick order could not be delivered (a soft MANUAL hold, gone once none is failed). A found hold that
someone releases is waived for as long as no other reason comes to it.
"""

from __future__ import annotations

import msgspec

from domain.errors import Rejected
from domain.records.commands import HoldChanged, PaymentChanged
from domain.rules.ruleset import HOLDS

from .dedupe import same_again, too_old
from .rule_checks import check, is_waived
from .session import OrderSession
from .state.order import OrderState
from .state.reported import Hold, PaymentFact
from .state.status import is_live

__all__ = ["PAYMENT_RANK", "hold_changed", "payment_changed", "release_all", "update"]

PAYMENT_RANK = {"pending": 0, "failure": 1, "error": 1, "success": 2}
"""How far a transaction has come: it never goes back."""


def payment_changed(session: OrderSession, payment: PaymentChanged) -> None:
    """Fold a payment transaction. A transaction goes from pending to failure or success, never back."""
    order, known = session.state, session.state.payments.get(payment.transaction_id)
    at = known.at if known else payment.time
    fact = PaymentFact(
        payment.kind, payment.status, payment.amount, payment.currency, payment.payment_id, payment.gateway, at
    )
    if known is not None and PAYMENT_RANK.get(fact.status, 0) < PAYMENT_RANK.get(known.status, 0):
        too_old(session, f"transaction {payment.transaction_id} is {known.status} already")
        return
    order.payments = {**order.payments, payment.transaction_id: fact}
    session.record(
        "PAYMENT_CHANGED", amount=payment.amount, currency=payment.currency, reason=f"{payment.kind} {payment.status}"
    )
    check(session)


def hold_changed(session: OrderSession, change: HoldChanged) -> None:
    """Place or release a hold by hand or by the channel. Releasing MANUAL also tries again what failed or found no depot."""
    if change.hold not in HOLDS:
        raise Rejected("hold.unknown", "hold", f"{change.hold!r} is none of {', '.join(HOLDS)}")
    if change.action == "place":
        _place(session, change)
    elif change.action == "release":
        _release(session, change)
    else:
        raise Rejected("hold.action", "action", f"{change.action!r} is neither place nor release")


def _place(session: OrderSession, change: HoldChanged) -> None:
    order = session.state
    if change.hold in order.placed:
        same_again(session, f"{change.hold} is placed already")
        return
    if not session.by_hand and order.waived.get(change.hold) == change.reason:
        same_again(session, f"{change.hold} was released by hand, and the reason is the same")
        return
    order.placed = {**order.placed, change.hold: Hold(change.reason, change.actor or change.source, change.time)}
    if change.hold in order.holds:  # a check found it before: it now takes both to clear
        session.record("HELD", reason=_said(change.hold, change.reason), actor=change.actor or change.source)


def _release(session: OrderSession, change: HoldChanged) -> None:
    order = session.state
    again = change.hold == "MANUAL" and _try_again(order)
    if not (again or change.hold in order.placed or change.hold in order.holds):
        too_old(session, f"{change.hold} is not in force")
        return
    if change.hold in order.placed and session.by_hand and order.placed[change.hold].actor != session.by_hand:
        # The channel placed it and will go on saying so; a person here knows better.
        order.waived = {**order.waived, change.hold: order.placed[change.hold].reason}
    order.placed = {k: hold for k, hold in order.placed.items() if k != change.hold}
    if change.hold in order.found:
        before = order.waived.get(change.hold, "")
        order.waived = {
            **order.waived,
            change.hold: "; ".join(text for text in (before, order.found[change.hold]) if text),
        }
    if change.hold not in order.holds:
        why = "tried again" if again else change.reason
        session.record(
            "RELEASED", reason=_said(change.hold, why), actor=change.actor or change.source, intervention=True
        )


def _try_again(order: OrderState) -> bool:
    """Undelivered pick orders go out again (same allocation id, so a WMS that did take the first knows it); unfillable units may
    go to any depot again."""
    done = False
    for allocation in order.allocations:
        if allocation.failed:
            allocation.status, allocation.sent, done = "ALLOCATED", False, True
    for line in order.lines:
        if line.unfillable:
            line.unfillable, line.excluded, done = 0, [], True
    order.due = 0
    return done


def update(session: OrderSession) -> None:
    """Bring the holds in force in line with their sources; HELD and RELEASED for each that came or went."""
    order = session.state
    if order.header is not None and not is_live(order):
        release_all(session)
        return
    if not (order.found or order.placed or order.holds) and all(
        allocation.status != "FAILED" for allocation in order.allocations
    ):
        return
    now = _effective(session)
    for name, hold in now.items():
        if name not in order.holds:
            order.holds = {**order.holds, name: hold}
            session.record(
                "HELD",
                reason=_said(name, hold.reason),
                actor=hold.actor,
                intervention=hold.soft,
                decision=_record(session, name, hold) if name in order.found else "",
            )
    gone = [name for name in order.holds if name not in now]
    order.holds = now
    for name in gone:
        _released(session, name)


def _record(session: OrderSession, name: str, hold: Hold) -> str:
    """Which rules hold it and why, as JSON: the pool's own record where it was the pool that found it."""
    said = {
        "rules": session.rules.version,
        "now": session.command.time,
        "hold": name,
        "because": hold.reason.split("; "),
    }
    return session.decision or msgspec.json.encode(said).decode()


def release_all(session: OrderSession) -> None:
    """Nothing is left to hold."""
    gone = list(session.state.holds)
    session.state.holds = {}
    for name in gone:
        session.record("RELEASED", reason=_said(name, "nothing left to hold"), actor="orders")


def _effective(session: OrderSession) -> dict[str, Hold]:
    order, time = session.state, session.command.time
    holds = {
        k: Hold(why, "checks", time) for k, why in order.found.items() if not is_waived(order.waived.get(k, ""), why)
    }
    holds.update(order.placed)
    if "MANUAL" not in holds and any(allocation.failed for allocation in order.allocations):
        holds["MANUAL"] = Hold("a pick order could not be delivered", "orders", time, soft=True)
    # A hold keeps the time it began at; only its reason is told anew.
    return {
        k: Hold(hold.reason, hold.actor, order.holds[k].since, hold.soft) if k in order.holds else hold
        for k, hold in holds.items()
    }


def _released(session: OrderSession, name: str) -> None:
    command = session.command
    by_hand = isinstance(command, HoldChanged)
    actor = (command.actor or command.source) if isinstance(command, HoldChanged) else "checks"
    reason = _said(name, command.reason if isinstance(command, HoldChanged) else "cleared by itself")
    # Somebody mended the address at the channel: the order did not go through untouched.
    session.record("RELEASED", reason=reason, actor=actor, intervention=by_hand or name == "INCORRECT_ADDRESS")


def _said(hold: str, why: str) -> str:
    return f"{hold}: {why}" if why else hold
