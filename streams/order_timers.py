"""Which orders of a partition want to be told the time, and when: kept in the table beside them, by the hour, the next hour's by the minute.

An order says so in ``OrderState.wake`` (units that nobody can deliver are given up after some days, a hold comes to its end, a message to
the customer has waited for what belongs into it). An entry is only a reminder: an order that is no longer due makes nothing of a tick. A
list is cut into pieces: a shop that runs dry may give up thousands of orders in one hour, and each reminder would write all the others again.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from .runtime import Staged

__all__ = ["HOURS_KEY", "MINUTES_KEY", "PIECE", "remind", "take_due"]

HOURS_KEY = b"\x00hours"
"""The hours (since 1970) that have a list of orders, under ``\\x00due/HOUR``."""

MINUTES_KEY = b"\x00minutes"
"""The minutes that have one, under ``\\x00due/m/MINUTE``: only of the next hour, so there are never many."""

PIECE = 100
"""Orders in one piece of a list; its full pieces are ``\\x00due/HOUR/N``."""

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000

_encode = msgspec.msgpack.Encoder().encode
_decode_keys = msgspec.msgpack.Decoder(list[bytes]).decode


class _Lists:
    """Lists of orders by a unit of time."""

    def __init__(self, index: bytes, unit_ms: int, prefix: bytes) -> None:
        self.index, self.unit_ms, self._prefix = index, unit_ms, prefix

    def add(self, table: Staged, key: bytes, due: int) -> None:
        """At the end of the unit that ``due`` lies in."""
        at = -(-due // self.unit_ms)
        times = _times(table.get(self.index))
        if at not in times:
            table.put(self.index, _encode(sorted([*times, at])))
        keys = _keys(table, self._bucket(at))
        if key in keys:
            return
        if len(keys) >= PIECE:
            full = self._pieces(table, at)
            table.put(self._bucket(at, full), _encode(keys))
            table.put(self._counter(at), b"%d" % (full + 1))
            keys = []
        table.put(self._bucket(at), _encode([*keys, key]))

    def take(self, table: Staged, now: int) -> list[bytes]:
        """The orders whose time has come; they are forgotten with it."""
        times = _times(table.get(self.index))
        past = [time for time in times if time * self.unit_ms <= now]
        keys: list[bytes] = []
        for at in past:
            full = self._pieces(table, at)
            for bucket in (*(self._bucket(at, n) for n in range(full)), self._bucket(at)):
                keys += _keys(table, bucket)
                table.delete(bucket)
            if full:
                table.delete(self._counter(at))
        if past:
            table.put(self.index, _encode([time for time in times if time not in past]))
        return keys

    def _bucket(self, at: int, piece: int | None = None) -> bytes:
        """Of the full pieces one; else the list that is being filled."""
        return b"%s%d" % (self._prefix, at) if piece is None else b"%s%d/%d" % (self._prefix, at, piece)

    def _counter(self, at: int) -> bytes:
        return b"%s%d/full" % (self._prefix, at)

    def _pieces(self, table: Staged, at: int) -> int:
        return int(table.get(self._counter(at)) or 0)


_HOURS = _Lists(HOURS_KEY, _HOUR_MS, b"\x00due/")
_MINUTES = _Lists(MINUTES_KEY, _MINUTE_MS, b"\x00due/m/")


def remind(table: Staged, key: bytes, due: int, now: int | None = None) -> None:
    """Have the order ticked once ``due`` (UTC ms) is past: at the end of that minute where it is at most an hour from ``now``, else of that
    hour; if the ticks come so often.
    """
    (_HOURS if now is None or due - now > _HOUR_MS else _MINUTES).add(table, key, due)


def take_due(table: Staged, now: int) -> list[bytes]:
    """The orders whose hour or minute has come, each once."""
    return list(dict.fromkeys([*_HOURS.take(table, now), *_MINUTES.take(table, now)]))


def _keys(table: Staged, bucket: bytes) -> list[bytes]:
    kept = table.get(bucket)
    return _decode_keys(kept) if kept else []


@lru_cache(maxsize=128)
def _times(kept: bytes | None) -> tuple[int, ...]:
    return tuple(msgspec.msgpack.decode(kept, type=list[int])) if kept else ()
