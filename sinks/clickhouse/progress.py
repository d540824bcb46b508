"""The progress of each partition, kept in ClickHouse next to the rows it speaks of, and who may write it.

A sink that stood still (SIGSTOP, a long pause of its machine) while another took its partition over, and then wakes up, would insert what
it had in hand: the same events under another token, for its range was cut elsewhere. So whoever is given a partition first **claims** it
with a number above all others, and only the highest number inserts:

1. claim: store the number, and only then read the progress.
2. write: store the range (BEFORE) under the own number, then look whether a higher number is there (``Fenced``), then insert.

Of two sinks at least one sees the other. Either the old one's look comes after the new one's claim: then it inserts nothing. Or its range was
stored before that claim: then the new one reads it, and repeats it with the same bounds and token, so that ClickHouse keeps one of the two, in
whatever order they arrive. What an old number stores later is not looked at once a higher one has stored a range. docs/adr/0005-sink-fencing.md tells more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .batches import Batch, Key
from .ranges import State, Stored

__all__ = ["CLAIM", "Fenced", "Standing", "StateMismatch", "claim_partitions", "claim_source", "load", "look", "store"]

CLAIM = "CLAIM"
"""The state of a row that says only whose turn it is."""
_RANDOM_BITS = 24
_COLUMNS = ["topic", "kafka_partition", "owner", "first_offset", "last_offset", "state", "version"]
_LOOK = f"""
SELECT topic, kafka_partition, max(owner), countIf(state != '{CLAIM}'), argMaxIf(first_offset, owner, state != '{CLAIM}'),
    argMaxIf(last_offset, owner, state != '{CLAIM}'), argMaxIf(state, owner, state != '{CLAIM}')
FROM sink_progress FINAL GROUP BY topic, kafka_partition
"""  # noqa: S608  # our own word


class StateMismatch(RuntimeError):
    """ClickHouse holds progress of another Kafka, or of topics that were made anew: its offsets mean nothing here."""


class Fenced(RuntimeError):
    """Another sink has claimed the partition since."""

    def __init__(self, key: Key, ours: int, theirs: int) -> None:
        super().__init__(f"{key[0]}/{key[1]}: claimed by another sink ({theirs} after {ours})")


@dataclass(frozen=True, slots=True)
class Standing:
    """One partition: the highest owner, and the range that the highest owner who stored one has stored."""

    owner: int
    stored: Stored | None


def claim_source(client: Any, cluster_id: str) -> None:
    """Remember the Kafka cluster at the first start. Raises StateMismatch where it was another then."""
    known = [row[0] for row in client.query("SELECT cluster_id FROM sink_source ORDER BY since").result_rows]
    if not known:
        client.insert("sink_source", [[cluster_id]], column_names=["cluster_id"])
    elif cluster_id not in known:
        raise StateMismatch(
            f"these ClickHouse tables were filled from Kafka cluster {known[0]}, this is {cluster_id}: use another database (or "
            "WHARF_HOME); for a mirror with the same offsets, insert its id into sink_source"
        )


def claim_partitions(client: Any, keys: Iterable[Key], random: int) -> dict[Key, int]:
    """Take these partitions over; returns the number for each. ``random``: tells two apart that claim at the same moment."""
    there = look(client)
    numbers = {
        key: (((there[key].owner if key in there else 0) >> _RANDOM_BITS) + 1 << _RANDOM_BITS)
        + random % (1 << _RANDOM_BITS)
        for key in keys
    }
    _insert(client, [[*key, number, 0, 0, CLAIM, 0] for key, number in numbers.items()])
    return numbers


def look(client: Any) -> dict[Key, Standing]:
    """Where every partition stands, in one query."""
    return {
        (topic, partition): Standing(owner, Stored(first, last, State(state)) if ranges else None)
        for topic, partition, owner, ranges, first, last, state in client.query(_LOOK).result_rows
    }


def load(client: Any) -> dict[Key, Stored]:
    """The stored range of every partition that has one."""
    return {key: state.stored for key, state in look(client).items() if state.stored is not None}


def store(client: Any, batches: Iterable[Batch], state: State, owners: Mapping[Key, int]) -> None:
    """Write the ranges of the batches under the owners' numbers, in one insert."""
    _insert(
        client,
        [
            [
                *batch.key,
                owners.get(batch.key, 0),
                batch.first,
                batch.last,
                state.value,
                2 * batch.last + 1 + (state is State.AFTER),
            ]
            for batch in batches
        ],
    )


def _insert(client: Any, rows: list[list[Any]]) -> None:
    if rows:
        client.insert("sink_progress", rows, column_names=_COLUMNS, settings={"async_insert": 0})
