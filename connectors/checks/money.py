"""Decimal strings to minor units, without a float anywhere. The currencies' decimals are ``domain.money``'s."""

from __future__ import annotations

import re
from functools import lru_cache

from connectors.protocols import TranslationError
from domain.errors import Rejected
from domain.money import exponent

__all__ = ["check_currency", "minor", "plain"]

_digits = lru_cache(maxsize=256)(exponent)
_DECIMAL = re.compile(r"([+-]?)(\d{1,12})(?:\.(\d{1,20}))?", re.ASCII)


def check_currency(text: str, field: str) -> str:
    """An ISO 4217 code. Raises TranslationError."""
    try:
        _digits(text)
    except Rejected as e:
        raise TranslationError(field, e.message) from e
    return text


@lru_cache(maxsize=65536)
def _minor(text: str, digits: int) -> int | None:
    found = _DECIMAL.fullmatch(text)
    if found is None:
        return None
    fraction = (found[3] or "").rstrip("0")
    if len(fraction) > digits:
        return None
    value = int(found[2] + fraction.ljust(digits, "0"))
    return -value if found[1] == "-" else value


def minor(text: str | None, currency: str, field: str) -> int:
    """``"26.66"`` in EUR is 2666. No amount is 0. Trailing zeros beyond the currency's decimals are allowed (``"1200.00"`` JPY).

    Raises TranslationError naming the field: not a number, or more decimals than the currency has.
    """
    if text is None:
        return 0
    value = _minor(text, _digits(currency))
    if value is None:
        raise TranslationError(
            field, f"{text!r} is not an amount of {currency} with at most {exponent(currency)} decimals"
        )
    return value


def plain(amount: int, currency: str) -> str:
    """Minor units as a decimal string: 2666 EUR is ``"26.66"``."""
    digits = exponent(currency)
    sign, text = ("-" if amount < 0 else ""), str(abs(amount)).rjust(digits + 1, "0")
    return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"
