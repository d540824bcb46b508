"""Logs that are not what a group's offsets speak of: cut, deleted and made anew, or with bytes that can't be read. What is said of them."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError

__all__ = ["cut", "unreadable"]

_UNREADABLE = (KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION, KafkaError.INVALID_MSG, KafkaError.INVALID_RECORD)


def cut(place: str, at: int, low: int, high: int) -> str:
    """Why a group that stands at ``at`` can't go on in a log that holds ``low`` up to before ``high``; ``""`` where it can. ``place``: ``topic/partition``."""
    if at > high:
        return f"{place}: the group stands at offset {at}, but the log ends at {high}: it was cut, or deleted and made anew"
    if at < low:
        return f"{place}: the group stands at offset {at}, but the log begins at {low}: {low - at} offsets were deleted before they were worked"
    return ""


def unreadable(message: Any) -> str:
    """What to tell of a consumer's error that comes of damaged bytes, with the way out; ``""`` for any other. ``message`` carries the error."""
    error = message.error()
    if error.code() not in _UNREADABLE:
        return ""
    place = f"{message.topic()}/{message.partition()}"
    return (
        f"{place}: the log can't be read at offset {message.offset()}: {error.str()}. The broker's segment is damaged: with Kafka stopped, "
        "bring the partition's files back from a replica or a backup"
    )
