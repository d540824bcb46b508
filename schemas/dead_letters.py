"""What a dead letter's headers say: Kafka Connect's ``__connect.errors.*`` names (KIP-298), so that tools which know them can read
our DLQ, and ``wharf.error.code`` and ``.field`` beside them. The record's own headers (``ce_*``, ``traceparent``) stay in front.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable

__all__ = ["FOLD", "OMITTED", "PREFIX", "VALUE_CONVERTER", "cause", "clean"]

PREFIX = "__connect.errors."
OMITTED = "wharf.error.value.omitted"
"""Bytes of a value too large to be sent again; the record itself still is at the topic, partition and offset named."""
VALUE_CONVERTER = "VALUE_CONVERTER"
"""Stage: the bytes could not be decoded, or not translated."""
FOLD = "TRANSFORMATION"
"""Stage: the record was read but could not be applied."""

_OURS = "wharf.error."
_STACK_LIMIT = 4_000

Headers = list[tuple[str, bytes]]


def clean(headers: Iterable[tuple[str, bytes]] | None) -> Headers:
    """The record's own headers: one that was redriven and failed again would otherwise carry every earlier failure's."""
    return [header for header in headers or () if not header[0].startswith((PREFIX, _OURS))]


def cause(
    error: BaseException,
    *,
    topic: str,
    stage: str,
    by: str,
    module: str,
    at: tuple[int, int] | None = None,
    code: str | None = None,
) -> Headers:
    """Where the record was and what went wrong.

    ``at``: its partition and offset, where it has them; ``by``: the worker, sink or account that gave it up; ``module``: whose code.
    ``code`` and field are the error's own where it has them and nothing else is given.
    """
    values = {PREFIX + "topic": topic}
    if at is not None:
        values |= {PREFIX + "partition": str(at[0]), PREFIX + "offset": str(at[1]), PREFIX + "task.id": str(at[0])}
    values |= {
        PREFIX + "connector.name": by,
        PREFIX + "stage": stage,
        PREFIX + "class.name": module,
        PREFIX + "exception.class.name": f"{type(error).__module__}.{type(error).__qualname__}",
        PREFIX + "exception.message": str(error),
        PREFIX + "exception.stacktrace": "".join(traceback.format_exception(error))[-_STACK_LIMIT:],
    }
    for name, value in (("code", code or getattr(error, "code", None)), ("field", getattr(error, "field", None))):
        if isinstance(value, str) and value:
            values[_OURS + name] = value
    return [(name, value.encode(errors="replace")) for name, value in values.items()]
