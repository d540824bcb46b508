"""What became of what was to be done outside: delivered, or given up after all retries; and what was tried again by hand."""

from __future__ import annotations

from domain.errors import Rejected
from domain.records.commands import EffectOutcome

from .cancel_refunds import cancel_outcome
from .dedupe import once, same_again
from .fulfilment.pullback import stop_asking
from .returns.credit_payment import asked_again, credit_outcome
from .returns.outcomes import return_effect_outcome
from .session import Turn, event_line
from .state.order import Allocation

__all__ = ["effect_outcome"]

_BEFORE_WORK = frozenset({"ALLOCATED", "SUBMITTED", "FAILED"})


def effect_outcome(turn: Turn, c: EffectOutcome) -> None:
    """Fold an outcome; ``kind`` is the effect's type. Raises Rejected for a pick order of an unknown allocation."""
    if not asked_again(turn, c) and not once(turn, f"outcome/{c.effect_id}/{c.ok}/{c.attempts}"):
        return
    s = turn.state
    redriven = c.ok and c.effect_id in s.failed
    if c.ok:
        s.failed = {k: v for k, v in s.failed.items() if k != c.effect_id}
    else:
        s.failed = {**s.failed, c.effect_id: c.kind}
    if c.kind == "ChannelCancel":
        cancel_outcome(turn, c, redriven)
    if c.kind == "PickOrder":
        _pick_order(turn, c, redriven)
    elif c.kind == "Credit":
        credit_outcome(turn, c, redriven)
    elif c.kind in ("ReturnLabel", "ReturnExpected", "ChannelReturn"):
        return_effect_outcome(turn, c, redriven)
    elif c.kind == "CustomerMessage":
        _message(turn, c)
    elif not c.ok:
        _failed(turn, c)
    elif c.kind == "ChannelShipment":
        _shipment(turn, c, redriven)


def _pick_order(turn: Turn, c: EffectOutcome, redriven: bool) -> None:
    a = turn.allocation(c.allocation_id)
    if a is None:
        raise Rejected("allocation.unknown", "allocation_id", f"{c.allocation_id!r} is no allocation of {c.order_key}")
    if not c.ok:
        if not a.heard and any(x.live for x in a.lines):
            a.status = "FAILED"
            stop_asking(turn, a)
        _failed(turn, c, a)
        return
    if a.reference and a.reference == c.reference:
        same_again(turn, f"pick order {a.id} is {c.reference} already")
        return
    a.reference = c.reference
    if a.status in _BEFORE_WORK:
        a.status, a.sent = "SUBMITTED", True
    lines = [event_line(line, x.live) for x in a.lines if x.live and (line := turn.line(x.line_id)) is not None]
    turn.event("SUBMITTED", lines, allocation=a, reason=c.reference, intervention=redriven)


def _failed(turn: Turn, c: EffectOutcome, a: Allocation | None = None) -> None:
    a = a or turn.allocation(c.allocation_id)
    if c.kind == "PickOrderCancel" and a is not None and not a.at_wms:
        turn.state.failed = {k: v for k, v in turn.state.failed.items() if k != c.effect_id}
        return  # it was only to make sure: the pick order itself never arrived
    turn.event("EFFECT_FAILED", allocation=a, reason=f"{c.kind} to {c.target}: {c.error}", intervention=True)


def _shipment(turn: Turn, c: EffectOutcome, redriven: bool) -> None:
    x = next((x for x in turn.state.shipments if x.effect_id == c.effect_id), None)
    if x is not None:
        x.notified, x.reference = True, c.reference
    a = turn.allocation(c.allocation_id)
    turn.event("CHANNEL_NOTIFIED", allocation=a, shipment=x, reason=c.reference, intervention=redriven)


def _message(turn: Turn, c: EffectOutcome) -> None:
    """A customer who can't be reached stops nothing, and nobody has to step in: no intervention, whatever comes of it."""
    what = f"{c.target} {c.reference}".rstrip() if c.ok else f"{c.kind} to {c.target}: {c.error}"
    turn.event("CUSTOMER_NOTIFIED" if c.ok else "EFFECT_FAILED", reason=what)
