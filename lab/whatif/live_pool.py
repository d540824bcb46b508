"""A pool for what-if runs: works on the records themselves, counts events and keeps none."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import msgspec

from domain.pool.session import PoolSession
from domain.pool.view import PoolView, Work

__all__ = ["LivePool", "LiveWork", "QuietSession", "T"]

T = TypeVar("T", bound=msgspec.Struct)


class LivePool:
    """A pool's records as they are, not as bytes: three times as quick. Commands are refused before they change anything, so nothing
    half done stays behind (``domain.pool.view.PoolView`` asks for copies, for a caller can't know that).
    """

    def __init__(self) -> None:
        self.kept: dict[tuple[type[Any], str], Any] = {}

    def load(self, kind: type[T], id: str) -> T | None:
        """Return the record that is kept here."""
        found: T | None = self.kept.get((kind, id))
        return found

    def save(self, id: str, value: msgspec.Struct) -> None:
        """Keep the record under its key."""
        self.kept[type(value), id] = value

    def delete(self, kind: type[msgspec.Struct], id: str) -> None:
        """Drop the record under this key."""
        del self.kept[kind, id]


class LiveWork(Work):
    """Works on the records of a ``LivePool`` themselves: nothing is gathered, nothing is written at the end."""

    def __init__(self, view: PoolView) -> None:
        self._kept = cast("LivePool", view).kept

    def get(self, kind: type[T], id: str) -> T | None:
        """Return the record that is kept here."""
        found: T | None = self._kept.get((kind, id))
        return found

    def get_or(self, id: str, new: T) -> T:
        """The record; ``new`` is kept at once, for it is empty."""
        found: T = self._kept.setdefault((type(new), id), new)
        return found

    def put(self, id: str, value: msgspec.Struct) -> None:
        """Keep the record under its key."""
        self._kept[type(value), id] = value

    def drop(self, kind: type[msgspec.Struct], id: str) -> None:
        """Drop the record under this key."""
        self._kept.pop((kind, id), None)

    def flush(self) -> None:
        """It is all there already."""


class QuietSession(PoolSession):
    """Nobody reads a simulated pool's events, nor the ids of what it sends: they are only counted (queues sort by that, and a bundle's
    parcel is named by it)."""

    unit_of_work = LiveWork

    def event(self, type: str, **_: Any) -> str:
        """Count one event of the pool."""
        self._meta.seq += 1
        self.save_meta()
        return f"{self.pool}/{self._meta.seq}"

    def _command_id(self, type: str) -> str:
        return ""
