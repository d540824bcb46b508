"""ClickHouse in memory, as far as the sink relies on it: insert tokens, ReplacingMergeTree's FINAL, and answers that never come."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from .kernel import Crashed, Kernel, Process

__all__ = ["ClickHouse", "ClickHouseFailed", "Client"]


class ClickHouseFailed(Exception):
    """It did not answer; what was asked may have happened."""


class ClickHouse:
    """The server. ``tokens`` False: it does not drop a repeated insert (the default of a plain MergeTree)."""

    name = "clickhouse"

    def __init__(self, kernel: Kernel, tokens: bool = True) -> None:
        self.kernel = kernel
        self.rows: dict[str, list[dict[str, Any]]] = {"order_events": [], "pool_events": []}
        self.progress: list[dict[str, Any]] = []
        self.source: list[str] = []
        self.trouble = 0.0
        """Probability that a call fails, before or after it was done."""
        self.inserted = self.dropped = 0
        self._tokens: dict[str, set[str]] | None = {} if tokens else None
        self._late: list[tuple[float, tuple[Any, ...]]] = []

    def apply(self, table: str, rows: list[dict[str, Any]], token: str) -> None:
        """Do an insert."""
        if table == "sink_progress":
            self.progress += rows
        elif table == "sink_source":
            self.source += [r["cluster_id"] for r in rows]
        else:
            seen = None if self._tokens is None else self._tokens.setdefault(table, set())
            if seen is not None and token in seen:
                self.dropped += 1
                return
            if seen is not None:
                seen.add(token)
            self.rows[table] += rows
            self.inserted += 1

    def final(self) -> list[dict[str, Any]]:
        """``sink_progress FINAL``: of each partition and owner the row with the highest version, of equals the last; the highest owner last."""
        found: dict[tuple[str, int, int], dict[str, Any]] = {}
        for row in self.progress:
            key = (row["topic"], row["kafka_partition"], row["owner"])
            if key not in found or row["version"] >= found[key]["version"]:
                found[key] = row
        return [found[key] for key in sorted(found)]

    def final_progress(self) -> dict[tuple[str, int], dict[str, Any]]:
        """The range of the highest owner that stored one, by partition."""
        return {(r["topic"], r["kafka_partition"]): r for r in self.final() if r["state"] != "CLAIM"}

    def look(self) -> list[tuple[Any, ...]]:
        """What the sink asks of it: topic, partition, highest owner, ranges, and the bounds and state of the highest owner with a range."""
        owners: dict[tuple[str, int], int] = {(r["topic"], r["kafka_partition"]): r["owner"] for r in self.final()}
        ranges = self.final_progress()
        return [
            (*key, owner, 1, r["first_offset"], r["last_offset"], r["state"])
            if (r := ranges.get(key))
            else (*key, owner, 0, 0, 0, "")
            for key, owner in owners.items()
        ]

    def later(self, insert: tuple[Any, ...]) -> None:
        """The client died, but the request is on its way."""
        self._late.append((self.kernel.now + self.kernel.random.random() * 0.5, insert))

    def due(self) -> float | None:
        return min((t for t, _ in self._late), default=None)

    def step(self) -> None:
        when, insert = min(self._late, key=lambda x: x[0])
        self._late.remove((when, insert))
        self.apply(*insert)


class Client:
    """A clickhouse-connect client of one process."""

    def __init__(self, server: ClickHouse, process: Process) -> None:
        self._server = server
        self._process = process
        self._kernel = server.kernel

    def query(self, sql: str) -> Any:
        self._kernel.point(self._process, "before sink query")
        self._trouble()
        if "sink_source" in sql:
            return SimpleNamespace(result_rows=[(x,) for x in self._server.source])
        assert "sink_progress FINAL" in sql, sql
        answer = self._server.look()
        self._kernel.point(self._process, "after sink query")
        return SimpleNamespace(result_rows=answer)

    def create_insert_context(self, table: str, names: list[str]) -> Any:
        return SimpleNamespace(column_types=[None] * len(names))

    def insert(  # noqa: PLR0917  # clickhouse-connect's own signature
        self,
        table: str,
        data: list[Any],
        column_names: list[str],
        column_types: Any = None,
        column_oriented: bool = False,
        settings: dict[str, Any] | None = None,
    ) -> None:
        rows = list(zip(*data, strict=True)) if column_oriented else data
        dicts = [dict(zip(column_names, row, strict=True)) for row in rows]
        token = str((settings or {}).get("insert_deduplication_token", ""))
        what = "sink progress" if table.startswith("sink_") else "sink insert"
        try:
            self._kernel.point(self._process, f"before {what}")
        except Crashed:
            if what == "sink insert" and self._kernel.random.random() < 0.5:
                self._server.later((table, dicts, token))
            raise
        self._trouble()
        self._server.apply(table, dicts, token)
        self._kernel.note(self._process.name, "inserted", table, token or [list(r.values())[:5] for r in dicts])
        self._kernel.point(self._process, f"after {what}")
        self._trouble()

    def _trouble(self) -> None:
        if self._kernel.random.random() < self._server.trouble:
            raise ClickHouseFailed("no answer in time")
