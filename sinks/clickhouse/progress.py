"""The progress of each partition, kept in ClickHouse next to the rows it speaks of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .batches import Batch, Key
from .ranges import State, Stored

__all__ = ["StateMismatch", "claim", "load", "store"]

_COLUMNS = ["topic", "kafka_partition", "first_offset", "last_offset", "state", "version"]


class StateMismatch(RuntimeError):
    """ClickHouse holds progress of another Kafka, or of topics that were made anew: its offsets mean nothing here."""


def claim(client: Any, cluster_id: str) -> None:
    """Remember the Kafka cluster at the first start. Raises StateMismatch where it was another then."""
    known = [row[0] for row in client.query("SELECT cluster_id FROM sink_source ORDER BY since").result_rows]
    if not known:
        client.insert("sink_source", [[cluster_id]], column_names=["cluster_id"])
    elif cluster_id not in known:
        raise StateMismatch(
            f"these ClickHouse tables were filled from Kafka cluster {known[0]}, this is {cluster_id}: use another database (or "
            "WHARF_HOME); for a mirror with the same offsets, insert its id into sink_source"
        )


def load(client: Any) -> dict[Key, Stored]:
    """The stored range of every partition."""
    sql = "SELECT topic, kafka_partition, first_offset, last_offset, state FROM sink_progress FINAL"
    rows = client.query(sql).result_rows
    return {(topic, partition): Stored(first, last, State(state)) for topic, partition, first, last, state in rows}


def store(client: Any, batches: Iterable[Batch], state: State) -> None:
    """Write the ranges of the batches, in one insert."""
    rows = [[b.topic, b.partition, b.first, b.last, state.value, 2 * b.last + (state is State.AFTER)] for b in batches]
    if rows:
        client.insert("sink_progress", rows, column_names=_COLUMNS, settings={"async_insert": 0})
