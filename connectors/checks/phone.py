"""Phone numbers to E.164. A number that can't be read never blocks an order: it is a problem the rules may ignore."""

from __future__ import annotations

from functools import lru_cache

import phonenumbers

from domain.records.values import Problem

__all__ = ["e164"]


@lru_cache(maxsize=16384)
def e164(text: str, country: str, field: str = "phone") -> tuple[str, Problem | None]:
    """The number in E.164 and no problem, or ``""`` and ``phone.invalid``. ``country``: the address's, for national numbers."""
    text = text.strip()
    if not text:
        return "", None
    try:
        number = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException as e:
        return "", Problem("phone.invalid", field, str(e).rstrip("."))
    if not phonenumbers.is_possible_number(number):
        return "", Problem("phone.invalid", field, f"no number of {country or 'any country'} has this length")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), None
