"""Which orders of a partition want to be told the time, and when: kept in the table beside them, by the hour.

An order says so in ``OrderState.wake`` (units that nobody can deliver are given up after some days, a hold comes to its end). An entry is only a reminder: an
order that is no longer due makes nothing of a tick.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from .runtime import Staged

__all__ = ["HOURS_KEY", "remind", "take_due"]

HOURS_KEY = b"\x00hours"
"""The hours (since 1970) that have a list of orders, under ``\\x00due/HOUR``."""

_HOUR_MS = 3_600_000

_encode = msgspec.msgpack.Encoder().encode
_decode_keys = msgspec.msgpack.Decoder(list[bytes]).decode


def remind(table: Staged, key: bytes, due: int) -> None:
    """Have the order ticked once ``due`` (UTC ms) is past; at the end of that hour, if the ticks come so often."""
    hour = -(-due // _HOUR_MS)
    hours = _hours(table.get(HOURS_KEY))
    if hour not in hours:
        table.put(HOURS_KEY, _encode(sorted([*hours, hour])))
    keys = _keys(table, hour)
    if key not in keys:
        table.put(_bucket(hour), _encode([*keys, key]))


def take_due(table: Staged, now: int) -> list[bytes]:
    """The orders whose hour has come, each once; they are forgotten with it."""
    hours = _hours(table.get(HOURS_KEY))
    past = [h for h in hours if h * _HOUR_MS <= now]
    keys = [key for hour in past for key in _keys(table, hour)]
    for hour in past:
        table.delete(_bucket(hour))
    if past:
        table.put(HOURS_KEY, _encode([h for h in hours if h not in past]))
    return list(dict.fromkeys(keys))


def _bucket(hour: int) -> bytes:
    return b"\x00due/%d" % hour


def _keys(table: Staged, hour: int) -> list[bytes]:
    kept = table.get(_bucket(hour))
    return _decode_keys(kept) if kept else []


@lru_cache(maxsize=64)
def _hours(kept: bytes | None) -> tuple[int, ...]:
    return tuple(msgspec.msgpack.decode(kept, type=list[int])) if kept else ()
