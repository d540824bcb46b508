"""An append-only ledger: what a simulated channel or warehouse knows to have happened, for checks that share no code with Wharfinger.

Each entry is written before its effect is seen outside (an answer, a webhook), so the ledger never knows less than the
other side. With a path, each entry is one JSON line, flushed at once; an existing file is continued, never overwritten.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from ops.clock import Clock, system

__all__ = ["VIOLATION", "Entry", "EventLog"]

Entry = dict[str, Any]
"""``n`` (from 1), ``at`` (UTC ms by the simulator's clock), ``kind``, and the fields of that kind."""

VIOLATION = "violation"
"""The kind of an entry that must never be: shipped twice, shipped from nothing. A sound run has none."""


class EventLog:
    """Entries in order. Not safe for threads: a simulator is one event loop."""

    def __init__(self, path: Path | None = None, now: Clock = system) -> None:
        self._now = now
        self._entries: list[Entry] = []
        self._file: IO[str] | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                self._entries = [json.loads(line) for line in path.read_text().splitlines() if line]
            self._file = path.open("a", encoding="utf-8", buffering=1)

    def append(self, kind: str, **fields: Any) -> Entry:
        """Write an entry; its number and time are set here."""
        entry: Entry = {"n": len(self._entries) + 1, "at": self._now(), "kind": kind, **fields}
        if self._file is not None:
            self._file.write(json.dumps(entry, separators=(",", ":"), default=str) + "\n")
        self._entries.append(entry)
        return entry

    def violation(self, reason: str, **fields: Any) -> Entry:
        """Write down what must never be."""
        return self.append(VIOLATION, reason=reason, **fields)

    def entries(self, kind: str = "", since: int = 0) -> list[Entry]:
        """Entries of a kind (``""``: all) after number ``since``."""
        return [e for e in self._entries[since:] if not kind or e["kind"] == kind]

    def violations(self) -> list[Entry]:
        """What must never be."""
        return self.entries(VIOLATION)

    def as_json(self, kind: str = "", since: int = 0) -> dict[str, Any]:
        """The answer of ``GET /_ledger``: ``entries``, ``violations`` (all), ``next`` (the ``since`` to go on from)."""
        return {
            "entries": self.entries(kind, since),
            "violations": self.violations(),
            "next": len(self._entries),
        }

    def __len__(self) -> int:
        return len(self._entries)

    def close(self) -> None:
        """Close the ledger's file."""
        if self._file is not None:
            self._file.close()
            self._file = None
