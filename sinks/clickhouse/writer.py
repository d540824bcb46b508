"""Batches into ClickHouse, each event once, wherever a crash falls.

For every part of a batch: store its bounds (BEFORE) → dead letters → insert under a token made of the bounds → store them
again (AFTER). Whatever is cut off in the middle is decided anew from what ClickHouse holds (`ranges.decide`), so that a retry
and a restart are the same thing. Any call may raise; then call `write` again with the same batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import progress
from .batches import Batch, Poison
from .ranges import Action, Incomplete, State, decide
from .rows import TABLES, columns

__all__ = ["Writer", "token"]


def token(batch: Batch) -> str:
    """``topic-partition-first-last``: the same range has the same token."""
    return f"{batch.topic}-{batch.partition}-{batch.first}-{batch.last}"


class Writer:
    """Writes through a clickhouse-connect client (HTTP or chdb).

    ``dead_letters`` must return only when they are safe in Kafka.
    """

    def __init__(self, client: Any, dead_letters: Callable[[Sequence[Poison]], None]) -> None:
        self._client = client
        self._dead_letters = dead_letters
        self._contexts: dict[str, Any] = {}

    def write(self, batches: Sequence[Batch]) -> list[Batch]:
        """Write what is not in yet; returns the batches that now are, whole.

        A batch that must first grow to a stored range is left out. Raises Rewind (`ranges`) and whatever the client raises.
        """
        stored = progress.load(self._client)
        repeat: list[Batch] = []
        insert: list[Batch] = []
        done: list[Batch] = []
        for batch in batches:
            try:
                steps = decide(stored.get(batch.key), batch.first, batch.last)
            except Incomplete:
                continue
            done.append(batch)
            for step in steps:
                if step.action is not Action.SKIP:
                    (repeat if step.action is Action.REPEAT else insert).append(batch.cut(step.first, step.last))
        self._put(repeat)
        progress.store(self._client, repeat, State.AFTER)
        # A partition's BEFORE says that all below it is in: so the repeated ranges had to be finished first.
        progress.store(self._client, insert, State.BEFORE)
        self._put(insert)
        progress.store(self._client, insert, State.AFTER)
        return done

    def _put(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            if batch.poison:
                self._dead_letters(batch.poison)
            if batch.events:
                self._insert(batch)

    def _insert(self, batch: Batch) -> None:
        table = TABLES[batch.topic]
        data = columns(table, batch.events, batch.offsets, batch.partition)
        names = list(data)
        if table.name not in self._contexts:  # asks for the columns' types once
            self._contexts[table.name] = self._client.create_insert_context(table.name, names).column_types
        self._client.insert(
            table.name,
            list(data.values()),
            column_names=names,
            column_types=self._contexts[table.name],
            column_oriented=True,
            settings={"insert_deduplication_token": token(batch), "async_insert": 0, "insert_deduplicate": 1},
        )
