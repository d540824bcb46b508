"""A dead letter: the record as it came, with Kafka Connect's ``__connect.errors.*`` headers saying where and why it failed.

The names are Connect's (KIP-298), so that tools which know them can read our DLQ. The record's own headers (``ce_*``,
``traceparent``) stay in front.
"""

from __future__ import annotations

import traceback

from .message import Headers, Message, Output

__all__ = ["FOLD", "PREFIX", "VALUE_CONVERTER", "dead_letter", "error_headers"]

PREFIX = "__connect.errors."
VALUE_CONVERTER = "VALUE_CONVERTER"
"""Stage: the bytes could not be decoded."""
FOLD = "TRANSFORMATION"
"""Stage: the record was read but could not be applied."""

_STACK_LIMIT = 4_000


def error_headers(message: Message, error: BaseException, stage: str, worker: str) -> Headers:
    """Where the record was and what went wrong; ``wharf.error.code`` and ``.field`` where the error has them."""
    values = {
        "topic": message.topic,
        "partition": str(message.partition),
        "offset": str(message.offset),
        "connector.name": worker,
        "task.id": str(message.partition),
        "stage": stage,
        "class.name": __name__,
        "exception.class.name": f"{type(error).__module__}.{type(error).__qualname__}",
        "exception.message": str(error),
        "exception.stacktrace": "".join(traceback.format_exception(error))[-_STACK_LIMIT:],
    }
    headers = [(PREFIX + name, value.encode(errors="replace")) for name, value in values.items()]
    for name in ("code", "field"):
        value = getattr(error, name, None)
        if isinstance(value, str):
            headers.append((f"wharf.error.{name}", value.encode(errors="replace")))
    return headers


def dead_letter(
    topic: str, message: Message, error: BaseException, stage: str, *, worker: str, max_bytes: int = 1_000_000
) -> Output:
    """The record for the DLQ ``topic``.

    A value that would no longer fit with these headers is left out: ``wharf.error.value.omitted`` holds its size, and the
    original still is at the topic, partition and offset named.
    """
    # A record that was redriven and failed again would otherwise carry every earlier failure's headers.
    kept = [h for h in message.headers if not h[0].startswith((PREFIX, "wharf.error."))]
    headers = kept + error_headers(message, error, stage, worker)
    value = message.value
    if len(value) + len(message.key) + sum(len(k) + len(v or b"") for k, v in headers) > max_bytes:
        headers.append(("wharf.error.value.omitted", str(len(value)).encode()))
        value = b""
    return Output(topic, message.key, value, headers)
