"""What a sender is told."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["CLOSE", "DEAD_LETTER", "STORED", "Answer"]

CLOSE = {"connection": "close"}
"""What is left of the request is not read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the channel is told. ``outcome`` is the counted name of it."""

    status: int
    outcome: str
    detail: str = ""
    headers: dict[str, str] = field(default_factory=dict)


STORED = Answer(200, "stored")
DEAD_LETTER = Answer(200, "dead_letter")
"""Genuine but not translatable: kept for a person to mend, and the channel need not send it again."""
