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
from .session import Turn
from .state.order import OrderState
from .state.reported import Hold, PaymentFact
from .state.status import is_live

__all__ = ["PAYMENT_RANK", "hold_changed", "payment_changed", "release_all", "update"]

PAYMENT_RANK = {"pending": 0, "failure": 1, "error": 1, "success": 2}
"""How far a transaction has come: it never goes back."""


def payment_changed(turn: Turn, c: PaymentChanged) -> None:
    """Fold a payment transaction. A transaction goes from pending to failure or success, never back."""
    s, known = turn.state, turn.state.payments.get(c.transaction_id)
    at = known.at if known else c.time
    fact = PaymentFact(c.kind, c.status, c.amount, c.currency, c.payment_id, c.gateway, at)
    if known is not None and PAYMENT_RANK.get(fact.status, 0) < PAYMENT_RANK.get(known.status, 0):
        too_old(turn, f"transaction {c.transaction_id} is {known.status} already")
        return
    s.payments = {**s.payments, c.transaction_id: fact}
    turn.event("PAYMENT_CHANGED", amount=c.amount, currency=c.currency, reason=f"{c.kind} {c.status}")
    check(turn)


def hold_changed(turn: Turn, c: HoldChanged) -> None:
    """Place or release a hold by hand or by the channel. Releasing MANUAL also tries again what failed or found no depot."""
    if c.hold not in HOLDS:
        raise Rejected("hold.unknown", "hold", f"{c.hold!r} is none of {', '.join(HOLDS)}")
    if c.action == "place":
        _place(turn, c)
    elif c.action == "release":
        _release(turn, c)
    else:
        raise Rejected("hold.action", "action", f"{c.action!r} is neither place nor release")


def _place(turn: Turn, c: HoldChanged) -> None:
    s = turn.state
    if c.hold in s.placed:
        same_again(turn, f"{c.hold} is placed already")
        return
    if not turn.by_hand and s.waived.get(c.hold) == c.reason:
        same_again(turn, f"{c.hold} was released by hand, and the reason is the same")
        return
    s.placed = {**s.placed, c.hold: Hold(c.reason, c.actor or c.source, c.time)}
    if c.hold in s.holds:  # a check found it before: it now takes both to clear
        turn.event("HELD", reason=_said(c.hold, c.reason), actor=c.actor or c.source)


def _release(turn: Turn, c: HoldChanged) -> None:
    s = turn.state
    again = c.hold == "MANUAL" and _try_again(s)
    if not (again or c.hold in s.placed or c.hold in s.holds):
        too_old(turn, f"{c.hold} is not in force")
        return
    if c.hold in s.placed and turn.by_hand and s.placed[c.hold].actor != turn.by_hand:
        # The channel placed it and will go on saying so; a person here knows better.
        s.waived = {**s.waived, c.hold: s.placed[c.hold].reason}
    s.placed = {k: v for k, v in s.placed.items() if k != c.hold}
    if c.hold in s.found:
        before = s.waived.get(c.hold, "")
        s.waived = {**s.waived, c.hold: "; ".join(x for x in (before, s.found[c.hold]) if x)}
    if c.hold not in s.holds:
        why = "tried again" if again else c.reason
        turn.event("RELEASED", reason=_said(c.hold, why), actor=c.actor or c.source, intervention=True)


def _try_again(s: OrderState) -> bool:
    """Undelivered pick orders go out again (same allocation id, so a WMS that did take the first knows it); unfillable units may
    go to any depot again."""
    done = False
    for a in s.allocations:
        if a.failed:
            a.status, a.sent, done = "ALLOCATED", False, True
    for x in s.lines:
        if x.unfillable:
            x.unfillable, x.excluded, done = 0, [], True
    s.due = 0
    return done


def update(turn: Turn) -> None:
    """Bring the holds in force in line with their sources; HELD and RELEASED for each that came or went."""
    s = turn.state
    if s.header is not None and not is_live(s):
        release_all(turn)
        return
    if not (s.found or s.placed or s.holds) and all(a.status != "FAILED" for a in s.allocations):
        return
    now = _effective(turn)
    for name, hold in now.items():
        if name not in s.holds:
            s.holds = {**s.holds, name: hold}
            turn.event(
                "HELD",
                reason=_said(name, hold.reason),
                actor=hold.actor,
                intervention=hold.soft,
                decision=_record(turn, name, hold) if name in s.found else "",
            )
    gone = [name for name in s.holds if name not in now]
    s.holds = now
    for name in gone:
        _released(turn, name)


def _record(turn: Turn, name: str, hold: Hold) -> str:
    """Which rules hold it and why, as JSON: the pool's own record where it was the pool that found it."""
    said = {"rules": turn.rules.version, "now": turn.command.time, "hold": name, "because": hold.reason.split("; ")}
    return turn.decision or msgspec.json.encode(said).decode()


def release_all(turn: Turn) -> None:
    """Nothing is left to hold."""
    gone = list(turn.state.holds)
    turn.state.holds = {}
    for name in gone:
        turn.event("RELEASED", reason=_said(name, "nothing left to hold"), actor="orders")


def _effective(turn: Turn) -> dict[str, Hold]:
    s, time = turn.state, turn.command.time
    holds = {k: Hold(why, "checks", time) for k, why in s.found.items() if not is_waived(s.waived.get(k, ""), why)}
    holds.update(s.placed)
    if "MANUAL" not in holds and any(a.failed for a in s.allocations):
        holds["MANUAL"] = Hold("a pick order could not be delivered", "orders", time, soft=True)
    # A hold keeps the time it began at; only its reason is told anew.
    return {k: Hold(v.reason, v.actor, s.holds[k].since, v.soft) if k in s.holds else v for k, v in holds.items()}


def _released(turn: Turn, name: str) -> None:
    c = turn.command
    by_hand = isinstance(c, HoldChanged)
    actor = (c.actor or c.source) if isinstance(c, HoldChanged) else "checks"
    reason = _said(name, c.reason if isinstance(c, HoldChanged) else "cleared by itself")
    # Somebody mended the address at the channel: the order did not go through untouched.
    turn.event("RELEASED", reason=reason, actor=actor, intervention=by_hand or name == "INCORRECT_ADDRESS")


def _said(hold: str, why: str) -> str:
    return f"{hold}: {why}" if why else hold
