"""A dead letter: the record as it came, with the headers of ``schemas.dead_letters`` saying where and why it failed."""

from __future__ import annotations

from schemas import dead_letters

from .message import Message, Output

__all__ = ["dead_letter"]


def dead_letter(
    topic: str, message: Message, error: BaseException, stage: str, *, worker: str, max_bytes: int = 1_000_000
) -> Output:
    """The record for the DLQ ``topic``.

    A value that would no longer fit with these headers is left out (``dead_letters.OMITTED`` holds its size).
    """
    headers = dead_letters.clean(message.headers) + dead_letters.cause(
        error,
        topic=message.topic,
        at=(message.partition, message.offset),
        stage=stage,
        by=worker,
        module=__name__,
    )
    value = message.value
    if len(value) + len(message.key) + sum(len(k) + len(v or b"") for k, v in headers) > max_bytes:
        headers.append((dead_letters.OMITTED, str(len(value)).encode()))
        value = b""
    return Output(topic, message.key, value, headers)
