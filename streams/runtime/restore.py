"""A table's way back: read its changelog, compare it with what the group committed, say where to go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import Any, NamedTuple
from zlib import crc32

import msgspec
import structlog
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from schemas.damage import unreadable

from .config import RuntimeConfig, admin_client, restore_properties
from .errors import LogDamaged, passing
from .head import HEAD, Head, start_offset
from .message import TP
from .table import Table

__all__ = ["Cancelled", "Progress", "Restored", "check_content", "read_changelog", "restore_table"]

log = structlog.get_logger(__name__)

Progress = Callable[[float], None]
"""Told how much of the changelog was read, 0 to 1."""

_CHUNK = 10_000
_REPORT_SECONDS = 2.0
_QUIET_SECONDS = 30.0


class Cancelled(Exception):
    """The partition was taken away while it was being restored."""


class Restored(NamedTuple):
    """A partition ready to run: its table (None for an agent without one) and the input offset to begin at."""

    table: Table | None
    start: int


def restore_table(
    config: RuntimeConfig, changelog: TP, committed: int | None, cancelled: Event, progress: Progress
) -> Restored:
    """Rebuild a partition of a table. Raises StateLost, Cancelled or KafkaException. Blocks; runs in a thread of its own."""
    name = f"{changelog[0]}/{changelog[1]}"
    content = read_changelog(config, changelog, cancelled, progress)
    head, start = check_content(name, content, committed)
    return Restored(Table(name, content, head, config.max_record_bytes), start)


def check_content(name: str, content: dict[bytes, bytes], committed: int | None) -> tuple[Head, int]:
    """Take the head out of a changelog's content and hold it against the rest: the head, and the input offset to go on at.

    Raises StateLost.
    """
    packed = content.pop(HEAD, None)
    head = msgspec.msgpack.decode(packed, type=Head) if packed else None
    total = 0
    for key, value in content.items():
        total += crc32(value, crc32(key))  # head.fingerprint; a million calls less
    start = start_offset(name, head, count=len(content), total=total % (1 << 64), committed=committed)
    return head or Head(0), start


def read_changelog(config: RuntimeConfig, tp: TP, cancelled: Event, progress: Progress) -> dict[bytes, bytes]:
    """The last value of each key.

    It reads to the end of the log as it is now, open transactions included, and read_committed makes it wait until those are
    decided. Stopping at the last stable offset is not enough: the coordinator marks the partitions of a committed transaction one after
    the other, so the group's offsets can be final while the changelog still waits for its marker.
    """
    target = _end(config, tp)
    content: dict[bytes, bytes] = {}
    if target == 0:
        return content
    reader = config.port.consumer(restore_properties(config))
    try:
        reader.assign([TopicPartition(*tp, 0)])
        _read(reader, tp, target, content, cancelled=cancelled, progress=progress)
    finally:
        reader.close()
    return content


def _read(
    reader: Any, tp: TP, target: int, content: dict[bytes, bytes], *, cancelled: Event, progress: Progress
) -> None:
    began = reported = heard = time.monotonic()
    records = 0
    while not cancelled.is_set():
        got = reader.consume(_CHUNK, 0.02)
        heard = time.monotonic() if got else heard
        if (
            time.monotonic() - heard > _QUIET_SECONDS
        ):  # it may have lost its leader for good (see stall): the next reader has not
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"nothing came of {tp[0]}/{tp[1]}"))
        for message in got:
            if message.error() is not None:
                if _at_end(message, target):
                    progress(1.0)
                    log.info("table restored", table=tp[0], partition=tp[1], records=records, keys=len(content),
                             seconds=round(time.monotonic() - began, 2))  # fmt: skip
                    return
                continue
            records += 1
            key, value = message.key(), message.value()
            if value is None:
                content.pop(key, None)
            else:
                content[key] = value
        if records and time.monotonic() - reported > _REPORT_SECONDS:
            reported = time.monotonic()
            done = message.offset() / target
            progress(done)
            log.info("restoring table", table=tp[0], partition=tp[1], percent=round(100 * done))
    raise Cancelled


def _at_end(message: Any, target: int) -> bool:
    """Whether the reader came to the end it set out for; at an earlier end an open transaction still has to be decided."""
    error = message.error()
    if error.code() == KafkaError._PARTITION_EOF:
        return bool(message.offset() >= target)
    if damage := unreadable(message):
        raise LogDamaged(
            f"table {damage}; or delete the topic {message.topic()}, have `wharf up` make it anew and run `wharf replay state`"
        )
    if not passing(error):
        raise KafkaException(error)
    return False


def _end(config: RuntimeConfig, tp: TP) -> int:
    """A client of its own each time: one that once heard of no leader asks nobody again for long. Raises KafkaException."""
    admin = admin_client(config)
    spec = {TopicPartition(*tp): OffsetSpec.latest()}
    [future] = admin.list_offsets(spec, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=30).values()
    return int(future.result().offset)
