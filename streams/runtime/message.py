"""A record as it comes in and as it goes out."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["NO_HEADERS", "TP", "Headers", "Message", "Output"]

TP = tuple[str, int]
"""A topic and one of its partitions."""

Headers = list[tuple[str, bytes]]
NO_HEADERS: Headers = []
"""Shared by all messages without: nobody changes a message's headers."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """A consumed record. ``timestamp``: UTC ms as Kafka has it. A key or value that is null reads as ``b""``."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Headers
    timestamp: int

    @classmethod
    def of(cls, raw: Any) -> Message:
        """From confluent-kafka's message, whose accessors are calls."""
        return cls(
            raw.topic(),
            raw.partition(),
            raw.offset(),
            raw.key() or b"",
            raw.value() or b"",
            raw.headers() or NO_HEADERS,
            raw.timestamp()[1],
        )


class Output(msgspec.Struct, frozen=True, gc=False):
    """A record to be produced. ``partition`` -1: by the key (murmur2, as Java's clients do)."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers
    partition: int = -1
