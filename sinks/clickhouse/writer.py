"""Batches into ClickHouse, each event once, wherever a crash falls.

For every part of a batch: store its bounds (BEFORE) → see that nobody took the partition over → dead letters → insert under a token
made of the bounds → store them again (AFTER). Whatever is cut off in the middle is decided anew from what ClickHouse holds (`ranges.decide`), so that a retry
and a restart are the same thing. Any call may raise; then call `write` again with the same batches.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from . import progress
from .avro import AvroTable
from .batches import Batch, Key, Poison
from .progress import Fenced, Standing
from .ranges import Action, Incomplete, State, decide
from .rows import TABLES, columns

__all__ = ["Writer", "in_process", "token"]

log = structlog.get_logger(__name__)
_AVRO = {topic: AvroTable(table) for topic, table in TABLES.items()}
_ONE_BLOCK = 1 << 30
_WHOLE: dict[str, Any] = {
    # One insert is one block, which is there or is not, and which one token names.
    "max_threads": 1,
    "max_insert_threads": 1,
    "max_block_size": _ONE_BLOCK,
    "max_insert_block_size": _ONE_BLOCK,
    "min_insert_block_size_rows": _ONE_BLOCK,
    "min_insert_block_size_bytes": 0,
}


def in_process(client: Any) -> bool:
    """Whether the client is chdb's: then ClickHouse reads the records themselves, from a file."""
    return str(getattr(client, "uri", "")).startswith("chdb://")


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
        self._owners: dict[Key, int] = {}
        self.events = self.poison = 0
        """Events and dead letters written, repeats too."""

    def claim(self, keys: Iterable[Key], random: int) -> None:
        """Become the one who writes these partitions; read the progress only after it (`progress`)."""
        self._owners |= progress.claim_partitions(self._client, keys, random)

    def write(self, batches: Sequence[Batch]) -> list[Batch]:
        """Write what is not in yet; returns the batches that now are, whole.

        A batch that must first grow to a stored range is left out. Raises Rewind (`ranges`), Fenced, and whatever the client raises.
        """
        there = progress.look(self._client)
        self._check_ours(batches, there)
        repeat: list[Batch] = []
        insert: list[Batch] = []
        done: list[Batch] = []
        for batch in batches:
            try:
                steps = decide(there[batch.key].stored if batch.key in there else None, batch.first, batch.last)
            except Incomplete:
                continue
            done.append(batch)
            for step in steps:
                if step.action is not Action.SKIP:
                    (repeat if step.action is Action.REPEAT else insert).append(batch.cut(step.first, step.last))
        self._put(repeat)
        progress.store(self._client, repeat, State.AFTER, self._owners)
        # A partition's BEFORE says that all below it is in: so the repeated ranges had to be finished first.
        if insert:
            progress.store(self._client, insert, State.BEFORE, self._owners)
            self._check_ours(insert, progress.look(self._client))
            self._put(insert)
            progress.store(self._client, insert, State.AFTER, self._owners)
        return done

    def _check_ours(self, batches: Iterable[Batch], there: Mapping[Key, Standing]) -> None:
        """Raise Fenced where somebody has claimed one of these partitions after us."""
        for key in {batch.key for batch in batches}:
            ours, highest = self._owners.get(key, 0), there[key].owner if key in there else 0
            if highest > ours:
                raise Fenced(key, ours, highest)

    def _put(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            if batch.poison:
                self._dead_letters(batch.poison)
            if batch.offsets:
                self._insert(batch)
            self.events += len(batch.offsets)
            self.poison += len(batch.poison)

    def _insert(self, batch: Batch) -> None:
        if batch.messages and not self._insert_as_is(batch):
            batch.read()
            if batch.poison:
                self._dead_letters(batch.poison)
        if batch.events:
            self._insert_columns(batch)

    def _insert_as_is(self, batch: Batch) -> bool:
        """Whether ClickHouse read the records and took them. Where it did and the answer was lost, the token keeps them from doubling."""
        values = [message.value() or b"" for message in batch.messages]
        data = _AVRO[batch.topic].file(values, batch.offsets)
        if data is None:
            return False
        with tempfile.TemporaryDirectory(prefix="wharf-sink-") as folder:
            file = Path(folder) / "events.avro"
            file.write_bytes(data)
            try:
                statement = _AVRO[batch.topic].statement(str(file), batch.partition)
                self._client.command(statement, settings={**_settings(batch), **_WHOLE})
            except Exception as e:
                log.warning("not inserted as they are, reading one by one", batch=token(batch), error=str(e)[:300])
                return False
        return True

    def _insert_columns(self, batch: Batch) -> None:
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
            settings=_settings(batch),
        )


def _settings(batch: Batch) -> dict[str, Any]:
    return {"insert_deduplication_token": token(batch), "async_insert": 0, "insert_deduplicate": 1}
