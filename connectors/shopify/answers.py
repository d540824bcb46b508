"""What a mutation's answer means for another attempt."""

from __future__ import annotations

from typing import Any

__all__ = ["Never", "NotYet", "check"]

_TRANSIENT_CODES = frozenset(
    {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "ORDER_LOCKED", "IDEMPOTENCY_CONCURRENT_REQUEST"}
)


class Never(Exception):
    """No attempt can succeed."""


class NotYet(Exception):
    """Not done yet, and another attempt may succeed."""


def check(errors: list[dict[str, Any]]) -> None:
    """User errors are for ever, but for the few whose code says otherwise. Raises Never, NotYet."""
    if not errors:
        return
    text = "; ".join(f"{'.'.join(e.get('field') or [])}: {e.get('message')}".lstrip(": ") for e in errors)
    if any(e.get("code") in _TRANSIENT_CODES for e in errors):
        raise NotYet(text)
    raise Never(text)
