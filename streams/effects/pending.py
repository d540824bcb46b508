"""Effects that wait for their next attempt: as a record of ``wharf.effects.retry``, and as an entry of that topic's table.

The headers of a retry record say what was tried: ``wharf-attempt`` (attempts made), ``wharf-not-before`` and ``wharf-first-attempt`` (real
ms), ``wharf-error`` (the last answer), ``wharf-origin`` (topic/partition/offset of the effect). In the table an entry lies under the
effect's id; one more key counts the entries.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from streams.runtime import Headers, Message, Staged, Table

from .dispatcher import Job

__all__ = ["Pending", "add", "count", "entries", "from_message", "remove", "retry_headers", "update"]

COUNT = b"\x00count"
"""Not above zero without a wake-up record under way in the partition."""

_PREFIX = "wharf-"


class Pending(msgspec.Struct, frozen=True, array_like=True):
    """An effect that waits. ``seq``: its offset in the retry topic, which orders the lane; ``message``: what a dead letter shows."""

    effect_id: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    attempts: int
    due: int
    first_at: int
    seq: int
    lane: tuple[str, str]
    error: str
    origin: tuple[str, int, int]
    timestamp: int

    @property
    def message(self) -> Message:
        """The effect as it lay on ``wharf.effects``."""
        topic, partition, offset = self.origin
        return Message(topic, partition, offset, self.key, self.value, self.headers, self.timestamp)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Pending).decode


def retry_headers(message: Message, attempts: int, first_at: int, due: int, error: str) -> Headers:
    """The headers of the record that goes to the retry topic."""
    values = {
        "attempt": str(attempts),
        "not-before": str(due),
        "first-attempt": str(first_at),
        "error": error,
        "origin": f"{message.topic}/{message.partition}/{message.offset}",
    }
    plain = [header for header in message.headers if not header[0].startswith(_PREFIX)]
    return plain + [(_PREFIX + name, value.encode(errors="replace")) for name, value in values.items()]


def from_message(message: Message, job: Job) -> Pending:
    """The entry for a retry record of the job's effect. A header that is missing or no number counts as zero: the effect is tried at once."""
    marks = {name: value.decode(errors="replace") for name, value in message.headers if name.startswith(_PREFIX)}
    numbers = {k: int(v) if v.isdigit() else 0 for k, v in marks.items()}
    return Pending(
        effect_id=job.effect.event_id,
        key=message.key,
        value=message.value,
        headers=[header for header in message.headers if not header[0].startswith(_PREFIX)],
        attempts=numbers.get("wharf-attempt", 0),
        due=numbers.get("wharf-not-before", 0),
        first_at=numbers.get("wharf-first-attempt", 0),
        seq=message.offset,
        lane=job.lane,
        error=marks.get("wharf-error", ""),
        origin=_origin(marks.get("wharf-origin", ""), message),
        timestamp=message.timestamp,
    )


def _origin(text: str, message: Message) -> tuple[str, int, int]:
    topic, _, rest = text.partition("/")
    partition, _, offset = rest.partition("/")
    if topic and partition.isdigit() and offset.isdigit():
        return topic, int(partition), int(offset)
    return message.topic, message.partition, message.offset


def count(table: Table | Staged) -> int:
    """How many effects wait in the partition."""
    packed = table.get(COUNT)
    return int(packed) if packed else 0


def add(table: Staged, pending: Pending) -> None:
    """A new entry; for an effect that waits already, its later record."""
    key = pending.effect_id.encode()
    if table.get(key) is None:
        table.put(COUNT, str(count(table) + 1).encode())
    table.put(key, _encode(pending))


def update(table: Table, pending: Pending) -> None:
    """It was tried and waits on."""
    table.put(pending.effect_id.encode(), _encode(pending))


def remove(table: Table, pending: Pending) -> None:
    """It waits no more."""
    table.delete(pending.effect_id.encode())
    table.put(COUNT, str(count(table) - 1).encode())


def entries(table: Table) -> Iterator[Pending]:
    """The waiting effects, oldest first. One that was added by the transaction that still commits comes the next time."""
    keys = (key for key, _ in table.items() if key != COUNT)
    found = (table.get(key) for key in keys)
    yield from sorted((_decode(value) for value in found if value is not None), key=lambda entry: entry.seq)
