"""What every canonical record keeps to, whoever sent it: times, quantities, amounts and texts in range.

A record that does not is no record: its delivery goes to the DLQ with the field's path. Types are looked at once, so that a record costs
one look a field.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

__all__ = ["FIRST_MS", "LAST_MS", "MAX_AMOUNT", "MAX_ITEMS", "MAX_TEXT", "MAX_UNITS", "OutOfRange", "check"]

FIRST_MS, LAST_MS = 946_684_800_000, 4_102_444_800_000
"""2000-01-01 and 2100-01-01, UTC ms. 0 stands for a time that was not told."""
MAX_UNITS = 1_000_000
MAX_AMOUNT = 10**15
"""Minor units: ten million million euros; sums of thousands of them stay within 64 bits."""
MAX_TEXT, MAX_NOTE = 1_000, 4_000
MAX_ITEMS = 1_000
"""Lines of an order, tags, parts of a parcel."""

_TIMES = frozenset(
    {"created_at", "placed_at", "occurred_at", "cancelled_at", "latest_delivery", "version", "shipped_at"}
)
_UNITS = frozenset({"qty", "cancelled", "shipped", "picked", "short"})
_NOTES = frozenset({"comment", "note", "reason", "detail", "tracking_url"})
# NUL, ESC and their like; a tab or a line's end (also the old ones, pasted from sheets) is a text's own. A lone surrogate is no UTF-8.
_BAD = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")

Check = Callable[[Any, str], None]


class OutOfRange(ValueError):
    """A field that holds what can't be; ``field`` is its path."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


def check(record: msgspec.Struct) -> None:
    """Check a record and all that is in it. Raises OutOfRange."""
    _struct(type(record))(record, "")


@cache
def _struct(kind: type) -> Check:
    hints = get_type_hints(kind)
    checks = [
        (field_info.name, made)
        for field_info in msgspec.structs.fields(kind)
        if (made := _of(hints[field_info.name], field_info.name)) is not None
    ]

    def look(value: Any, where: str) -> None:
        for name, checked in checks:
            checked(getattr(value, name), f"{where}.{name}" if where else name)

    return look


def _of(hint: Any, name: str) -> Check | None:
    """What looks at a field of this type and name; None where nothing can be wrong with it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        (real,) = (x for x in inner if x is not NoneType)
        return _optional(_of(real, name))
    if origin is list:
        return _listed(_of(inner[0], name))
    if hint is str:
        return _text(MAX_NOTE if name in _NOTES else MAX_TEXT)
    if hint is int:
        return _number(name)
    return _struct(hint) if isinstance(hint, type) and issubclass(hint, msgspec.Struct) else None


def _optional(checked: Check | None) -> Check | None:
    def look(value: Any, where: str) -> None:
        if value is not None and checked is not None:
            checked(value, where)

    return look if checked is not None else None


def _listed(checked: Check | None) -> Check:
    def look(value: Any, where: str) -> None:
        if len(value) > MAX_ITEMS:
            raise OutOfRange(where, f"{len(value)} items are more than the {MAX_ITEMS} that are taken")
        if checked is not None:
            for i, x in enumerate(value):
                checked(x, f"{where}[{i}]")

    return look


def _text(most: int) -> Check:
    bad = _BAD.search

    def look(value: Any, where: str) -> None:
        if len(value) > most:
            raise OutOfRange(where, f"{len(value)} characters are more than the {most} that are taken")
        # most texts are printable, which is quicker to say than to search them; what _BAD names never is
        if value and not value.isprintable() and (found := bad(value)):
            raise OutOfRange(where, f"holds a control character ({found[0]!r} at {found.start()})")

    return look


def _number(name: str) -> Check:
    if name in _TIMES:
        return _time
    low, high, what = (0, MAX_UNITS, "a quantity") if name in _UNITS else (-MAX_AMOUNT, MAX_AMOUNT, "an amount")

    def look(value: Any, where: str) -> None:
        if not low <= value <= high:
            raise OutOfRange(where, f"{value} is not {what} from {low} to {high}")

    return look


def _time(value: Any, where: str) -> None:
    if value and not FIRST_MS <= value <= LAST_MS:
        raise OutOfRange(where, f"{value} ms since 1970 is not a time between the years 2000 and 2100")
