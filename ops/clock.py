"""The clock that processes are given: the machine's, or (for demonstrations) a faster one that all processes share."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

__all__ = ["Clock", "from_setting", "speed", "system"]

Clock = Callable[[], int]
"""Gives now as UTC milliseconds since 1970."""


def system() -> int:
    """Clock of the machine, in UTC milliseconds."""
    return time.time_ns() // 1_000_000


def from_setting(text: str) -> Clock:
    """The clock that ``WHARF_CLOCK`` describes: ``""`` is the machine's; ``START@ORIGIN*SPEED`` runs ``SPEED`` times as fast and
    stood at ``START`` (ISO 8601) when the machine's clock stood at ``ORIGIN`` (epoch ms).

    Raises ValueError with the expected form.
    """
    if not text:
        return system
    start, origin, factor = _read(text)
    return lambda: start + int((time.time_ns() / 1_000_000 - origin) * factor)


def speed(text: str) -> float:
    """How many times as fast as the machine's clock it runs: 1 without a setting. Raises ValueError."""
    return _read(text)[2] if text else 1.0


def _read(text: str) -> tuple[int, int, float]:
    """Start (ms of the clock), origin (ms of the machine's clock), speed."""
    try:
        start_text, rest = text.split("@")
        origin_text, speed_text = rest.split("*")
        start = int(datetime.fromisoformat(start_text).timestamp() * 1000)
        return start, int(origin_text), float(speed_text)
    except ValueError as e:
        raise ValueError(
            f"WHARF_CLOCK: {text!r} is not START@ORIGIN_MS*SPEED (2026-11-23T07:00:00+00:00@1760000000000*600)"
        ) from e
