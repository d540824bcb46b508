"""Is a restored table the one that the group's offsets speak of? A pure comparison, with a head record as the witness.

Every transaction that moves an input partition on also writes one record, key ``\\x00head``, to that partition of the table's
changelog: the input offset the table now stands at, how many keys it holds and a sum over them. Compaction keeps it, whatever
else it drops; a deleted topic, a cut one (``delete_records``, a retention set by mistake) or a lost tail can't agree with it.
"""

from __future__ import annotations

import zlib

import msgspec

from .errors import StateLost

__all__ = ["BEGINNING", "HEAD", "Head", "fingerprint", "start_offset"]

HEAD = b"\x00head"
BEGINNING = -2
"""librdkafka's logical offset for the first record there is."""


class Head(msgspec.Struct, frozen=True, array_like=True):
    """``offset``: the next input offset; ``count``: keys in the table; ``total``: sum of their fingerprints, modulo 2**64."""

    offset: int
    count: int = 0
    total: int = 0


def fingerprint(key: bytes, value: bytes) -> int:
    """32 bits over key and value: a guard against loss, not against malice."""
    return zlib.crc32(value, zlib.crc32(key))


def start_offset(name: str, head: Head | None, *, count: int, total: int, committed: int | None) -> int:
    """Where to go on reading the input, given what the changelog holds and the group's committed offset.

    Raises StateLost, naming the way back. The comments say what each branch is for, with a table that stood at input offset 40
    with 3 keys.
    """
    if head is None and committed is None and not count:
        return BEGINNING  # a new group on a new topic
    if head is None:  # the topic was deleted and made anew, or cut past its last record
        raise _lost(
            name, f"its changelog holds {count} keys and no head, but the group stands at input offset {committed}"
        )
    if (count, total) != (head.count, head.total):  # 2 keys are left, or 3 of which one is an older value
        raise _lost(
            name, f"its changelog was cut: it should hold {head.count} keys, {count} are left of them or they differ"
        )
    if committed is None:  # Kafka forgets the offsets of a group that stood still for a week; the table does not
        return head.offset
    if committed != head.offset:  # 44: the changelog lost its tail; 12: somebody reset the group's offsets
        raise _lost(name, f"its changelog stands at input offset {head.offset}, but the group at {committed}")
    return committed


def _lost(name: str, what: str) -> StateLost:
    return StateLost(f"table {name}: {what}. Going on would lose state: stop the workers and run `wharf replay state`")
