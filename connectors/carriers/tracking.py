"""Tracking numbers of labels that Wharfinger makes itself: ``WR``, seventeen digits and a check digit."""

from __future__ import annotations

import hashlib
import re

__all__ = ["check_digit", "is_valid", "tracking_number"]

_PREFIX = "WR"
_SERIAL_DIGITS = 17
_FORM = re.compile(rf"{_PREFIX}[0-9]{{{_SERIAL_DIGITS + 1}}}")


def check_digit(digits: str) -> int:
    """GS1's mod-10 check digit (GS1 General Specifications, 7.9.1): weights 3, 1, 3 … from the right."""
    total = sum(int(text) * (3 if i % 2 == 0 else 1) for i, text in enumerate(reversed(digits)))
    return -total % 10


def tracking_number(key: str) -> str:
    """The number that belongs to an idempotency key: always the same; a million of them collide with a chance of 1 in 200,000."""
    serial = int.from_bytes(hashlib.sha256(f"label/{key}".encode()).digest()[:16], "big") % 10**_SERIAL_DIGITS
    digits = f"{serial:0{_SERIAL_DIGITS}d}"
    return f"{_PREFIX}{digits}{check_digit(digits)}"


def is_valid(number: str) -> bool:
    """Whether a number has our form and its check digit is right: one digit mistyped is always noticed."""
    return bool(_FORM.fullmatch(number)) and check_digit(number[2:-1]) == int(number[-1])
