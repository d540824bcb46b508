"""What became of what was to be done outside: delivered, or given up after all retries; and what was tried again by hand."""

from __future__ import annotations

from domain.errors import Rejected
from domain.records.commands import EffectOutcome

from .cancel_refunds import cancel_outcome
from .dedupe import once, same_again
from .fulfilment.pullback import stop_asking
from .returns.credit_payment import asked_again, credit_outcome
from .returns.outcomes import return_effect_outcome
from .session import OrderSession, event_line
from .state.order import Allocation

__all__ = ["effect_outcome"]

_BEFORE_WORK = frozenset({"ALLOCATED", "SUBMITTED", "FAILED"})


def effect_outcome(session: OrderSession, command: EffectOutcome) -> None:
    """Fold an outcome; ``kind`` is the effect's type. Raises Rejected for a pick order of an unknown allocation."""
    if not asked_again(session, command) and not once(
        session, f"outcome/{command.effect_id}/{command.ok}/{command.attempts}"
    ):
        return
    state = session.state
    redriven = command.ok and command.effect_id in state.failed
    if command.ok:
        state.failed = {k: v for k, v in state.failed.items() if k != command.effect_id}
    else:
        state.failed = {**state.failed, command.effect_id: command.kind}
    if command.kind == "ChannelCancel":
        cancel_outcome(session, command, redriven)
    if command.kind == "PickOrder":
        _pick_order(session, command, redriven)
    elif command.kind == "Credit":
        credit_outcome(session, command, redriven)
    elif command.kind in ("ReturnLabel", "ReturnExpected", "ChannelReturn"):
        return_effect_outcome(session, command, redriven)
    elif command.kind == "CustomerMessage":
        _message(session, command)
    elif not command.ok:
        _failed(session, command)
    elif command.kind == "ChannelShipment":
        _shipment(session, command, redriven)


def _pick_order(session: OrderSession, command: EffectOutcome, redriven: bool) -> None:
    allocation = session.allocation(command.allocation_id)
    if allocation is None:
        raise Rejected(
            "allocation.unknown", "allocation_id", f"{command.allocation_id!r} is no allocation of {command.order_key}"
        )
    if not command.ok:
        if not allocation.heard and any(alloc_line.live for alloc_line in allocation.lines):
            allocation.status = "FAILED"
            stop_asking(session, allocation)
        _failed(session, command, allocation)
        return
    if allocation.reference and allocation.reference == command.reference:
        same_again(session, f"pick order {allocation.id} is {command.reference} already")
        return
    allocation.reference = command.reference
    if allocation.status in _BEFORE_WORK:
        allocation.status, allocation.sent = "SUBMITTED", True
    lines = [
        event_line(line, alloc_line.live)
        for alloc_line in allocation.lines
        if alloc_line.live and (line := session.line(alloc_line.line_id)) is not None
    ]
    session.record("SUBMITTED", lines, allocation=allocation, reason=command.reference, intervention=redriven)


def _failed(session: OrderSession, command: EffectOutcome, allocation: Allocation | None = None) -> None:
    allocation = allocation or session.allocation(command.allocation_id)
    if command.kind == "PickOrderCancel" and allocation is not None and not allocation.at_wms:
        session.state.failed = {k: v for k, v in session.state.failed.items() if k != command.effect_id}
        return  # it was only to make sure: the pick order itself never arrived
    session.record(
        "EFFECT_FAILED",
        allocation=allocation,
        reason=f"{command.kind} to {command.target}: {command.error}",
        intervention=True,
    )


def _shipment(session: OrderSession, command: EffectOutcome, redriven: bool) -> None:
    shipment = next((x for x in session.state.shipments if x.effect_id == command.effect_id), None)
    if shipment is not None:
        shipment.notified, shipment.reference = True, command.reference
    allocation = session.allocation(command.allocation_id)
    session.record(
        "CHANNEL_NOTIFIED", allocation=allocation, shipment=shipment, reason=command.reference, intervention=redriven
    )


def _message(session: OrderSession, command: EffectOutcome) -> None:
    """A customer who can't be reached stops nothing, and nobody has to step in: no intervention, whatever comes of it."""
    what = (
        f"{command.target} {command.reference}".rstrip()
        if command.ok
        else f"{command.kind} to {command.target}: {command.error}"
    )
    session.record("CUSTOMER_NOTIFIED" if command.ok else "EFFECT_FAILED", reason=what)
