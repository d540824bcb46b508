"""The metadata every record begins with, and ids that come out the same when a record is made again."""

from __future__ import annotations

import hashlib

import msgspec

__all__ = ["NAMESPACE", "Record", "uuid5"]

NAMESPACE = bytes.fromhex("6f9a2c1e4b7d5e0f8a3b9c2d1e0f4a5b")
"""The namespace of every id that Wharfinger makes."""

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""A UUID's 17th digit has the variant in its upper two bits."""


class Record(msgspec.Struct, frozen=True):
    """What every record begins with.

    ``event_id``: unique, a UUID; ``type``: what it is (``OrderUpserted``, ``PLACED`` …); ``time``: when Wharfinger took it
    in or decided it, UTC ms: the clock every decision looks at; ``source``: who made it (``shopify:acme/webhook``,
    ``orders``); ``trace``: W3C trace id, 32 hex digits, the same from the webhook to the last effect.
    """

    event_id: str
    type: str
    time: int
    source: str
    trace: str


def uuid5(key: str, seq: int, kind: str) -> str:
    """The UUID (version 5, RFC 9562) of the ``seq``-th thing that the aggregate ``key`` made.

    Made again by a replay or after a crash, it is the same; so the receiver can tell a repeat from a new thing.
    """
    text = hashlib.sha1(NAMESPACE + f"{key}\x1f{seq}\x1f{kind}".encode(), usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"
