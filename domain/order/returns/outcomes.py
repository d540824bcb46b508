"""What became of a label, a notice to the dock, a word to the channel. None of them stops a return; a failure wants a person."""

from __future__ import annotations

from domain.order.session import OrderSession
from domain.records.commands import EffectOutcome

from .book import book, record_return

__all__ = ["return_effect_outcome"]


def return_effect_outcome(session: OrderSession, command: EffectOutcome, redriven: bool) -> None:
    """Fold the outcome; of a return made at the channel the answer's reference is the channel's id of it."""
    rma = next((r for r in book(session).rmas if command.effect_id in r.effects), None)
    if not command.ok:
        if rma is not None and rma.effects[command.effect_id] == "label":
            rma.label = ""
        session.record(
            "EFFECT_FAILED",
            reason=f"{command.kind} to {command.target}: {command.error}",
            intervention=True,
            rma=(rma.id, rma.kind) if rma else ("", ""),
        )
    elif rma is not None and rma.effects[command.effect_id] == "create":
        rma.return_id = rma.return_id or command.reference
        record_return(session, "CHANNEL_NOTIFIED", rma, [], reason=command.reference, intervention=redriven)
