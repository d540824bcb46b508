"""One partition of a table: encoded values by key, under the writes of the cycles that are not committed yet.

Layers, newest first: a record's own writes (``Staged``), the cycle that is being folded, the cycle that is being committed, the
committed base. A cycle's writes reach the base only after its transaction did; where that fails, the process ends.
Values stay encoded (bytes), which the garbage collector need not look at.
"""

from __future__ import annotations

import msgspec

from .head import HEAD, Head, fingerprint

__all__ = ["Change", "Staged", "Table"]

Change = tuple[bytes, bytes | None]
"""A changelog record: key and value, ``None`` for a tombstone."""


class Table:
    """A partition of a table; ``name`` is ``topic/partition``."""

    __slots__ = ("_base", "_committing", "_cycle", "_head", "max_bytes", "name")

    def __init__(self, name: str, base: dict[bytes, bytes], head: Head, max_bytes: int = 1_000_000) -> None:
        self.name = name
        self.max_bytes = max_bytes
        self._base = base
        self._head = head
        self._committing: dict[bytes, bytes | None] = {}
        self._cycle: dict[bytes, bytes | None] = {}

    @classmethod
    def empty(cls, name: str, offset: int = 0, max_bytes: int = 1_000_000) -> Table:
        """A table nothing was ever written to."""
        return cls(name, {}, Head(offset), max_bytes)

    def __len__(self) -> int:
        """Keys in the committed base."""
        return len(self._base)

    @property
    def head(self) -> Head:
        """Where the table stands, the cycle that is being committed included."""
        return self._head

    @property
    def dirty(self) -> bool:
        """Whether the cycle that is being folded wrote anything."""
        return bool(self._cycle)

    def get(self, key: bytes) -> bytes | None:
        """The value as the newest layer has it."""
        if key in self._cycle:
            return self._cycle[key]
        if key in self._committing:
            return self._committing[key]
        return self._base.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Write in the cycle that is being folded. Raises ValueError for a value that Kafka would refuse."""
        check_write(self.name, key, value, self.max_bytes)
        self._cycle[key] = value

    def delete(self, key: bytes) -> None:
        """Delete in the cycle that is being folded."""
        self._cycle[key] = None

    def merge(self, writes: dict[bytes, bytes | None]) -> None:
        """Take over a record's writes."""
        self._cycle.update(writes)

    def drop(self) -> None:
        """Forget the cycle that was being folded."""
        self._cycle = {}

    def seal(self, offset: int) -> list[Change]:
        """Close the cycle at the next input offset: its changelog records, each changed key once, and the new head."""
        if self._committing:
            raise RuntimeError(f"table {self.name}: sealed before the last cycle was applied")
        count, total, base = self._head.count, self._head.total, self._base
        changes: list[Change] = []
        for change in self._cycle.items():
            key, new = change
            old = base.get(key)
            if new == old:
                continue
            changes.append(change)
            if new is not None:
                count += 1
                total += fingerprint(key, new)
            if old is not None:
                count -= 1
                total -= fingerprint(key, old)
        self._head = Head(offset, count, total % (1 << 64))
        self._committing, self._cycle = dict(changes), {}
        changes.append((HEAD, msgspec.msgpack.encode(self._head)))
        return changes

    def apply(self) -> None:
        """The transaction is committed: the sealed writes are the base now."""
        base = self._base
        for key, value in self._committing.items():
            if value is None:
                base.pop(key, None)
            else:
                base[key] = value
        self._committing = {}

    def items(self) -> list[tuple[bytes, bytes]]:
        """The committed base, in key order."""
        return sorted(self._base.items())


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

    def get(self, key: bytes) -> bytes | None:
        """The value as this record sees it."""
        if key in self.writes:
            return self.writes[key]
        table = self._table  # its layers here once more: a call costs as much as the look-up
        if key in table._cycle:
            return table._cycle[key]
        if key in table._committing:
            return table._committing[key]
        return table._base.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Write, if the record is folded whole. Raises ValueError for a value that Kafka would refuse."""
        if not key or key == HEAD or len(key) + len(value) > self._table.max_bytes:
            check_write(self._table.name, key, value, self._table.max_bytes)
        self.writes[key] = value

    def delete(self, key: bytes) -> None:
        """Delete, if the record is folded whole."""
        self.writes[key] = None
