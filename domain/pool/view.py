"""Where a pool's records are kept: the view a caller provides, and one in memory."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, cast

import msgspec

from .state import KINDS

__all__ = ["MemoryPool", "PoolView", "Work"]

T = TypeVar("T", bound=msgspec.Struct)


class PoolView(Protocol):
    """The records of one pool by kind (``pool_state.KINDS``) and id.

    ``load`` gives an object the domain may change: a new one, never one that somebody else holds. The domain saves and deletes
    only at the end of a command that succeeds, each record at most once, so nothing has to be undone when it raises.
    """

    def load(self, kind: type[T], id: str) -> T | None:
        """The record, or None."""
        ...

    def save(self, id: str, value: msgspec.Struct) -> None:
        """Keep a record (its type is the kind)."""
        ...

    def delete(self, kind: type[msgspec.Struct], id: str) -> None:
        """Drop a record that is there."""
        ...


class MemoryPool:
    """A view in memory that keeps records as bytes, like a table does. ``data``: (kind's name, id) → msgpack."""

    def __init__(self) -> None:
        self.data: dict[tuple[str, str], bytes] = {}
        self._decoders: dict[type[Any], msgspec.msgpack.Decoder[Any]] = {k: msgspec.msgpack.Decoder(k) for k in KINDS}
        self._encoder = msgspec.msgpack.Encoder()

    def load(self, kind: type[T], id: str) -> T | None:
        """The record, decoded anew."""
        raw = self.data.get((KINDS[kind], id))
        return None if raw is None else cast("T", self._decoders[kind].decode(raw))

    def save(self, id: str, value: msgspec.Struct) -> None:
        """Encode the record and keep it until the commit."""
        self.data[KINDS[type(value)], id] = self._encoder.encode(value)

    def delete(self, kind: type[msgspec.Struct], id: str) -> None:
        """Drop the record under this key."""
        del self.data[KINDS[kind], id]


class Work:
    """One command's working set: each record is loaded once, changed in place, and written at the end (unit of work)."""

    def __init__(self, view: PoolView) -> None:
        self._view = view
        self._held: dict[tuple[type[Any], str], Any] = {}
        self._stored: set[tuple[type[Any], str]] = set()
        self._dirty: dict[tuple[type[Any], str], None] = {}

    def get(self, kind: type[T], id: str) -> T | None:
        """The record as this command has it by now."""
        key = (kind, id)
        if key not in self._held:
            value = self._view.load(kind, id)
            self._held[key] = value
            if value is not None:
                self._stored.add(key)
        return cast("T | None", self._held[key])

    def get_or(self, id: str, new: T) -> T:
        """The record, or ``new``, which is kept only if somebody puts it."""
        found = self.get(type(new), id)
        if found is None:
            self._held[type(new), id] = found = new
        return found

    def put(self, id: str, value: msgspec.Struct) -> None:
        """The record is new or was changed."""
        key = (type(value), id)
        if key not in self._held:
            self.get(*key)
        self._held[key] = value
        self._dirty[key] = None

    def drop(self, kind: type[msgspec.Struct], id: str) -> None:
        """Drop the record of this key from the view."""
        self.get(kind, id)  # is it stored at all?
        self._held[kind, id] = None
        self._dirty[kind, id] = None

    def flush(self) -> None:
        """Write what changed, in the order it first changed."""
        for kind, id in self._dirty:
            value = self._held[kind, id]
            if value is not None:
                self._view.save(id, value)
            elif (kind, id) in self._stored:
                self._view.delete(kind, id)
