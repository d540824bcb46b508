"""One partition of a table: encoded values by key, with what it takes to go back to the last commit.

Writes go straight into one dict, so that a look-up is one call. A cycle keeps the value that each key had before it; a transaction that is
being committed keeps its own until it is through (where it fails, the process ends). A record has either its own writes over the table
(``Staged``: several may be open at once) or a trail to take back (``Trail``: one after the other, at a third of the cost).
Values stay encoded (bytes), which the garbage collector need not look at.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import msgspec

from .head import HEAD, Head

__all__ = ["Change", "Staged", "Table", "Trail"]

Change = tuple[bytes, bytes | None]
"""A changelog record: key and value, ``None`` for a tombstone."""

_crc = zlib.crc32


class Table:
    """A partition of a table; ``name`` is ``topic/partition``."""

    __slots__ = ("_before", "_committing", "_content", "_head", "_keys", "max_bytes", "name")

    def __init__(self, name: str, content: dict[bytes, bytes], head: Head, max_bytes: int = 1_000_000) -> None:
        self.name = name
        self.max_bytes = max_bytes
        self._content = content
        self._head = head
        self._keys = len(content)
        self._before: dict[bytes, bytes | None] = {}
        """What the keys were before the cycle that is being folded wrote them."""
        self._committing: dict[bytes, bytes | None] = {}
        """What they were before the cycle that is being committed did."""

    @classmethod
    def empty(cls, name: str, offset: int = 0, max_bytes: int = 1_000_000) -> Table:
        """A table nothing was ever written to."""
        return cls(name, {}, Head(offset), max_bytes)

    def __len__(self) -> int:
        """Keys as of the last commit."""
        return self._keys

    @property
    def head(self) -> Head:
        """Where the table stands, the cycle that is being committed included."""
        return self._head

    @property
    def dirty(self) -> bool:
        """Whether the cycle that is being folded wrote anything."""
        return bool(self._before)

    def get(self, key: bytes) -> bytes | None:
        """The value as last written."""
        return self._content.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Write in the cycle that is being folded. Raises ValueError for a value that Kafka would refuse."""
        check_write(self.name, key, value, self.max_bytes)
        self._before.setdefault(key, self._content.get(key))
        self._content[key] = value

    def delete(self, key: bytes) -> None:
        """Delete in the cycle that is being folded."""
        self._before.setdefault(key, self._content.pop(key, None))

    def merge(self, writes: dict[bytes, bytes | None]) -> None:
        """Take over a record's writes."""
        before, content = self._before, self._content
        for key in writes:
            before.setdefault(key, content.get(key))
        _write(content, writes)

    def drop(self) -> None:
        """Forget the cycle that was being folded."""
        _write(self._content, self._before)
        self._before = {}

    def seal(self, offset: int) -> list[Change]:
        """Close the cycle at the next input offset: its changelog records, each changed key once, and the new head."""
        if self._committing:
            raise RuntimeError(f"table {self.name}: sealed before the last cycle was applied")
        count, total, content = self._head.count, self._head.total, self._content
        changes: list[Change] = []
        for key, old in self._before.items():
            new = content.get(key)
            if new == old:
                continue
            changes.append((key, new))
            of_key = _crc(key)  # as ``head.fingerprint``, which would take the key's twice
            if new is not None:
                count += 1
                total += _crc(new, of_key)
            if old is not None:
                count -= 1
                total -= _crc(old, of_key)
        self._head = Head(offset, count, total % (1 << 64))
        self._committing, self._before = self._before, {}
        changes.append((HEAD, msgspec.msgpack.encode(self._head)))
        return changes

    def apply(self) -> None:
        """The transaction is committed: there is no way back behind it any more."""
        self._committing = {}
        self._keys = self._head.count

    def items(self) -> list[tuple[bytes, bytes]]:
        """All as of the last commit, in key order."""
        content = self._content.copy()
        _write(content, self._before)
        _write(content, self._committing)
        return sorted(content.items())


def _write(content: dict[bytes, bytes], values: dict[bytes, bytes | None]) -> None:
    for key, value in values.items():
        if value is None:
            content.pop(key, None)
        else:
            content[key] = value


def check_write(name: str, key: bytes, value: bytes, max_bytes: int) -> None:
    """Raise ValueError where a write can't become a changelog record."""
    if key == HEAD or not key:
        raise ValueError(f"table {name}: the key {key!r} is the runtime's own")
    if len(key) + len(value) > max_bytes:
        raise ValueError(
            f"table {name}: {len(value)} bytes under {key[:80]!r} are more than the {max_bytes} Kafka takes"
        )


class Staged:
    """A record's own writes over a table; they count only when the record was folded whole."""

    __slots__ = ("_table", "writes")

    def __init__(self, table: Table) -> None:
        self._table = table
        self.writes: dict[bytes, bytes | None] = {}

    def get(self, key: bytes, /) -> bytes | None:
        """The value as this record sees it."""
        if key in self.writes:
            return self.writes[key]
        return self._table.get(key)

    def put(self, key: bytes, value: bytes, /) -> None:
        """Write, if the record is folded whole. Raises ValueError for a value that Kafka would refuse."""
        if not key or key == HEAD or len(key) + len(value) > self._table.max_bytes:
            check_write(self._table.name, key, value, self._table.max_bytes)
        self.writes[key] = value

    def delete(self, key: bytes, /) -> None:
        """Delete, if the record is folded whole."""
        self.writes[key] = None


class Trail(Staged):
    """The same for records that are folded one after the other: writes go into the table at once, and ``undo`` takes them back.

    It lives within one cycle. ``get`` is the dict's own, for a Python call costs more than the look-up.
    """

    __slots__ = ("_before", "_content", "_max_bytes", "get", "steps")

    get: Callable[[bytes], bytes | None]

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self._before = table._before
        self._content = table._content
        self._max_bytes = table.max_bytes
        self.get = self._content.get
        self.steps: list[tuple[bytes, bytes | None]] = []
        """What the record wrote, and what was there before; to be cleared between two records."""

    def put(self, key: bytes, value: bytes, /) -> None:
        """Write. Raises ValueError for a value that Kafka would refuse."""
        if not key or key == HEAD or len(key) + len(value) > self._max_bytes:
            check_write(self._table.name, key, value, self._max_bytes)
        content = self._content
        old = content.get(key)
        self.steps.append((key, old))
        self._before.setdefault(key, old)
        content[key] = value

    def delete(self, key: bytes, /) -> None:
        """Delete the value under this key."""
        old = self._content.pop(key, None)
        self.steps.append((key, old))
        self._before.setdefault(key, old)

    def undo(self) -> None:
        """Take back what the record wrote."""
        content = self._content
        for key, old in reversed(self.steps):
            if old is None:
                content.pop(key, None)
            else:
                content[key] = old
        self.steps.clear()
