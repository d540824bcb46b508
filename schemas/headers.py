"""The headers of every record: CloudEvents 1.0 in Kafka's binary mode, and W3C trace context.

The CloudEvents binding puts each attribute into a header ``ce_NAME`` and the data's media type into ``content-type``. The value stays what it
is (Confluent wire format), so that a reader without CloudEvents loses nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from functools import lru_cache

from domain.records.record import Record

__all__ = ["headers", "new_trace", "parse_traceparent", "rfc3339", "traceparent"]

Headers = list[tuple[str, bytes]]

_HEX = frozenset("0123456789abcdef")
_NO_TRACE = "0" * 32


@lru_cache(maxsize=256)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:19]


def rfc3339(ms: int) -> str:
    """``2026-11-23T14:06:28.123Z``. ``ms``: UTC milliseconds since 1970. Raises OverflowError or ValueError beyond the year 9999."""
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"  # many records a second: the long half of the text is kept


def headers(record: Record) -> Headers:
    """The headers of a record. ``traceparent`` is left out where the record has no valid trace."""
    out = [
        ("ce_specversion", b"1.0"),
        ("ce_id", record.event_id.encode()),
        ("ce_type", b"wharfinger." + record.type.encode()),
        ("ce_source", record.source.encode()),
        ("ce_time", rfc3339(record.time).encode()),
        ("content-type", b"application/avro"),
    ]
    if len(record.trace) == 32:
        out.append(("traceparent", traceparent(record.trace, record.event_id).encode()))
    return out


def traceparent(trace: str, event_id: str) -> str:
    """The W3C header of what ``event_id`` causes: its span id is the UUID's first 16 hex digits (a hash where it is no UUID)."""
    span = event_id[:8] + event_id[9:13] + event_id[14:18] if len(event_id) == 36 else ""
    if len(span) != 16 or not _HEX.issuperset(span) or span == _NO_TRACE[:16]:
        span = hashlib.sha256(event_id.encode()).hexdigest()[:16]
    return f"00-{trace}-{span}-01"


def parse_traceparent(value: str | bytes | None) -> str | None:
    """The trace id of an incoming ``traceparent``, or None where it is missing or not valid (W3C Trace Context §3.2.2).

    A version above 00 may have more fields; ff and ids of zeros are not valid.
    """
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    parts = (value or "").strip().split("-")
    if len(parts) < 4 or [len(part) for part in parts[:4]] != [2, 32, 16, 2]:
        return None
    version, trace, span, _ = parts[:4]
    if not all(_HEX.issuperset(part) for part in parts[:4]) or version == "ff" or (version == "00" and len(parts) != 4):
        return None
    return None if trace == _NO_TRACE or span == _NO_TRACE[:16] else trace


def new_trace() -> str:
    """A fresh trace id: 32 hex digits, never all zero."""
    trace = secrets.token_hex(16)
    return trace if trace != _NO_TRACE else new_trace()
