"""Carrying out effects: attempts, back-off, a breaker per target. The agents are in ``streams/effects/agent.py``."""

from __future__ import annotations

from . import lanes, pending
from . import outcomes as publish
from .dispatcher import Desk, Done, Failed, Job, Later, NoConnection, Result, Sender
from .policy import Policy

__all__ = [
    "Desk",
    "Done",
    "Failed",
    "Job",
    "Later",
    "NoConnection",
    "Policy",
    "Result",
    "Sender",
    "lanes",
    "pending",
    "publish",
]
