"""Which orders of a partition want to be told the time, and when: kept in the table beside them, by the hour.

An order says so in ``OrderState.wake`` (units that nobody can deliver are given up after some days, a hold comes to its end). An entry is
only a reminder: an order that is no longer due makes nothing of a tick. An hour's list is cut into pieces: a shop that runs dry may
give up thousands of orders in one hour, and each reminder would write all the others again.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from .runtime import Staged

__all__ = ["HOURS_KEY", "PIECE", "remind", "take_due"]

HOURS_KEY = b"\x00hours"
"""The hours (since 1970) that have a list of orders, under ``\\x00due/HOUR``."""

PIECE = 100
"""Orders in one piece of an hour's list; its full pieces are ``\\x00due/HOUR/N``."""

_HOUR_MS = 3_600_000

_encode = msgspec.msgpack.Encoder().encode
_decode_keys = msgspec.msgpack.Decoder(list[bytes]).decode


def remind(table: Staged, key: bytes, due: int) -> None:
    """Have the order ticked once ``due`` (UTC ms) is past; at the end of that hour, if the ticks come so often."""
    hour = -(-due // _HOUR_MS)
    hours = _hours(table.get(HOURS_KEY))
    if hour not in hours:
        table.put(HOURS_KEY, _encode(sorted([*hours, hour])))
    keys = _keys(table, _bucket(hour))
    if key in keys:
        return
    if len(keys) >= PIECE:
        full = _pieces(table, hour)
        table.put(_bucket(hour, full), _encode(keys))
        table.put(_counter(hour), b"%d" % (full + 1))
        keys = []
    table.put(_bucket(hour), _encode([*keys, key]))


def take_due(table: Staged, now: int) -> list[bytes]:
    """The orders whose hour has come, each once; they are forgotten with it."""
    hours = _hours(table.get(HOURS_KEY))
    past = [h for h in hours if h * _HOUR_MS <= now]
    keys: list[bytes] = []
    for hour in past:
        full = _pieces(table, hour)
        for bucket in (*(_bucket(hour, n) for n in range(full)), _bucket(hour)):
            keys += _keys(table, bucket)
            table.delete(bucket)
        if full:
            table.delete(_counter(hour))
    if past:
        table.put(HOURS_KEY, _encode([h for h in hours if h not in past]))
    return list(dict.fromkeys(keys))


def _bucket(hour: int, piece: int | None = None) -> bytes:
    """Of an hour's full pieces one; else the list that is being filled."""
    return b"\x00due/%d" % hour if piece is None else b"\x00due/%d/%d" % (hour, piece)


def _counter(hour: int) -> bytes:
    return b"\x00due/%d/full" % hour


def _pieces(table: Staged, hour: int) -> int:
    return int(table.get(_counter(hour)) or 0)


def _keys(table: Staged, bucket: bytes) -> list[bytes]:
    kept = table.get(bucket)
    return _decode_keys(kept) if kept else []


@lru_cache(maxsize=64)
def _hours(kept: bytes | None) -> tuple[int, ...]:
    return tuple(msgspec.msgpack.decode(kept, type=list[int])) if kept else ()
