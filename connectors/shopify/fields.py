"""Reading a body: typed decoding with the path of what is wrong, ids, times, quantities."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from connectors.bounds import FIRST_MS, LAST_MS
from connectors.protocols import TranslationError
from domain import keys
from domain.errors import Rejected

__all__ = ["MAX_EXACT", "decode", "gid", "gid_tail", "millis", "order_key", "quantity"]

MAX_EXACT = 2**53
"""Above this a number may have been rounded by something written in JavaScript (Shopify's published samples were)."""
MAX_QUANTITY = 100_000

_GID = re.compile(r"gid://shopify/([A-Za-z]+)/(\d+)", re.ASCII)
_WHERE = re.compile(r"^(.*?)(?: - at `\$\.?(.*)`)?$", re.DOTALL)


def decode(decoder: msgspec.json.Decoder[Any], body: bytes | msgspec.Raw) -> Any:
    """The body's struct. Raises TranslationError with the JSON path of the field that is missing or of another type."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as e:
        what, where = _WHERE.match(str(e)).groups()  # type: ignore[union-attr]  # the pattern matches any text
        missing = re.search(r"missing required field `(.+)`", what)
        field = ".".join(text for text in (where, missing[1] if missing else "") if text)
        raise TranslationError(field or "body", what) from e
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as e:
        raise TranslationError("body", f"not JSON: {e}") from e


def gid(kind: str, tail: str) -> str:
    """Build a global id: ``gid://shopify/Order/123``."""
    return f"gid://shopify/{kind}/{tail}"


def gid_tail(text: str | None, kind: str) -> str:
    """``123`` of ``gid://shopify/KIND/123``; ``""`` for anything else."""
    found = _GID.fullmatch(text or "")
    return found[2] if found and found[1] == kind else ""


def order_key(account: str, order_id: str, field: str) -> str:
    """The order's key. Raises TranslationError."""
    try:
        return keys.order_key("shopify", account, order_id)
    except Rejected as e:
        raise TranslationError(field, e.message) from e


@lru_cache(maxsize=4096)
def _millis(text: str) -> int:
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError("no time zone")
    at = round(when.timestamp() * 1000)
    if not FIRST_MS <= at <= LAST_MS:
        raise ValueError("not between the years 2000 and 2100")
    return at


def millis(text: str | None, field: str) -> int:
    """An ISO 8601 time with its offset in UTC ms. Raises TranslationError."""
    try:
        return _millis(text or "")
    except (ValueError, OverflowError) as e:
        raise TranslationError(
            field, f"{text!r} is not a time with its offset (2026-11-23T14:00:00+01:00), of 2000 to 2100"
        ) from e


def quantity(n: int | None, field: str) -> int:
    """Units, 0 to ``MAX_QUANTITY``. Raises TranslationError."""
    if n is None or not 0 <= n <= MAX_QUANTITY:
        raise TranslationError(field, f"{n} is not a quantity from 0 to {MAX_QUANTITY}")
    return n
