"""What became of a label, a notice to the dock, a word to the channel. None of them stops a return; a failure wants a person."""

from __future__ import annotations

from domain.order.session import Turn
from domain.records.commands import EffectOutcome

from .book import book, told

__all__ = ["return_effect_outcome"]


def return_effect_outcome(turn: Turn, c: EffectOutcome, redriven: bool) -> None:
    """Fold the outcome; of a return made at the channel the answer's reference is the channel's id of it."""
    r = next((r for r in book(turn).rmas if c.effect_id in r.effects), None)
    if not c.ok:
        if r is not None and r.effects[c.effect_id] == "label":
            r.label = ""
        turn.event(
            "EFFECT_FAILED",
            reason=f"{c.kind} to {c.target}: {c.error}",
            intervention=True,
            rma=(r.id, r.kind) if r else ("", ""),
        )
    elif r is not None and r.effects[c.effect_id] == "create":
        r.return_id = r.return_id or c.reference
        told(turn, "CHANNEL_NOTIFIED", r, [], reason=c.reference, intervention=redriven)
