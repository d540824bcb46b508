"""Decimal strings to minor units, without a float anywhere.

Exponents are ISO 4217's (2026); a currency that is not listed has two decimals.
"""

from __future__ import annotations

import re
from functools import lru_cache

from connectors.base import TranslationError

__all__ = ["check_currency", "exponent", "minor", "plain"]

_DIGITS = {
    0: {
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    },
    3: {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"},
    4: {"CLF", "UYW"},
}
_EXPONENTS = {code: digits for digits, codes in _DIGITS.items() for code in codes}
_DECIMAL = re.compile(r"([+-]?)(\d{1,15})(?:\.(\d{1,20}))?", re.ASCII)


def exponent(currency: str) -> int:
    """Decimals of a currency: 2 for EUR, 0 for JPY, 3 for KWD."""
    return _EXPONENTS.get(currency, 2)


@lru_cache(maxsize=1024)
def _known(currency: str) -> bool:
    return len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()


def check_currency(text: str, field: str) -> str:
    """An ISO 4217 code. Raises TranslationError."""
    if not _known(text):
        raise TranslationError(field, f"{text!r} is not a currency code (three capitals, as EUR)")
    return text


@lru_cache(maxsize=65536)
def _minor(text: str, digits: int) -> int | None:
    m = _DECIMAL.fullmatch(text)
    if m is None:
        return None
    fraction = (m[3] or "").rstrip("0")
    if len(fraction) > digits:
        return None
    value = int(m[2] + fraction.ljust(digits, "0"))
    return -value if m[1] == "-" else value


def minor(text: str | None, currency: str, field: str) -> int:
    """``"26.66"`` in EUR is 2666. No amount is 0. Trailing zeros beyond the currency's decimals are allowed (``"1200.00"`` JPY).

    Raises TranslationError naming the field: not a number, or more decimals than the currency has.
    """
    if text is None:
        return 0
    value = _minor(text, exponent(currency))
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
